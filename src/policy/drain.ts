import { assertNever, err, ok, type Result } from "../model/result.ts";
import type { ServerKey, ServiceKey } from "../model/service.ts";
import { type EpochMs, formatDuration, later, type Millis, type MonotonicMs, type Now } from "../model/time.ts";

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
}

export const DEFAULT_DRAIN_POLICY: DrainPolicy = {
  newDownTimeout: 60_000,
  grace: 600_000,
  minCapacity: 0.5,
  allowEmpty: false,
};

export type PauseReason = "operator" | "new-down" | "capacity" | "restart" | "state-unwritable" | "config-changed";

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
  /** Configured weight (or the one set by command), less and plus what earlier drains left. */
  readonly weight: number;
  /** Up by verdict and not disabled. */
  readonly ready: boolean;
  /** Connections that still count: TCP active ones; undefined while unknown. */
  readonly connections: number | undefined;
  /** No connection in two looks; UDP: no packet for 30s. */
  readonly idle: boolean;
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

const NOTHING: Shift = { given: {}, taken: {} };

/** What this drain moves now. While it is active, what a new that is not ready took counts for the olds again, at once. */
export function shift(drain: Drain, servers: DrainView["servers"]): Shift {
  if (drain.result) return standing(drain, drain.result, servers);
  if (!isActive(drain) || drain.step === 0) return NOTHING;
  const asked = askedShare(drain);
  const share = asked * carried(drain, servers);
  const given: Record<ServerKey, number> = {};
  let moved = 0;
  for (const key of drain.from) {
    const old = servers.get(key);
    if (old) given[key] = share * old.weight;
    // An old that left the file carries nothing any more: the news have all of what it had, or a standby would be left with nothing.
    moved += old ? asked * old.weight : (drain.configured[key] ?? 0);
  }
  const taken: Record<ServerKey, number> = {};
  for (const [key, part] of parts(drain, servers)) if (servers.get(key)?.ready) taken[key] = moved * part;
  return { given, taken };
}

/** The part (0 to 1) of what is moved that news which are ready can carry. Without named news: 1 if anybody else is ready. */
function carried(drain: Drain, servers: DrainView["servers"]): number {
  if (drain.to.length === 0) return drain.policy.allowEmpty || others(drain, servers).some((s) => s.ready) ? 1 : 0;
  let sum = 0;
  for (const [key, part] of parts(drain, servers)) if (servers.get(key)?.ready) sum += part;
  return sum;
}

/** How the news divide what is moved: by their own weights, evenly if they have none. Parts sum to 1. */
function parts(drain: Drain, servers: DrainView["servers"]): readonly (readonly [ServerKey, number])[] {
  const weights = drain.to.map((key) => servers.get(key)?.weight ?? 0);
  const sum = weights.reduce((a, b) => a + b, 0);
  return drain.to.map((key, i) => [key, sum === 0 ? 1 / drain.to.length : weights[i]! / sum]);
}

function others(drain: Drain, servers: DrainView["servers"]): readonly Participant[] {
  return [...servers].filter(([key, s]) => !drain.from.includes(key) && s.weight > 0).map(([, s]) => s);
}

/** A result counts for a server as long as it is in the file with the weight it had then: a changed weight is the operator's newer word. */
function standing(drain: Drain, result: Shift, servers: DrainView["servers"]): Shift {
  const still = (amounts: Shift["given"]): Shift["given"] =>
    Object.fromEntries(
      Object.entries(amounts).filter(
        ([key]) => servers.get(key as ServerKey)?.configured === drain.configured[key as ServerKey],
      ),
    );
  return { given: still(result.given), taken: still(result.taken) };
}

/** Healthy weight after the olds have given `share`, as a part of the healthy weight before: 0 to 1; 1 when nobody is healthy. */
export function capacityAfter(drain: Drain, share: number, servers: DrainView["servers"]): number {
  let before = 0;
  let after = 0;
  const parting = new Map(parts(drain, servers));
  let moved = 0;
  for (const key of drain.from) moved += share * (servers.get(key)?.weight ?? 0);
  for (const [key, s] of servers) {
    if (!s.ready) continue;
    before += s.weight;
    after += drain.from.includes(key) ? s.weight * (1 - share) : s.weight + (parting.get(key) ?? 0) * moved;
  }
  return before === 0 ? 1 : after / before;
}

