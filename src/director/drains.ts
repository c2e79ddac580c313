import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import { type RealServer, type ServerKey, type Service, serviceKey } from "../model/service.ts";
import { formatDuration, type Millis, type MonotonicMs, type Now } from "../model/time.ts";
import {
  askedShare,
  DEFAULT_DRAIN_POLICY,
  type Drain,
  type DrainPolicy,
  type DrainView,
  isActive,
  isStanding,
  type Participant,
} from "../policy/drain.ts";
import { advance } from "../policy/drain-machine.ts";
import { capacityAfter } from "../policy/drain-shift.ts";
import type { Intent } from "../policy/intent.ts";
import { type Condition, positions, type ServiceIntent } from "../policy/moves.ts";

/** What an operator asks for. Servers by name or address. */
export interface DrainRequest {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly over: Millis;
  readonly every: Millis;
  readonly minCapacity: number | undefined;
  readonly allowEmpty: boolean;
  /** Accept a scheduler other than wrr. */
  readonly force: boolean;
  readonly reason: string | undefined;
  readonly requestId: string | undefined;
}

export const MOST_STEPS = 1_000;

export interface DrainContext {
  readonly service: Service;
  readonly intent: ServiceIntent;
  readonly condition: (server: RealServer) => Condition;
  readonly now: Now;
  readonly storable: boolean;
}

/** What a drain sees of its service: everything that stood before it began. For a drain that is not there yet: everything. */
export function viewFor(
  drain: Drain | undefined,
  { service, intent, condition, now, storable }: DrainContext,
): DrainView {
  let servers: ReadonlyMap<ServerKey, Participant> = new Map();
  const probe = drain ? intent : { ...intent, drains: [...intent.drains, NOBODY] };
  positions(service, probe, condition, (each, participants) => {
    if (each.id === (drain ?? NOBODY).id) servers = participants;
  });
  return { now, servers, serviceExists: true, storable };
}

/** Stands behind all others and moves nothing, to see what they leave. */
const NOBODY: Drain = {
  id: "",
  service: [],
  serviceName: "",
  from: [],
  to: [],
  steps: [1],
  every: 0,
  step: 0,
  phase: { kind: "pending", since: 0 as MonotonicMs },
  policy: DEFAULT_DRAIN_POLICY,
  configured: {},
  result: undefined,
  expires: undefined,
  parent: undefined,
  startedAt: 0 as Drain["startedAt"],
  actor: "",
  reason: undefined,
  requestId: undefined,
};

/** A new drain, or why there can be none. Nothing is changed here. */
export function begin(request: DrainRequest, context: DrainContext, id: string, actor: string): Result<Drain, string> {
  const { service, intent, now } = context;
  const from = found(service, request.from, "--from");
  if (!from.ok) return from;
  const to = found(service, request.to, "--to");
  if (!to.ok) return to;
  const twice = from.value.find((server) => to.value.includes(server));
  if (twice) return err(`${twice.name} stands in --from and in --to`);
  if (from.value.length === 0) return err("--from names no server");
  if (service.scheduler !== "wrr" && !request.force)
    return err(
      `service ${service.name} is scheduled by ${service.scheduler}, which does not follow weights step by step; use scheduler wrr, or --force to drain all the same`,
    );
  const count = Math.max(1, Math.ceil(request.over / Math.max(1, request.every)));
  if (count > MOST_STEPS) return err(`${count} steps are more than ${MOST_STEPS}: choose a longer --every`);
  const busy = conflict([...from.value, ...to.value], intent);
  if (busy) return err(busy);
  const view = viewFor(undefined, context);
  for (const server of to.value) {
    const said = intent.servers.get(server.key);
    if (said?.disabled || said?.stateLost)
      return err(`${server.name} is ${said.disabled ? "disabled" : "held (state-lost)"}: enable it first`);
  }
  if (from.value.every((server) => view.servers.get(server.key)!.weight === 0))
    return err(`${from.value.map((s) => s.name).join(", ")}: weight is 0 already, there is nothing to move`);
  const policy: DrainPolicy = {
    ...DEFAULT_DRAIN_POLICY,
    minCapacity: request.minCapacity ?? DEFAULT_DRAIN_POLICY.minCapacity,
    allowEmpty: request.allowEmpty,
  };
  const drain: Drain = {
    id,
    service: service.frontends.map(serviceKey),
    serviceName: service.name,
    from: from.value.map((server) => server.key),
    to: to.value.map((server) => server.key),
    steps: Array.from({ length: count }, (_, k) => (k + 1) / count),
    every: request.every,
    step: 0,
    phase: { kind: "pending", since: now.mono },
    policy,
    configured: Object.fromEntries([...from.value, ...to.value].map((server) => [server.key, server.weight])),
    result: undefined,
    expires: undefined,
    parent: undefined,
    startedAt: now.epoch,
    actor,
    reason: request.reason,
    requestId: request.requestId,
  };
  return fits(drain, view);
}

