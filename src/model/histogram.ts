/** How often a value fell into which range; counted in place, since checks feed it a thousand times a second. */
export interface Histogram {
  /** Upper ends of the ranges, ascending, in seconds. What lies above the last counts in the last of `counts`. */
  readonly bounds: readonly number[];
  /** One for each range, not cumulative; one longer than `bounds`. */
  readonly counts: readonly number[];
  /** Seconds altogether. */
  readonly sum: number;
  observe(seconds: number): void;
}

/** @param bounds ascending, in seconds */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  const self = {
    bounds,
    counts,
    sum: 0,
    observe(seconds: number): void {
      let i = 0;
      // Most are in one of the first: no search is quicker.
      while (i < bounds.length && seconds > bounds[i]!) i++;
      counts[i]!++;
      self.sum += seconds;
    },
  };
  return self;
}

/** A probe on a local network takes milliseconds, and its deadline is seconds. */
export const CHECK_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** A run of ipvsadm takes milliseconds, tens of them for a large table, and 10s at most (ipvs.timeout). */
export const COMMAND_BOUNDS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
