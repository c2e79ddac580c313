/** A destination as a scheduler sees it. */
export interface Candidate<K> {
  readonly key: K;
  readonly weight: number;
}

/** Weighted round robin as the kernel does it (net/netfilter/ipvs/ip_vs_wrr.c, Linux 6.1). */
export interface Wrr<K> {
  /** Any destination was added, edited (the same weight included) or deleted. `candidates`: the newest first, as the kernel lists them. */
  changed(candidates: readonly Candidate<K>[]): void;
  /** Who gets the next connection; undefined: nobody has weight and room. `full`: who has reached the limit of his connections. */
  next(full?: (key: K) => boolean): K | undefined;
}

/** The kernel walks its list in rounds. Each round has a bar, and who weighs at least the bar gets one connection in it. The bar starts at the
 *  heaviest and falls by the greatest common divisor of the weights, so a cycle is as long as sum/gcd.
 *
 *  An edit sends the walk back to the head of the list, the most recently added server, and leaves the bar where it was, if weights still
 *  reach it: that server gets one connection out of turn for every edit. */
export function wrr<K>(): Wrr<K> {
  let list: readonly Candidate<K>[] = [];
  /** Index of the last one served; -1 is the list's head. */
  let at = -1;
  let bar = 0;
  let top = 0;
  let step = 1;

  return {
    changed(candidates) {
      list = candidates;
      at = -1;
      step = divisor(list);
      top = heaviest(list) - (step - 1);
      if (bar > top || bar === 0) bar = top;
      else if (step > 1) bar = Math.floor(bar / step) * step + 1;
    },
    next(full = () => false) {
      if (top <= 0) return undefined;
      const start = { at, bar };
      // Who has room reaches the bar of the last round, so the second cycle ends with him or with nobody.
      for (let cycles = 0; cycles < 2; ) {
        for (at++; at < list.length; at++) {
          const candidate = list[at];
          if (candidate !== undefined && candidate.weight >= bar && !full(candidate.key)) return candidate.key;
        }
        at = -1;
        bar -= step;
        if (bar > 0) continue;
        bar = top;
        cycles++;
      }
      ({ at, bar } = start);
      return undefined;
    },
  };
}

/** Of the weights above 0; 1 if there are none. */
function divisor(list: readonly Candidate<unknown>[]): number {
  let divisor = 0;
  for (const { weight } of list) if (weight > 0) divisor = gcd(weight, divisor);
  return divisor || 1;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function heaviest(list: readonly Candidate<unknown>[]): number {
  return list.reduce((max, { weight }) => Math.max(max, weight), 0);
}