export interface Advanced {
  readonly drain: Drain;
  /** When to look again without any event; undefined: only an event can change it. */
  readonly lookAgainAt: MonotonicMs | undefined;
}

/** One transition at most; call again until the drain comes back the same object. */
export function advance(drain: Drain, view: DrainView): Advanced {
  const { phase } = drain;
  const { now } = view;
  if (!isActive(drain)) return stay(drain);
  // What cannot be recorded must not happen, the end of a pause included: the next try would be the next pass, without end.
  if (!view.storable)
    return stay(
      phase.kind === "paused"
        ? drain
        : pause(drain, "state-unwritable", "the state directory cannot be written", now.mono),
    );
  if (!view.serviceExists)
    return stay(end(drain, { kind: "aborted", at: now.epoch, text: "the service left the configuration" }));
  const gone = drain.to.filter((key) => !view.servers.has(key));
  if (drain.to.length > 0 && gone.length === drain.to.length) {
    const text = "every new server left the configuration";
    return stay(end(drain, { kind: "rolled-back", at: now.epoch, text }));
  }
  if (gone.length > 0 && !waitsForOperator(phase))
    return stay(pause(drain, "config-changed", `${gone.join(", ")} left the configuration`, now.mono));
  switch (phase.kind) {
    case "pending":
      return pending(drain, phase, view);
    case "shifting":
      return shifting(drain, phase, view);
    case "paused":
      return paused(drain, phase, view);
    case "draining":
      return draining(drain, phase, view);
    case "done":
    case "rolled-back":
    case "aborted":
    case "failed":
      return stay(drain);
    default:
      return assertNever(phase);
  }
}

/** Goes on only when somebody says so. */
function waitsForOperator(phase: DrainPhase): boolean {
  return phase.kind === "paused" && ["operator", "restart", "config-changed"].includes(phase.why);
}

function pending(drain: Drain, phase: DrainPhase & { kind: "pending" }, view: DrainView): Advanced {
  const { now } = view;
  const down = newsDown(drain, view);
  if (down.length === 0) return stay({ ...drain, phase: { kind: "shifting", nextStepAt: now.mono } });
  const deadline = later(phase.since, drain.policy.newDownTimeout);
  if (now.mono < deadline) return { drain, lookAgainAt: deadline };
  const text = `${down.join(", ")} not healthy within ${formatDuration(drain.policy.newDownTimeout)}; nothing was changed`;
  return stay(end(drain, { kind: "failed", at: now.epoch, text }));
}

function shifting(drain: Drain, phase: DrainPhase & { kind: "shifting" }, view: DrainView): Advanced {
  const { now } = view;
  const halted = trouble(drain, askedShare(drain), view);
  if (halted) return stay(halted);
  if (drain.step === drain.steps.length) {
    const until = later(now.mono, drain.policy.grace);
    return stay({ ...drain, phase: { kind: "draining", since: now.mono, graceUntil: until } });
  }
  if (now.mono < phase.nextStepAt) return { drain, lookAgainAt: phase.nextStepAt };
  const short = trouble(drain, drain.steps[drain.step]!, view);
  if (short) return stay(short);
  // A late look takes one step, never two: each step is to be seen by the clients for its whole time.
  return stay(nextStep(drain, now.mono, Math.max(drain.every / 2, drain.every - (now.mono - phase.nextStepAt))));
}

function draining(drain: Drain, phase: DrainPhase & { kind: "draining" }, view: DrainView): Advanced {
  const { now } = view;
  const halted = trouble(drain, 1, view);
  if (halted) return stay(halted);
  const olds = drain.from.map((key) => view.servers.get(key)).filter((s) => s !== undefined);
  const left = olds.reduce((sum, s) => sum + (s.connections ?? 0), 0);
  if (olds.every((s) => s.idle)) return stay(endStanding(drain, { kind: "done", at: now.epoch, left: 0 }, view));
  if (now.mono >= phase.graceUntil) return stay(endStanding(drain, { kind: "done", at: now.epoch, left }, view));
  return { drain, lookAgainAt: phase.graceUntil };
}

