import type { Glance } from "../ipvs/table.ts";
import type { Result } from "../model/result.ts";
import type { RuleTable } from "./packet-rules.ts";

/** What was read, or why it could not be: what is not seen is not judged. */
export type Seen<T> = Result<T, string>;

/** What the doctor goes by: one reading of the system, as plain data. */
export interface Facts {
  readonly user: { readonly root: boolean; readonly netAdmin: boolean };
  /** `6.1.0-28-amd64`. */
  readonly kernel: string;
  readonly modules: Seen<Modules>;
  /** The kernel's table; read from /proc, because ipvsadm loads ip_vs when it looks. */
  readonly table: Seen<Glance>;
  /** By full name (`net.ipv4.vs.conntrack`); what this kernel does not have is missing. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly interfaces: Seen<readonly Interface[]>;
  /** How this machine reaches an address; an address without an entry has no route. */
  readonly routes: Seen<ReadonlyMap<string, Route>>;
  /** Interfaces that have an IPv4 default route. */
  readonly defaults: Seen<readonly string[]>;
  readonly rules: {
    readonly iptables: Seen<readonly RuleTable[]>;
    readonly ip6tables: Seen<readonly RuleTable[]>;
    readonly nft: Seen<readonly RuleTable[]>;
  };
  /** Elements of each ipset as `ipset save` has them: `10.0.0.11,tcp:8080,10.0.0.11`. */
  readonly ipsets: Seen<ReadonlyMap<string, readonly string[]>>;
  readonly processes: Seen<readonly Process[]>;
  /** Debian's ipvsadm service keeps a table of its own: AUTO="true" in /etc/default/ipvsadm. */
  readonly rulesOfService: boolean;
  /** Of the commands that fixes are made of, those that are installed. */
  readonly tools: ReadonlySet<string>;
}

/** Names with underscores: `ip_vs_wrr`. */
export interface Modules {
  /** Loaded, or built into the kernel. */
  readonly active: ReadonlySet<string>;
  /** Where they are loaded from when needed. */
  readonly onDisk: ReadonlySet<string>;
}

export interface Interface {
  readonly name: string;
  /** As `ip -d link` says: `bridge`, `dummy`, `veth`; undefined: hardware, or lo. */
  readonly kind: string | undefined;
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  readonly promiscuous: boolean;
  /** The bridge it is a port of. */
  readonly master: string | undefined;
  /** Of a bridge's port: whether frames may leave where they came from. */
  readonly hairpin: boolean;
  /** Of a bridge: its own switch for iptables on bridged packets, besides the one for all bridges. */
  readonly bridgeNetfilter: boolean;
}

export interface Route {
  readonly local: boolean;
  readonly device: string;
  /** undefined: reached directly. */
  readonly gateway: string | undefined;
  /** The address this machine uses as its own on the way there. */
  readonly source: string | undefined;
}

/** A process that may have to do with the table: director itself, or one of those who write there too. */
export interface Process {
  readonly pid: number;
  /** `director`, `keepalived`, `ldirectord`, `kube-proxy`, … */
  readonly program: string;
  readonly argv: readonly string[];
  readonly netAdmin: boolean;
  /** The text of its configuration, for those whose file is known. */
  readonly settings: Seen<string> | undefined;
}
