import type { DestinationKey, ServiceKey } from "../model/service.ts";
import type { Destination, Glance, IpvsTable, ServiceEntry } from "./table.ts";

/** A glance laid over the last full reading: present weights, with the options a glance does not show. `undefined` when the glance shows
 *  something that reading did not have (a service, a destination, another scheduler or forwarding method): then only a full reading tells. */
export function overlaid(known: IpvsTable, glance: Glance): IpvsTable | undefined {
  const table = new Map<ServiceKey, ServiceEntry>();
  for (const [key, seen] of glance) {
    const entry = known.get(key);
    if (!entry || entry.scheduler !== seen.scheduler) return undefined;
    const destinations = new Map<DestinationKey, Destination>();
    let same = seen.destinations.size === entry.destinations.size;
    for (const [id, { weight, forwarding }] of seen.destinations) {
      const destination = entry.destinations.get(id);
      if (!destination || destination.forwarding.kind !== forwarding) return undefined;
      if (destination.weight === weight) destinations.set(id, destination);
      else {
        destinations.set(id, { ...destination, weight });
        same = false;
      }
    }
    // The same objects again where nothing changed: comparing tables is then a comparison of references.
    table.set(key, same ? entry : { ...entry, destinations });
  }
  return table;
}
