import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { RealServer, Service } from "../model/service.ts";
import { later, type Millis } from "../model/time.ts";
import { DEFAULT_DRAIN_POLICY, type Drain, type DrainPolicy, type DrainView, isActive } from "../policy/drain.ts";
import { capacityAfter } from "../policy/drain-shift.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import { percent } from "./drain-words.ts";
import { type DrainContext, viewFor } from "./drains.ts";
import { entriesOf } from "./places.ts";

/** More steps than this are a mistake in the units. */
export const MOST_STEPS = 1_000;

/** What an operator asks for. */
export interface DrainRequest {
  /** Names, addresses or `label=KEY=VALUE`. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly pace: Pace;
  readonly policy: Partial<DrainPolicy>;
  /** News that the service does not have are brought in, at weight 0 until the drain gives them some. */
  readonly add: boolean;
  /** Accept a scheduler other than wrr. */
  readonly force: boolean;
  readonly reason: string | undefined;
  readonly requestId: string | undefined;
}

export type Pace =
  | { readonly kind: "over"; readonly over: Millis; readonly every: Millis }
  /** Shares, 0 to 1, each held for `every`. */
  | { readonly kind: "steps"; readonly shares: readonly number[]; readonly every: Millis }
  | { readonly kind: "now" };

/** Who asks, and what the new drain is called. */
export interface Naming {
  readonly id: string;
  readonly actor: string;
  readonly parent: Drain["parent"];
}

/** A new drain, or why there can be none. Nothing is changed here. */
export function begin(request: DrainRequest, context: DrainContext, naming: Naming): Result<Drain, string> {
  const { service, now } = context;
  const steps = stepsOf(request.pace);
  if (!steps.ok) return steps;
  const from = selected(service, request.from, "--from");
  if (!from.ok) return from;
  const to = selected(service, request.to, "--to");
  if (!to.ok) return to;
  const problem = refusalOf(from.value, to.value, request, context);
  if (problem !== undefined) return err(problem);
  const policy: DrainPolicy = { ...DEFAULT_DRAIN_POLICY, ...request.policy };
  const { ttl } = policy;
  const drain: Drain = {
    id: naming.id,
    service: entriesOf(service),
    serviceName: service.name,
    from: from.value.map((server) => server.key),
    to: to.value.map((server) => server.key),
    steps: steps.value,
    every: request.pace.kind === "now" ? 0 : request.pace.every,
    step: 0,
    phase: { kind: "pending", since: now.mono },
    policy,
    configured: Object.fromEntries([...from.value, ...to.value].map((server) => [server.key, server.weight])),
    result: undefined,
    expires:
      ttl === undefined
        ? undefined
        : { mono: later(now.mono, ttl), epoch: (now.epoch + ttl) as NonNullable<Drain["expires"]>["epoch"] },
    parent: naming.parent,
    startedAt: now.epoch,
    actor: naming.actor,
    reason: request.reason,
    requestId: request.requestId,
  };
  const short = shortOfCapacity(drain, viewFor(undefined, context));
  return short === undefined ? ok(drain) : err(`${service.name}: ${short}`);
}

/** Shares in ascending order up to 1. */
export function stepsOf(pace: Pace): Result<readonly number[], string> {
  switch (pace.kind) {
    case "now":
      return ok([1]);
    case "over": {
      const count = Math.max(1, Math.ceil(pace.over / Math.max(1, pace.every)));
      if (count > MOST_STEPS) return err(`${count} steps are more than ${MOST_STEPS}: choose a longer --every`);
      return ok(Array.from({ length: count }, (_, k) => (k + 1) / count));
    }
    case "steps": {
      const ascending = pace.shares.every((share, i) => share > (pace.shares[i - 1] ?? 0));
      if (!ascending || pace.shares.length === 0) return err("--steps: percentages must ascend and be above 0");
      if (pace.shares.at(-1) !== 1) return err("--steps: the last must be 100; use --pause-at to stop before it");
      return ok(pace.shares);
    }
  }
}

/** Servers named one by one, by address, or by label; each once, in the order named. */
export function selected(
  service: Service,
  words: readonly string[],
  option: string,
): Result<readonly RealServer[], string> {
  const servers = new Set<RealServer>();
  for (const word of words) {
    const found = word.startsWith("label=") ? labelled(service, word.slice("label=".length)) : one(service, word);
    if (found.length > 0) for (const server of found) servers.add(server);
    else return err(`${option} ${word}: service ${service.name} has ${service.servers.map(described).join(", ")}`);
  }
  return ok([...servers]);
}

function one(service: Service, word: string): readonly RealServer[] {
  const server = findServer(service, word);
  return server ? [server] : [];
}

