import type { ServerKey } from "../model/service.ts";
import type { Drain } from "../policy/drain.ts";
import { ideal, type Position } from "../policy/moves.ts";
import { scaled } from "../policy/shares.ts";

/** What of the olds' share the whole weights in force really moved: 0 to 1; undefined when there is nothing to compare with. Health aside,
 *  since a dead server is not what was asked. With news the pool's sum stays, and shares are of all; without, the olds shrink against
 *  the others. */
export function givenShare(
  drain: Drain,
  servers: ReadonlyMap<ServerKey, Position & { readonly scale: number }>,
): number | undefined {
  const olds = { before: 0, now: 0 };
  const others = { before: 0, now: 0 };
  for (const [key, position] of servers) {
    const side = drain.from.includes(key) ? olds : others;
    side.before += position.base;
    side.now += scaled(ideal(position), position.scale);
  }
  if (olds.before === 0) return undefined;
  if (drain.to.length > 0)
    return 1 - olds.now / (olds.now + others.now) / (olds.before / (olds.before + others.before));
  if (others.before === 0 || others.now === 0) return undefined;
  return 1 - olds.now / others.now / (olds.before / others.before);
}
