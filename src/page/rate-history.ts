import type { Rates } from "./pieces.ts";

/** Ten minutes at one every five seconds. */
const MOST_SAMPLES = 120;

export interface RateHistory {
  take(rates: ReadonlyMap<string, number>, now: number): void;
  all(): Rates;
  /** The sample that was taken since the last call. */
  news(): { readonly at: number; readonly of: Readonly<Record<string, number>> } | undefined;
}

/** New connections a second of each service; kept while somebody looks, with gaps where nobody did. */
export function rateHistory(): RateHistory {
  let samples: readonly { readonly at: number; readonly of: ReadonlyMap<string, number> }[] = [];
  let told = true;
  return {
    take(rates, now) {
      const known = [...rates].filter(([, rate]) => Number.isFinite(rate));
      if (known.length === 0) return;
      const of = new Map(known.map(([service, rate]) => [service, Math.round(rate * 10) / 10]));
      samples = [...samples.slice(1 - MOST_SAMPLES), { at: now, of }];
      told = false;
    },
    all() {
      const names = new Set(samples.flatMap(({ of }) => [...of.keys()]));
      return {
        at: samples.map(({ at }) => at),
        of: Object.fromEntries(Array.from(names, (name) => [name, samples.map(({ of }) => of.get(name) ?? null)])),
      };
    },
    news() {
      const last = samples.at(-1);
      if (told || last === undefined) return undefined;
      told = true;
      return { at: last.at, of: Object.fromEntries(last.of) };
    },
  };
}
