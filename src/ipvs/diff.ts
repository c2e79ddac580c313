import type { ServiceKey } from "../model/service.ts";
import { sameDestination, sameOptions } from "./equal.ts";
import type { Destination, IpvsChange, IpvsTable, ServiceEntry } from "./table.ts";

/** What a wanted entry was last found to be equal to: tables are compared every few seconds, and nearly all of their entries are those of the time
 *  before. */
const equals = new WeakMap<ServiceEntry, ServiceEntry>();

/** Whether that has been found already; false says nothing. */
export function knownEqual(wanted: ServiceEntry, actual: ServiceEntry): boolean {
  return wanted === actual || equals.get(wanted) === actual;
}

/** The steps that turn `actual` into `desired`, in an order in which no service that has weight before and after is ever without:
 *  services first, then everything that gives weight, then what takes it, deletions last.
 *
 *  A wanted service is ours whole: its destinations that are not wanted are deleted. A service in `owned` that is not wanted is deleted.
 *  Any other service never appears. What is equal is not rewritten: every edit of a destination sends wrr back to the newest server.
 *
 *  Forwarding, scheduler, flags and persistence are edited in place; the kernel takes each of these edits whatever stood there before.
 *  What it refuses, and nothing here can turn into something it accepts: a scheduler or persistence engine whose module is missing (the
 *  service keeps its old one), and a server of the other address family while the sync daemon runs. Two edits that would need another
 *  entry cannot arise, because they change the key: a masquerade server on a port of its own has no direct routing (ipvsadm
 *  would quietly put it on the virtual port), and a service without port has no edit that ends its persistence. */
export function diff(desired: IpvsTable, actual: IpvsTable, owned: ReadonlySet<ServiceKey>): readonly IpvsChange[] {
  const steps: Steps = { addService: [], editService: [], give: [], take: [], deleteServer: [], deleteService: [] };
  for (const [service, entry] of desired) {
    const was = actual.get(service);
    if (was !== undefined && knownEqual(entry, was)) continue;
    const sameService = was !== undefined && sameOptions(entry, was);
    if (was === undefined) steps.addService.push({ op: "add-service", service, entry });
    else if (!sameService) steps.editService.push({ op: "edit-service", service, entry, was });
    const sameServers = compareDestinations(service, entry, was, steps);
    if (sameService && sameServers) equals.set(entry, was);
  }
  for (const service of owned) {
    const was = actual.get(service);
    if (was !== undefined && !desired.has(service)) steps.deleteService.push({ op: "delete-service", service, was });
  }
  return [steps.addService, steps.editService, steps.give, steps.take, steps.deleteServer, steps.deleteService].flat();
}

interface Steps {
  readonly addService: IpvsChange[];
  readonly editService: IpvsChange[];
  readonly give: IpvsChange[];
  readonly take: IpvsChange[];
  readonly deleteServer: IpvsChange[];
  readonly deleteService: IpvsChange[];
}

/** @returns whether there is nothing to do */
function compareDestinations(
  service: ServiceKey,
  want: ServiceEntry,
  have: ServiceEntry | undefined,
  steps: Steps,
): boolean {
  const { frontend } = want;
  let same = have !== undefined && have.destinations.size === want.destinations.size;
  for (const [key, destination] of want.destinations) {
    const was = have?.destinations.get(key);
    const into = gives(destination, was) ? steps.give : steps.take;
    if (was !== undefined && sameDestination(destination, was)) continue;
    same = false;
    if (was === undefined) into.push({ op: "add-server", service, frontend, destination });
    else into.push({ op: "edit-server", service, frontend, destination, was });
  }
  if (have === undefined || same) return same;
  for (const [key, was] of have.destinations)
    if (!want.destinations.has(key)) steps.deleteServer.push({ op: "delete-server", service, frontend, was });
  return false;
}

/** An unchanged weight above 0 counts as given: it takes nothing from anybody. */
function gives(destination: Destination, was: Destination | undefined): boolean {
  return destination.weight > 0 && destination.weight >= (was?.weight ?? 0);
}
