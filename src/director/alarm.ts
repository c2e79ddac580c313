import type { MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** A loop's sleep, that others can cut short. */
export interface Alarm {
  /** The next sleep, or the one that lasts, ends at once. Any number of calls before it are one. */
  wake(): void;
  /** Whether somebody called since this was last asked. */
  taken(): boolean;
  /** Until `until`, a call, or `signal` aborts. */
  sleep(until: MonotonicMs, signal: AbortSignal): Promise<void>;
}

export function createAlarm(clock: Clock): Alarm {
  let woken = false;
  let wakeUp: () => void = () => {};
  return {
    wake() {
      woken = true;
      wakeUp();
    },
    taken() {
      const was = woken;
      woken = false;
      return was;
    },
    sleep(until, signal) {
      if (woken || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          disarm();
          signal.removeEventListener("abort", done);
          wakeUp = () => {};
          resolve();
        };
        const disarm = clock.after(until - clock.now().mono, done);
        signal.addEventListener("abort", done);
        wakeUp = done;
      });
    },
  };
}
