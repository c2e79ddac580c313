import { isIP, isIPv4 } from "node:net";

/** A literal address. `text` is canonical (IPv6 as RFC 5952 writes it, without brackets or zone), so equal text is the same address. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly text: string;
}

/** Reads a literal IPv4 or IPv6 address. Names, octal or short forms (`010.0.0.1`, `10.1`, which ipvsadm would quietly read as something
 *  else), zones (`fe80::1%eth0`) and brackets are undefined. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  if (isIPv4(text)) return { family: 4, text };
  // A URL's host is written as RFC 5952 has it. (ipaddr.js 2.5 reads ::1.2.3.4 as ::ffff:1.2.3.4, and takes four times as long.)
  return { family: 6, text: new URL(`http://[${text}]`).hostname.slice(1, -1) };
}

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Reads `10.0.0.1:80` or `[2001:db8::1]:80`; the port is 1 to 65535. Anything else is undefined. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match && parseAddress(match[1] ?? match[2] ?? "");
  const port = Number(match?.[3]);
  if (!match || !address || (match[1] !== undefined) !== (address.family === 6) || port < 1 || port > 65_535)
    return undefined;
  return { address, port };
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`; without a port the bare address. */
export function formatEndpoint(address: IpAddress, port?: number): string {
  if (port === undefined) return address.text;
  return address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}
