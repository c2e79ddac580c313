import { type Drift, sameThing, tolerating } from "../ipvs/drift.ts";
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
  /** Judges what drifted from `wanted`; says of each item whether it is repaired, only reported, or let be because somebody fights for it. What is
   *  let be already is not told again. */
  judge(items: readonly Drift[], wanted: IpvsTable, now: MonotonicMs): readonly (readonly [Drift, DriftVerdict])[];
  /** The table to be written with what is let be left as it actually is. */
  tolerate(target: IpvsTable, wanted: IpvsTable, actual: IpvsTable, now: MonotonicMs): IpvsTable;
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

  /** Forgets what need not be let be any more. */
  function review(wanted: IpvsTable, actual: IpvsTable | undefined, now: MonotonicMs): void {
    for (const [key, { item, why, until, wanted: then }] of letBe) {
      const over = until !== undefined && now >= until;
      const calm = actual !== undefined && why === "reported" && sameThing(wanted, actual, item);
      if (over) repaired.delete(key);
      if (over || calm || !sameThing(then, wanted, item) || (why === "reported" && mode() === "repair"))
        letBe.delete(key);
    }
  }

  return {
    judge(items, wanted, now) {
      review(wanted, undefined, now);
      const verdicts: (readonly [Drift, DriftVerdict])[] = [];
      for (const item of items) {
        if (letBe.get(item.key)?.why === "fight") continue;
        const verdict = verdictOn(item, now);
        verdicts.push([item, verdict]);
        if (verdict === "repaired") continue;
        const until = verdict === "fight" ? later(now, FIGHT_WINDOW_MS) : undefined;
        letBe.set(item.key, { item, why: verdict, since: now, until, wanted });
      }
      return verdicts;
    },
    tolerate(target, wanted, actual, now) {
      review(wanted, actual, now);
      let table = target;
      for (const { item } of letBe.values()) table = tolerating(table, actual, item);
      return table;
    },
    tolerated: () => [...letBe.values()],
  };
}
