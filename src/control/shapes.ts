import type { TablePlan } from "../director/reload-plan.ts";
import type { SettleLine } from "../director/settle.ts";
import type { WeightRule } from "../policy/decide.ts";
import type { PauseReason } from "../policy/drain.ts";

/** What /v1 says, as JSON. Times are milliseconds since 1970, durations milliseconds, shares 0 to 1. */
export interface StatusReply {
  readonly version: string;
  readonly mode: "manage" | "observe";
  readonly now: number;
  readonly startedAt: number;
  readonly ready: boolean;
  readonly config: {
    readonly file: string;
    readonly loadedAt: number;
    /** The last reload that was asked for; undefined: none since the start. */
    readonly lastReload:
      | { readonly at: number; readonly ok: boolean; readonly problems: readonly string[] }
      | undefined;
  };
  readonly table: {
    readonly inSync: boolean;
    readonly lastSuccessAt: number | undefined;
    readonly lastError: string | undefined;
    readonly refused: readonly {
      readonly what: string;
      readonly reason: string;
      readonly since: number;
      readonly attempts: number;
    }[];
    /** What somebody else changed and we leave alone. */
    readonly leftAlone: readonly {
      readonly what: string;
      readonly why: "reported" | "fight";
      readonly until: number | undefined;
    }[];
    /** Entries of ours that the file does not have, waiting for their connections to end. */
    readonly leaving: readonly {
      readonly what: string;
      readonly since: number;
      /** undefined: as long as its last connection takes. */
      readonly until: number | undefined;
      readonly active: number | undefined;
    }[];
    /** What would be written, were this not observe mode, or frozen. */
    readonly differences: readonly string[];
  };
  readonly state: { readonly writable: boolean; readonly problem: string | undefined };
  /** Those in force. */
  readonly freezes: readonly (FreezeStatus & {
    /** undefined: everything. */
    readonly service: string | undefined;
  })[];
  /** What a person should look at, worst first. */
  readonly problems: readonly { readonly severity: "error" | "warning"; readonly message: string }[];
  readonly services: readonly ServiceStatus[];
  readonly drains: readonly DrainStatus[];
  readonly hooks: readonly HookStatus[];
}

/** A script or webhook that is told of events. Counts are of this life of the daemon. */
export interface HookStatus {
  readonly name: string;
  readonly on: readonly string[];
  /** undefined: of all services. */
  readonly services: readonly string[] | undefined;
  /** The program, or the URL without its path. */
  readonly target: string;
  readonly delivered: number;
  /** Runs that failed; a webhook's after its last attempt. */
  readonly failed: number;
  /** Because the queue was full. */
  readonly dropped: number;
  /** Waiting at this moment, the one under way not among them. */
  readonly queued: number;
  readonly running: boolean;
  /** The last one that ended. */
  readonly last:
    | { readonly at: number; readonly tookMs: number; readonly ok: boolean; readonly reason: string | undefined }
    | undefined;
}

export interface ServiceStatus {
  readonly name: string;
  /** `tcp 192.0.2.10:80`, `fwmark 7`. */
  readonly frontends: readonly string[];
  readonly scheduler: string;
  /** Its quorum is held and somebody gets clients. */
  readonly up: boolean;
  /** What is wrong with it as a whole: `no server gets clients`, `quorum lost (0 of 2 servers healthy): the sorry server serves`. */
  readonly trouble: string | undefined;
  readonly quorum: {
    readonly held: boolean;
    /** Servers that are up, enabled and have weight. */
    readonly healthy: number;
    /** Their weight as a part of the configured weight. */
    readonly share: number;
  };
  /** The dead get clients, because everybody is dead (fail_open: all-down). */
  readonly failOpen: boolean;
  readonly sorryServer:
    | {
        readonly address: string;
        readonly serves: boolean;
        readonly state: ServerState;
        readonly reason: string | undefined;
        readonly kernelWeight: number | undefined;
        readonly active: number | undefined;
      }
    | undefined;
  /** Likewise of the whole service. */
  readonly connectionsPerSecond: number | undefined;
  /** Until when nothing is written for it. */
  readonly frozen: FreezeStatus | undefined;
  /** Labels of the checks that have passed on no server since the reload that brought them. */
  readonly unproven: readonly string[];
  readonly servers: readonly ServerStatus[];
}

export interface FreezeStatus {
  readonly by: string;
  readonly at: number;
  readonly reason: string | undefined;
  readonly until: number;
}

