import type { FlapDamping } from "../model/service.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";

/** What is remembered of a server that goes down now and then. */
export interface FlapState {
  /** When it went down, as far as that still counts; oldest first. */
  readonly downs: readonly MonotonicMs[];
  /** How often it was held in a row. */
  readonly holds: number;
  /** Held until then, or it was; undefined: never, or that is forgotten. */
  readonly until: MonotonicMs | undefined;
}

export const CALM: FlapState = { downs: [], holds: 0, until: undefined };

/** It went down once more, held or not. At `count` times within `within` it is held from now on, for `hold` the first time and twice as long each
 *  further time, up to `max`; counting then begins anew. Once it was up, not held, for `within` without going down, all is forgotten. */
export function wentDown(state: FlapState, damping: FlapDamping, now: MonotonicMs): FlapState {
  const { count, within } = damping;
  const before = isForgotten(state, within, now) ? CALM : state;
  const downs = [...before.downs.filter((at) => now - at <= within), now];
  if (downs.length < count) return { ...before, downs };
  const until = later(now, holdFor(damping, before.holds));
  return { downs: [], holds: before.holds + 1, until: later(until, Math.max(0, (before.until ?? until) - until)) };
}

export function isHeld({ until }: FlapState, now: MonotonicMs): boolean {
  return until !== undefined && now < until;
}

/** An operator knows better: it may come up at once, and is held again no sooner than anybody else. */
export function released(state: FlapState, now: MonotonicMs): FlapState {
  return isHeld(state, now) ? { ...CALM, until: now } : { ...CALM, until: state.until };
}

/** How long it is held after so many holds in a row. */
export function holdFor({ hold, max }: FlapDamping, holds: number): Millis {
  return Math.min(hold * 2 ** holds, max);
}

function isForgotten({ downs, until }: FlapState, within: Millis, now: MonotonicMs): boolean {
  const last = Math.max(until ?? 0, downs.at(-1) ?? 0);
  return now - last > within;
}
