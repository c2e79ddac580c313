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

/** Which kernel entries are frozen: with one of a service all that it has, those included that a reload has given it meanwhile. Entries of services
 *  that left the file thaw when the freeze ends, or with all freezes. */
export function frozenBy(freezes: readonly Freeze[], services: readonly Service[]): IsFrozen {
  if (freezes.length === 0) return () => false;
  if (freezes.some((freeze) => freeze.services === undefined)) return () => true;
  const keys = new Set(freezes.flatMap((freeze) => freeze.services ?? []));
  for (const { frontends } of services) {
    const entries = frontends.map(serviceKey);
    if (entries.some((entry) => keys.has(entry))) for (const entry of entries) keys.add(entry);
  }
  return (entry) => keys.has(entry);
}

/** The freezes without those of this service, whatever it was called when it was frozen; undefined: without those of everything. */
export function withoutFreezeOf(freezes: readonly Freeze[], service: Service | undefined): readonly Freeze[] {
  if (service === undefined) return freezes.filter((freeze) => freeze.services !== undefined);
  const entries = new Set(service.frontends.map(serviceKey));
  return freezes.flatMap((freeze) => {
    const left = freeze.services?.filter((key) => !entries.has(key));
    if (left === undefined || left.length === freeze.services?.length) return [freeze];
    return left.length === 0 ? [] : [{ ...freeze, services: left }];
  });
}

/** The freeze that holds a service, the longest of them. */
export function freezeOf(freezes: readonly Freeze[], service: Service): Freeze | undefined {
  const entries = new Set(service.frontends.map(serviceKey));
  return freezes
    .filter((freeze) => freeze.services === undefined || freeze.services.some((key) => entries.has(key)))
    .toSorted((a, b) => b.until - a.until)[0];
}