export type ServerState = "up" | "presumed-up" | "no-check" | "unknown" | "down";

export interface ServerStatus {
  readonly name: string;
  readonly address: string;
  readonly state: ServerState;
  readonly since: number | undefined;
  /** Why it is not up. */
  readonly reason: string | undefined;
  /** What it should have in the kernel. */
  readonly weight: number;
  readonly rule: WeightRule;
  /** What it has there, in the first frontend that has it. */
  readonly kernelWeight: number | undefined;
  readonly configuredWeight: number;
  /** What the server itself wants of it: `drain`, `50% of its weight`; undefined: nothing, or it was never heard. */
  readonly reported: string | undefined;
  readonly takenOut: string | undefined;
  /** Open connections over all frontends; undefined: not in the table. */
  readonly active: number | undefined;
  readonly inactive: number | undefined;
  /** New connections a second over all frontends; undefined: not asked for (`?rates=1`), or not known. */
  readonly connectionsPerSecond: number | undefined;
  /** A drain brought it in; the file does not have it. */
  readonly added: boolean;
  readonly disabled:
    | {
        readonly by: string;
        readonly at: number;
        readonly reason: string | undefined;
        readonly until: number | undefined;
      }
    | undefined;
  readonly override:
    | { readonly weight: number; readonly by: string; readonly at: number; readonly reason: string | undefined }
    | undefined;
  readonly checks: readonly CheckStatus[];
}

export interface CheckStatus {
  readonly check: string;
  readonly state: "unknown" | "up" | "down";
  /** Without a conclusive probe for 30s or more. */
  readonly unchecked: boolean;
  readonly unproven: boolean;
  readonly last: "pass" | "fail" | "inconclusive" | undefined;
  readonly detail: string | undefined;
  readonly at: number | undefined;
  readonly tookMs: number;
}

export interface DrainStatus {
  readonly id: string;
  readonly service: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly state: "pending" | "shifting" | "paused" | "draining" | "done" | "rolled-back" | "aborted" | "failed";
  /** It counts for the weights: under way, or ended with its shares standing. */
  readonly stands: boolean;
  /** While paused: what for. */
  readonly pausedBy: PauseReason | undefined;
  readonly step: number;
  readonly steps: number;
  readonly every: number;
  /** Share of the olds' weight that the steps ask to have moved. */
  readonly asked: number;
  /** The share that the whole weights in force really move; undefined once nothing is moved any more. */
  readonly given: number | undefined;
  /** One of several that take a whole machine out of its services. */
  readonly parent: { readonly id: string; readonly host: string } | undefined;
  /** Open connections of the olds: active, closing, and persistence templates that would bring clients back. */
  readonly connections: number | undefined;
  readonly inactive: number | undefined;
  readonly templates: number | undefined;
  /** Until the next step, or the end of the grace. */
  readonly nextInMs: number | undefined;
  /** Until it undoes itself; undefined: it does not. */
  readonly ttlLeftMs: number | undefined;
  readonly message: string;
  /** A step that is too short for its shares to be seen at the present rate. */
  readonly warnings: readonly string[];
  readonly reason: string | undefined;
  readonly actor: string;
  readonly startedAt: number;
  readonly left: number | undefined;
}

export interface ExplainReply {
  readonly service: string;
  readonly server: string;
  readonly weight: number;
  readonly rule: WeightRule;
  /** The formula with its numbers in it. */
  readonly formula: string;
  /** One line each: every input with where it comes from. */
  readonly inputs: readonly string[];
}

export interface SettleReply {
  readonly lines: readonly (SettleLine & {
    /** A drain brought it in; the file does not have it at all. */
    readonly added: boolean;
  })[];
}

export interface ReloadReply {
  readonly changed: boolean;
  readonly warnings: readonly string[];
  /** `service: check` that have not passed once since this reload. */
  readonly unproven: readonly string[];
}

/** What a reload (offline: a start) would change; nothing was changed. */
export interface PlanReply extends TablePlan {
  readonly file: string;
  /** Of that file. observe: nothing of it would be written. */
  readonly mode: "manage" | "observe";
  readonly offline: boolean;
  /** Why the reload would be refused without --force (reload.max_removed); empty: it would not. */
  readonly refusals: readonly string[];
  /** Keys that take effect when director is restarted. */
  readonly restart: readonly string[];
  readonly warnings: readonly string[];
}
