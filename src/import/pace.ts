import { formatDuration, type Millis } from "../model/time.ts";
import type { Notes, Place } from "./notes.ts";
import type { Entries } from "./written.ts";

/** How often a check asks, and how many answers count. */
export interface Pace {
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly fall: number;
  /** undefined: director's own default. */
  readonly rise: number | undefined;
  readonly fastInterval: Millis;
  readonly downInterval: Millis;
}

const DAY = 86_400_000;
/** director's limits (config/service-keys.ts). */
const LIMITS = { interval: [100, DAY], timeout: [10, DAY] } as const;
const MOST_FAILURES = 100;

/** The timing keys of a check; what lies beyond director's limits is brought within them, and noted. */
export function paceEntries(pace: Pace, place: Place, subject: string, notes: Notes): Entries {
  const within = (ms: Millis, [min, max]: readonly [number, number], key: string, most = max): string => {
    const value = Math.round(Math.min(Math.max(ms, min), most));
    const exact = Math.abs(value - ms) < 1e-9;
    if (!exact)
      notes.add(
        "changed",
        place,
        subject,
        `${key} is ${formatDuration(value)} instead of ${Number(ms.toFixed(3))} ms, director's limit`,
      );
    return formatDuration(value);
  };
  const interval = Math.min(Math.max(pace.interval, LIMITS.interval[0]), LIMITS.interval[1]);
  if (pace.fall > MOST_FAILURES)
    notes.add("changed", place, subject, `fall is ${MOST_FAILURES} instead of ${pace.fall}, director's limit`);
  return {
    interval: within(pace.interval, LIMITS.interval, "interval"),
    timeout: within(pace.timeout, LIMITS.timeout, "timeout"),
    fall: String(Math.min(pace.fall, MOST_FAILURES)),
    rise: pace.rise === undefined ? undefined : String(pace.rise),
    fast_interval: pace.fall === 1 ? undefined : fastInterval(pace.fastInterval, interval, place, subject, notes),
    down_interval: within(pace.downInterval, LIMITS.interval, "down_interval"),
  };
}

/** director counts it from start to start, and never makes it longer than the interval. */
function fastInterval(ms: Millis, interval: Millis, place: Place, subject: string, notes: Notes): string {
  const value = Math.round(Math.min(Math.max(ms, LIMITS.interval[0]), interval));
  if (ms > interval)
    notes.add(
      "changed",
      place,
      subject,
      `fast_interval is ${formatDuration(value)} instead of ${formatDuration(ms)}: never longer than interval`,
    );
  else if (ms < LIMITS.interval[0])
    notes.add(
      "changed",
      place,
      subject,
      `fast_interval is ${formatDuration(value)} instead of ${Number(ms.toFixed(3))} ms, director's limit`,
    );
  return formatDuration(value);
}
