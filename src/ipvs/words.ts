import { type IpAddress, parseAddress } from "../model/address.ts";
import type { Frontend, Protocol } from "../model/service.ts";

/** The words of one line that ipvsadm printed, taken one by one; past the end each is the empty text. */
export interface Words {
  next(): string;
  /** Takes the next word if it is this one. */
  skip(word: string): boolean;
}

export function wordsOf(line: string): Words {
  const words = line.trim().split(/\s+/);
  let at = 0;
  return {
    next: () => words[at++] ?? "",
    skip(word) {
      const found = words[at] === word;
      if (found) at++;
      return found;
    },
  };
}

/** A whole number as printed; undefined for anything else. */
export function readCount(word: string): number | undefined {
  return /^\d+$/.test(word) ? Number(word) : undefined;
}

/** Like model/address parseEndpoint, and takes port 0: below a firewall mark, and for services of others that cover every port. */
export function readEndpoint(word: string): { readonly address: IpAddress; readonly port: number } | undefined {
  const colon = word.lastIndexOf(":");
  const host = word.slice(0, Math.max(0, colon));
  const bracketed = host.startsWith("[") && host.endsWith("]");
  const address = parseAddress(bracketed ? host.slice(1, -1) : host);
  const port = readCount(word.slice(colon + 1));
  if (address === undefined || port === undefined || bracketed !== (address.family === 6)) return undefined;
  return { address, port };
}

export function addressFrontend(protocol: Protocol | undefined, endpoint: string): Frontend | undefined {
  const at = readEndpoint(endpoint);
  return protocol && at && { kind: "address", protocol, ...at };
}

/** A mark as ipvsadm prints it: those from 2147483648 up as negative numbers. */
export function markFrontend(word: string, family: 4 | 6): Frontend | undefined {
  return /^-?\d{1,10}$/.test(word) ? { kind: "fwmark", mark: Number(word) >>> 0, family } : undefined;
}
