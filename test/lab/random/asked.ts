// What a random configuration asks for, in the words of the file and apart from everything in src/.

export type Family = 4 | 6;
export type Protocol = "tcp" | "udp" | "sctp";

/** Ports of one address: `10.98.0.1:8000-8003`. */
export interface AskedVip {
  readonly address: string;
  readonly first: number;
  readonly last: number;
}

export type AskedFront =
  | { readonly kind: "vips"; readonly protocol: Protocol; readonly vips: readonly AskedVip[] }
  /** Without a family it has those of its servers. */
  | { readonly kind: "mark"; readonly mark: number; readonly family: Family | undefined };

export type AskedForward =
  | { readonly kind: "masquerade" | "direct" | "ipip" }
  | { readonly kind: "gre"; readonly checksum: "none" | "checksum" }
  | { readonly kind: "gue"; readonly port: number; readonly checksum: "none" | "checksum" | "remote" };

export interface AskedServer {
  /** As the kernel prints it. */
  readonly address: string;
  /** The same address as the file writes it. */
  readonly written: string;
  /** undefined: that of the virtual service. Only with masquerade. */
  readonly port: number | undefined;
  readonly weight: number;
  readonly forward: AskedForward;
  readonly limits: { readonly upper: number; readonly lower: number } | undefined;
  /** `alive` and `dead` have a tcp check, which says so; `unchecked` has `check: none`. */
  readonly health: "unchecked" | "alive" | "dead";
}

export interface AskedPersistence {
  readonly timeoutSec: number;
  readonly v4: number;
  readonly v6: number;
  readonly engine: "sip" | undefined;
}

/** What does nothing to the table as long as enough servers are well. */
export interface AskedSpares {
  readonly sorryServer: string | undefined;
  readonly quorum: "servers" | "share" | undefined;
  readonly slowStart: boolean;
  readonly failOpen: boolean;
  readonly flap: boolean;
  /** Only asked of servers without checks: to those it makes no difference. */
  readonly initial: "adopt" | "up" | "down";
}

export interface AskedService {
  readonly name: string;
  readonly front: AskedFront;
  readonly scheduler: string;
  readonly flags: readonly string[];
  readonly onePacket: boolean;
  readonly persistence: AskedPersistence | undefined;
  readonly onFailure: "auto" | "quiesce" | "remove";
  /** How long what leaves may stay at weight 0; 0: not at all. */
  readonly graceSec: number;
  readonly servers: readonly AskedServer[];
  readonly spares: AskedSpares;
  /** Its servers stand in a pool. */
  readonly pooled: boolean;
}

export type Asked = readonly AskedService[];

export function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** The families below which a service has entries. */
export function familiesOf({ front, servers }: Pick<AskedService, "front" | "servers">): readonly Family[] {
  const of = (addresses: readonly string[]) => [...new Set(addresses.map(familyOf))].sort();
  if (front.kind === "vips") return of(front.vips.map((vip) => vip.address));
  if (front.family !== undefined) return [front.family];
  return servers.length === 0 ? [4] : of(servers.map((server) => server.address));
}
