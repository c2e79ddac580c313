import type { EpochMs, MonotonicMs, Now } from "../model/time.ts";

/** Where time comes from. Tests bring their own. */
export interface Clock {
  now(): Now;
  /** Calls back once, not before `ms` from now; the returned function takes it back. */
  after(ms: number, callback: () => void): () => void;
}

/** CLOCK_MONOTONIC when performance.now() was 0. That one reads the same clock, and makes no large integers for the collector. */
const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => ({ mono: (origin + performance.now()) as MonotonicMs, epoch: Date.now() as EpochMs }),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};
