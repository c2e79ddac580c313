import type {
  DrainStatus,
  FreezeStatus,
  HookStatus,
  ServerStatus,
  ServiceStatus,
  StatusReply,
} from "../control/shapes.ts";
import type { DirectorEvent } from "../director/events.ts";

// What the page shows, in pieces that change one by one. Times are milliseconds since 1970, durations milliseconds, shares 0 to 1.

export interface HeadPiece {
  readonly host: string;
  readonly version: string;
  readonly mode: StatusReply["mode"];
  readonly startedAt: number;
  readonly ready: boolean;
  readonly file: string;
  readonly loadedAt: number;
  readonly inSync: boolean;
  readonly lastSuccessAt: number | undefined;
  readonly frozen: readonly (FreezeStatus & { readonly service: string | undefined })[];
}

export interface ProblemsPiece {
  readonly errors: number;
  readonly warnings: number;
  /** The first of them, worst first. */
  readonly list: StatusReply["problems"];
}

export interface TablePiece {
  /** What would be written, were this not observe mode, or frozen; the first of them, and how many there are. */
  readonly differences: readonly string[];
  readonly differ: number;
  /** On their way out of the table; the first of them, and how many there are. */
  readonly leaving: StatusReply["table"]["leaving"];
  readonly leave: number;
}

/** Services and their servers (by key), in the order of the file. */
export interface LayoutPiece {
  readonly services: readonly { readonly name: string; readonly servers: readonly string[] }[];
}

export interface HooksPiece {
  readonly list: readonly HookStatus[];
}

export type ServicePiece = Omit<ServiceStatus, "servers" | "name">;

export interface ServerPiece extends Omit<ServerStatus, "checks"> {
  readonly checks: readonly Omit<ServerStatus["checks"][number], "at" | "tookMs">[];
  /** Of each check: when its last probe ended. */
  readonly probes: readonly (number | undefined)[];
}

export interface DrainPiece extends Omit<DrainStatus, "nextInMs" | "ttlLeftMs">, DrainMore {
  /** The next step, or the end of the grace. */
  readonly nextAt: number | undefined;
  readonly undoneAt: number | undefined;
  /** How its shares came to be, oldest first: each stood until the next one. */
  readonly history: readonly DrainPoint[];
}

/** What there is to know of a drain beside its status. */
export interface DrainMore {
  readonly endedAt: number | undefined;
  /** When each step was due when it began, and what it gives if all are healthy. Empty: the service is gone. */
  readonly plan: readonly {
    readonly at: number;
    readonly asked: number;
    readonly given: number | undefined;
    readonly pause: boolean;
  }[];
}

export interface DrainPoint {
  readonly at: number;
  readonly state: DrainStatus["state"];
  readonly asked: number;
  readonly given: number | undefined;
}

/** What viewers are sent: first everything (`whole`), then what changed. */
export interface Message {
  readonly now: number;
  readonly whole?: true;
  /** By key, the fields that changed; null: the field is gone. */
  readonly set: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly gone: readonly string[];
  readonly events: readonly DirectorEvent[];
  readonly rates?: Rates;
  readonly rate?: { readonly at: number; readonly of: Readonly<Record<string, number>> } | undefined;
}

/** New connections a second, by service; each list is as long as `at`. */
export interface Rates {
  readonly at: readonly number[];
  readonly of: Readonly<Record<string, readonly (number | null)[]>>;
}

/** It moves, or can. */
export function isRunning(state: DrainStatus["state"]): boolean {
  return state === "pending" || state === "shifting" || state === "paused" || state === "draining";
}
