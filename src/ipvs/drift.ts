import { type DestinationKey, destinationKey, type ServiceKey } from "../model/service.ts";
import { diff } from "./diff.ts";
import { sameDestination, sameOptions } from "./equal.ts";
import type { IpvsChange, IpvsTable } from "./table.ts";

/** One thing that is not as we left it. `repair` is what would put it back. */
export interface Drift {
  /** The same thing drifting again has the same key. */
  readonly key: string;
  readonly service: ServiceKey;
  /** undefined: the service itself (missing, or its options). */
  readonly destination: DestinationKey | undefined;
  readonly repair: IpvsChange;
}

/** What somebody else changed in our services between `believed` (what we last saw there) and `actual`. A service that is gone is one thing,
 *  its servers with it: `ipvsadm -C` is not ten thousand deeds. */
export function driftBetween(believed: IpvsTable, actual: IpvsTable): readonly Drift[] {
  return diff(believed, actual, new Set(believed.keys()))
    .filter((repair) => repair.op === "add-service" || actual.has(repair.service))
    .map((repair) => {
      const destination = destinationOf(repair);
      return { key: `${repair.service} ${destination ?? ""}`, service: repair.service, destination, repair };
    });
}

/** Whether one thing is the same in both tables. */
export function sameThing(a: IpvsTable, b: IpvsTable, thing: Pick<Drift, "service" | "destination">): boolean {
  const [inA, inB] = [a.get(thing.service), b.get(thing.service)];
  if (!inA || !inB) return inA === inB;
  if (thing.destination === undefined) return sameOptions(inA, inB);
  const [x, y] = [inA.destinations.get(thing.destination), inB.destinations.get(thing.destination)];
  return x && y ? sameDestination(x, y) : x === y;
}

/** What a change is about, for telling whether it is the same thing again. */
export function destinationOf(change: IpvsChange): DestinationKey | undefined {
  switch (change.op) {
    case "add-service":
    case "edit-service":
    case "delete-service":
      return undefined;
    case "add-server":
    case "edit-server":
      return destinationKey(change.destination.address, change.destination.port);
    case "delete-server":
      return destinationKey(change.was.address, change.was.port);
  }
}

/** The wanted table with one thing as it actually is, so that nobody writes it. */
export function tolerating(
  wanted: IpvsTable,
  actual: IpvsTable,
  item: Pick<Drift, "service" | "destination">,
): IpvsTable {
  const entry = wanted.get(item.service);
  const real = actual.get(item.service);
  const table = new Map(wanted);
  if (item.destination === undefined) {
    if (!real) table.delete(item.service);
    else if (entry) table.set(item.service, { ...real, destinations: entry.destinations });
    return table;
  }
  if (!entry) return wanted;
  const destinations = new Map(entry.destinations);
  const destination = real?.destinations.get(item.destination);
  if (destination) destinations.set(item.destination, destination);
  else destinations.delete(item.destination);
  table.set(item.service, { ...entry, destinations });
  return table;
}

/** Our services as the kernel has them. */
export function only(table: IpvsTable, services: { has(key: ServiceKey): boolean }): IpvsTable {
  return new Map([...table].filter(([key]) => services.has(key)));
}
