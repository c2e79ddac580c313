import { type Drift, tolerating } from "../ipvs/drift.ts";
import { sameDestination, sameOptions } from "../ipvs/equal.ts";
import type { IpvsTable } from "../ipvs/table.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";

/** The same thing repaired this often within FIGHT_WINDOW_MS is left alone for as long: two writers in turn ruin wrr for everybody. */
export const FIGHT_REPAIRS = 3;
export const FIGHT_WINDOW_MS: Millis = 300_000;

export type DriftVerdict = "repaired" | "reported" | "fight";

export interface Tolerated {
  readonly item: Drift;
  readonly why: "reported" | "fight";
  readonly since: MonotonicMs;
  /** undefined: as long as we want nothing new of it. */
  readonly until: MonotonicMs | undefined;
  /** What we wanted when it was let be; something new that we want (a server died) is written all the same. */
  readonly wanted: IpvsTable;
}

export interface Repairs {
  /** Judges what drifted; says of each item whether it is repaired, only reported, or let be because somebody fights for it. */
  judge(items: readonly Drift[], wanted: IpvsTable, now: MonotonicMs): readonly (readonly [Drift, DriftVerdict])[];
  /** The wanted table with what is let be left as it actually is. */
  tolerate(wanted: IpvsTable, actual: IpvsTable, now: MonotonicMs): IpvsTable;
  tolerated(): readonly Tolerated[];
}

/** Remembers how often what was repaired. */
export function createRepairs(mode: () => "repair" | "report"): Repairs {
  const repaired = new Map<string, MonotonicMs[]>();
  const letBe = new Map<string, Tolerated>();

  function verdictOn(item: Drift, now: MonotonicMs): DriftVerdict {
    if (mode() === "report") return "reported";
    const recent = (repaired.get(item.key) ?? []).filter((t) => now - t < FIGHT_WINDOW_MS);
    repaired.set(item.key, recent);
    if (recent.length >= FIGHT_REPAIRS) return "fight";
    recent.push(now);
    return "repaired";
  }

  return {
    judge(items, wanted, now) {
      return items.map((item) => {
        const verdict = verdictOn(item, now);
        if (verdict !== "repaired") {
          const until = verdict === "fight" ? later(now, FIGHT_WINDOW_MS) : undefined;
          letBe.set(item.key, { item, why: verdict, since: now, until, wanted });
        }
        return [item, verdict] as const;
      });
    },
    tolerate(wanted, actual, now) {
      let table = wanted;
      for (const [key, kept] of letBe) {
        const over = kept.until !== undefined && now >= kept.until;
        if (over) repaired.delete(key);
        if (over || !wantsTheSame(kept, wanted) || (kept.why === "reported" && mode() === "repair")) letBe.delete(key);
        else table = tolerating(table, actual, kept.item);
      }
      return table;
    },
    tolerated: () => [...letBe.values()],
  };
}

function wantsTheSame({ item, wanted: then }: Tolerated, now: IpvsTable): boolean {
  const before = then.get(item.service);
  const after = now.get(item.service);
  if (!before || !after) return before === after;
  if (item.destination === undefined) return sameOptions(before, after);
  const was = before.destinations.get(item.destination);
  const is = after.destinations.get(item.destination);
  return was && is ? sameDestination(was, is) : was === is;
}
