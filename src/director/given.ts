import type { Drain, DrainView } from "../policy/drain.ts";
import { shift } from "../policy/drain-shift.ts";
import { ideal } from "../policy/moves.ts";
import { scaled } from "../policy/shares.ts";

/** What of the olds' share the whole weights in force really move: 0 to 1; undefined when there is nothing to compare with. Measured against
 *  what the drain stands upon (`servers`, which earlier drains may have changed), later drains aside. A new that is not ready carries
 *  nothing; otherwise health is left out, since a dead server is not what was asked. With news the pool's sum stays, and shares are of
 *  all; without, the olds shrink against the others.
 *  @param scale of the weights in force */
export function givenShare(drain: Drain, servers: DrainView["servers"], scale: number): number | undefined {
  const { given, taken } = shift(drain, servers);
  const olds = { before: 0, now: 0 };
  const others = { before: 0, now: 0 };
  for (const [key, { weight, configured }] of servers) {
    const side = drain.from.includes(key) ? olds : others;
    const position = { configured, base: weight, given: given[key] ?? 0, taken: taken[key] ?? 0 };
    side.before += weight;
    side.now += scaled(ideal(position), scale);
  }
  if (olds.before === 0) return undefined;
  if (drain.to.length > 0) {
    const all = olds.now + others.now;
    return all === 0 ? undefined : 1 - olds.now / all / (olds.before / (olds.before + others.before));
  }
  // Where nobody else has weight there is no share to lose: what counts is what was taken away.
  if (others.before === 0) return Object.values(given).reduce((a, b) => a + b, 0) / olds.before;
  return 1 - olds.now / others.now / (olds.before / others.before);
}
