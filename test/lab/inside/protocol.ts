/** What a scenario asks of its actors, and what they answer (over the IPC channel, as JSON). */

/** How an endpoint treats what comes in. */
export type Behaviour =
  /** Answers with its name. */
  | { readonly kind: "ok" }
  /** Answers with this status; http only. */
  | { readonly kind: "status"; readonly status: number }
  /** Nobody listens: TCP gets a reset, UDP an ICMP error. Open connections stay. */
  | { readonly kind: "refuse" }
  /** Accepts, reads and never answers. */
  | { readonly kind: "silent" }
  /** Accepts and resets; TCP only. */
  | { readonly kind: "reset" }
  | { readonly kind: "slow"; readonly delayMs: number };

/** http answers `NAME CLIENT-ADDRESS\n` to every path. echo (TCP) says `NAME\n`, then sends back every byte. udp answers a datagram with
 *  `NAME `, followed by the datagram. */
export type EndpointKind = "http" | "echo" | "udp";

export interface Endpoint {
  readonly kind: EndpointKind;
  readonly name: string;
  readonly port: number;
  /** Default: every address of both families. UDP behind direct routing needs the VIP here, so that answers leave from it. */
  readonly address?: string;
}

export interface Which {
  readonly kind: EndpointKind;
  readonly port: number;
}

/** New connections, or new UDP flows, each of one request. */
export interface Load {
  readonly kind: EndpointKind;
  /** `10.100.0.1:80`, `[fd00:100::1]:80`. */
  readonly target: string;
  /** http; default `/`. */
  readonly path?: string;
  /** How many; left out: until stopped. */
  readonly count?: number;
  /** Started per second, evenly; left out: as soon as there is room. */
  readonly perSecond?: number;
  /** At most so many at a time; default 1, with `perSecond` 100. */
  readonly concurrency?: number;
  /** For one whole request; default 2000. */
  readonly timeoutMs?: number;
}

export interface LoadResult {
  /** Answers by the server's name. */
  readonly counts: Readonly<Record<string, number>>;
  /** Failures by reason: `ECONNREFUSED`, `ECONNRESET`, `timeout`, `status 503`, `closed`, ... */
  readonly errors: Readonly<Record<string, number>>;
  /** The client's addresses as the servers saw them; http only. */
  readonly seenFrom: readonly string[];
}

/** Connections that are kept, each exchanging a byte (udp: a datagram) at an interval. */
export interface Hold {
  readonly kind: "echo" | "udp";
  readonly target: string;
  readonly count: number;
  /** Default 100. */
  readonly everyMs?: number;
  /** An exchange that takes longer is the connection's end; default 2000. */
  readonly timeoutMs?: number;
}

export interface HoldResult {
  /** Living connections by the server's name. */
  readonly alive: Readonly<Record<string, number>>;
  /** `server` is empty where none ever answered. */
  readonly dead: readonly { readonly server: string; readonly reason: string; readonly afterMs: number }[];
  /** Completed exchanges of all connections together. */
  readonly exchanges: number;
}

/** Operation -> what it takes, what it answers. */
export interface Operations {
  listen: { takes: Endpoint; gives: null };
  /** `path` undefined: every path without a behaviour of its own. */
  behave: { takes: Which & { readonly behaviour: Behaviour; readonly path?: string | undefined }; gives: null };
  /** Requests or connections so far. */
  seen: { takes: Which & { readonly path?: string | undefined }; gives: number };
  /** Resets every open connection. */
  cut: { takes: Which; gives: null };
  "start-load": { takes: Load; gives: number };
  /** Waits for the end of a load with a count. */
  "finish-load": { takes: number; gives: LoadResult };
  "look-at-load": { takes: number; gives: LoadResult };
  /** Starts nothing more, waits for what is under way. */
  "stop-load": { takes: number; gives: LoadResult };
  /** Answers when every connection has had its first exchange or failed. */
  hold: { takes: Hold; gives: number };
  "look-at-hold": { takes: number; gives: HoldResult };
  release: { takes: number; gives: HoldResult };
}

export type Operation = keyof Operations;

export interface Request<O extends Operation = Operation> {
  readonly id: number;
  readonly op: O;
  readonly input: Operations[O]["takes"];
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };
