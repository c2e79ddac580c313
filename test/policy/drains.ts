import type { ServerKey, ServiceKey } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs, Now } from "../../src/model/time.ts";
import {
  DEFAULT_DRAIN_POLICY,
  type Drain,
  type DrainPhase,
  type DrainView,
  type Participant,
  type PauseReason,
} from "../../src/policy/drain.ts";
import { advance } from "../../src/policy/drain-machine.ts";
import { shift } from "../../src/policy/drain-shift.ts";

export const mono = (ms: number) => ms as MonotonicMs;
export const key = (name: string) => name as ServerKey;
export const at = (ms: number): Now => ({ mono: mono(ms), epoch: (1_790_000_000_000 + ms) as EpochMs });

/** From `old` to `new` in ten steps of a minute, begun at 0. */
export function drain(given: Partial<Drain> = {}): Drain {
  return {
    id: "d-1",
    service: ["tcp:192.0.2.10:80" as ServiceKey],
    serviceName: "web",
    from: [key("old")],
    to: [key("new")],
    steps: Array.from({ length: 10 }, (_, k) => (k + 1) / 10),
    every: 60_000,
    step: 0,
    phase: { kind: "pending", since: mono(0) },
    policy: DEFAULT_DRAIN_POLICY,
    configured: { [key("old")]: 100, [key("new")]: 0 },
    result: undefined,
    expires: undefined,
    parent: undefined,
    startedAt: at(0).epoch,
    actor: "ops",
    reason: undefined,
    requestId: undefined,
    ...given,
  };
}

/** `old up 100`, `new down 0`, `old up 100 idle`, `old up 100 7 connections`, `old up 100 idle 2 lingering`: servers as a drain sees them. */
export function servers(...lines: readonly string[]): ReadonlyMap<ServerKey, Participant> {
  return new Map(
    lines.map((line) => {
      const [name = "", health, weight, ...rest] = line.split(" ");
      const count = (what: string) => (rest.includes(what) ? Number(rest[rest.indexOf(what) - 1]) : 0);
      const configured = Number(weight);
      const participant: Participant = {
        name,
        configured,
        base: configured,
        weight: configured,
        ready: health === "up",
        connections: count("connections"),
        lingering: count("lingering"),
        idle: rest.includes("idle"),
        empty: rest.includes("idle") && count("lingering") === 0,
        ramping: rest.includes("ramping"),
      };
      return [key(name), participant];
    }),
  );
}

export function view(now: number, who: ReadonlyMap<ServerKey, Participant>, given: Partial<DrainView> = {}): DrainView {
  return { now: at(now), servers: who, serviceExists: true, storable: true, ...given };
}

export const shifting = (nextStepAt = 60_000): DrainPhase => ({ kind: "shifting", nextStepAt: mono(nextStepAt) });
export const draining = (graceUntil = 600_000): DrainPhase => ({
  kind: "draining",
  since: mono(0),
  graceUntil: mono(graceUntil),
});
export const paused = (
  why: PauseReason,
  given: Partial<Extract<DrainPhase, { kind: "paused" }>> = {},
): Extract<DrainPhase, { kind: "paused" }> => ({
  kind: "paused",
  why,
  text: "text",
  since: mono(0),
  allDownSince: undefined,
  was: "shifting",
  left: 30_000,
  ...given,
});
export const ended = (kind: "done" | "rolled-back" | "aborted" | "failed"): DrainPhase =>
  kind === "done" ? { kind, at: at(0).epoch, left: 0 } : { kind, at: at(0).epoch, text: "text" };

/** Turns until nothing changes any more, as the daemon does in a pass; a step ends it, for it is to be written first. */
export function turns(from: Drain, seen: DrainView): Drain {
  let present = from;
  for (let turn = 0; turn < 8; turn++) {
    const next = advance(present, seen).drain;
    if (next === present) return present;
    const stepped = next.step !== present.step;
    present = next;
    if (stepped) return present;
  }
  throw new Error(`does not come to rest: ${JSON.stringify(present.phase)}`);
}

/** `shifting 3`, `paused new-down 3`, `done 10`: where a drain stands, for tables. */
export function stand({ phase, step }: Drain): string {
  return `${phase.kind}${phase.kind === "paused" ? ` ${phase.why}` : ""} ${step}`;
}

/** Weights that follow for everybody, in units of configured weight: a dead server has 0. */
export function weights(present: Drain, who: ReadonlyMap<ServerKey, Participant>): Readonly<Record<string, number>> {
  const { given, taken } = shift(present, who);
  return Object.fromEntries(
    [...who].map(([id, s]) => {
      const ideal = Math.max(0, Math.round((s.weight - (given[id] ?? 0) + (taken[id] ?? 0)) * 1e6) / 1e6);
      return [id, s.ready ? ideal : 0];
    }),
  );
}
