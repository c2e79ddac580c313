declare const unit: unique symbol;

/** Milliseconds of CLOCK_MONOTONIC: only goes forward, counts from boot, so it means the same to every process until the next boot. */
export type MonotonicMs = number & { readonly [unit]: "monotonic" };

/** Milliseconds since 1970 by the wall clock; only for what is shown or compared across boots. */
export type EpochMs = number & { readonly [unit]: "epoch" };

/** A length of time in milliseconds, >= 0. */
export type Millis = number;

/** One reading of both clocks, taken together. */
export interface Now {
  readonly mono: MonotonicMs;
  readonly epoch: EpochMs;
}

export function later(t: MonotonicMs, by: Millis): MonotonicMs {
  return (t + by) as MonotonicMs;
}

const PARTS: readonly (readonly [unit: string, ms: number])[] = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

/** Reads `500ms`, `2s`, `1m30s`, `1h`: whole or decimal numbers, each unit at most once, largest first. Anything else, a bare
 *  number included, is undefined. */
export function parseDuration(text: string): Millis | undefined {
  const match = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/.exec(text);
  if (match === null || text === "") return undefined;
  let ms = 0;
  for (const [i, [, factor]] of PARTS.entries()) ms += Number(match[i + 1] ?? 0) * factor;
  return Math.round(ms);
}

/** Writes what parseDuration reads: 90000 is `1m30s`, 0 is `0s`. Fractions of a millisecond are rounded. */
export function formatDuration(ms: Millis): string {
  let rest = Math.round(ms);
  if (rest === 0) return "0s";
  let text = "";
  for (const [name, factor] of PARTS) {
    const count = Math.floor(rest / factor);
    if (count > 0) text += `${count}${name}`;
    rest -= count * factor;
  }
  return text;
}
