import { z } from "zod";
import { formatDuration } from "../model/time.ts";
import { defaultText } from "./defaults.ts";
import {
  label,
  labelValue,
  NETMASK,
  name,
  netmask,
  quorumMark,
  serverAddress,
  unicast,
  unicastRange,
  wholeSeconds,
} from "./field-scalars.ts";
import { bool, durationFrom, integer, oneOf, port, text } from "./scalars.ts";

/*
 * The keys of services, of servers and checks below them, and of the pools and defaults they inherit from. Rules across several keys stand
 * in the file that builds the thing; the keys of a check type stand beside its probe. What may come from `defaults`, a pool or the service
 * itself is read after merging.
 */

const SECOND = 1000;
/** The longest for most that is waited for: above 24.8 days timers overflow, and nobody means more than a day. */
const DAY = 86_400 * SECOND;

/** The kernel's schedulers (ipvsadm(8), --scheduler; twos is in newer kernels only). */
export const SCHEDULERS = [
  "rr",
  "wrr",
  "lc",
  "wlc",
  "lblc",
  "lblcr",
  "dh",
  "sh",
  "mh",
  "sed",
  "nq",
  "fo",
  "ovf",
  "twos",
] as const;

/** What ipvsadm(8) knows after --sched-flags. */
const SCHEDULER_FLAGS = ["sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"] as const;

/** Turns off what `defaults` or a pool switched on. */
function noneOr<T extends z.ZodType>(schema: T, expected: string): z.ZodUnion<[z.ZodLiteral<"none">, T]> {
  return z.union([z.literal("none"), schema], { error: `${expected}, or none` });
}

const tunnel = z
  .strictObject({
    type: oneOf("ipip", "gue", "gre").prefault(defaultText("tunnel.type")).describe("The kind of tunnel"),
    port: port.optional().describe("gue only: the UDP port the real server takes tunnelled packets on"),
    checksum: oneOf("none", "checksum", "remote")
      .prefault(defaultText("tunnel.checksum"))
      .describe("gue: none, checksum or remote; gre: none or checksum"),
  })
  .describe("How packets are wrapped for `forward: tunnel`");

const forward = oneOf("masquerade", "direct", "tunnel").describe("How packets reach the real server");

const persistence = z.strictObject({
  timeout: wholeSeconds.describe(
    "A client stays with its server for this long after its last connection, 1s to 31 days",
  ),
  netmask: z
    .union(
      [
        netmask,
        z.strictObject({
          ipv4: netmask.optional().describe("Of clients with IPv4, 1 to 32 bits"),
          ipv6: netmask.optional().describe("Of clients with IPv6, 1 to 128 bits"),
        }),
      ],
      { error: NETMASK },
    )
    .optional()
    .describe("Clients that share these leading bits stay together; { ipv4: 24, ipv6: 64 } where a service has both"),
  engine: oneOf("sip").optional().describe("Keep calls together by Call-ID instead of address (udp only)"),
});

/** Checks are read apart, after the rules of inheritance (checks.ts). */
const check = z
  .unknown()
  .meta({ $ref: "#/$defs/check" })
  .optional()
  .describe("How servers are probed; none: not at all, which is warned of");

export const sorryServerSchema = z.strictObject({
  address: serverAddress.describe("Where clients go while quorum is lost"),
  port: port.optional().describe("Its port where the address has none; without it, the virtual service's"),
  forward: forward.prefault(defaultText("server.forward")),
  tunnel: tunnel.optional(),
  check: check.describe("Its own check, which inherits nothing; without one it is taken to be well"),
});

const checks = z
  .unknown()
  .meta({ type: "array", minItems: 1, items: { $ref: "#/$defs/checkMap" } })
  .optional()
  .describe("Instead of check: several, all of which must pass");

/** What servers take over from their service where they say nothing themselves. */
const forServers = {
  port: port.optional().describe("The servers' port where an address has none; without it, the virtual service's"),
  weight: integer(0, 65_535)
    .prefault(defaultText("server.weight"))
    .describe("Share of new connections; 0 is a standby"),
  forward: forward.prefault(defaultText("server.forward")),
  tunnel: tunnel.optional(),
  max_connections: integer(0, 2_147_483_647)
    .prefault(defaultText("server.max_connections"))
    .describe("At so many connections, closing ones included, a server gets no new ones; 0 is no limit"),
  min_connections: integer(0, 2_147_483_647)
    .prefault(defaultText("server.min_connections"))
    .describe("A full server gets clients again below this many; 0 is three quarters of max_connections"),
  check,
  checks,
};

const flap = z
  .strictObject({
    count: integer(2, 100)
      .prefault(defaultText("service.flap.count"))
      .describe("A server that goes down this many times"),
    within: durationFrom(SECOND, DAY).prefault(defaultText("service.flap.within")).describe("in this time"),
    hold: durationFrom(SECOND, DAY)
      .prefault(defaultText("service.flap.hold"))
      .describe("is kept down for this long, twice as long each further time"),
    max: durationFrom(SECOND, DAY).prefault(defaultText("service.flap.max")).describe("and this long at most"),
  })
  .superRefine(({ hold, max }, context) => {
    const message = `${formatDuration(max)} is below hold, ${formatDuration(hold)}`;
    if (max < hold) context.addIssue({ code: "custom", path: ["max"], message, input: max });
  })
  .describe("Keeps a server that comes and goes away, as long as others serve");

