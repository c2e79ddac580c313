import { later, type Millis, type MonotonicMs } from "../model/time.ts";

/** A recovered server comes back in at most this many writes: 1/10 of its weight at once, all of it after 9/10 of the time. */
export const RAMP_STEPS = 10;

export interface Ramp {
  /** Above 0 to 1: the part of its weight that a server has. */
  readonly factor: number;
  /** When the factor grows next; undefined: it is 1 for good. */
  readonly nextChangeAt: MonotonicMs | undefined;
}

export const WHOLE: Ramp = { factor: 1, nextChangeAt: undefined };

/** @param duration `slow_start`; undefined: none
 *  @param recoveredAt when an outage ended that we saw; undefined (never since our start): it has its whole weight */
export function ramp(duration: Millis | undefined, recoveredAt: MonotonicMs | undefined, now: MonotonicMs): Ramp {
  if (duration === undefined || recoveredAt === undefined) return WHOLE;
  const each = duration / RAMP_STEPS;
  // A hair more, or a step that is due to the very moment would not be taken and asked for again at once.
  const step = Math.floor(Math.max(0, now - recoveredAt) / each + 1e-6) + 1;
  if (step >= RAMP_STEPS) return WHOLE;
  return { factor: step / RAMP_STEPS, nextChangeAt: later(recoveredAt, step * each) };
}