function paused(drain: Drain, phase: DrainPhase & { kind: "paused" }, view: DrainView): Advanced {
  const { now } = view;
  switch (phase.why) {
    case "restart":
    case "config-changed":
      return stay(drain);
    case "operator":
      // It stops the steps, not the clock of a failure.
      return drain.step === 0 ? stay(drain) : failing(drain, phase, view);
    case "state-unwritable":
      return stay(unpause(drain, phase, now.mono));
    case "capacity": {
      const next =
        phase.was === "shifting" ? drain.steps[Math.min(drain.step, drain.steps.length - 1)]! : askedShare(drain);
      const halted = trouble(drain, next, view);
      if (!halted) return stay(unpause(drain, phase, now.mono));
      return stay(halted.phase.kind === "paused" && halted.phase.why === "new-down" ? halted : drain);
    }
    case "new-down":
      return newsDown(drain, view).length > 0 ? failing(drain, phase, view) : stay(oneStepBack(drain, now.mono));
    default:
      return assertNever(phase.why);
  }
}

/** The new has just come up, and is to earn its share again. */
function oneStepBack(drain: Drain, now: MonotonicMs): Drain {
  const phase: DrainPhase = { kind: "shifting", nextStepAt: later(now, drain.every) };
  return { ...drain, step: Math.max(0, drain.step - 1), phase };
}

/** Counts how long all news have been down, and ends the waiting. */
function failing(drain: Drain, phase: DrainPhase & { kind: "paused" }, view: DrainView): Advanced {
  const { now } = view;
  const all = carried(drain, view.servers) === 0;
  if (all !== (phase.allDownSince !== undefined))
    return stay({ ...drain, phase: { ...phase, allDownSince: all ? now.mono : undefined } });
  if (phase.allDownSince === undefined) return { drain, lookAgainAt: undefined };
  const deadline = later(phase.allDownSince, drain.policy.newDownTimeout);
  if (now.mono < deadline) return { drain, lookAgainAt: deadline };
  const text = `${newsDown(drain, view).join(", ")} down for ${formatDuration(drain.policy.newDownTimeout)}`;
  return stay(end(drain, { kind: "rolled-back", at: now.epoch, text }));
}

/** What forbids having `share` moved now: a new that is down, or too little that would be left to serve. */
function trouble(drain: Drain, share: number, view: DrainView): Drain | undefined {
  const down = newsDown(drain, view);
  if (down.length > 0) return pause(drain, "new-down", `${down.join(", ")} down`, view.now.mono);
  const capacity = capacityAfter(drain, share, view.servers);
  const enough = drain.policy.allowEmpty || (capacity >= drain.policy.minCapacity - 1e-9 && capacity > 0);
  if (enough || share <= askedShare(drain)) return undefined;
  const text = `only ${Math.round(capacity * 100)}% of the healthy weight would be left, below ${Math.round(drain.policy.minCapacity * 100)}%`;
  return pause(drain, "capacity", text, view.now.mono);
}

/** Names of the news that are not ready. Without named news: who else should serve, if none of them is ready. */
function newsDown(drain: Drain, view: DrainView): readonly string[] {
  if (drain.to.length > 0) {
    const missing = drain.to.filter((key) => !view.servers.get(key)?.ready);
    return missing.map((key) => view.servers.get(key)?.name ?? key);
  }
  if (drain.policy.allowEmpty || others(drain, view.servers).some((s) => s.ready)) return [];
  return ["every other server"];
}

function nextStep(drain: Drain, now: MonotonicMs, wait: Millis): Drain {
  return { ...drain, step: drain.step + 1, phase: { kind: "shifting", nextStepAt: later(now, wait) } };
}

function pause(drain: Drain, why: PauseReason, text: string, now: MonotonicMs): Drain {
  const { phase } = drain;
  if (phase.kind === "paused") return { ...drain, phase: { ...phase, why, text, since: now, allDownSince: undefined } };
  const left = Math.max(0, untilNext(phase) - now);
  const was = phase.kind === "pending" || phase.kind === "shifting" ? phase.kind : "draining";
  return { ...drain, phase: { kind: "paused", why, text, since: now, allDownSince: undefined, was, left } };
}

