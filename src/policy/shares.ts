/** The kernel's wrr hands out connections in cycles of sum/gcd of the weights; what a step carries beyond whole cycles is off its shares by up to
 *  a run of the heaviest server. 200 connections a step, 20 steps, simulated: cycles up to 50 stay within 2.05 points of the asked share, up to
 *  100 within 3.7, and up to 20 round ten unequal servers off by 4.1 to 5.2 points. */
export const LONGEST_CYCLE = 50;

/** Nor is a long run within the cycle any good: 10:29:10 begins with 19 in a row to the heaviest, and 265 connections from there on have 7 too
 *  many of them, 2.7 points. Nobody is to be off by more than 2 points of 200 connections, wherever in the cycle they begin. That is 4; the order
 *  within a round adds up to 0.8 (once in thousands of pools 0.9) to what `unevenness` tells. */
export const EVEN_ENOUGH = 3.2;
/** So far (in points) may the given share be from the asked one for the sake of an even cycle, where it could be nearer. Among many servers it has
 *  to be further anyway. */
const furthest = (servers: number): number => (servers <= 3 ? 0.5 : 1.1);

export interface WholeWeights {
  /** What the ideals were multiplied with; each weight is round(scale x ideal), at least 1 where the ideal is above 0. */
  readonly scale: number;
  readonly weights: readonly number[];
  /** Largest difference between a server's given and asked share, in points (0 to 100). */
  readonly offBy: number;
}

/** Small whole weights whose shares come nearest to those of `ideals` (each >= 0) with a short and even wrr cycle. Whole ideals that have one
 *  already are taken as they are (scale 1), so that servers outside a drain keep their weights and nothing unchanged is written. */
export function wholeWeights(ideals: readonly number[]): WholeWeights {
  const sum = ideals.reduce((a, b) => a + b, 0);
  const busy = ideals.filter((x) => x > 0).length;
  if (sum === 0) return { scale: 1, weights: ideals.map(() => 0), offBy: 0 };
  // A pool of more than 16 servers cannot have a cycle of 50 and keep unequal shares apart: it gets three rounds.
  const longest = Math.max(LONGEST_CYCLE, 3 * busy);
  const candidates: WholeWeights[] = [];
  for (let total = busy; total <= longest + 1; total += 0.25) candidates.push(rounded(ideals, total / sum, sum));
  if (ideals.every(Number.isInteger)) candidates.unshift(rounded(ideals, 1, sum));
  const short = candidates.filter(({ weights }) => cycleOf(weights) <= longest);
  short.sort((a, b) => a.offBy - b.offBy);
  // Among so many servers nobody has a long run.
  const chosen = longest === LONGEST_CYCLE ? evenest(short, furthest(busy)) : short[0];
  return chosen ?? rounded(ideals, busy / sum, sum);
}

/** The nearest one that is even enough; if there is none near enough, the most even of those.
 *  @param nearest in ascending order of offBy */
function evenest(nearest: readonly WholeWeights[], within: number): WholeWeights | undefined {
  let best: { readonly candidate: WholeWeights; readonly uneven: number } | undefined;
  for (const candidate of nearest) {
    if (best && candidate.offBy > Math.max(nearest[0]!.offBy, within)) break;
    const uneven = unevenness(candidate.weights);
    if (uneven <= EVEN_ENOUGH) return candidate;
    if (best === undefined || uneven < best.uneven - 1e-9) best = { candidate, uneven };
  }
  return best?.candidate;
}

/** By how many connections the most unlucky stretch of the cycle is off somebody's share, the order within a round aside. Each round serves those
 *  who weigh at least its bar; the bar falls from the heaviest on, so the light ones have to wait. */
export function unevenness(weights: readonly number[]): number {
  const cycle = cycleOf(weights);
  const unit = weights.reduce((a, b) => a + b, 0) / cycle;
  const levels = [...new Set(weights)].filter((weight) => weight > 0).sort((a, b) => b - a);
  const served = levels.map((level) => weights.filter((weight) => weight >= level).length);
  let worst = 0;
  for (const mine of levels) {
    const share = mine / unit / cycle;
    let ahead = 0;
    let most = 0;
    let least = 0;
    for (const [i, level] of levels.entries()) {
      const rounds = (level - (levels[i + 1] ?? 0)) / unit;
      ahead += rounds * ((mine >= level ? 1 : 0) - share * served[i]!);
      most = Math.max(most, ahead);
      least = Math.min(least, ahead);
    }
    worst = Math.max(worst, most - least);
  }
  return worst;
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
