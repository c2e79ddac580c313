import type { DestinationKey, ServiceKey } from "../model/service.ts";
import type { Destination, Glance, GlanceService, IpvsTable, ServiceEntry } from "./table.ts";

/** The entry that shows what a glance showed, and is it: neither is worked out again while both stay the same objects. */
const agreed = new WeakMap<GlanceService, ServiceEntry>();

/** A glance laid over the last full reading: present weights, with the options a glance does not show. `undefined` when the glance shows
 *  something that reading did not have (a service, a destination, another scheduler or forwarding method): then only a full reading tells. */
export function overlaid(known: IpvsTable, glance: Glance): IpvsTable | undefined {
  const table = new Map<ServiceKey, ServiceEntry>();
  for (const [key, seen] of glance) {
    const entry = known.get(key);
    if (entry && agreed.get(seen) === entry) {
      table.set(key, entry);
      continue;
    }
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
    const present = same ? entry : { ...entry, destinations };
    agreed.set(seen, present);
    table.set(key, present);
  }
  return table;
}
