/** Random choices that come out the same for the same seed. */
export interface Chance {
  /** 0 to below `count`. */
  below(count: number): number;
  /** True this often: 0 never, 1 always. */
  happens(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Each of them this often, in their order. */
  some<T>(from: readonly T[], probability?: number): readonly T[];
  shuffled<T>(items: readonly T[]): readonly T[];
}

/** mulberry32. @param seed a whole number */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number) => Math.floor(next() * count);
  return {
    below,
    happens: (probability) => next() < probability,
    pick: (from) => from[below(from.length)]!,
    some: (from, probability = 0.5) => from.filter(() => next() < probability),
    shuffled(items) {
      const rest = [...items];
      return items.map(() => rest.splice(below(rest.length), 1)[0]!);
    },
  };
}