/** By name, `address:port` or address; an address that several servers have names none of them. */
export function findServer(service: Service, text: string): RealServer | undefined {
  const exact = service.servers.find((server) => server.name === text || server.key === text);
  if (exact) return exact;
  const byAddress = service.servers.filter((server) => server.address.text === text);
  return byAddress.length === 1 ? byAddress[0] : undefined;
}

function labelled(service: Service, label: string): readonly RealServer[] {
  const equals = label.indexOf("=");
  return service.servers.filter(
    ({ labels }) => equals > 0 && labels[label.slice(0, equals)] === label.slice(equals + 1),
  );
}

/** Every server of a machine, by service: those of this name or address, and whatever else stands at the same addresses under another name or port. */
export function serversOfHost(config: Config, host: string): ReadonlyMap<Service, readonly RealServer[]> {
  const named = (server: RealServer) => server.name === host || server.key === host || server.address.text === host;
  const addresses = new Set(config.services.flatMap((s) => s.servers.filter(named).map((each) => each.address.text)));
  const homes = new Map<Service, readonly RealServer[]>();
  for (const service of config.services) {
    const servers = service.servers.filter((server) => addresses.has(server.address.text));
    if (servers.length > 0) homes.set(service, servers);
  }
  return homes;
}

/** Whether these servers have no weight, and no drain under way that would give them some. */
export function hasNothing(servers: readonly RealServer[], context: DrainContext): boolean {
  const seen = viewFor(undefined, context).servers;
  const takes = context.intent.drains.some((d) => isActive(d) && servers.some((server) => d.to.includes(server.key)));
  return !takes && servers.every((server) => seen.get(server.key)!.weight === 0);
}

function described(server: RealServer): string {
  const labels = Object.entries(server.labels).map(([key, value]) => `${key}=${value}`);
  return labels.length === 0 ? server.name : `${server.name} (${labels.join(", ")})`;
}

/** Why these servers cannot be drained now. */
function refusalOf(
  from: readonly RealServer[],
  to: readonly RealServer[],
  { force }: DrainRequest,
  context: DrainContext,
): string | undefined {
  const { service, intent } = context;
  if (from.length === 0) return "--from names no server";
  const twice = from.find((server) => to.includes(server));
  if (twice) return `${twice.name} stands in --from and in --to`;
  if (service.scheduler !== "wrr" && !force)
    return `service ${service.name} is scheduled by ${service.scheduler}, which does not follow weights step by step; use scheduler wrr, or --force to drain all the same`;
  const busy = conflict([...from, ...to], intent);
  if (busy !== undefined) return busy;
  for (const server of to) {
    const said = intent.servers.get(server.key);
    if (said?.disabled) return `${server.name} is disabled by ${said.disabled.by}: enable it first`;
    if (said?.stateLost) return `${server.name} is held at weight 0 (state-lost): enable it first`;
  }
  const { servers } = viewFor(undefined, context);
  if (from.every((server) => servers.get(server.key)!.weight === 0))
    return `${from.map((s) => s.name).join(", ")}: weight is 0 already, there is nothing to move`;
  return undefined;
}

/** Several drains in a service only if none is shifting and their servers are disjoint. */
function conflict(servers: readonly RealServer[], intent: ServiceIntent): string | undefined {
  for (const other of intent.drains) {
    if (!isActive(other)) continue;
    if (other.phase.kind !== "draining")
      return `drain ${other.id} is ${other.phase.kind} in this service: wait for it, or roll it back`;
    const shared = servers.find((server) => other.from.includes(server.key) || other.to.includes(server.key));
    if (shared) return `${shared.name} takes part in drain ${other.id}: wait for its end, or roll it back`;
  }
  return undefined;
}

function shortOfCapacity(drain: Drain, view: DrainView): string | undefined {
  if (drain.policy.allowEmpty) return undefined;
  const others = [...view.servers].filter(([key, s]) => !drain.from.includes(key) && s.weight > 0);
  if (drain.to.length === 0 && others.length === 0)
    return "nobody else has weight: name the server that takes over with --to, or say --allow-empty";
  // Named news that are not up yet are waited for: what counts is the capacity once they are.
  const healthy = new Map(view.servers);
  for (const key of drain.to) healthy.set(key, { ...healthy.get(key)!, ready: true });
  const capacity = capacityAfter(drain, 1, healthy);
  const { minCapacity } = drain.policy;
  if (capacity >= minCapacity - 1e-9 && capacity > 0) return undefined;
  return `only ${percent(capacity)} of the healthy weight would be left, below --min-capacity ${percent(minCapacity)}`;
}
