import { attempt } from "../ipvs/apply.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type {
  Destination,
  DestinationStats,
  Glance,
  GlanceDestination,
  GlanceService,
  IpvsChange,
  IpvsTable,
  Rates,
  ServiceEntry,
  ServiceRate,
  Stats,
} from "../ipvs/table.ts";
import { type ConnectionLimits, type DestinationKey, destinationKey, type ServiceKey } from "../model/service.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { ApplyReport, KernelTable } from "./kernel-table.ts";
import { type Scheduler, scheduler } from "./schedule.ts";

/** A table in this process that behaves as ipvsadm and the kernel do, refusals included; test/kernel/contract.ts holds both to the same.
 *  Whoever wants to tamper with it calls `apply`. */
export interface MemoryTable extends KernelTable {
  /** Who would get the next connection; the scheduler moves on. undefined: no such service, or nobody has weight and room (the client is
   *  refused). */
  pick(service: ServiceKey): DestinationKey | undefined;
  /** A client's new connection, to whom `pick` says. It counts as active for TCP and SCTP, as inactive for UDP, until released. */
  open(service: ServiceKey): DestinationKey | undefined;
  /** A packet of a connection that is open. */
  packet(service: ServiceKey, destination: DestinationKey): void;
  /** The end of one connection. */
  release(service: ServiceKey, destination: DestinationKey): void;
}

/** @param clock for rates */
export function memoryTable(initial: IpvsTable = new Map(), clock: Clock = systemClock): MemoryTable {
  let table = initial;
  const schedulers = new Map<ServiceKey, { readonly name: string; readonly scheduler: Scheduler }>();
  const traffic = new Map<ServiceKey, Map<DestinationKey, Traffic>>();
  let estimated: { readonly at: MonotonicMs; readonly counters: Stats; readonly rates: Rates } | undefined;
  for (const [service, entry] of table) schedulerOf(service, entry);

  /** A service keeps its scheduler, and the scheduler its place, until an edit names another. */
  function schedulerOf(service: ServiceKey, entry: ServiceEntry): Scheduler {
    const present = schedulers.get(service);
    if (present?.name === entry.scheduler) return present.scheduler;
    const anew = scheduler(entry.scheduler);
    anew.changed(entry.destinations);
    schedulers.set(service, { name: entry.scheduler, scheduler: anew });
    return anew;
  }

  function applied(change: IpvsChange, entry: ServiceEntry | undefined): void {
    if (entry === undefined) schedulers.delete(change.service);
    else if (change.op === "add-service" || change.op === "edit-service") schedulerOf(change.service, entry);
    else schedulerOf(change.service, entry).changed(entry.destinations);
    if (change.op === "add-server" || change.op === "edit-server") relimited(change.service, change.destination);
    // The kernel keeps a deleted destination that has connections, and gives them back to whoever adds it again.
    for (const [key, { open }] of traffic.get(change.service) ?? [])
      if (open === 0 && !entry?.destinations.has(key)) traffic.get(change.service)?.delete(key);
  }

  /** An edit never fills a server; it only frees one whose limit it lifts or ends (__ip_vs_update_dest). */
  function relimited(service: ServiceKey, { address, port, limits }: Destination): void {
    const own = traffic.get(service)?.get(destinationKey(address, port));
    if (own === undefined) return;
    if (limits === undefined || limits.upper > own.upper) own.full = false;
    own.upper = limits?.upper ?? 0;
  }

  function limitsOf(service: ServiceKey, destination: DestinationKey): ConnectionLimits | undefined {
    return table.get(service)?.destinations.get(destination)?.limits;
  }

  function trafficOf(service: ServiceKey, destination: DestinationKey): Traffic {
    const own = traffic.get(service) ?? new Map<DestinationKey, Traffic>();
    const present = own.get(destination) ?? {
      open: 0,
      connections: 0,
      packetsIn: 0,
      full: false,
      upper: limitsOf(service, destination)?.upper ?? 0,
    };
    traffic.set(service, own.set(destination, present));
    return present;
  }

  function pick(service: ServiceKey): DestinationKey | undefined {
    const entry = table.get(service);
    return entry && schedulerOf(service, entry).next((key) => traffic.get(service)?.get(key)?.full ?? false);
  }

  return {
    async read(signal) {
      signal.throwIfAborted();
      return table;
    },
    async glance(_known, signal) {
      signal.throwIfAborted();
      return glanceAt(table, traffic);
    },
    async stats(signal) {
      signal.throwIfAborted();
      return countersOf(table, traffic);
    },
    /** Persistence is not played here: there are no templates. */
    async templates(signal) {
      signal.throwIfAborted();
      return new Map();
    },
    /** Over the time since they were last estimated, every 2 seconds at most as the kernel does; 0 the first time. */
    async rates(signal) {
      signal.throwIfAborted();
      const now = clock.now().mono;
      if (estimated && now - estimated.at < ESTIMATE_EVERY_MS) return estimated.rates;
      const counters = countersOf(table, traffic);
      const before = estimated;
      const seconds = (now - (before?.at ?? 0)) / 1000;
      const rates = new Map([...counters].map(([key, own]) => [key, rateOf(own, before?.counters.get(key), seconds)]));
      estimated = { at: now, counters, rates };
      return rates;
    },
    async apply(changes, signal): Promise<ApplyReport> {
      signal.throwIfAborted();
      const result = attempt(table, changes, applied);
      table = result.table;
      return { complaints: result.refused.map(({ change, reason }) => `${ruleLine(change)}: ${reason}`) };
    },
    pick,
    open(service) {
      const destination = pick(service);
      if (destination === undefined) return undefined;
      const own = trafficOf(service, destination);
      own.open++;
      own.connections++;
      own.packetsIn++;
      const { upper = 0 } = limitsOf(service, destination) ?? {};
      if (upper !== 0 && own.open >= upper) own.full = true;
      return destination;
    },
    packet(service, destination) {
      trafficOf(service, destination).packetsIn++;
    },
    release(service, destination) {
      const own = trafficOf(service, destination);
      if (own.open === 0) throw new Error(`${service}: ${destination} has no connection to release`);
      own.open--;
      own.full &&= !hasRoomAgain(own.open, limitsOf(service, destination));
    },
  };
}

