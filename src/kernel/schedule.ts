import type { Destination } from "../ipvs/table.ts";
import type { DestinationKey } from "../model/service.ts";
import { type Candidate, wrr } from "./wrr.ts";

/** One service's scheduler in the table in memory. */
export interface Scheduler {
  /** The service's destinations, in the order in which they were added, after any change to one of them. */
  changed(destinations: ReadonlyMap<DestinationKey, Destination>): void;
  /** Who gets the next connection; undefined: nobody has weight and room. `full`: who has reached the limit of his connections. */
  next(full?: (destination: DestinationKey) => boolean): DestinationKey | undefined;
}

/** wrr and rr as the kernel has them. The others depend on connections or on the client's address, which nobody here has: they share
 *  by weight at random, in a sequence that is the same every time. */
export function scheduler(name: string): Scheduler {
  const walk = name === "wrr" ? wrr<DestinationKey>() : name === "rr" ? roundRobin() : byLot();
  return {
    changed: (destinations) => walk.changed(newestFirst(destinations)),
    next: (full = () => false) => walk.next(full),
  };
}

interface Walk {
  changed(candidates: readonly Candidate<DestinationKey>[]): void;
  next(full: (destination: DestinationKey) => boolean): DestinationKey | undefined;
}

function newestFirst(destinations: ReadonlyMap<DestinationKey, Destination>): readonly Candidate<DestinationKey>[] {
  return Array.from(destinations, ([key, { weight }]) => ({ key, weight })).reverse();
}

/** Everybody with weight in turn (ip_vs_rr.c): edits and additions leave the place, a deletion steps back to the one before. */
function roundRobin(): Walk {
  let list: readonly Candidate<DestinationKey>[] = [];
  let last: DestinationKey | undefined;
  const place = (): number => list.findIndex(({ key }) => key === last);
  return {
    changed(candidates) {
      const before = list.slice(0, Math.max(0, place())).map(({ key }) => key);
      list = candidates;
      if (place() < 0) last = before.findLast((key) => list.some((candidate) => candidate.key === key));
    },
    next(full) {
      const from = place() + 1;
      const inTurn = [...list.slice(from), ...list.slice(0, from)];
      const found = inTurn.find(({ key, weight }) => weight > 0 && !full(key));
      if (found !== undefined) last = found.key;
      return found?.key;
    },
  };
}

function byLot(): Walk {
  let list: readonly Candidate<DestinationKey>[] = [];
  let seed = 1;
  return {
    changed(candidates) {
      list = candidates;
    },
    next(full) {
      const able = list.filter(({ key }) => !full(key));
      const total = able.reduce((sum, { weight }) => sum + weight, 0);
      // The generator of Park and Miller, 1988: full period over 1 to 2^31 - 2.
      seed = (seed * 48_271) % 2_147_483_647;
      let lot = (seed / 2_147_483_647) * total;
      for (const { key, weight } of able) {
        if (lot < weight) return key;
        lot -= weight;
      }
      return undefined;
    },
  };
}
