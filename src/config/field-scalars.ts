import { z } from "zod";
import { type Endpoint, formatEndpoint, type IpAddress, parseEndpoint } from "../model/address.ts";
import { err, ok } from "../model/result.ts";
import type { QuorumMark } from "../model/service.ts";
import {
  type EndpointRange,
  netmaskPrefix,
  readServerAddress,
  readUnicast,
  readUnicastRange,
  type ServerAddress,
  writtenRange,
} from "./addresses.ts";
import { absolutePath, durationFrom, endpointTrouble, integer, REFUSED, scalar, share, text } from "./scalars.ts";

/** Services, servers and pools: they become command arguments, file names (/run/director/up/NAME) and metric labels. */
export const name = scalar<string>({
  expected: "expected a name of up to 64 letters, digits and . _ : @ [ ] -",
  read: (source) =>
    /^(?![-.])[\w.:@[\]-]{1,64}$/.test(source)
      ? ok(source)
      : err("expected a name of up to 64 letters, digits and . _ : @ [ ] -, not beginning with - or ."),
  write: String,
  json: { type: ["string", "integer"], pattern: "^(?![-.])[A-Za-z0-9_.:@\\[\\]-]{1,64}$" },
});

export const unicast = scalar<IpAddress>({
  expected: "expected an IPv4 or IPv6 address",
  read: readUnicast,
  write: (address) => address.text,
  json: { type: "string" },
});

/** What clients connect to: one port or a range of them. */
export const unicastRange = scalar<EndpointRange>({
  expected: "expected ADDRESS:PORT such as 192.0.2.10:80 or [2001:db8::1]:80, or ADDRESS:FIRST-LAST",
  read: readUnicastRange,
  write: writtenRange,
  json: { type: "string" },
});

/** Where to listen; an unspecified address (0.0.0.0, ::) is every interface. */
export const listenEndpoint = scalar<Endpoint>({
  expected: "expected ADDRESS:PORT such as 127.0.0.1:9180",
  read(source) {
    const value = parseEndpoint(source);
    const digits = /^[:*]+(\d+)$/.exec(source)?.[1];
    if (value !== undefined) return ok(value);
    if (digits === undefined) return err(endpointTrouble(source));
    return err(
      `say where to listen: 127.0.0.1:${digits} for this machine only, 0.0.0.0:${digits} or [::]:${digits} for all`,
    );
  },
  write: (value) => formatEndpoint(value.address, value.port),
  json: { type: "string" },
});

export const serverAddress = scalar<ServerAddress>({
  expected: "expected an IPv4 or IPv6 address, with or without a port",
  read: readServerAddress,
  write: (value) => formatEndpoint(value.address, value.port),
  json: { type: "string" },
});

const QUORUM_MARK = 'expected a number of servers such as 2, or a share of the configured weight such as "50%"';
export const quorumMark = scalar<QuorumMark>({
  expected: QUORUM_MARK,
  read(source) {
    const part = share.safeParse(source);
    if (part.success && part.data > 0) return ok({ kind: "weight", share: part.data });
    const count = integer(1, 65_535).safeParse(source);
    return count.success ? ok({ kind: "servers", count: count.data }) : err(QUORUM_MARK);
  },
  write: (mark) => (mark.kind === "servers" ? String(mark.count) : z.encode(share, mark.share)),
  json: { type: ["integer", "string"], pattern: "^([1-9][0-9]*|[0-9]{1,3}(\\.[0-9]{1,3})?%)$", minimum: 1 },
});

export const NETMASK = "expected a netmask such as 255.255.255.0, or a prefix length";
/** `dotted` is IPv4; a bare prefix length belongs to whatever family the service has. */
export const netmask = scalar<{ readonly dotted: boolean; readonly prefix: number }>({
  expected: NETMASK,
  read(source) {
    const dotted = netmaskPrefix(source);
    if (dotted !== undefined) return ok({ dotted: true, prefix: dotted });
    const prefix = integer(1, 128).safeParse(source);
    return prefix.success ? ok({ dotted: false, prefix: prefix.data }) : err(NETMASK);
  },
  write: (value) => String(value.prefix),
  json: { type: ["string", "integer"], minimum: 1, maximum: 128 },
});

/** What ipvsadm takes as a persistence timeout, 1 to 2678400 seconds. */
export const wholeSeconds = durationFrom(1_000, 31 * 86_400_000).refine((ms) => ms % 1_000 === 0, {
  error: "must be whole seconds",
  params: REFUSED,
});

/** Interface names as the kernel takes them (IFNAMSIZ is 16 with the closing zero). */
export const interfaceName = scalar<string>({
  expected: "expected the name of a network interface",
  read: (source) =>
    /^[^\s/:]{1,15}$/.test(source) && source !== "." && source !== ".."
      ? ok(source)
      : err("expected the name of a network interface"),
  write: String,
  json: { type: "string", minLength: 1, maxLength: 15 },
});

/** A path that fits into sockaddr_un: 108 bytes with the closing zero (unix(7)). Counted as if every character above 127 took four. */
export const socketPath = absolutePath.refine((path) => path.replace(/[^\0-\x7f]/gu, "....").length <= 107, {
  error: "too long for a socket: at most 107 bytes",
  params: REFUSED,
});

export const hostName = scalar<string>({
  expected: "expected a host name, without a port",
  read: (source) =>
    /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(source)
      ? ok(source.toLowerCase())
      : err("expected a host name, without a port"),
  write: String,
  json: { type: "string" },
});

export const label = text.refine((key) => /^[\w.-]{1,64}$/.test(key), {
  error: "expected a label of up to 64 letters, digits and . _ -",
});

export const labelValue = text.refine((value) => /^[^\p{Cc}]{1,128}$/u.test(value), {
  error: "expected one line of at most 128 characters",
  params: REFUSED,
});
