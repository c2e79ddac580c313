import type { ServerKey, ServiceKey } from "../model/service.ts";
import type { EpochMs, Millis, MonotonicMs, Now } from "../model/time.ts";

/** A planned move of weight from olds to news, then the wait for the olds' connections to end.
 *
 *  What is kept is progress and policy, never kernel weights: those follow from it by `shift`, from the configured weights and the health of
 *  the moment. Invariants: `step` never exceeds the number of steps and only grows by one at a time, or by the operator's word; whatever
 *  is moved off the olds stands on news that are up, or it counts for the olds again. */
export interface Drain {
  readonly id: string;
  /** Every kernel entry of the service: the drain is found again when one of them is still there. */
  readonly service: readonly ServiceKey[];
  readonly serviceName: string;
  /** At least one. */
  readonly from: readonly ServerKey[];
  /** Empty: the rest of the pool takes over by its own weights. */
  readonly to: readonly ServerKey[];
  /** Ascending shares of the olds' weight that have moved, each above 0, the last 1. */
  readonly steps: readonly number[];
  /** From one step to the next. */
  readonly every: Millis;
  /** How many steps are in force: 0 to steps.length. */
  readonly step: number;
  readonly phase: DrainPhase;
  readonly policy: DrainPolicy;
  /** The participants' configured weights when it began; a changed one frees that server from the result. */
  readonly configured: Readonly<Record<ServerKey, number>>;
  /** What a drain that ended with shares standing (done, aborted) left behind; in units of configured weight. */
  readonly result: Shift | undefined;
  /** When it undoes itself unless somebody has (policy.ttl): by the clock of this boot, and by the wall for another one. */
  readonly expires: { readonly mono: MonotonicMs; readonly epoch: EpochMs } | undefined;
  /** One of several that take a whole machine out of its services; they end well together or not at all. */
  readonly parent: { readonly id: string; readonly host: string } | undefined;
  readonly startedAt: EpochMs;
  readonly actor: string;
  readonly reason: string | undefined;
  readonly requestId: string | undefined;
}

export interface DrainPolicy {
  /** How long all news may be down before everything goes back. Also how long a pending drain waits for them. Default 60s. */
  readonly newDownTimeout: Millis;
  /** How long to wait for the olds' connections at weight 0. Default 10m. */
  readonly grace: Millis;
  /** 0 to 1: part of the healthy configured weight that must remain in service after a step. Default 0.5. */
  readonly minCapacity: number;
  /** The pool's last server may go. */
  readonly allowEmpty: boolean;
  /** When every new is down: wait newDownTimeout for one to come back, or go back at once. Default wait. */
  readonly onNewDown: "wait" | "rollback";
  /** After a gap longer than two steps and 60s, or another boot. Default pause. */
  readonly onRestart: "pause" | "resume" | "rollback";
  /** What counts as idle: no active connections; none at all, closing ones and persistence templates included; not waited for. Default active. */
  readonly idle: "active" | "all" | "none";
  /** Afterwards: the olds stay in the table at weight 0, or leave it. Default keep. */
  readonly afterwards: "keep" | "remove";
  /** With `afterwards: remove` and connections left when the grace is over: wait for the last one, or cut them. Default keep. */
  readonly atGrace: "keep" | "remove";
  /** Shares, above 0 to 1, at which it waits for `resume`. */
  readonly pauseAt: readonly number[];
  /** Undoes itself this long after its start, whatever it has become; undefined: never. */
  readonly ttl: Millis | undefined;
}

export const DEFAULT_DRAIN_POLICY: DrainPolicy = {
  newDownTimeout: 60_000,
  grace: 600_000,
  minCapacity: 0.5,
  allowEmpty: false,
  onNewDown: "wait",
  onRestart: "pause",
  idle: "active",
  afterwards: "keep",
  atGrace: "keep",
  pauseAt: [],
  ttl: undefined,
};

export type PauseReason =
  | "operator"
  | "pause-at"
  | "new-down"
  | "capacity"
  | "restart"
  | "state-unwritable"
  | "config-changed";

export type DrainPhase =
  | { readonly kind: "pending"; readonly since: MonotonicMs }
  | { readonly kind: "shifting"; readonly nextStepAt: MonotonicMs }
  | {
      readonly kind: "paused";
      readonly why: PauseReason;
      readonly text: string;
      readonly since: MonotonicMs;
      /** Since when no new at all is up; the clock of newDownTimeout. */
      readonly allDownSince: MonotonicMs | undefined;
      /** What it goes back to. */
      readonly was: "pending" | "shifting" | "draining";
      /** What was left until the next step, or of the grace. */
      readonly left: Millis;
    }
  | { readonly kind: "draining"; readonly since: MonotonicMs; readonly graceUntil: MonotonicMs }
  | { readonly kind: "done"; readonly at: EpochMs /** Connections that were still open. */; readonly left: number }
  | { readonly kind: "rolled-back"; readonly at: EpochMs; readonly text: string }
  | { readonly kind: "aborted"; readonly at: EpochMs; readonly text: string }
  | { readonly kind: "failed"; readonly at: EpochMs; readonly text: string };

/** What moved: weight off and onto servers, in units of configured weight. */
export interface Shift {
  readonly given: Readonly<Record<ServerKey, number>>;
  readonly taken: Readonly<Record<ServerKey, number>>;
}

/** What the drain needs to know of a server at this moment. */
export interface Participant {
  readonly name: string;
  /** The weight in the file. */
  readonly configured: number;
  /** The same, or the one set by command: before any drain. */
  readonly base: number;
  /** Base, less and plus what earlier drains left. */
  readonly weight: number;
  /** Up by verdict and not disabled. */
  readonly ready: boolean;
  /** Connections that still count: TCP active ones; undefined while unknown. */
  readonly connections: number | undefined;
  /** Closing connections and persistence templates; undefined while unknown. */
  readonly lingering: number | undefined;
  /** No active connection in two looks; UDP: no packet for 30s. */
  readonly idle: boolean;
  /** Idle, and no closing connection or persistence template either. */
  readonly empty: boolean;
  /** In its slow start: it has not all of its weight yet. */
  readonly ramping: boolean;
}

export interface DrainView {
  readonly now: Now;
  /** Every server of the service that is in the file; a participant that is missing here has left it. */
  readonly servers: ReadonlyMap<ServerKey, Participant>;
  /** The service is still in the file. */
  readonly serviceExists: boolean;
  /** The last write of the intent succeeded. */
  readonly storable: boolean;
}

/** A drain that can still move something by itself. */
export function isActive(drain: Drain): boolean {
  const { kind } = drain.phase;
  return kind === "pending" || kind === "shifting" || kind === "paused" || kind === "draining";
}

/** The share of the olds' weight that the steps in force ask for, 0 to 1. */
export function askedShare(drain: Drain): number {
  return drain.step === 0 ? 0 : drain.steps[drain.step - 1]!;
}

/** A drain that ended but whose shares still count. */
export function isStanding(drain: Drain): boolean {
  return !isActive(drain) && drain.result !== undefined;
}
