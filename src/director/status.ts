import type {
  DrainStatus,
  ExplainReply,
  FreezeStatus,
  ServerStatus,
  ServiceStatus,
  StatusReply,
} from "../control/shapes.ts";
import { reportWords } from "../health/reported.ts";
import type { ServerVerdict } from "../health/server.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { Rates } from "../ipvs/table.ts";
import { formatEndpoint } from "../model/address.ts";
import { type PortRun, portRuns } from "../model/port-runs.ts";
import {
  destinationKey,
  destinationPort,
  type Frontend,
  type RealServer,
  type Service,
  serviceKey,
} from "../model/service.ts";
import { type EpochMs, formatDuration, type MonotonicMs, type Now } from "../model/time.ts";
import { GIVES_ZERO, type ServiceDecision } from "../policy/decide.ts";
import type { Desired } from "../policy/desired.ts";
import { askedShare, type Drain, type DrainView, isActive, isStanding } from "../policy/drain.ts";
import { type Freeze, freezeOf } from "../policy/freeze.ts";
import type { AddedServer, ServerIntent } from "../policy/intent.ts";
import { ideal, type ServiceIntent } from "../policy/moves.ts";
import { cycleOf, scaled } from "../policy/shares.ts";
import type { CheckRecord } from "../probe/engine.ts";
import { describe, percent } from "./drain-words.ts";
import { givenShare } from "./given.ts";
import { tooFast } from "./pace-warnings.ts";
import { entriesOf } from "./places.ts";
import type { ReconcilerView } from "./reconcile.ts";

export interface StatusInput {
  readonly now: Now;
  readonly reconciler: ReconcilerView;
  readonly services: readonly Service[];
  readonly intentOf: (service: Service) => ServiceIntent;
  readonly record: (key: string) => CheckRecord | undefined;
  readonly unproven: (service: Service) => ReadonlySet<string>;
  /** Those in force. */
  readonly freezes: readonly Freeze[];
  readonly added: readonly AddedServer[];
  /** undefined: nobody asked for them. */
  readonly rates?: Rates | undefined;
}

/** Monotonic to wall-clock time, for showing. */
export function shown(at: MonotonicMs, now: Now): EpochMs {
  return Math.round(now.epoch - (now.mono - at)) as EpochMs;
}

export function nameFrontend(frontend: Frontend): string {
  return frontend.kind === "fwmark"
    ? `fwmark ${frontend.mark}${frontend.family === 6 ? " IPv6" : ""}`
    : `${frontend.protocol} ${formatEndpoint(frontend.address, frontend.port)}`;
}

function nameRun({ first, lastPort }: PortRun): string {
  return lastPort === undefined ? nameFrontend(first) : `${nameFrontend(first)}-${lastPort}`;
}

export function serviceStatus(service: Service, input: StatusInput): ServiceStatus {
  const servers = service.servers.map((server) => serverStatus(service, server, input));
  const decision = input.reconciler.desired?.services.get(service.key);
  const quorum = decision?.quorum ?? { held: true, healthy: 0, share: 0 };
  const freeze = freezeOf(input.freezes, service);
  return {
    name: service.name,
    frontends: portRuns(service.frontends).map(nameRun),
    scheduler: service.scheduler,
    up: isServiceUp(decision),
    trouble: troubleOf(service, decision),
    quorum,
    failOpen: decision?.failOpen ?? false,
    sorryServer: sorryStatus(service, decision?.sorry, input.reconciler),
    connectionsPerSecond: rateOf(service, input.rates),
    frozen: freeze && saidFreeze(freeze),
    unproven: unprovenLabels(service, input.unproven(service)),
    servers,
  };
}

/** Its quorum is held and somebody gets clients: what scripts and routing daemons go by. */
export function isServiceUp(decision: ServiceDecision | undefined): boolean {
  if (!decision?.quorum.held) return false;
  for (const { weight } of decision.servers.values()) if (weight > 0) return true;
  return false;
}