function fits(drain: Drain, view: DrainView): Result<Drain, string> {
  if (drain.policy.allowEmpty) return ok(drain);
  const others = [...view.servers].filter(([key, s]) => !drain.from.includes(key) && s.weight > 0);
  if (drain.to.length === 0 && others.length === 0)
    return err(
      `nobody else in ${drain.serviceName} has weight: name the server that takes over with --to, or say --allow-empty`,
    );
  // Named news that are not up yet are waited for: what counts is the capacity once they are.
  const healthy = new Map(view.servers);
  for (const key of drain.to) healthy.set(key, { ...healthy.get(key)!, ready: true });
  const capacity = capacityAfter(drain, 1, healthy);
  if (capacity >= drain.policy.minCapacity - 1e-9 && capacity > 0) return ok(drain);
  return err(
    `only ${percent(capacity)} of the healthy weight of ${drain.serviceName} would be left, below --min-capacity ${percent(drain.policy.minCapacity)}`,
  );
}

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

/** By name, `address:port` or address; an address that several servers have names none of them. */
export function findServer(service: Service, text: string): RealServer | undefined {
  const exact = service.servers.find((server) => server.name === text || server.key === text);
  if (exact) return exact;
  const byAddress = service.servers.filter((server) => server.address.text === text);
  return byAddress.length === 1 ? byAddress[0] : undefined;
}

function found(service: Service, names: readonly string[], option: string): Result<readonly RealServer[], string> {
  const servers: RealServer[] = [];
  for (const name of names) {
    const server = findServer(service, name);
    if (!server)
      return err(`${option} ${name}: service ${service.name} has ${service.servers.map((s) => s.name).join(", ")}`);
    if (!servers.includes(server)) servers.push(server);
  }
  return ok(servers);
}

export interface Moved {
  readonly before: Drain;
  readonly after: Drain;
}

export interface Looked {
  readonly moved: readonly Moved[];
  readonly lookAgainAt: MonotonicMs | undefined;
}

/** Looks at every drain that can still move; what changed is to be stored before it acts. */
export function advanceAll(
  config: Config,
  intent: Intent,
  context: (service: Service) => DrainContext,
  now: Now,
  storable: boolean,
): Looked {
  const moved: Moved[] = [];
  let lookAgainAt: MonotonicMs | undefined;
  for (const before of intent.drains) {
    if (!isActive(before) && !(isStanding(before) && before.expires)) continue;
    const service = config.services.find((s) => s.frontends.some((f) => before.service.includes(serviceKey(f))));
    const view = service
      ? viewFor(before, context(service))
      : { now, servers: new Map<ServerKey, Participant>(), serviceExists: false, storable };
    let drain = before;
    // Each turn is one transition; the longest chain of them without time passing is four.
    for (let turn = 0; turn < 8; turn++) {
      const next = advance(drain, view);
      if (next.lookAgainAt !== undefined && (lookAgainAt === undefined || next.lookAgainAt < lookAgainAt))
        lookAgainAt = next.lookAgainAt;
      // A step is to be written before the next is thought of.
      const stepped = next.drain.step !== drain.step;
      if (next.drain === drain) break;
      drain = next.drain;
      if (stepped) break;
    }
    if (drain !== before) moved.push({ before, after: drain });
  }
  return { moved, lookAgainAt };
}

/** One line about where a drain stands. */
export function describe(drain: Drain, nameOf: (key: ServerKey) => string = (key) => key): string {
  const { phase } = drain;
  const share = percent(askedShare(drain));
  const where = `${drain.from.map(nameOf).join(",")} -> ${drain.to.length > 0 ? drain.to.map(nameOf).join(",") : "the rest"}`;
  switch (phase.kind) {
    case "pending":
      return `drain ${drain.id} ${where}: waiting for the new to be healthy`;
    case "shifting":
      return `drain ${drain.id} ${where}: step ${drain.step}/${drain.steps.length}, ${share} moved`;
    case "paused":
      return `drain ${drain.id} ${where}: paused at ${share} (${phase.why}: ${phase.text})`;
    case "draining":
      return `drain ${drain.id} ${where}: all moved, waiting up to ${formatDuration(drain.policy.grace)} for open connections`;
    case "done":
      return phase.left === 0
        ? `drain ${drain.id} ${where}: done, no connection left`
        : `drain ${drain.id} ${where}: done, its grace is over with ${phase.left} connections left`;
    case "rolled-back":
      return `drain ${drain.id} ${where}: rolled back (${phase.text})`;
    case "aborted":
      return `drain ${drain.id} ${where}: aborted at ${share} (${phase.text})`;
    case "failed":
      return `drain ${drain.id} ${where}: failed (${phase.text})`;
  }
}

export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}
