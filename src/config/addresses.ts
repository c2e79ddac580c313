import ipaddr from "ipaddr.js";
import { type Endpoint, formatEndpoint, type IpAddress, parseAddress, parseEndpoint } from "../model/address.ts";
import { err, ok, type Result } from "../model/result.ts";
import { addressTrouble, endpointTrouble } from "./scalars.ts";

/** Why an address can be neither a virtual service's nor a real server's. Seen with ipvsadm 1.31 on Linux 6.1: as a real server the kernel
 *  refuses most of these ("Possibly wrong module version, address not unicast, ..."), as a virtual address it takes every one of them
 *  without a word, and no packet ever comes. */
export function unicastTrouble(address: IpAddress): string | undefined {
  const { text } = address;
  switch (ipaddr.parse(text).range()) {
    case "unspecified":
      return `${text} is no machine's address`;
    case "broadcast":
      return `${text} is the broadcast address, IPVS forwards to single machines`;
    case "multicast":
      return `${text} is a multicast address, IPVS forwards to single machines`;
    case "linkLocal":
      return address.family === 4
        ? undefined
        : `${text} is link-local: it means something on one interface only, and IPVS has no way to name that`;
    case "ipv4Mapped":
      return `${text} is an IPv4 address written as IPv6, write the IPv4 address`;
    default:
      return undefined;
  }
}

export function readUnicast(text: string): Result<IpAddress, string> {
  const address = parseAddress(text);
  if (address === undefined) return err(addressTrouble(text));
  const trouble = unicastTrouble(address);
  return trouble === undefined ? ok(address) : err(trouble);
}

export function readUnicastEndpoint(text: string): Result<Endpoint, string> {
  const value = parseEndpoint(text);
  if (value === undefined) return err(endpointTrouble(text));
  const trouble = unicastTrouble(value.address);
  return trouble === undefined ? ok(value) : err(trouble);
}

/** One port of an address, or several that follow one another; `last` is at least `first`. */
export interface EndpointRange {
  readonly address: IpAddress;
  readonly first: number;
  readonly last: number;
}

/** `192.0.2.10:80`, `192.0.2.10:8000-8010`, `[2001:db8::1]:8000-8010`. */
export function readUnicastRange(text: string): Result<EndpointRange, string> {
  const [, start = text, end] = /^(.*:\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const from = readUnicastEndpoint(start);
  if (!from.ok) return from;
  const { address, port: first } = from.value;
  const last = end === undefined ? first : Number(end);
  if (last > 65_535) return err(`expected a port from 1 to 65535 at the end of the range, not "${end}"`);
  return last < first ? err(`the range ${first}-${last} runs backwards`) : ok({ address, first, last });
}

export function writtenRange({ address, first, last }: EndpointRange): string {
  return `${formatEndpoint(address, first)}${last === first ? "" : `-${last}`}`;
}

/** A real server's address, with or without a port. */
export interface ServerAddress {
  readonly address: IpAddress;
  readonly port: number | undefined;
}

/** `10.0.0.11`, `10.0.0.11:8080`, `2001:db8::1`, `[2001:db8::1]:8080`. */
export function readServerAddress(text: string): Result<ServerAddress, string> {
  const bare = parseAddress(text) !== undefined;
  const withPort = /^\[|^[^:]*:[^:]*$/.test(text) && !/^\[[^\]]*\]$/.test(text);
  if (!bare && withPort) return readUnicastEndpoint(text);
  const address = readUnicast(text);
  return address.ok ? ok({ address: address.value, port: undefined }) : address;
}

/** The prefix length of a contiguous netmask in dotted form, 1 to 32. */
export function netmaskPrefix(text: string): number | undefined {
  const address = parseAddress(text);
  if (address?.family !== 4) return undefined;
  return ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask() || undefined;
}
