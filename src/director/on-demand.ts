import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

export interface Limits {
  /** Between two questions: the kernel's counters move every 2 seconds, and asking takes a process. */
  readonly everyMs: Millis;
  /** Whoever asks does not wait longer than this: an ipvsadm that hangs must not take the other numbers with it. */
  readonly patienceMs: Millis;
  /** Older ones say nothing of now. */
  readonly oldestMs: Millis;
}

/** Asks for it only when called; undefined: it cannot be had. */
export type OnDemand<T> = () => Promise<T | undefined>;

/** What the kernel counts, for whoever wants to see it.
 *  @param question asks the kernel; a failure is no news here, the passes tell of it */
export function onDemand<T>(
  clock: Clock,
  { everyMs, patienceMs, oldestMs }: Limits,
  question: () => Promise<T>,
): OnDemand<T> {
  let last: { readonly at: MonotonicMs; readonly value: T } | undefined;
  let askedAt: MonotonicMs | undefined;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    const at = clock.now().mono;
    askedAt = at;
    try {
      last = { at, value: await question() };
    } catch {
      // What was known ages until it is too old.
    } finally {
      asking = undefined;
    }
  }

  return async () => {
    const { mono } = clock.now();
    if (asking === undefined && (askedAt === undefined || mono >= later(askedAt, everyMs))) asking = ask();
    if (asking) await within(clock, asking, patienceMs);
    return last && clock.now().mono - last.at <= oldestMs ? last.value : undefined;
  };
}

function within(clock: Clock, work: Promise<void>, ms: Millis): Promise<void> {
  return new Promise((resolve) => {
    const disarm = clock.after(ms, resolve);
    void work.then(() => {
      disarm();
      resolve();
    });
  });
}
