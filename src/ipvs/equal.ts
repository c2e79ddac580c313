import type { ConnectionLimits, DestinationKey, Forwarding } from "../model/service.ts";
import type { Destination, EntryPersistence, IpvsTable, ServiceEntry } from "./table.ts";

/** Whether the kernel would hold the same service: scheduler, flags, persistence and one-packet, whatever the destinations. */
export function sameOptions(a: ServiceEntry, b: ServiceEntry): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.onePacket === b.onePacket &&
    sameFlags(a, b) &&
    samePersistence(a.persistence, b.persistence)
  );
}

/** Whether the kernel would hold the same destination: address, port, forwarding with its tunnel options, weight and limits. */
export function sameDestination(a: Destination, b: Destination): boolean {
  return (
    a.weight === b.weight &&
    a.port === b.port &&
    a.address.text === b.address.text &&
    sameForwarding(a.forwarding, b.forwarding) &&
    sameLimits(a.limits, b.limits)
  );
}

export function sameLimits(a: ConnectionLimits | undefined, b: ConnectionLimits | undefined): boolean {
  return a?.upper === b?.upper && a?.lower === b?.lower;
}

export function sameForwarding(a: Forwarding, b: Forwarding): boolean {
  if (a.kind !== "tunnel" || b.kind !== "tunnel") return a.kind === b.kind;
  if (a.encapsulation === "gue") return b.encapsulation === "gue" && a.port === b.port && a.checksum === b.checksum;
  if (a.encapsulation === "gre") return b.encapsulation === "gre" && a.checksum === b.checksum;
  return b.encapsulation === "ipip";
}

/** Whether two tables are the same, service by service and destination by destination; the order in which they were added does not count. */
export function sameTable(a: IpvsTable, b: IpvsTable): boolean {
  if (a.size !== b.size) return false;
  for (const [key, entry] of a) {
    const other = b.get(key);
    if (!other || !sameOptions(entry, other) || !sameDestinations(entry.destinations, other.destinations)) return false;
  }
  return true;
}

function sameDestinations(
  a: ReadonlyMap<DestinationKey, Destination>,
  b: ReadonlyMap<DestinationKey, Destination>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [key, destination] of a) {
    const other = b.get(key);
    if (!other || !sameDestination(destination, other)) return false;
  }
  return true;
}

function samePersistence(a: EntryPersistence | undefined, b: EntryPersistence | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.timeoutSec === b.timeoutSec && a.prefix === b.prefix && a.engine === b.engine;
}

/** The kernel keeps three bits; ipvsadm prints the first two of sh and mh by name and the third of them not at all. So `flag-1` of an mh
 *  service is `mh-fallback`, and its `flag-3` cannot be compared. */
function sameFlags(a: ServiceEntry, b: ServiceEntry): boolean {
  return (a.flags.length === 0 && b.flags.length === 0) || flagBits(a) === flagBits(b);
}

function flagBits({ scheduler, flags }: ServiceEntry): number {
  let bits = 0;
  for (const flag of flags) bits |= FLAG_BITS[flag] ?? 0;
  return scheduler === "sh" || scheduler === "mh" ? bits & 3 : bits;
}

const FLAG_BITS: Readonly<Record<string, number>> = {
  "flag-1": 1,
  "flag-2": 2,
  "flag-3": 4,
  "sh-fallback": 1,
  "sh-port": 2,
  "mh-fallback": 1,
  "mh-port": 2,
};