function troubleOf(service: Service, decision: ServiceDecision | undefined): string | undefined {
  if (!decision) return undefined;
  const { servers, quorum, failOpen, sorry } = decision;
  if (failOpen) return "FAILING OPEN: every server is down by its checks, so all of them get clients";
  const lost = `quorum lost (${quorum.healthy} of ${service.servers.length} servers healthy)`;
  if (sorry?.serves) return `${lost}: the sorry server serves`;
  if (![...servers.values()].some(({ weight }) => weight > 0)) return "no server gets clients";
  return quorum.held ? undefined : lost;
}

function saidFreeze({ by, at, reason, until }: Freeze): FreezeStatus {
  return { by, at, reason, until };
}

export function freezeStatus(freeze: Freeze): StatusReply["freezes"][number] {
  return { ...saidFreeze(freeze), service: freeze.serviceName };
}

function sorryStatus(
  service: Service,
  sorry: ServiceDecision["sorry"],
  view: ReconcilerView,
): ServiceStatus["sorryServer"] {
  const { sorryServer } = service;
  if (!sorryServer) return undefined;
  const places = kernelPlaces(service, sorryServer, view);
  return {
    address: sorryServer.key,
    serves: sorry?.serves ?? false,
    state: sorry?.verdict.kind ?? "unknown",
    reason: reasonOf(sorry?.verdict),
    kernelWeight: places[0]?.weight,
    active: places.length === 0 ? undefined : places.reduce((sum, p) => sum + p.active, 0),
  };
}

/** Templates are for comparing; people know a check by its label. */
function unprovenLabels(service: Service, templates: ReadonlySet<string>): readonly string[] {
  const open = service.servers.flatMap((s) => s.checks).filter((check) => templates.has(check.template));
  return [...new Set(open.map((check) => check.label))];
}

function serverStatus(service: Service, server: RealServer, input: StatusInput): ServerStatus {
  const decision = input.reconciler.desired?.services.get(service.key)?.servers.get(server.key);
  const said = input.intentOf(service).servers.get(server.key);
  const places = kernelPlaces(service, server, input.reconciler);
  const entries = input.added.length === 0 ? [] : entriesOf(service);
  const verdict = decision?.verdict;
  return {
    name: server.name,
    address: server.key,
    state: verdict?.kind ?? "unknown",
    since: verdict && "since" in verdict ? shown(verdict.since, input.now) : undefined,
    reason: reasonOf(verdict),
    weight: decision?.weight ?? 0,
    rule: decision?.rule ?? "not-yet-probed",
    kernelWeight: places[0]?.weight,
    configuredWeight: server.weight,
    reported: reportWords(verdict?.reported),
    takenOut: decision?.takenOut,
    active: places.length === 0 ? undefined : places.reduce((sum, p) => sum + p.active, 0),
    inactive: places.length === 0 ? undefined : places.reduce((sum, p) => sum + p.inactive, 0),
    connectionsPerSecond: rateOf(service, input.rates, server),
    added: input.added.some((a) => a.server === server.key && a.services.some((key) => entries.includes(key))),
    disabled: said?.disabled,
    override: said?.weight?.configured === server.weight ? overrideStatus(said.weight) : undefined,
    checks: server.checks.map((spec) => {
      const record = input.record(spec.key);
      const last = record?.lastOutcome;
      return {
        check: spec.label,
        state: record?.state.kind ?? "unknown",
        unchecked: record?.unchecked ?? false,
        unproven: input.unproven(service).has(spec.template),
        last: last?.kind,
        detail: last === undefined ? undefined : last.kind === "pass" ? last.detail : last.reason,
        at: record?.lastEndedAt,
        tookMs: Math.round((record?.lastTookMs ?? 0) * 10) / 10,
      };
    }),
  };
}

function overrideStatus({ value, by, at, reason }: NonNullable<ServerIntent["weight"]>): ServerStatus["override"] {
  return { weight: value, by, at, reason };
}

