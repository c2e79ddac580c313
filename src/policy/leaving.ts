import { knownEqual } from "../ipvs/diff.ts";
import type { Destination, Glance, IpvsTable, ServiceEntry, Stats } from "../ipvs/table.ts";
import type { DestinationKey, Frontend, ServiceKey } from "../model/service.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";

/** TCP: looks at least this far apart, two of them without an active connection, mean idle. */
export const LOOK_APART_MS = 1_000;
/** UDP: no packet for this long means idle; the kernel knows no active UDP connection. */
export const SILENT_MS = 30_000;

/** What is watched of one destination to tell whether anybody still uses it. */
export interface Idleness {
  readonly lookedAt: MonotonicMs;
  /** Looks in a row without an active connection. */
  readonly quietLooks: number;
  readonly packets: number | undefined;
  readonly packetsSince: MonotonicMs;
}

export interface Look {
  readonly active: number;
  /** Packets in, where they are known; refreshed by the kernel every 2 seconds. */
  readonly packets: number | undefined;
}

/** One more look. Looks that follow too closely count as one. */
export function look(before: Idleness | undefined, seen: Look, now: MonotonicMs): Idleness {
  const packetsSince = before && seen.packets === before.packets ? before.packetsSince : now;
  if (before && now - before.lookedAt < LOOK_APART_MS && seen.active === 0)
    return { ...before, packets: seen.packets ?? before.packets, packetsSince };
  return {
    lookedAt: now,
    quietLooks: seen.active > 0 ? 0 : (before?.quietLooks ?? 0) + 1,
    packets: seen.packets,
    packetsSince,
  };
}

/** TCP and SCTP: no active connection in two looks. UDP: no packets for 30s. Behind a firewall mark it may be either: both. */
export function isIdle(frontend: Frontend, idleness: Idleness | undefined, now: MonotonicMs): boolean {
  if (!idleness) return false;
  const quiet = idleness.quietLooks >= 2;
  const silent = idleness.packets !== undefined && now - idleness.packetsSince >= SILENT_MS;
  if (frontend.kind === "fwmark") return quiet && silent;
  return frontend.protocol === "udp" ? silent : quiet;
}

/** Whether idleness below this frontend is told by packets, which only `ipvsadm --stats` knows. */
export function needsPackets(frontend: Frontend): boolean {
  return frontend.kind === "fwmark" || frontend.protocol === "udp";
}

/** An entry of ours that the configuration does not have (any more). */
export interface Leaving {
  readonly service: ServiceKey;
  readonly destination: DestinationKey;
  readonly since: MonotonicMs;
  readonly grace: Millis;
  readonly idleness: Idleness | undefined;
}

export interface LeavingResult {
  /** The desired table with what is leaving in it, at weight 0, for as long as it must stay. */
  readonly table: IpvsTable;
  readonly leaving: ReadonlyMap<string, Leaving>;
  /** Went by grace with connections left. */
  readonly overdue: readonly (Leaving & { readonly active: number })[];
  readonly lookAgainAt: MonotonicMs | undefined;
}

export interface LeavingInput {
  readonly desired: IpvsTable;
  readonly actual: IpvsTable;
  readonly owned: ReadonlySet<ServiceKey>;
  readonly before: ReadonlyMap<string, Leaving>;
  /** What a drain saw of it while it waited for its connections: the same time need not be waited for twice. */
  readonly watched: ReadonlyMap<string, Idleness>;
  /** Entries that the desired table leaves out on purpose (a dead server that weight 0 would not keep clients from). */
  readonly takenOut: (service: ServiceKey, destination: DestinationKey) => boolean;
  readonly glance: Glance;
  readonly stats: Stats | undefined;
  /** How long its last connections may take; Infinity: as long as they like. */
  readonly graceOf: (service: ServiceKey, destination: DestinationKey) => Millis;
  readonly now: MonotonicMs;
}

/** Nothing is deleted while it has connections: what left the file, was found at adoption or was added by someone else first gets weight 0, and
 *  goes when it is idle or its grace is over. */
export function withLeaving(input: LeavingInput): LeavingResult {
  const { desired, actual, owned, before, now } = input;
  const table = new Map(desired);
  const leaving = new Map<string, Leaving>();
  const overdue: (Leaving & { active: number })[] = [];
  let lookAgainAt: MonotonicMs | undefined;
  for (const [service, entry] of actual) {
    const wanted = desired.get(service);
    if (wanted ? knownEqual(wanted, entry) : !owned.has(service)) continue;
    const kept = new Map<DestinationKey, Destination>();
    for (const [key, destination] of entry.destinations) {
      if (wanted?.destinations.has(key) || input.takenOut(service, key)) continue;
      const item = looked(
        input,
        service,
        entry.frontend,
        key,
        before.get(`${service} ${key}`),
        destination.weight === 0,
      );
      const graceUntil = later(item.since, item.grace);
      if (destination.weight === 0 && isIdle(entry.frontend, item.idleness, now)) continue;
      if (now >= graceUntil) {
        overdue.push({ ...item, active: input.glance.get(service)?.destinations.get(key)?.active ?? 0 });
        continue;
      }
      leaving.set(`${service} ${key}`, item);
      kept.set(key, { ...destination, weight: 0 });
      const next = Math.min(graceUntil, later(now, LOOK_APART_MS)) as MonotonicMs;
      if (lookAgainAt === undefined || next < lookAgainAt) lookAgainAt = next;
    }
    if (kept.size > 0) table.set(service, joined(wanted ?? entry, kept, wanted !== undefined));
  }
  return { table, leaving, overdue, lookAgainAt };
}

/** A whole service that is leaving keeps its options and only what still has connections. */
function joined(entry: ServiceEntry, kept: ReadonlyMap<DestinationKey, Destination>, wanted: boolean): ServiceEntry {
  return { ...entry, destinations: wanted ? new Map([...entry.destinations, ...kept]) : kept };
}

function looked(
  input: LeavingInput,
  service: ServiceKey,
  frontend: Frontend,
  key: DestinationKey,
  old: Leaving | undefined,
  atZero: boolean,
): Leaving {
  const seen = input.glance.get(service)?.destinations.get(key);
  const item = old ?? {
    service,
    destination: key,
    since: input.now,
    grace: input.graceOf(service, key),
    idleness: input.watched.get(`${service} ${key}`),
  };
  const packets =
    input.stats?.get(service)?.get(key)?.packetsIn ?? (needsPackets(frontend) ? item.idleness?.packets : undefined);
  // Looks count from when it is at weight 0: before that the next client may come at any moment.
  if (!seen || !atZero) return { ...item, idleness: undefined };
  return { ...item, idleness: look(item.idleness, { active: seen.active, packets }, input.now) };
}
