/** One look at a quantity: minutes since the beginning, and what it was. */
export interface Point {
  readonly minute: number;
  readonly value: number;
}

export interface Trend {
  readonly mean: number;
  /** Least squares, a minute. */
  readonly slope: number;
  /** Standard error of the slope. Looks that follow each other are alike, so the true one is larger. */
  readonly error: number;
}

/** @param points two at least, not all of one minute; fewer have the slope 0 */
export function trendOf(points: readonly Point[]): Trend {
  const n = points.length;
  const middle = mean(points.map(({ minute }) => minute));
  const average = mean(points.map(({ value }) => value));
  const width = points.reduce((sum, { minute }) => sum + (minute - middle) ** 2, 0);
  if (n < 3 || width === 0) return { mean: average, slope: 0, error: Number.POSITIVE_INFINITY };
  const slope = points.reduce((sum, { minute, value }) => sum + (minute - middle) * (value - average), 0) / width;
  const rest = points.reduce((sum, { minute, value }) => sum + (value - average - slope * (minute - middle)) ** 2, 0);
  return { mean: average, slope, error: Math.sqrt(rest / (n - 2) / width) };
}

/** Of every whole minute the look with the least. */
export function leastOfMinutes(points: readonly Point[]): readonly Point[] {
  const least = new Map<number, Point>();
  for (const point of points) {
    const minute = Math.floor(point.minute);
    const before = least.get(minute);
    if (!before || point.value < before.value) least.set(minute, point);
  }
  return [...least.values()];
}

/** Whether it grows by more than `allowed` in ten minutes, and not by chance. */
export function grows({ slope, error }: Trend, allowed: number): boolean {
  return slope * 10 > allowed && slope > 3 * error;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