function reasonOf(verdict: ServerVerdict | undefined): string | undefined {
  return verdict?.kind === "down" || verdict?.kind === "unknown" ? verdict.reason : undefined;
}

function kernelPlaces(service: Service, server: RealServer, view: ReconcilerView) {
  return service.frontends.flatMap((frontend) => {
    const key = destinationKey(server.address, destinationPort(frontend, server.port));
    const seen = view.glance.get(serviceKey(frontend))?.destinations.get(key);
    return seen ? [seen] : [];
  });
}

/** New connections a second over all frontends: of the service, or of one of its servers. */
function rateOf(service: Service, rates: Rates | undefined, server?: RealServer): number | undefined {
  let sum: number | undefined;
  for (const frontend of rates === undefined ? [] : service.frontends) {
    const seen = rates?.get(serviceKey(frontend));
    const rate = server
      ? seen?.servers.get(destinationKey(server.address, destinationPort(frontend, server.port)))
      : seen?.perSecond;
    if (rate !== undefined && Number.isFinite(rate)) sum = (sum ?? 0) + rate;
  }
  return sum === undefined ? undefined : Math.round(sum * 10) / 10;
}

/** Open connections of the olds of a drain; undefined while the table has not been read. */
export interface OldConnections {
  readonly active: number | undefined;
  readonly inactive: number | undefined;
  readonly templates: number | undefined;
}

/** @param upon what the drain stands upon; undefined where it does not matter any more */
export function drainStatus(
  drain: Drain,
  service: Service | undefined,
  desired: Desired | undefined,
  olds: OldConnections,
  rate: number | undefined,
  now: Now,
  upon: DrainView["servers"] | undefined,
): DrainStatus {
  const { phase } = drain;
  const nameOf = (key: string) => service?.servers.find((s) => s.key === key)?.name ?? key;
  const nextAt =
    phase.kind === "shifting" ? phase.nextStepAt : phase.kind === "draining" ? phase.graceUntil : undefined;
  const decisions = service && desired?.services.get(service.key)?.servers;
  const stands = isActive(drain) || isStanding(drain);
  const cycle = decisions ? cycleOf([...decisions.values()].map((d) => scaled(ideal(d), d.scale))) : 0;
  const scale = decisions && [...decisions.values()][0]?.scale;
  const fast =
    phase.kind === "shifting" && drain.step < drain.steps.length ? tooFast(drain.every, cycle, rate) : undefined;
  return {
    id: drain.id,
    parent: drain.parent,
    service: service?.name ?? drain.serviceName,
    from: drain.from.map(nameOf),
    to: drain.to.map(nameOf),
    state: phase.kind,
    stands,
    pausedBy: phase.kind === "paused" ? phase.why : undefined,
    step: drain.step,
    steps: drain.steps.length,
    every: drain.every,
    asked: askedShare(drain),
    given: stands && upon && scale !== undefined ? givenShare(drain, upon, scale) : undefined,
    connections: olds.active,
    inactive: olds.inactive,
    templates: olds.templates,
    nextInMs: nextAt === undefined ? undefined : Math.max(0, Math.round(nextAt - now.mono)),
    ttlLeftMs: drain.expires && stands ? Math.max(0, Math.round(drain.expires.mono - now.mono)) : undefined,
    message: describe(drain, nameOf),
    warnings: fast === undefined ? [] : [fast],
    reason: drain.reason,
    actor: drain.actor,
    startedAt: drain.startedAt,
    left: phase.kind === "done" ? phase.left : undefined,
  };
}

