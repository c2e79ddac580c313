import type { StatusReply } from "../../control/shapes.ts";

/** Two minutes at one every two seconds: more than a wide screen shows. */
const MOST_SAMPLES = 60;

/** New connections a second as they were, oldest first; null: not known then. */
export type Rates = readonly (number | null)[];

export interface RateHistory {
  take(status: StatusReply): void;
  of(service: string, address?: string): Rates;
}

/** Kept for as long as somebody looks. */
export function rateHistory(): RateHistory {
  let known: ReadonlyMap<string, Rates> = new Map();
  return {
    take({ services }) {
      // What is gone is forgotten.
      const next = new Map<string, Rates>();
      const add = (key: string, rate: number | undefined) =>
        next.set(key, [...(known.get(key) ?? []).slice(1 - MOST_SAMPLES), rate ?? null]);
      for (const { name, connectionsPerSecond, servers } of services) {
        add(name, connectionsPerSecond);
        for (const server of servers) add(`${name} ${server.address}`, server.connectionsPerSecond);
      }
      known = next;
    },
    of: (service, address) => known.get(address === undefined ? service : `${service} ${address}`) ?? [],
  };
}

const BLOCKS = "▁▂▃▄▅▆▇█";
/** For terminals that show ASCII only. */
const MARKS = "_.-=+*#@";

/** The last `width` of them, right-aligned: the highest mark is the highest of those shown, the lowest is none at all. */
export function sparkline(rates: Rates, width: number, unicode: boolean): string {
  const shown = rates.slice(-width);
  const highest = Math.max(0, ...shown.map((rate) => rate ?? 0));
  const marks = unicode ? BLOCKS : MARKS;
  const mark = (rate: number | null) => {
    if (rate === null) return " ";
    return marks[rate === 0 ? 0 : Math.max(1, Math.round((rate / highest) * (marks.length - 1)))]!;
  };
  return shown.map(mark).join("").padStart(width);
}
