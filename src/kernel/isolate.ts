import { sameDestination, sameOptions } from "../ipvs/equal.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { IpvsChange, IpvsTable } from "../ipvs/table.ts";
import { assertNever } from "../model/result.ts";
import { destinationKey, type ServiceKey } from "../model/service.ts";

/** A table that can be read, and written in one run that may stop anywhere and does not say where. */
export interface Writable {
  read(signal: AbortSignal): Promise<IpvsTable>;
  /** The messages of the run; none: everything was done. */
  restore(changes: readonly IpvsChange[], signal: AbortSignal): Promise<readonly string[]>;
}

/** Up to so many changes are tried one by one. */
const FEW = 16;
/** So often the first change left is set aside and the others are tried together. */
const ROUNDS = 8;
/** No more than so many are tried one by one after that. */
const MOST = 256;

/** After a run of `changes` that `said` something: finds out which of them did not happen and why, and makes the others happen.
 *
 *  `ipvsadm -R` names no line. What the kernel refuses it passes over, a line it cannot read ends the run (its own checks) or is passed over
 *  too (unknown options). So the table is read back, and what is outstanding is tried again: alone, so that what is said belongs
 *  to it, or together behind the one that may have ended the run.
 *  @returns complaints, `RULE LINE: what ipvsadm said`; at the end what was said and could not be put down to a line. */
export async function isolate(
  changes: readonly IpvsChange[],
  said: readonly string[],
  table: Writable,
  signal: AbortSignal,
): Promise<readonly string[]> {
  // A refused entry that is tried again comes alone, and others wait while it is.
  if (changes.length === 1 && said.length > 0) return [`${ruleLine(changes[0]!)}: ${said.join("; ")}`];
  const complaints: string[] = [];
  const unexplained = [...said];
  const refusedServices = new Set<ServiceKey>();

  function complain(change: IpvsChange, words: readonly string[]): void {
    complaints.push(`${ruleLine(change)}: ${words.join("; ")}`);
    for (const word of words) if (unexplained.includes(word)) unexplained.splice(unexplained.indexOf(word), 1);
  }

  async function tryAlone(change: IpvsChange): Promise<void> {
    const words = await table.restore([change], signal);
    if (words.length === 0) return;
    complain(change, words);
    if (change.op === "add-service" && !words.includes("Service already exists")) refusedServices.add(change.service);
  }

  /** A server of a service that was just refused needs no run of its own, and there may be hundreds. */
  function hopeful(change: IpvsChange): boolean {
    if (!refusedServices.has(change.service)) return true;
    complain(change, ["Service not defined"]);
    return false;
  }

  let left = outstanding(changes, await table.read(signal));
  for (let round = 0; left.length > FEW && round < ROUNDS; round++) {
    const [first, ...others] = left as readonly [IpvsChange, ...IpvsChange[]];
    await tryAlone(first);
    const rest = others.filter(hopeful);
    const quiet = rest.length === 0 || (await table.restore(rest, signal)).length === 0;
    left = quiet ? [] : outstanding(rest, await table.read(signal));
  }
  for (const change of left.slice(0, MOST)) if (hopeful(change)) await tryAlone(change);
  for (const change of left.slice(MOST)) complain(change, ["not tried, too many before it were refused"]);
  return [...complaints, ...unexplained];
}

/** The changes that the table does not show. Of several on one item only the last can tell. */
function outstanding(changes: readonly IpvsChange[], table: IpvsTable): readonly IpvsChange[] {
  const last = new Map(changes.map((change) => [itemOf(change), change]));
  return changes.filter((change) => last.get(itemOf(change)) === change && !isDone(change, table));
}

function itemOf(change: IpvsChange): string {
  if (!("frontend" in change)) return change.service;
  const { address, port } = change.op === "delete-server" ? change.was : change.destination;
  return `${change.service} ${destinationKey(address, port)}`;
}

function isDone(change: IpvsChange, table: IpvsTable): boolean {
  const entry = table.get(change.service);
  switch (change.op) {
    case "add-service":
    case "edit-service":
      return entry !== undefined && sameOptions(entry, change.entry);
    case "delete-service":
      return entry === undefined;
    case "add-server":
    case "edit-server": {
      const { destination } = change;
      const there = entry?.destinations.get(destinationKey(destination.address, destination.port));
      return there !== undefined && sameDestination(there, destination);
    }
    case "delete-server":
      return !entry?.destinations.has(destinationKey(change.was.address, change.was.port));
    default:
      return assertNever(change);
  }
}
