// What clients see of a drain: the kernel's wrr, as src/kernel/wrr.ts plays it, with connections that arrive at a steady rate.
import { wrr } from "../src/kernel/wrr.ts";
import { scaled, wholeWeights } from "../src/policy/shares.ts";

export interface Scenario {
  /** Configured weights; the one that takes over has 0. */
  readonly old: number;
  readonly others: readonly number[];
  readonly steps: number;
  readonly everySec: number;
  /** New connections a second. */
  readonly rate: number;
  /** Connections over which the given share is counted. */
  readonly window: number;
}

/** After one connection. Shares are of all new connections, 0 to 1, that are to go, and of the last `window` have gone, to the new server. */
export interface Sample {
  readonly sec: number;
  readonly asked: number;
  readonly given: number;
}

/** Weights at a share of the old one that has moved: old, new, others. */
export type Weighting = (scenario: Scenario, share: number) => readonly number[];

/** As the drain has them in force. */
export const director: Weighting = (scenario, share) => {
  const ideals = idealsAt(scenario, share);
  const { scale } = wholeWeights(ideals);
  return ideals.map((ideal) => scaled(ideal, scale));
};

/** Percentages of the configured weights, rounded. */
export const naive: Weighting = (scenario, share) => idealsAt(scenario, share).map(Math.round);

function idealsAt({ old, others }: Scenario, share: number): readonly number[] {
  const moved = Math.round(old * share * 1e6) / 1e6;
  return [Math.round((old - moved) * 1e6) / 1e6, moved, ...others];
}

/** Every connection of the drain and of one more step after its end. */
export function simulate(scenario: Scenario, weighting: Weighting): readonly Sample[] {
  const { old, others, steps, everySec, rate, window } = scenario;
  const scheduler = wrr<number>();
  const whole = old + others.reduce((a, b) => a + b, 0);
  const samples: Sample[] = [];
  const last: boolean[] = [];
  let before: readonly number[] = [];
  for (let i = 0; i < (steps + 1) * everySec * rate; i++) {
    const sec = i / rate;
    const share = Math.min(1, (Math.floor(sec / everySec) + 1) / steps);
    const weights = weighting(scenario, share);
    // What has not changed is not written: each edit sends the scheduler back to the server that was added last.
    if (weights.some((w, k) => w !== before[k])) scheduler.changed(newestFirst(weights));
    before = weights;
    last.push(scheduler.next() === NEW);
    if (last.length > window) last.shift();
    const taken = last.filter(Boolean).length;
    samples.push({ sec, asked: (old * share) / whole, given: taken / last.length });
  }
  return samples;
}

const NEW = 1;

/** The new server was added last. */
function newestFirst(weights: readonly number[]): readonly { readonly key: number; readonly weight: number }[] {
  const all = weights.map((weight, key) => ({ key, weight }));
  return [...all.filter((c) => c.key === NEW), ...all.filter((c) => c.key !== NEW)];
}

/** How far given is from asked, in points, wherever the window has seen nothing but the step in force. */
export function offBy(
  scenario: Scenario,
  samples: readonly Sample[],
): { readonly worst: number; readonly mean: number } {
  const { everySec, rate, window } = scenario;
  const settled = samples.filter((_, i) => i % (everySec * rate) >= window);
  const off = settled.map(({ asked, given }) => Math.abs(given - asked) * 100);
  return { worst: Math.max(...off), mean: off.reduce((a, b) => a + b, 0) / off.length };
}
