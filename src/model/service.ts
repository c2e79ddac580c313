import { formatEndpoint, type IpAddress } from "./address.ts";
import type { CheckSpec } from "./probe.ts";
import type { Millis } from "./time.ts";

declare const key: unique symbol;

/** One kernel entry: `tcp:192.0.2.1:80`, `udp:[2001:db8::1]:53`, `fwmark4:7`. Equal keys are the same entry. */
export type ServiceKey = string & { readonly [key]: "service" };

/** A real server within its service: `10.0.0.7:80`, or `10.0.0.7` where the port follows the virtual service. */
export type ServerKey = string & { readonly [key]: "server" };

/** A destination within one kernel entry, always with its port: `10.0.0.7:80`, `10.0.0.7:0` below a firewall mark. */
export type DestinationKey = string & { readonly [key]: "destination" };

export type Protocol = "tcp" | "udp" | "sctp";

/** What clients connect to, as the kernel keys it. */
export type Frontend =
  | { readonly kind: "address"; readonly protocol: Protocol; readonly address: IpAddress; readonly port: number }
  | { readonly kind: "fwmark"; readonly mark: number; readonly family: 4 | 6 };

/** How packets reach the real server; the words of ipvsadm(8) are gatewaying for `direct` and ipip for a plain `tunnel`. */
export type Forwarding =
  | { readonly kind: "masquerade" }
  | { readonly kind: "direct" }
  | { readonly kind: "tunnel"; readonly encapsulation: "ipip" }
  | {
      readonly kind: "tunnel";
      readonly encapsulation: "gue";
      readonly port: number;
      readonly checksum: "none" | "checksum" | "remote";
    }
  | { readonly kind: "tunnel"; readonly encapsulation: "gre"; readonly checksum: "none" | "checksum" };

/** How many connections one destination may have, as the kernel counts them: active and inactive together, closing ones included. */
export interface ConnectionLimits {
  /** At so many it gets no new ones. 1 to 2147483647, as ipvsadm accepts. */
  readonly upper: number;
  /** Until it has fewer than this again; at most `upper`. 0: fewer than three quarters of `upper` (ip_vs_unbind_dest). */
  readonly lower: number;
}

export interface Persistence {
  /** 1 to 2678400 (31 days), as ipvsadm accepts. */
  readonly timeoutSec: number;
  /** IPv4: prefix length of the netmask, 1 to 32. IPv6: 1 to 128. 32 and 128 mean every client on its own. */
  readonly prefix: { readonly v4: number; readonly v6: number };
  readonly engine: "sip" | undefined;
}

/** A number of servers, or a share (0 to 1) of the configured weight. */
export type QuorumMark =
  | { readonly kind: "servers"; readonly count: number }
  | { readonly kind: "weight"; readonly share: number };

/** A server that goes down `count` times within `within` may come up again only after `hold`, twice as long each time it does so again, `max` at most. */
export interface FlapDamping {
  /** 2 or more. */
  readonly count: number;
  readonly within: Millis;
  readonly hold: Millis;
  /** Not below `hold`. */
  readonly max: Millis;
}

/** One entry of `services:`: every frontend has the same pool, the same verdicts and the same drain. */
export interface Service {
  readonly name: string;
  /** Key of the first frontend: the service's identity within one configuration. */
  readonly key: ServiceKey;
  /** At least one. */
  readonly frontends: readonly Frontend[];
  readonly scheduler: string;
  readonly schedulerFlags: readonly string[];
  readonly onePacket: boolean;
  readonly persistence: Persistence | undefined;
  readonly onFailure: "auto" | "quiesce" | "remove";
  readonly initial: "adopt" | "up" | "down";
  readonly quorum: { readonly up: QuorumMark; readonly down: QuorumMark };
  /** Serves while quorum is lost, unless checks of its own say that it is down. Its weight is that which it has then. */
  readonly sorryServer: RealServer | undefined;
  readonly failOpen: "never" | "all-down";
  readonly slowStart: Millis | undefined;
  /** undefined: none. */
  readonly flap?: FlapDamping | undefined;
  readonly removalGrace: Millis;
  readonly servers: readonly RealServer[];
}

export interface RealServer {
  readonly key: ServerKey;
  readonly name: string;
  readonly address: IpAddress;
  /** undefined: the port of the virtual service (always so for direct routing and tunnels; 0 below a firewall mark). */
  readonly port: number | undefined;
  /** 0 to 65535; the share of new connections. 0 is a standby. */
  readonly weight: number;
  readonly forwarding: Forwarding;
  /** undefined: none. */
  readonly limits?: ConnectionLimits | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** All must pass. Empty: `check: none`, the server counts as up. */
  readonly checks: readonly CheckSpec[];
}

export function serviceKey(f: Frontend): ServiceKey {
  return (
    f.kind === "fwmark" ? `fwmark${f.family}:${f.mark}` : `${f.protocol}:${formatEndpoint(f.address, f.port)}`
  ) as ServiceKey;
}

export function serverKey(address: IpAddress, port: number | undefined): ServerKey {
  return formatEndpoint(address, port) as ServerKey;
}

/** Whether the kernel takes this server below this frontend: address families differ only through a tunnel (ipvsadm(8)). */
export function fits(
  frontend: Frontend,
  server: { readonly address: IpAddress; readonly forwarding: Forwarding },
): boolean {
  const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
  return family === server.address.family || server.forwarding.kind === "tunnel";
}

/** The port the kernel holds for a server below a frontend. */
export function destinationPort(frontend: Frontend, port: number | undefined): number {
  return port ?? (frontend.kind === "fwmark" ? 0 : frontend.port);
}

export function destinationKey(address: IpAddress, port: number): DestinationKey {
  return formatEndpoint(address, port) as DestinationKey;
}