/** What may stand in defaults, pools and services alike. */
const shared = {
  ...forServers,
  scheduler: oneOf(...SCHEDULERS)
    .prefault(defaultText("service.scheduler"))
    .describe("How the kernel chooses a server for a new connection (ipvsadm(8))"),
  scheduler_flags: z
    .array(oneOf(...SCHEDULER_FLAGS))
    .optional()
    .describe("Of sh and mh: port hashes the client's port too, fallback goes on to another server at weight 0"),
  one_packet: bool
    .prefault(defaultText("service.one_packet"))
    .describe("Schedule every datagram by itself (udp, or a mark that holds udp only)"),
  persistence: noneOr(persistence, "expected a map").optional().describe("Clients come back to the server they had"),
  on_failure: oneOf("auto", "quiesce", "remove")
    .prefault(defaultText("service.on_failure"))
    .describe(
      "A failed server: quiesce: weight 0; remove: out of the table, its connections break; auto: weight 0, removed only where clients would still be sent to it",
    ),
  initial: oneOf("adopt", "up", "down")
    .prefault(defaultText("service.initial"))
    .describe("Before its first verdict a server is: adopt: up if the kernel gives it weight; up; or down"),
  quorum: z
    .strictObject({
      up: quorumMark.prefault(defaultText("service.quorum.up")).describe("Healthy servers that regain it"),
      down: quorumMark
        .prefault(defaultText("service.quorum.down"))
        .describe("Below so many healthy servers it is lost"),
    })
    .prefault({})
    .describe("Regained at `up` healthy servers, lost below `down`"),
  sorry_server: noneOr(sorryServerSchema, "expected a map")
    .optional()
    .describe("Gets the clients while the quorum is lost"),
  fail_open: oneOf("never", "all-down")
    .prefault(defaultText("service.fail_open"))
    .describe("all-down: when every server is down, all get clients all the same"),
  slow_start: noneOr(durationFrom(SECOND, DAY), "expected a duration such as 500ms, 10s or 5m")
    .optional()
    .describe("How long a recovered server's weight takes to grow to its whole; wrr and wlc know it"),
  flap: noneOr(flap, "expected a map")
    .optional()
    .describe("Keeps a server that comes and goes away, as long as others serve"),
  removal_grace: durationFrom(0, 7 * DAY)
    .prefault(defaultText("service.removal_grace"))
    .describe("How long an entry that left the file stands at weight 0 at most, waiting for its connections to end"),
};

const protocol = oneOf("tcp", "udp", "sctp")
  .prefault(defaultText("service.protocol"))
  .describe("Of the virtual service; not with fwmark");
const allowEmpty = bool.optional().describe("No servers (or services) at all is meant so");

/** Read item by item, each with its own schema (service.ts, servers.ts). */
function listOf(definition: string): z.ZodType {
  return z.unknown().meta({ type: ["array", "null"], items: { $ref: `#/$defs/${definition}` } });
}

export const serverSchema = z.strictObject({
  name: name.optional().describe("Default: the address"),
  address: serverAddress.describe("With or without a port"),
  labels: z
    .record(label, labelValue)
    .prefault({})
    .describe("For choosing servers on the command line: --from label=color=blue"),
  ...forServers,
});

export const defaultsSchema = z.strictObject({ protocol, ...shared });

export const poolSchema = z.strictObject({
  servers: listOf("server").optional().describe("Its real servers"),
  allow_empty: allowEmpty,
  ...shared,
});

export const serviceSchema = z.strictObject({
  name: name.describe("Unique in all files"),
  vip: unicastRange.optional().describe("What clients connect to, ADDRESS:PORT or ADDRESS:FIRST-LAST"),
  vips: z
    .array(unicastRange)
    .min(1, { error: "may not be empty" })
    .optional()
    .describe("Instead of vip: several, with one pool, one verdict and one drain"),
  fwmark: integer(1, 4_294_967_295).optional().describe("Instead of vip: all packets with this firewall mark"),
  family: oneOf("ipv4", "ipv6").optional().describe("With fwmark only; default: the families of its servers"),
  protocol,
  pool: name.optional().describe("Take the servers, and what else stands there, from pools"),
  servers: listOf("server").optional().describe("Its real servers, instead of a pool's"),
  allow_empty: allowEmpty,
  ...shared,
});

/** The keys of every check; those of its type come on top. */
export const checkSchema = z.strictObject({
  type: text.prefault(defaultText("check.type")).describe("How to probe; each type has keys of its own"),
  interval: durationFrom(100, DAY).prefault(defaultText("check.interval")).describe("Start to start"),
  timeout: durationFrom(10, DAY)
    .prefault(defaultText("check.timeout"))
    .describe("Total deadline of one probe: connect, TLS, sending and reading"),
  fall: integer(1, 100).prefault(defaultText("check.fall")).describe("Failures in a row until down"),
  rise: integer(1, 100).prefault(defaultText("check.rise")).describe("Passes in a row until up"),
  fast_interval: durationFrom(100, DAY)
    .optional()
    .describe(
      `From the first failure until down. Default: ${defaultText("check.fast_interval")}, or interval where that is shorter`,
    ),
  down_interval: durationFrom(100, DAY).prefault(defaultText("check.down_interval")).describe("While down"),
  address: unicast.optional().describe("Probe this address instead of the server's"),
  port: port.optional().describe("Probe this port instead of the server's"),
  source: unicast.optional().describe("Probe from this local address"),
});

export type ServiceKeys = z.output<typeof serviceSchema>;
export type ServerKeys = z.output<typeof serverSchema>;
export type CheckKeys = z.output<typeof checkSchema>;