function untilNext(phase: DrainPhase): number {
  if (phase.kind === "shifting") return phase.nextStepAt;
  return phase.kind === "draining" ? phase.graceUntil : 0;
}

function unpause(drain: Drain, phase: DrainPhase & { kind: "paused" }, now: MonotonicMs): Drain {
  switch (phase.was) {
    case "pending":
      return { ...drain, phase: { kind: "pending", since: now } };
    case "shifting":
      return { ...drain, phase: { kind: "shifting", nextStepAt: later(now, phase.left) } };
    case "draining":
      return { ...drain, phase: { kind: "draining", since: now, graceUntil: later(now, phase.left) } };
    default:
      return assertNever(phase.was);
  }
}

/** Leaves nothing behind: the weights of before. */
function end(drain: Drain, phase: DrainPhase): Drain {
  return { ...drain, phase, result: undefined };
}

/** What is moved now stays moved, beside the configured weights of this moment: those of the start may have been changed meanwhile. */
function endStanding(drain: Drain, phase: DrainPhase, view: DrainView): Drain {
  const configured = { ...drain.configured };
  for (const key of [...drain.from, ...drain.to]) {
    const server = view.servers.get(key);
    if (server) configured[key] = server.configured;
  }
  return { ...drain, phase, configured, result: shift(drain, view.servers) };
}

function stay(drain: Drain): Advanced {
  return { drain, lookAgainAt: undefined };
}

export type DrainCommand = "pause" | "resume" | "rollback" | "abort";

/** An operator's word. Rollback and abort work in every state and need nothing healthy; what makes no sense any more is refused with the reason. */
export function command(drain: Drain, word: DrainCommand, text: string, view: DrainView): Result<Drain, string> {
  const { phase } = drain;
  const { now } = view;
  switch (word) {
    case "pause":
      if (!isActive(drain)) return err(`drain ${drain.id} is ${phase.kind}: there is nothing to pause`);
      return ok(pause(drain, "operator", text, now.mono));
    case "resume":
      if (phase.kind !== "paused") return err(`drain ${drain.id} is ${phase.kind}, not paused`);
      return ok(unpause(drain, phase, now.mono));
    case "rollback":
      if (phase.kind === "rolled-back") return ok(drain);
      if (phase.kind === "failed")
        return err(`drain ${drain.id} failed and changed nothing: there is nothing to roll back`);
      return ok(end(drain, { kind: "rolled-back", at: now.epoch, text }));
    case "abort":
      if (phase.kind === "aborted") return ok(drain);
      if (!isActive(drain))
        return err(`drain ${drain.id} is ${phase.kind}: there is nothing to abort (rollback undoes it)`);
      return ok(endStanding(drain, { kind: "aborted", at: now.epoch, text }, view));
    default:
      return assertNever(word);
  }
}

/** A drain as it goes on after a restart: by itself after a short gap of the same boot (monotonic times still mean the same then), else paused
 *  at its share until somebody has looked. `gap`: since we last ran; undefined: unknown or another boot. */
export function recovered(drain: Drain, gap: Millis | undefined, now: MonotonicMs): Drain {
  if (!isActive(drain)) return drain;
  if (gap !== undefined && gap <= Math.max(2 * drain.every, 60_000)) return drain;
  const text = gap === undefined ? "the machine was restarted" : `director did not run for ${formatDuration(gap)}`;
  const { phase } = drain;
  if (phase.kind !== "paused" || !waitsForOperator(phase)) return pauseAcross(drain, text, gap, now);
  return { ...drain, phase: { ...phase, since: now, allDownSince: undefined } };
}

/** As pause, but monotonic times of another boot mean nothing: a whole step's, or the whole grace's, time is left. */
function pauseAcross(drain: Drain, text: string, gap: Millis | undefined, now: MonotonicMs): Drain {
  const held = pause(drain, "restart", text, now);
  if (gap !== undefined || drain.phase.kind === "paused" || held.phase.kind !== "paused") return held;
  const left = held.phase.was === "draining" ? drain.policy.grace : drain.every;
  return { ...held, phase: { ...held.phase, left } };
}
