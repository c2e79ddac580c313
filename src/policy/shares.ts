/** The kernel's wrr hands out connections in cycles of sum/gcd of the weights; a partial cycle is off its shares by up to a run of the heaviest
 *  server. 200 connections a step, 20 steps, simulated: cycles up to 50 stay within 2.05 points of the asked share, up to 100 within 3.7,
 *  and up to 20 round ten unequal servers off by 4.1 to 5.2 points. */
export const LONGEST_CYCLE = 50;

export interface WholeWeights {
  /** What the ideals were multiplied with; each weight is round(scale x ideal), at least 1 where the ideal is above 0. */
  readonly scale: number;
  readonly weights: readonly number[];
  /** Largest difference between a server's given and asked share, in points (0 to 100). */
  readonly offBy: number;
}

/** Small whole weights whose shares come nearest to those of `ideals` (each >= 0) with a short wrr cycle. Whole ideals that have one already are
 *  taken as they are (scale 1), so that servers outside a drain keep their weights and nothing unchanged is written. */
export function wholeWeights(ideals: readonly number[]): WholeWeights {
  const sum = ideals.reduce((a, b) => a + b, 0);
  const busy = ideals.filter((x) => x > 0).length;
  if (sum === 0) return { scale: 1, weights: ideals.map(() => 0), offBy: 0 };
  const asIs = ideals.every(Number.isInteger) ? rounded(ideals, 1, sum) : undefined;
  // A pool of more than 16 servers cannot have a cycle of 50 and keep unequal shares apart: it gets three rounds.
  const longest = Math.max(LONGEST_CYCLE, 3 * busy);
  if (asIs && cycleOf(asIs.weights) <= longest) return asIs;
  let best: WholeWeights | undefined;
  for (let total = busy; total <= longest + 1; total += 0.25) {
    const candidate = rounded(ideals, total / sum, sum);
    if (cycleOf(candidate.weights) > longest) continue;
    if (best === undefined || candidate.offBy < best.offBy - 1e-9) best = candidate;
  }
  return best ?? rounded(ideals, busy / sum, sum);
}

/** The most a file may say. */
const MOST_WEIGHT = 65_535;

/** Whether a file can say these: what stands for good is written in such numbers, however long their cycle. */
export function inFileNumbers(ideals: readonly number[]): boolean {
  return ideals.every((x) => Number.isInteger(x) && x <= MOST_WEIGHT);
}

/** Connections until the kernel's wrr begins anew: sum of the weights over their greatest common divisor. 0 if nobody has weight. */
export function cycleOf(weights: readonly number[]): number {
  const divisor = weights.reduce(gcd, 0);
  return divisor === 0 ? 0 : weights.reduce((a, b) => a + b, 0) / divisor;
}

function rounded(ideals: readonly number[], scale: number, sum: number): WholeWeights {
  const weights = ideals.map((x) => scaled(x, scale));
  const total = weights.reduce((a, b) => a + b, 0);
  const offBy = Math.max(...weights.map((w, i) => Math.abs(w / total - ideals[i]! / sum) * 100));
  return { scale, weights, offBy };
}

/** The rounding of the one weight formula: at least 1 when there is anything at all. */
export function scaled(ideal: number, scale: number): number {
  return ideal <= 0 ? 0 : Math.max(1, Math.round(scale * ideal));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
