import type { IpAddress } from "../../model/address.ts";
import type { Forwarding, Protocol } from "../../model/service.ts";
import type { Millis } from "../../model/time.ts";
import type { Notes, Place } from "../notes.ts";

/** What the file says, before anything is inherited. */
export interface Keepalived {
  readonly servers: readonly VirtualServer[];
  readonly groups: ReadonlyMap<string, Group>;
  readonly globals: Globals;
}

export interface Globals {
  /** Seconds; 0 leaves one as it is (ipvsadm(8), --set). */
  readonly timeouts:
    | { readonly tcp: number; readonly tcpFin: number; readonly udp: number; readonly place: Place }
    | undefined;
  readonly sync:
    | { readonly role: "master" | "both"; readonly interface: string; readonly id: number; readonly place: Place }
    | undefined;
}

export interface Group {
  readonly name: string;
  readonly place: Place;
  readonly members: readonly GroupMember[];
}

export type GroupMember =
  | {
      readonly kind: "address";
      readonly address: IpAddress;
      /** undefined: all ports. */
      readonly port: number | undefined;
      readonly place: Place;
    }
  | { readonly kind: "fwmark"; readonly mark: number; readonly family: 4 | 6 | undefined; readonly place: Place };

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number | undefined;
}

/** Each undefined where nothing is said on this level. */
export interface Timings {
  readonly delayLoop: Millis | undefined;
  readonly connectTimeout: Millis | undefined;
  /** Failures that are put up with; one more takes the server down. */
  readonly retry: number | undefined;
  readonly delayBeforeRetry: Millis | undefined;
}

export interface Hook {
  readonly argv: readonly string[];
  readonly place: Place;
}

export interface VirtualServer {
  readonly place: Place;
  /** What follows the keyword: `192.0.2.10 80`. */
  readonly title: string;
  readonly notes: Notes;
  readonly at:
    | ({ readonly kind: "address" } & Endpoint)
    | { readonly kind: "fwmark"; readonly mark: number }
    | { readonly kind: "group"; readonly name: string };
  readonly family: 4 | 6 | undefined;
  readonly protocol: Protocol | undefined;
  readonly scheduler: string | undefined;
  readonly flags: readonly string[];
  readonly onePacket: boolean;
  readonly forwarding: Forwarding | undefined;
  readonly persistence:
    | { readonly seconds: number; readonly granularity: string | undefined; readonly engine: string | undefined }
    | undefined;
  readonly quorum: { readonly weight: number; readonly place: Place } | undefined;
  readonly hysteresis: { readonly weight: number; readonly place: Place } | undefined;
  readonly alpha: boolean;
  readonly inhibit: boolean;
  readonly weight: number | undefined;
  readonly sorry: (Endpoint & { readonly forwarding: Forwarding | undefined; readonly place: Place }) | undefined;
  readonly hooks: { readonly quorumUp: Hook | undefined; readonly quorumDown: Hook | undefined };
  readonly host: string | undefined;
  readonly name: string | undefined;
  readonly timings: Timings;
  readonly servers: readonly RealServer[];
}

export interface RealServer extends Endpoint {
  readonly place: Place;
  readonly notes: Notes;
  readonly title: string;
  readonly weight: number | undefined;
  readonly forwarding: Forwarding | undefined;
  readonly inhibit: boolean | undefined;
  readonly alpha: boolean | undefined;
  /** 0: none. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly hooks: { readonly up: Hook | undefined; readonly down: Hook | undefined };
  readonly host: string | undefined;
  readonly timings: Timings;
  readonly checkers: readonly Checker[];
}

/** What every checker may say. */
export interface CheckerBase {
  readonly place: Place;
  readonly keyword: string;
  readonly alpha: boolean | undefined;
  readonly timings: Timings;
  readonly address: IpAddress | undefined;
  readonly port: number | undefined;
  readonly source: IpAddress | undefined;
}

export interface Url {
  readonly place: Place;
  readonly path: string;
  /** Ranges as director writes them; empty: the default, 200-299. */
  readonly status: readonly string[];
  readonly digest: { readonly sum: string; readonly place: Place } | undefined;
  readonly host: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly regex: { readonly text: string; readonly place: Place } | undefined;
  readonly regexOptions: readonly string[];
  readonly regexNoMatch: boolean;
  readonly regexOffsets: boolean;
}

export type Checker = CheckerBase &
  (
    | { readonly kind: "tcp" }
    | {
        readonly kind: "http";
        readonly tls: boolean;
        readonly host: string | undefined;
        readonly enableSni: boolean;
        readonly sni: string | undefined;
        readonly urls: readonly Url[];
      }
    | {
        readonly kind: "udp";
        /** Hexadecimal; undefined: keepalived's own text. */
        readonly payload: string | undefined;
        /** Hexadecimal with x; empty: any reply; undefined: none is needed. */
        readonly reply: string | undefined;
        readonly minLength: number;
        readonly maxLength: number | undefined;
      }
    | { readonly kind: "dns"; readonly query: string; readonly name: string }
    | { readonly kind: "smtp"; readonly helo: string }
    | {
        readonly kind: "misc";
        readonly argv: readonly string[];
        readonly timeout: Millis | undefined;
        readonly dynamic: boolean;
      }
    | { readonly kind: "none"; readonly remedy: string }
  );
