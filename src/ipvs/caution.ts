import type { DestinationKey, ServiceKey } from "../model/service.ts";
import { destinationOf } from "./drift.ts";
import type { IpvsChange, IpvsTable } from "./table.ts";

/** Splits off the lowerings that would leave a service resting on raises the kernel has not accepted yet: should it refuse those, the service
 *  would be empty. They go with the next pass, once the raise has been read back. What `urgent` names (a dead server) never waits. */
export function cautiously(
  changes: readonly IpvsChange[],
  actual: IpvsTable,
  urgent: (service: ServiceKey, destination: DestinationKey) => boolean,
): { readonly now: readonly IpvsChange[]; readonly held: readonly IpvsChange[] } {
  const lowered = new Map<ServiceKey, Set<DestinationKey>>();
  const raised = new Set<ServiceKey>();
  for (const change of changes) {
    const destination = destinationOf(change);
    if (destination === undefined) continue;
    if (gainsWeight(change)) raised.add(change.service);
    if (losesAll(change)) lowered.set(change.service, (lowered.get(change.service) ?? new Set()).add(destination));
  }
  const waiting = new Set<ServiceKey>();
  for (const [service, gone] of lowered) {
    if (!raised.has(service)) continue;
    const stays = [...(actual.get(service)?.destinations ?? [])].some(([key, d]) => d.weight > 0 && !gone.has(key));
    if (!stays) waiting.add(service);
  }
  if (waiting.size === 0) return { now: changes, held: [] };
  const mustWait = (change: IpvsChange): boolean =>
    waiting.has(change.service) && losesAll(change) && !urgent(change.service, destinationOf(change)!);
  return { now: changes.filter((c) => !mustWait(c)), held: changes.filter(mustWait) };
}

function gainsWeight(change: IpvsChange): boolean {
  if (change.op === "add-server") return change.destination.weight > 0;
  return change.op === "edit-server" && change.destination.weight > change.was.weight;
}

function losesAll(change: IpvsChange): boolean {
  if (change.op === "delete-server") return change.was.weight > 0;
  return change.op === "edit-server" && change.was.weight > 0 && change.destination.weight === 0;
}
