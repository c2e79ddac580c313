import { type IpAddress, parseAddress } from "../model/address.ts";

/** A range of addresses; a single one is a range of one. */
export interface Net {
  readonly family: 4 | 6;
  /** First and last address, as numbers. */
  readonly first: bigint;
  readonly last: bigint;
  /** Where it is written as one: `10.0.0.0/8`, or a single address. */
  readonly prefix: number | undefined;
}

/** Reads `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`, `fd00::/8` or a single address. */
export function parseNet(text: string): Net | undefined {
  const [from = "", to] = text.split("-");
  if (to !== undefined) return rangeOf(parseAddress(from), parseAddress(to));
  const [base = "", length] = text.split("/");
  const address = parseAddress(base);
  if (address === undefined) return undefined;
  const bits = address.family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : length.includes(".") ? prefixOf(length) : Number(length);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) return undefined;
  const host = (1n << BigInt(bits - prefix)) - 1n;
  const first = numberOf(address) & ~host;
  return { family: address.family, first, last: first | host, prefix };
}

/** Whether the address lies in the net. */
export function contains(net: Net, address: IpAddress): boolean {
  if (net.family !== address.family) return false;
  const number = numberOf(address);
  return net.first <= number && number <= net.last;
}

/** Whether it is one address alone. */
export function isSingle(net: Net): boolean {
  return net.first === net.last;
}

function rangeOf(from: IpAddress | undefined, to: IpAddress | undefined): Net | undefined {
  if (from === undefined || from.family !== to?.family) return undefined;
  return { family: from.family, first: numberOf(from), last: numberOf(to), prefix: undefined };
}

function numberOf({ family, text }: IpAddress): bigint {
  if (family === 4) return BigInt(text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0));
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => part.split(":").filter((group) => group !== "");
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const digits = [...left, ...zeros, ...right].map((group) => group.padStart(4, "0"));
  return BigInt(`0x${digits.join("")}`);
}

/** `255.255.255.0` is 24. */
function prefixOf(mask: string): number {
  return mask
    .split(".")
    .map((part) => Number(part).toString(2).replaceAll("0", "").length)
    .reduce((sum, bits) => sum + bits, 0);
}
