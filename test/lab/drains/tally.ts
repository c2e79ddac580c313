import type { Seen } from "../main-job/watcher.ts";
import type { Counted } from "./counting.ts";

/** A time in which one service had the same weights throughout, by the looks at the table; in milliseconds since 1970. */
export interface Span {
  /** Weights by `10.9.1.2:8001`. */
  readonly weights: Readonly<Record<string, number>>;
  /** They were there by then. */
  readonly from: number;
  /** They were still there then. */
  readonly to: number;
}

/** All spans of a service that a watcher saw, the last one up to `end`. */
export function spansOf(seen: Seen, service: string, end: number): readonly Span[] {
  const spans: { weights: Span["weights"]; from: number; to: number }[] = [];
  for (const { before, at, table } of seen.changes) {
    const weights = table[service] ?? {};
    const last = spans.at(-1);
    if (last && same(last.weights, weights)) continue;
    if (last) last.to = before;
    spans.push({ weights, from: at, to: end });
  }
  return spans;
}

/** Connections of one target by server that were opened after the span's begin and stood before its end: every one of them was scheduled with
 *  the span's weights. (When they had their answer must not matter: a server that is slow at the end of a step would count for less.) */
export function tally(counted: Counted, target: number, { from, to }: Span): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [i, of] of counted.target.entries()) {
    if (of !== target || counted.server[i] === -1) continue;
    if (counted.openedAt[i]! < from || counted.connectedAt[i]! > to) continue;
    const name = counted.names[counted.server[i]!]!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export function sum(numbers: Readonly<Record<string, number>>): number {
  return Object.values(numbers).reduce((a, b) => a + b, 0);
}

/** Largest difference between two divisions of a whole, in points (0 to 100). */
export function pointsApart(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): number {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  const [all, whole] = [sum(one), sum(other)];
  return Math.max(...[...names].map((name) => Math.abs((one[name] ?? 0) / all - (other[name] ?? 0) / whole) * 100));
}

export function same(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** By how many connections the most unlucky stretch of the kernel's wrr cycle is off somebody's share: in each round whoever weighs at least the bar
 *  gets one, and the bar falls from the heaviest on. Written apart from the project's own: what is tested does not judge itself. */
export function unluckiest(weights: Readonly<Record<string, number>>): number {
  const unit = Object.values(weights).reduce(gcd, 0);
  const heavy = Object.values(weights).map((weight) => weight / unit);
  const cycle: number[] = [];
  for (let bar = Math.max(...heavy); bar > 0; bar--)
    for (const [i, weight] of heavy.entries()) if (weight >= bar) cycle.push(i);
  let worst = 0;
  for (const [i, weight] of heavy.entries()) {
    let [ahead, most, least] = [0, 0, 0];
    for (const served of cycle) {
      ahead += (served === i ? 1 : 0) - weight / cycle.length;
      most = Math.max(most, ahead);
      least = Math.min(least, ahead);
    }
    worst = Math.max(worst, most - least);
  }
  return worst;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
