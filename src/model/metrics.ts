import type { Histogram } from "./histogram.ts";
import type { EpochMs, Millis } from "./time.ts";

/** All numbers of one moment, for those who plot them. What is not known is undefined, never 0. Counts are of this life of the daemon. */
export interface Metrics {
  readonly version: string;
  readonly nodeVersion: string;
  readonly ready: boolean;
  readonly config: {
    readonly loadedAt: EpochMs;
    /** Whether the last reload that was asked for is in force; so it is when none was. */
    readonly lastReloadOk: boolean;
    readonly reloads: Counts<"done" | "refused">;
  };
  readonly state: { readonly writeFailures: number /** 0 to 2^53 - 1. */; readonly intentHash: number };
  readonly table: TableMetrics;
  readonly services: readonly ServiceMetrics[];
  readonly drains: readonly DrainMetrics[];
  readonly drainsEnded: Counts<DrainEnd>;
  readonly hooks: readonly HookMetrics[];
  /** The longest wait among the last checks that were due. */
  readonly checkLag: Millis;
  readonly process: ProcessMetrics;
}

export type Counts<Word extends string> = Readonly<Record<Word, number>>;

export type DrainEnd = "done" | "rolled-back" | "aborted" | "failed";
export type DrainWord = DrainEnd | "pending" | "shifting" | "paused" | "draining";
export const DRAIN_WORDS: readonly DrainWord[] = [
  "pending",
  "shifting",
  "paused",
  "draining",
  "done",
  "rolled-back",
  "aborted",
  "failed",
];

export type StateWord = "up" | "presumed-up" | "no-check" | "unknown" | "down";
export const STATE_WORDS: readonly StateWord[] = ["up", "presumed-up", "no-check", "unknown", "down"];

/** What holds a server off the file's weight by somebody's word. */
export type OverrideKind = "disabled" | "weight" | "state-lost" | "drained";

export interface TableMetrics {
  readonly inSync: boolean;
  readonly lastSuccessAt: EpochMs | undefined;
  /** Things that somebody else changed and we leave alone at the moment. */
  readonly leftAlone: Counts<"reported" | "fight">;
  /** Entries that the kernel refuses at the moment. */
  readonly refused: number;
  /** What somebody else changed, each time it was noticed. */
  readonly drift: number;
  /** undefined: the table is not kept by commands. */
  readonly commands: CommandMetrics | undefined;
}

export interface CommandMetrics {
  /** `refused`: it ran, and said that something cannot be; `failed`: it could not be run, or did not end in time. */
  readonly results: Counts<"ok" | "refused" | "failed">;
  readonly duration: Histogram;
}

export interface ServiceMetrics {
  readonly name: string;
  /** The same object as long as names, addresses and order of its servers are the same: whoever makes texts of them may keep these with it. */
  readonly identity: object;
  readonly servers: readonly ServerMetrics[];
  /** undefined: nothing was decided yet. */
  readonly decided: ServiceDecided | undefined;
  readonly frozen: boolean;
  /** Checks that passed nowhere since the reload that brought them. */
  readonly unproven: number;
  /** Servers with a check that could not be made for 30s. */
  readonly unchecked: number;
  /** undefined: no probe has ended yet. */
  readonly checks: CheckMetrics | undefined;
}

export interface ServiceDecided {
  readonly up: boolean;
  /** Weight of the servers that are healthy and not disabled, as a part of the configured weight: 0 to 1 and above. */
  readonly capacity: number;
  readonly quorumHeld: boolean;
  readonly failOpen: boolean;
  /** undefined: there is no sorry server. */
  readonly sorryServes: boolean | undefined;
}

export interface CheckMetrics {
  readonly results: Counts<"pass" | "fail" | "inconclusive">;
  /** Of those that passed or failed. */
  readonly duration: Histogram;
}

export interface ServerMetrics {
  readonly name: string;
  /** As in status: `10.0.0.11:8080`. */
  readonly address: string;
  readonly forward: string;
  readonly protocol: string;
  readonly configuredWeight: number;
  readonly state: StateWord | undefined;
  /** Without the scale that drains use. */
  readonly weight: number | undefined;
  readonly kernelWeight: number | undefined;
  readonly active: number | undefined;
  readonly inactive: number | undefined;
  /** Since the kernel has the entry. */
  readonly connections: number | undefined;
  readonly changedAt: EpochMs | undefined;
  /** Of the check that waits the longest; undefined: one had no conclusive probe yet, or there is none. */
  readonly conclusiveAt: EpochMs | undefined;
  readonly ups: number;
  readonly downs: number;
  readonly overrides: readonly { readonly kind: OverrideKind; readonly since: EpochMs }[];
}

export interface DrainMetrics {
  readonly id: string;
  readonly service: string;
  readonly state: DrainWord;
  /** 0 to 1. */
  readonly progress: number;
}

export interface HookMetrics {
  readonly name: string;
  readonly delivered: number;
  readonly failed: number;
  readonly dropped: number;
  readonly queued: number;
}

export interface ProcessMetrics {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly startedAt: EpochMs;
  readonly virtualBytes: number | undefined;
  readonly openFiles: number | undefined;
  readonly mostFiles: number | undefined;
  /** The longest time within the last 30 to 60 seconds, or since the last look if that is longer ago, in which the event loop did nothing that
   *  was due. */
  readonly loopLag: Millis;
}
