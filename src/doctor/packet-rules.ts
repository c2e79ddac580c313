import type { Net } from "./nets.ts";

/** Rules of iptables and nftables in common words: as much of them as decides whether a source address is rewritten, and who sets marks. */
export interface RuleTable {
  /** `iptables nat`, `nft ip nat`. */
  readonly name: string;
  readonly families: readonly (4 | 6)[];
  readonly chains: ReadonlyMap<string, readonly PacketRule[]>;
  /** The chains of this table where packets that leave have their source address rewritten. */
  readonly postrouting: readonly string[];
}

export interface PacketRule {
  /** As its own tool writes it. */
  readonly text: string;
  /** All must hold. */
  readonly tests: readonly PacketTest[];
  readonly verdict: Verdict;
  /** Shown by nft, but made by iptables: iptables-save tells it better. */
  readonly compat: boolean;
}

export type Verdict =
  /** MASQUERADE or SNAT. */
  | { readonly kind: "source-nat" }
  | { readonly kind: "jump"; readonly chain: string }
  /** Nothing below it in its chain is looked at. */
  | { readonly kind: "end" }
  /** Sets bits of the packet's mark; `value` undefined: from somewhere else (a connection's mark, a map). */
  | { readonly kind: "mark"; readonly value: number | undefined; readonly mask: number }
  | { readonly kind: "none" };

/** A test of a packet; `not` turns it round. */
export type PacketTest = { readonly not: boolean } & (
  | { readonly kind: "destination" | "source"; readonly nets: readonly Net[] }
  | { readonly kind: "protocol"; readonly names: readonly string[] }
  | { readonly kind: "port"; readonly ranges: readonly Range[] }
  /** `eth+` and `eth*` are beginnings of names. */
  | { readonly kind: "out"; readonly names: readonly string[] }
  | { readonly kind: "mark"; readonly value: number; readonly mask: number }
  /** The match of iptables for what IPVS handles. */
  | { readonly kind: "ipvs"; readonly what: "any" | "reply" }
  | { readonly kind: "ipvs-address"; readonly nets: readonly Net[] }
  | { readonly kind: "ipvs-port"; readonly ranges: readonly Range[] }
  | { readonly kind: "ipvs-protocol"; readonly names: readonly string[] }
  | { readonly kind: "ipvs-method"; readonly method: string }
  | { readonly kind: "ipset"; readonly name: string; readonly dimensions: readonly string[] }
  /** One we do not judge: it may hold or not. */
  | { readonly kind: "other" }
);

export type Range = readonly [from: number, to: number];
