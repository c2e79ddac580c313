import { assertNever, err, ok, type Result } from "../model/result.ts";
import { formatDuration, later, type Millis, type MonotonicMs, type Now } from "../model/time.ts";
import {
  askedShare,
  type Drain,
  type DrainPhase,
  type DrainView,
  isActive,
  isStanding,
  type Participant,
  type PauseReason,
} from "./drain.ts";
import { capacityAfter, carried, others, shift } from "./drain-shift.ts";
import type { DrainCommand, DrainEventName } from "./drain-table.ts";

type Paused = Extract<DrainPhase, { kind: "paused" }>;

export interface Advanced {
  readonly drain: Drain;
  /** What brought the drain into another state or to another step; undefined: it stays as it is. */
  readonly event: DrainEventName | undefined;
  /** When to look again without any event; undefined: only an event can change it. */
  readonly lookAgainAt: MonotonicMs | undefined;
}

/** One transition at most; call again until the drain comes back the same object. */
export function advance(drain: Drain, view: DrainView): Advanced {
  const { phase } = drain;
  const { now } = view;
  if (!isActive(drain) && !isStanding(drain)) return stay(drain);
  // What cannot be recorded must not happen, the end of a pause included: the next try would be the next pass, without end.
  if (!view.storable) {
    if (!isActive(drain) || phase.kind === "paused") return stay(drain);
    return go(pause(drain, "state-unwritable", "the state directory cannot be written", now.mono), "state unwritable");
  }
  if (drain.expires && now.mono >= drain.expires.mono) {
    const text = `its --ttl of ${formatDuration(drain.policy.ttl ?? 0)} is over`;
    return go(undone(drain, text, now), "ttl over");
  }
  return until(drain.expires?.mono, isActive(drain) ? moved(drain, view) : stay(drain));
}

/** Everything but the ttl, which counts for ended drains as well. */
function moved(drain: Drain, view: DrainView): Advanced {
  const { phase } = drain;
  const { now } = view;
  if (!view.serviceExists)
    return go(
      end(drain, { kind: "aborted", at: now.epoch, text: "the service left the configuration" }),
      "service left",
    );
  const gone = drain.to.filter((key) => !view.servers.has(key));
  if (drain.to.length > 0 && gone.length === drain.to.length)
    return go(undone(drain, "every new server left the configuration", now), "news left");
  if (gone.length > 0 && !waitsForOperator(phase)) {
    const text = `${gone.join(", ")} left the configuration`;
    return go(pause(drain, "config-changed", text, now.mono), "a new left");
  }
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
  return phase.kind === "paused" && ["operator", "pause-at", "restart", "config-changed"].includes(phase.why);
}

function pending(drain: Drain, phase: DrainPhase & { kind: "pending" }, view: DrainView): Advanced {
  const { now } = view;
  const down = newsDown(drain, view);
  if (down.length === 0) return go({ ...drain, phase: { kind: "shifting", nextStepAt: now.mono } }, "news healthy");
  const deadline = later(phase.since, drain.policy.newDownTimeout);
  if (now.mono < deadline) return stay(drain, deadline);
  const text = `${down.join(", ")} not healthy within ${formatDuration(drain.policy.newDownTimeout)}; nothing was changed`;
  return go(end(drain, { kind: "failed", at: now.epoch, text }), "news not healthy in time");
}

function shifting(drain: Drain, phase: DrainPhase & { kind: "shifting" }, view: DrainView): Advanced {
  const { now } = view;
  const halted = trouble(drain, askedShare(drain), view);
  if (halted) return halted;
  if (drain.step === drain.steps.length) {
    const graceUntil = later(now.mono, drain.policy.grace);
    return go({ ...drain, phase: { kind: "draining", since: now.mono, graceUntil } }, "all moved");
  }
  if (now.mono < phase.nextStepAt) return stay(drain, phase.nextStepAt);
  const short = trouble(drain, drain.steps[drain.step]!, view);
  if (short) return short;
  // A late look takes one step, never two: each step is to be seen by the clients for its whole time.
  const wait = Math.max(drain.every / 2, drain.every - (now.mono - phase.nextStepAt));
  const next: Drain = {
    ...drain,
    step: drain.step + 1,
    phase: { kind: "shifting", nextStepAt: later(now.mono, wait) },
  };
  const stop = drain.policy.pauseAt.find(
    (share) => askedShare(drain) < share - 1e-9 && askedShare(next) >= share - 1e-9,
  );
  if (stop === undefined) return go(next, "step due");
  return go(pause(next, "pause-at", `--pause-at ${Math.round(stop * 100)}`, now.mono), "pause-at reached");
}

