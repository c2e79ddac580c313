import { setImmediate } from "node:timers/promises";
import type { EpochMs, Millis, MonotonicMs } from "../../src/model/time.ts";
import type { Clock } from "../../src/runtime/clock.ts";

/** Time that stands still until a test moves it. Both clocks move together. */
export interface FakeClock extends Clock {
  /** Moves on, calling what comes due in order and at its time, and lets everything it sets off come to rest in between. */
  advance(ms: Millis): Promise<void>;
  /** The process stood still (a blocked event loop, SIGSTOP): time passes, and only then is called what came due meanwhile, all of it late. */
  block(ms: Millis): Promise<void>;
  /** Lets everything come to rest without time passing. */
  settle(): Promise<void>;
  /** Somebody sets the wall clock; monotonic time does not notice. */
  setWallClock(by: Millis): void;
  /** Milliseconds since this clock was made. */
  elapsed(): Millis;
  /** Timers that are armed. */
  armed(): number;
}

/** Not zero, and not whole: code that mistakes one clock for the other, or counts on whole milliseconds, is to fail. */
const BOOTED = 86_400_000.25;
const EPOCH = 1_790_000_000_000;
/** A round of immediates runs what the one before set off: a probe's end, the batch of transitions, then passes and what they store, as far as
 *  nobody waits for the disk or the clock. */
const ROUNDS = 3;

export function fakeClock(bootedFor: Millis = BOOTED): FakeClock {
  let mono = bootedFor;
  let wall = EPOCH;
  let nextId = 0;
  const timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  function pass(to: number): void {
    if (to <= mono) return;
    wall += to - mono;
    mono = to;
  }

  /** The one that is due first; of several due together the one armed first. */
  function first(until: number): number | undefined {
    let found: number | undefined;
    let at = until;
    for (const [id, timer] of timers)
      if (timer.at < at || (timer.at <= at && found === undefined)) {
        found = id;
        at = timer.at;
      }
    return found;
  }

  async function settle(): Promise<void> {
    for (let i = 0; i < ROUNDS; i++) await setImmediate();
  }

  async function run(until: number): Promise<void> {
    for (let id = first(until); id !== undefined; id = first(until)) {
      const { at, callback } = timers.get(id)!;
      timers.delete(id);
      pass(at);
      callback();
      await settle();
    }
  }

  return {
    now: () => ({ mono: mono as MonotonicMs, epoch: wall as EpochMs }),
    after(ms, callback) {
      if (Number.isNaN(ms)) throw new TypeError("a timer of NaN milliseconds fires at once, again and again");
      const id = nextId++;
      timers.set(id, { at: mono + Math.max(0, ms), callback });
      return () => void timers.delete(id);
    },
    async advance(ms) {
      const until = mono + ms;
      await settle();
      await run(until);
      pass(until);
    },
    async block(ms) {
      pass(mono + ms);
      await run(mono);
    },
    settle,
    setWallClock(by) {
      wall += by;
    },
    elapsed: () => mono - bootedFor,
    armed: () => timers.size,
  };
}
