import type { Stats } from "../ipvs/table.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** The kernel's counters move every 2 seconds, and asking takes a process. */
const ASK_EVERY_MS: Millis = 5_000;
/** Whoever asks for numbers does not wait longer than this: an ipvsadm that hangs must not take the other numbers with it. */
const PATIENCE_MS: Millis = 2_000;
/** Older ones say nothing of now. */
const OLDEST_MS: Millis = 60_000;

export interface ConnectionCounts {
  /** As they were a few seconds ago; undefined: they cannot be had. Asks for them only when called. */
  now(): Promise<Stats | undefined>;
}

/** Counters of connections, on demand.
 *  @param stats asks the kernel; a failure is no news here, the passes tell of it */
export function createConnectionCounts(clock: Clock, stats: () => Promise<Stats>): ConnectionCounts {
  let last: { readonly at: MonotonicMs; readonly value: Stats } | undefined;
  let askedAt: MonotonicMs | undefined;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    const at = clock.now().mono;
    askedAt = at;
    try {
      last = { at, value: await stats() };
    } catch {
      // What was known ages until it is too old.
    } finally {
      asking = undefined;
    }
  }

  return {
    async now() {
      const { mono } = clock.now();
      if (asking === undefined && (askedAt === undefined || mono >= later(askedAt, ASK_EVERY_MS))) asking = ask();
      if (asking) await within(clock, asking, PATIENCE_MS);
      return last && clock.now().mono - last.at <= OLDEST_MS ? last.value : undefined;
    },
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
