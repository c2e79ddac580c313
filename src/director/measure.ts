import type { Stats } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import type {
  CheckMetrics,
  DrainMetrics,
  OverrideKind,
  ServerMetrics,
  ServiceMetrics,
  TableMetrics,
} from "../model/metrics.ts";
import {
  type DestinationKey,
  destinationKey,
  destinationPort,
  type RealServer,
  type Service,
  serviceKey,
} from "../model/service.ts";
import type { EpochMs, MonotonicMs, Now } from "../model/time.ts";
import type { Decision } from "../policy/decide.ts";
import { askedShare, type Drain, isActive, isStanding } from "../policy/drain.ts";
import { freezeOf } from "../policy/freeze.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import type { Transitions } from "./event-tallies.ts";
import { serviceWith } from "./places.ts";
import type { ReconcilerView } from "./reconcile.ts";
import { type StatusInput, shown } from "./status.ts";

/** What status does not need: what was counted. */
export interface Counted {
  /** undefined: not to be had. */
  readonly stats: Stats | undefined;
  readonly checks: (service: string) => CheckMetrics | undefined;
  readonly transitions: (service: string, server: string) => Transitions;
}

/** The numbers of every service. Looked at from what is known already: nothing is asked of anybody, and no text is made (10,000 servers are looked at every
 *  few seconds). */
export function measureServices(input: StatusInput, counted: Counted): readonly ServiceMetrics[] {
  return input.services.map((service) => measureService(service, input, counted));
}

function measureService(service: Service, input: StatusInput, counted: Counted): ServiceMetrics {
  const decision = input.reconciler.desired?.services.get(service.key);
  const intent = input.intentOf(service);
  const held = drained(intent);
  const [frontend] = service.frontends;
  const protocol = frontend!.kind === "fwmark" ? "fwmark" : frontend!.protocol;
  const kernel = kernelOf(service, input.reconciler, counted.stats);
  let unchecked = 0;
  let serves = false;
  const servers = service.servers.map((server, i): ServerMetrics => {
    const own = decision?.servers.get(server.key);
    const verdict = own?.verdict;
    serves ||= (own?.weight ?? 0) > 0;
    const checked = checksOf(server, input);
    if (checked.unchecked) unchecked++;
    const { kernelWeight, active, inactive, connections } = kernel(i);
    const { ups, downs } = counted.transitions(service.name, server.name);
    return {
      name: server.name,
      address: server.key,
      forward: server.forwarding.kind,
      protocol,
      configuredWeight: server.weight,
      state: verdict?.kind,
      weight: own && inFileUnits(own),
      kernelWeight,
      active,
      inactive,
      connections,
      changedAt: verdict && "since" in verdict ? shown(verdict.since, input.now) : undefined,
      conclusiveAt: checked.conclusiveAt,
      ups,
      downs,
      overrides: overridesOf(server, intent, held),
    };
  });
  return {
    name: service.name,
    identity: service,
    servers,
    decided: decision && {
      up: decision.quorum.held && serves,
      capacity: decision.quorum.share,
      quorumHeld: decision.quorum.held,
      failOpen: decision.failOpen,
      sorryServes: decision.sorry?.serves,
    },
    frozen: freezeOf(input.freezes, service) !== undefined,
    unproven: input.unproven(service).size,
    unchecked,
    checks: counted.checks(service.name),
  };
}

/** What it has of the file's weight; the numbers in the kernel may be others while a drain needs finer steps. */
function inFileUnits({ weight, scale }: Decision): number {
  return scale === 1 ? weight : Math.round((weight / scale) * 1000) / 1000;
}

