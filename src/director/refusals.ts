import { destinationOf } from "../ipvs/drift.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { IpvsChange } from "../ipvs/table.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";

const FIRST_RETRY_MS: Millis = 1_000;
const LAST_RETRY_MS: Millis = 60_000;

/** A change that the kernel did not take. */
export interface Refused {
  readonly change: IpvsChange;
  /** What ipvsadm said, where it can be told; else that the table does not show it. */
  readonly reason: string;
  readonly since: MonotonicMs;
  readonly attempts: number;
  readonly retryAt: MonotonicMs;
}

export interface Refusals {
  /** Of all changes that are wanted those that may be tried now: a refused one waits for its turn, and what stands on it (servers of a refused
   *  service) waits with it. What is not wanted any more is forgotten. */
  due(changes: readonly IpvsChange[], now: MonotonicMs): readonly IpvsChange[];
  /** After a pass: what was tried and is still not there is refused; everything else of before is forgotten. Returns those refused anew. */
  settle(
    tried: readonly IpvsChange[],
    left: readonly IpvsChange[],
    complaints: readonly string[],
    now: MonotonicMs,
  ): readonly Refused[];
  list(): readonly Refused[];
  /** When the next one is due; those that are due already wait for something else. */
  nextAt(now: MonotonicMs): MonotonicMs | undefined;
}

/** Isolates what the kernel refuses: retried with backoff from 1s to 60s, in nobody's way. */
export function createRefusals(): Refusals {
  let refused = new Map<string, Refused>();

  function blocked(change: IpvsChange, now: MonotonicMs): boolean {
    const own = refused.get(lineOf(change));
    if (own && now < own.retryAt) return true;
    if (destinationOf(change) === undefined) return false;
    for (const { change: other, retryAt } of refused.values())
      if (other.op === "add-service" && other.service === change.service && now < retryAt) return true;
    return false;
  }

  return {
    due(changes, now) {
      if (refused.size === 0) return changes;
      const wanted = new Set(changes.map(lineOf));
      for (const line of refused.keys()) if (!wanted.has(line)) refused.delete(line);
      return changes.filter((change) => !blocked(change, now));
    },
    settle(tried, left, complaints, now) {
      const stillWanted = new Set(left.map(lineOf));
      const triedLines = new Set(tried.map(lineOf));
      const next = new Map<string, Refused>();
      const fresh: Refused[] = [];
      const services = new Set(left.filter((c) => c.op === "add-service").map((c) => c.service));
      for (const change of left) {
        const line = lineOf(change);
        const old = refused.get(line);
        if (!triedLines.has(line)) {
          if (old) next.set(line, old);
          continue;
        }
        // A server of a service that is not there is no refusal of its own.
        if (destinationOf(change) !== undefined && services.has(change.service)) continue;
        const attempts = (old?.attempts ?? 0) + 1;
        const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
        const reason =
          complaints.find((text) => text.startsWith(`${line}:`)) ?? complaints[0] ?? "the table does not show it";
        const item = { change, reason, since: old?.since ?? now, attempts, retryAt: later(now, wait) };
        next.set(line, item);
        if (!old) fresh.push(item);
      }
      for (const [line, old] of refused) if (!next.has(line) && stillWanted.has(line)) next.set(line, old);
      refused = next;
      return fresh;
    },
    list: () => [...refused.values()],
    nextAt(now) {
      let next: MonotonicMs | undefined;
      for (const { retryAt } of refused.values())
        if (retryAt > now && (next === undefined || retryAt < next)) next = retryAt;
      return next;
    },
  };
}

/** The change as the line that ipvsadm reads: the same order again is the same line, another weight is another attempt. */
function lineOf(change: IpvsChange): string {
  return ruleLine(change);
}
