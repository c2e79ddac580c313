import type { Millis, Now } from "./time.ts";

/** Work that can be interrupted: what is long at ten thousand servers is done in steps, between which probes have their turn. */
export type Steps<T> = Generator<undefined, T>;

/** All steps, one after the other. */
export function atOnce<T>(work: Steps<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Long enough to be worth the change, short enough that no probe starts noticeably late. */
const TURN_MS: Millis = 8;

interface Timers {
  now(): Now;
  after(ms: Millis, callback: () => void): unknown;
}

/** As many steps at a time as take a few milliseconds; in between everything else has its turn. */
export async function inTurns<T>(work: Steps<T>, clock: Timers): Promise<T> {
  let until = clock.now().mono + TURN_MS;
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    if (clock.now().mono < until) continue;
    await new Promise<void>((resolve) => void clock.after(0, resolve));
    until = clock.now().mono + TURN_MS;
  }
}