/** What the kernel has of the service's servers, by their place in the file. */
function kernelOf(service: Service, view: ReconcilerView, stats: Stats | undefined) {
  const entries = service.frontends.map((frontend, i) => {
    const key = serviceKey(frontend);
    return { keys: keysOf(service)[i]!, seen: view.glance.get(key)?.destinations, counts: stats?.get(key) };
  });
  return (server: number) => {
    let kernelWeight: number | undefined;
    let active: number | undefined;
    let inactive: number | undefined;
    let connections: number | undefined;
    for (const { keys, seen, counts } of entries) {
      const key = keys[server]!;
      const here = seen?.get(key);
      const count = counts?.get(key)?.connections;
      if (count !== undefined) connections = (connections ?? 0) + count;
      if (here === undefined) continue;
      kernelWeight ??= here.weight;
      active = (active ?? 0) + here.active;
      inactive = (inactive ?? 0) + here.inactive;
    }
    return { kernelWeight, active, inactive, connections };
  };
}

/** Kernel keys of a service's servers below each frontend. Put together once: it is most of the work of looking. */
const knownKeys = new WeakMap<Service, readonly (readonly DestinationKey[])[]>();

function keysOf(service: Service): readonly (readonly DestinationKey[])[] {
  const known = knownKeys.get(service);
  if (known) return known;
  const keys = service.frontends.map((frontend) =>
    service.servers.map((server) => destinationKey(server.address, destinationPort(frontend, server.port))),
  );
  knownKeys.set(service, keys);
  return keys;
}

function checksOf(server: RealServer, { record, now }: StatusInput) {
  let unchecked = false;
  let oldest: MonotonicMs | undefined;
  let open = server.checks.length === 0;
  for (const { key } of server.checks) {
    const known = record(key);
    if (known === undefined || known.passes + known.failures === 0) open = true;
    else if (oldest === undefined || known.lastConclusiveAt < oldest) oldest = known.lastConclusiveAt;
    unchecked ||= known?.unchecked ?? false;
  }
  return { unchecked, conclusiveAt: open || oldest === undefined ? undefined : shown(oldest, now) };
}

/** Servers whose weight drains that are over have taken, and since when. */
function drained({ drains }: ServiceIntent): ReadonlyMap<string, EpochMs> {
  const held = new Map<string, EpochMs>();
  for (const drain of drains)
    if (isStanding(drain))
      for (const key of drain.from) held.set(key, "at" in drain.phase ? drain.phase.at : drain.startedAt);
  return held;
}

const NOTHING: ServerMetrics["overrides"] = [];

function overridesOf(
  server: RealServer,
  { servers }: ServiceIntent,
  drainedSince: ReadonlyMap<string, EpochMs>,
): ServerMetrics["overrides"] {
  const said = servers.get(server.key);
  const since = drainedSince.get(server.key);
  if (said === undefined && since === undefined) return NOTHING;
  const override = said?.weight?.configured === server.weight ? said.weight : undefined;
  const kinds: readonly (readonly [OverrideKind, EpochMs | undefined])[] = [
    ["disabled", said?.disabled?.at],
    ["weight", override?.at],
    ["state-lost", said?.stateLost?.at],
    ["drained", since],
  ];
  return kinds.flatMap(([kind, at]) => (at === undefined ? [] : [{ kind, since: at }]));
}

/** Of drains under way, and of those that are over whose shares count still. */
export function measureDrains(drains: readonly Drain[], config: Config): readonly DrainMetrics[] {
  return drains
    .filter((drain) => isActive(drain) || isStanding(drain))
    .map((drain) => ({
      id: drain.id,
      service: serviceWith(config, drain.service)?.name ?? drain.serviceName,
      state: drain.phase.kind,
      progress: askedShare(drain),
    }));
}

export function measureTable(view: ReconcilerView, now: Now): Omit<TableMetrics, "drift" | "commands"> {
  const alone = (why: "reported" | "fight") => view.tolerated.filter((t) => t.why === why).length;
  return {
    inSync: view.inSync,
    lastSuccessAt: view.lastSuccessAt === undefined ? undefined : shown(view.lastSuccessAt, now),
    leftAlone: { reported: alone("reported"), fight: alone("fight") },
    refused: view.refused.length,
  };
}