function draining(drain: Drain, phase: DrainPhase & { kind: "draining" }, view: DrainView): Advanced {
  const { now } = view;
  const halted = trouble(drain, 1, view);
  if (halted) return halted;
  const { idle } = drain.policy;
  const olds = drain.from.map((key) => view.servers.get(key)).filter((s) => s !== undefined);
  const quiet = olds.every((s) => idle === "none" || (idle === "all" ? s.empty : s.idle));
  if (quiet && !stillRamping(drain, view))
    return go(endStanding(drain, { kind: "done", at: now.epoch, left: 0 }, view), "idle");
  const counted = (s: Participant) => (s.connections ?? 0) + (idle === "all" ? (s.lingering ?? 0) : 0);
  const left = olds.reduce((sum, s) => sum + counted(s), 0);
  if (now.mono >= phase.graceUntil)
    return go(endStanding(drain, { kind: "done", at: now.epoch, left }, view), "grace over");
  return stay(drain, phase.graceUntil);
}

/** Somebody who is to take over has not all of his weight yet: the move is not complete before that. */
function stillRamping(drain: Drain, view: DrainView): boolean {
  const takers =
    drain.to.length > 0 ? drain.to.flatMap((key) => view.servers.get(key) ?? []) : others(drain, view.servers);
  return takers.some((s) => s.ready && s.ramping);
}

function paused(drain: Drain, phase: Paused, view: DrainView): Advanced {
  switch (phase.why) {
    case "restart":
    case "config-changed":
      return stay(drain);
    case "operator":
    case "pause-at":
      // It stops the steps, not the clock of a failure.
      return drain.step === 0 ? stay(drain) : failing(drain, phase, view);
    case "state-unwritable":
      return go(unpause(drain, phase, view.now.mono), "state writable again");
    case "capacity":
      return short(drain, phase, view);
    case "new-down":
      if (newsDown(drain, view).length > 0) return failing(drain, phase, view);
      return go(oneStepBack(drain, view.now.mono), "news healthy again");
    default:
      return assertNever(phase.why);
  }
}

function short(drain: Drain, phase: Paused, view: DrainView): Advanced {
  const next =
    phase.was === "shifting" ? drain.steps[Math.min(drain.step, drain.steps.length - 1)]! : askedShare(drain);
  const halted = trouble(drain, next, view);
  if (!halted) return go(unpause(drain, phase, view.now.mono), "capacity enough again");
  return halted.event === "capacity short" ? stay(drain) : halted;
}

/** The new has just come up, and is to earn its share again. */
function oneStepBack(drain: Drain, now: MonotonicMs): Drain {
  const phase: DrainPhase = { kind: "shifting", nextStepAt: later(now, drain.every) };
  return { ...drain, step: Math.max(0, drain.step - 1), phase };
}

/** Counts how long all news have been down, and ends the waiting. */
function failing(drain: Drain, phase: Paused, view: DrainView): Advanced {
  const { now } = view;
  const all = carried(drain, view.servers) === 0;
  if (all !== (phase.allDownSince !== undefined)) {
    const since = all ? now.mono : undefined;
    return go({ ...drain, phase: { ...phase, allDownSince: since } }, all ? "every new down" : "a new healthy again");
  }
  if (phase.allDownSince === undefined) return stay(drain);
  const wait = drain.policy.onNewDown === "rollback" ? 0 : drain.policy.newDownTimeout;
  const deadline = later(phase.allDownSince, wait);
  if (now.mono < deadline) return stay(drain, deadline);
  const names = newsDown(drain, view).join(", ");
  return go(
    undone(drain, wait === 0 ? `${names} down` : `${names} down for ${formatDuration(wait)}`, now),
    "news down too long",
  );
}