type Counters = ReadonlyMap<DestinationKey, DestinationStats>;

function rateOf(now: Counters, before: Counters | undefined, seconds: number): ServiceRate {
  let sum = 0;
  const servers = new Map<DestinationKey, number>();
  for (const [key, { connections }] of now) {
    const more = connections - (before === undefined ? connections : (before.get(key)?.connections ?? 0));
    servers.set(key, Math.max(0, more) / seconds);
    sum += Math.max(0, more);
  }
  return { perSecond: sum / seconds, servers };
}

interface Traffic {
  open: number;
  connections: number;
  packetsIn: number;
  /** It reached its upper limit and has not fallen below the lower one since. */
  full: boolean;
  /** The limit as of the last order, to tell whether the next one lifts it. */
  upper: number;
}

/** net/netfilter/ipvs/ip_vs_est.c */
const ESTIMATE_EVERY_MS: Millis = 2_000;

/** As ip_vs_unbind_dest decides it. */
function hasRoomAgain(open: number, limits: ConnectionLimits | undefined): boolean {
  if (limits === undefined) return true;
  return limits.lower === 0 ? open * 4 < limits.upper * 3 : open < limits.lower;
}

type AllTraffic = ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, Traffic>>;

function glanceAt(table: IpvsTable, traffic: AllTraffic): Glance {
  const glance = new Map<ServiceKey, GlanceService>();
  for (const [service, { frontend, scheduler, destinations }] of table) {
    const udp = frontend.kind === "address" && frontend.protocol === "udp";
    const seen = new Map<DestinationKey, GlanceDestination>();
    for (const [key, { weight, forwarding }] of destinations) {
      const open = traffic.get(service)?.get(key)?.open ?? 0;
      seen.set(key, { weight, forwarding: forwarding.kind, active: udp ? 0 : open, inactive: udp ? open : 0 });
    }
    glance.set(service, { scheduler, destinations: seen });
  }
  return glance;
}

function countersOf(table: IpvsTable, traffic: AllTraffic): Stats {
  const stats = new Map<ServiceKey, Map<DestinationKey, DestinationStats>>();
  for (const [service, { destinations }] of table) {
    const counters = new Map<DestinationKey, DestinationStats>();
    for (const key of destinations.keys()) {
      const { connections = 0, packetsIn = 0 } = traffic.get(service)?.get(key) ?? {};
      counters.set(key, { connections, packetsIn });
    }
    stats.set(service, counters);
  }
  return stats;
}
