import type { Service, ServiceKey } from "../model/service.ts";
import { serviceKey } from "../model/service.ts";
import type { EpochMs } from "../model/time.ts";
import type { Intent, Said } from "./intent.ts";

/** Until its end nothing is written for these kernel entries, whatever health, drains and operators say meanwhile; all of that is remembered and
 *  written when it is over. */
export interface Freeze extends Said {
  /** undefined: everything. */
  readonly services: readonly ServiceKey[] | undefined;
  /** The service's name then; undefined: everything. */
  readonly serviceName: string | undefined;
  readonly until: EpochMs;
}

export type IsFrozen = (entry: ServiceKey) => boolean;

/** The freezes in force at this moment. */
export function inForce(intent: Intent, now: EpochMs): readonly Freeze[] {
  return intent.freezes.filter((freeze) => now < freeze.until);
}

/** Which kernel entries are frozen. Entries of services that left the file thaw with a freeze of everything only. */
export function frozenBy(freezes: readonly Freeze[]): IsFrozen {
  if (freezes.length === 0) return () => false;
  if (freezes.some((freeze) => freeze.services === undefined)) return () => true;
  const keys = new Set(freezes.flatMap((freeze) => freeze.services ?? []));
  return (entry) => keys.has(entry);
}

/** The freeze that holds a service, the longest of them. */
export function freezeOf(freezes: readonly Freeze[], service: Service): Freeze | undefined {
  const entries = new Set(service.frontends.map(serviceKey));
  return freezes
    .filter((freeze) => freeze.services === undefined || freeze.services.some((key) => entries.has(key)))
    .toSorted((a, b) => b.until - a.until)[0];
}