/** The weight formula of one server with its numbers, and every input with its source. */
export function explain(service: Service, server: RealServer, input: StatusInput): ExplainReply | undefined {
  const decision = input.reconciler.desired?.services.get(service.key)?.servers.get(server.key);
  if (!decision) return undefined;
  const said = input.intentOf(service);
  const mine = said.servers.get(server.key);
  const { verdict, scale, base, given, taken, weight, rule } = decision;
  const ago = (at: EpochMs) => formatDuration(Math.max(0, Math.round((input.now.epoch - at) / 1000) * 1000));
  const inputs = [
    `configured weight ${server.weight} (file)`,
    ...(mine?.weight
      ? [
          mine.weight.configured === server.weight
            ? `weight ${mine.weight.value} set by ${mine.weight.by} ${ago(mine.weight.at)} ago${why(mine.weight.reason)}`
            : `weight ${mine.weight.value} set by ${mine.weight.by}: not in force, the file's weight changed since`,
        ]
      : []),
    `health: ${verdict.kind}${reasonOf(verdict) === undefined ? "" : ` (${reasonOf(verdict)})`}`,
    mine?.disabled
      ? `disabled by ${mine.disabled.by} ${ago(mine.disabled.at)} ago${why(mine.disabled.reason)}`
      : "enabled",
    ...(mine?.stateLost
      ? [
          `held at 0: the kernel had it at 0 and director's own state was gone; \`director enable ${service.name} ${server.name}\` frees it`,
        ]
      : []),
    ...said.drains
      .filter((d) => d.from.includes(server.key) || d.to.includes(server.key))
      .map(
        (d) =>
          `${describe(d, (key) => service.servers.find((s) => s.key === key)?.name ?? key)}; ${percent(askedShare(d))} asked`,
      ),
    ...(verdict.reported ? [`reported by the server: ${reportWords(verdict.reported)}`] : []),
    ...(decision.factor < 1 && verdict.kind === "up"
      ? [
          `slow start: ${percent(decision.factor)} of its weight after an outage that ended ${ago(shown(verdict.since, input.now))} ago`,
        ]
      : []),
    ...(rule === "below-quorum" ? [`quorum is lost, ${service.sorryServer?.name} serves`] : []),
    ...(rule === "fail-open" ? ["every server is down by its checks, so all get clients (fail_open: all-down)"] : []),
    ...(decision.takenOut ? [`taken out of the table: ${decision.takenOut}`] : []),
    ...kernelPlaces(service, server, input.reconciler).map(
      (p) => `kernel weight ${p.weight}, ${p.active} active and ${p.inactive} inactive connections`,
    ),
  ];
  const slow = decision.factor < 1 ? ` x ${round(decision.factor)}` : "";
  const reported = decision.reported === 1 ? "" : ` x ${round(decision.reported)}`;
  const formula = `round(${round(scale)} x (${base} - ${round(given)} + ${round(taken)})${slow}${reported}) = ${weight}`;
  const bound = !GIVES_ZERO.has(rule);
  return {
    service: service.name,
    server: server.name,
    weight,
    rule,
    formula: bound ? formula : `0, because of rule ${rule}`,
    inputs,
  };
}

function why(reason: string | undefined): string {
  return reason === undefined ? "" : `: ${reason}`;
}

function round(x: number): number {
  return Math.round(x * 1000) / 1000;
}

export function tableStatus(view: ReconcilerView, now: Now): StatusReply["table"] {
  return {
    inSync: view.inSync,
    lastSuccessAt: view.lastSuccessAt === undefined ? undefined : shown(view.lastSuccessAt, now),
    lastError: view.lastError,
    refused: view.refused.map((r) => ({
      what: ruleLine(r.change),
      reason: r.reason,
      since: shown(r.since, now),
      attempts: r.attempts,
    })),
    leftAlone: view.tolerated.map((t) => ({
      what: ruleLine(t.item.repair),
      why: t.why,
      until: t.until === undefined ? undefined : shown(t.until, now),
    })),
    leaving: [...view.leaving.values()].map((l) => ({
      what: `${l.service} ${l.destination}`,
      since: shown(l.since, now),
      until: Number.isFinite(l.grace) ? shown((l.since + l.grace) as MonotonicMs, now) : undefined,
      active: view.glance.get(l.service)?.destinations.get(l.destination)?.active,
    })),
    differences: view.differences.map(ruleLine),
  };
}