/** What forbids having `share` moved now: a new that is down, or too little that would be left to serve. */
function trouble(drain: Drain, share: number, view: DrainView): Advanced | undefined {
  const { now } = view;
  const down = newsDown(drain, view);
  if (down.length > 0) return go(pause(drain, "new-down", `${down.join(", ")} down`, now.mono), "new down");
  const problem = tooLittle(drain, share, view);
  return problem === undefined ? undefined : go(pause(drain, "capacity", problem, now.mono), "capacity short");
}

/** Why `share` would leave too little to serve; undefined when it does not, or is in force already. */
function tooLittle(drain: Drain, share: number, view: DrainView): string | undefined {
  const capacity = capacityAfter(drain, share, view.servers);
  const { allowEmpty, minCapacity } = drain.policy;
  if (allowEmpty || share <= askedShare(drain) || (capacity >= minCapacity - 1e-9 && capacity > 0)) return undefined;
  const percent = (x: number): string => `${Math.round(x * 100)}%`;
  return `only ${percent(capacity)} of the healthy weight would be left, below ${percent(minCapacity)}`;
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

/** Pauses during which the clock of newDownTimeout runs. */
const CLOCKED: ReadonlySet<PauseReason> = new Set(["new-down", "operator", "pause-at"]);

function pause(drain: Drain, why: PauseReason, text: string, now: MonotonicMs): Drain {
  const { phase } = drain;
  if (phase.kind === "paused") {
    // Pausing again is no way to stop the clock of a failure, nor to start it anew.
    const allDownSince = CLOCKED.has(why) && CLOCKED.has(phase.why) ? phase.allDownSince : undefined;
    return { ...drain, phase: { ...phase, why, text, since: now, allDownSince } };
  }
  const left = Math.max(0, untilNext(phase) - now);
  const was = phase.kind === "pending" || phase.kind === "shifting" ? phase.kind : "draining";
  return { ...drain, phase: { kind: "paused", why, text, since: now, allDownSince: undefined, was, left } };
}

function untilNext(phase: DrainPhase): number {
  if (phase.kind === "shifting") return phase.nextStepAt;
  return phase.kind === "draining" ? phase.graceUntil : 0;
}

function unpause(drain: Drain, phase: Paused, now: MonotonicMs): Drain {
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

/** The weights of before, for good. */
function undone(drain: Drain, text: string, now: Now): Drain {
  return end(drain, { kind: "rolled-back", at: now.epoch, text });
}

/** A machine leaves all its services or none: where one of its drains was undone, the others go back as well. */
export function followed(drain: Drain, cause: Drain, now: Now): Drain {
  return undone(drain, `drain ${cause.id} of the same machine was undone`, now);
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

function stay(drain: Drain, lookAgainAt?: MonotonicMs): Advanced {
  return { drain, event: undefined, lookAgainAt };
}

function go(drain: Drain, event: DrainEventName): Advanced {
  return { drain, event, lookAgainAt: undefined };
}

function until(time: MonotonicMs | undefined, advanced: Advanced): Advanced {
  const { lookAgainAt } = advanced;
  if (time === undefined || (lookAgainAt !== undefined && lookAgainAt <= time)) return advanced;
  return { ...advanced, lookAgainAt: time };
}

/** An operator's word. Rollback and abort work in every state and need nothing healthy; what makes no sense any more is refused with the reason. */
export function command(drain: Drain, word: DrainCommand, text: string, view: DrainView): Result<Drain, string> {
  const { phase } = drain;
  const { now } = view;
  const nothing = (what: string) => err(`drain ${drain.id} is ${phase.kind}: there is nothing to ${what}`);
  switch (word) {
    case "pause":
      return isActive(drain) ? ok(pause(drain, "operator", text, now.mono)) : nothing("pause");
    case "resume":
      if (phase.kind !== "paused") return err(`drain ${drain.id} is ${phase.kind}, not paused`);
      return ok(unpause(withoutGone(drain, view), phase, now.mono));
    case "finish":
      return isActive(drain) ? finish(withoutGone(drain, view), view) : nothing("finish");
    case "rollback":
      if (phase.kind === "rolled-back") return ok(drain);
      if (phase.kind === "failed")
        return err(`drain ${drain.id} failed and changed nothing: there is nothing to roll back`);
      return ok(undone(drain, text, now));
    case "abort":
      if (phase.kind === "aborted") return ok(drain);
      if (!isActive(drain))
        return err(`drain ${drain.id} is ${phase.kind}: there is nothing to abort (rollback undoes it)`);
      return ok(endStanding(drain, { kind: "aborted", at: now.epoch, text }, view));
    default:
      return assertNever(word);
  }
}

/** News that left the file are left out from now on: whoever says go on has seen why it stood still. If all of them left they stay named: without
 *  any the rest of the pool would take over, which nobody asked for. */
function withoutGone(drain: Drain, view: DrainView): Drain {
  const to = drain.to.filter((key) => view.servers.has(key));
  return to.length === 0 || to.length === drain.to.length ? drain : { ...drain, to };
}

/** To the last step now, whatever stood between; health and capacity still have their say. */
function finish(drain: Drain, view: DrainView): Result<Drain, string> {
  const { phase } = drain;
  if (phase.kind === "draining" || (phase.kind === "paused" && phase.was === "draining"))
    return err(`drain ${drain.id} has moved everything already; it waits for open connections`);
  const down = newsDown(drain, view);
  if (down.length > 0) return err(`${down.join(", ")} not healthy: nothing more can be moved there`);
  const problem = tooLittle(drain, 1, view);
  if (problem !== undefined) return err(problem);
  return ok({ ...drain, step: drain.steps.length, phase: { kind: "shifting", nextStepAt: view.now.mono } });
}

/** A drain as it goes on after a restart: by itself after a short gap of the same boot (monotonic times still mean the same then), else as its
 *  `onRestart` says; by default paused at its share until somebody has looked.
 *  @param gap since we last ran; undefined: unknown, or another boot */
export function recovered(drain: Drain, gap: Millis | undefined, now: Now): Drain {
  if (!isActive(drain) && !drain.expires) return drain;
  const rebased = gap === undefined ? inThisBoot(drain, now) : drain;
  if (!isActive(rebased)) return rebased;
  if (gap !== undefined && gap <= Math.max(2 * drain.every, 60_000)) return rebased;
  const text = gap === undefined ? "the machine was restarted" : `director did not run for ${formatDuration(gap)}`;
  const { phase, policy } = rebased;
  if (policy.onRestart === "rollback") return undone(rebased, text, now);
  if (policy.onRestart === "resume") return rebased;
  if (phase.kind !== "paused" || !waitsForOperator(phase)) return pause(rebased, "restart", text, now.mono);
  return { ...rebased, phase: { ...phase, since: now.mono, allDownSince: undefined } };
}

/** Monotonic times of another boot mean nothing: a whole step's, or the whole grace's, time is left, and the ttl goes by the wall clock. */
function inThisBoot(drain: Drain, now: Now): Drain {
  const expires = drain.expires && {
    mono: later(now.mono, Math.max(0, drain.expires.epoch - now.epoch)),
    epoch: drain.expires.epoch,
  };
  return { ...drain, expires, phase: phaseInThisBoot(drain, now.mono) };
}

function phaseInThisBoot({ phase, every, policy }: Drain, now: MonotonicMs): DrainPhase {
  switch (phase.kind) {
    case "pending":
      return { kind: "pending", since: now };
    case "shifting":
      return { kind: "shifting", nextStepAt: later(now, every) };
    case "draining":
      return { kind: "draining", since: now, graceUntil: later(now, policy.grace) };
    case "paused":
      return { ...phase, since: now, allDownSince: undefined };
    case "done":
    case "rolled-back":
    case "aborted":
    case "failed":
      return phase;
    default:
      return assertNever(phase);
  }
}
