import { multiplier } from "../health/reported.ts";
import { isUp, type ServerVerdict } from "../health/server.ts";
import type { Destination, IpvsTable, ServiceEntry } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import {
  type DestinationKey,
  destinationKey,
  destinationPort,
  type Frontend,
  fits,
  type RealServer,
  type ServerKey,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";
import { atZero, atZeroWords } from "../model/weight-zero.ts";
import { isActive } from "./drain.ts";
import type { ServerIntent } from "./intent.ts";
import { ideal, NO_INTENT, type Position, positions, type ServiceIntent } from "./moves.ts";
import { failsOpen, type Quorum, quorumOf } from "./quorum.ts";
import { refusedShares } from "./refused-share.ts";
import { inFileNumbers, scaled, wholeWeights } from "./shares.ts";
import { RAMP_STEPS, type Ramp, ramp, WHOLE } from "./slow-start.ts";

/** The rule that bound a weight. The first ten are the only ones that make 0. */
export type WeightRule =
  | "disabled"
  | "state-lost"
  | "down"
  | "not-yet-probed"
  | "drained"
  | "configured-0"
  | "below-quorum"
  | "agent-drain"
  | "agent-maint"
  | "reported-0"
  | "fail-open"
  | "slow-start"
  | "drain"
  | "reported"
  | "set-by-command"
  | "presumed-up"
  | "configured";

/** A server's weight with everything it follows from; what `explain` prints. */
export interface Decision extends Position {
  readonly weight: number;
  readonly rule: WeightRule;
  readonly verdict: ServerVerdict;
  readonly scale: number;
  /** Above 0 to 1: the part of its weight that slow start gives it. */
  readonly factor: number;
  /** What the server's own reports multiply its weight with: 0 and above. */
  readonly reported: number;
  /** Why the entry is taken out of the table instead of standing there at weight 0. */
  readonly takenOut: string | undefined;
}

/** What the servers of a service get, and what they are together. */
export interface Pool {
  readonly servers: ReadonlyMap<ServerKey, Decision>;
  readonly quorum: Quorum;
  /** The dead serve, because all are dead. */
  readonly failOpen: boolean;
  /** undefined: the service has none. */
  readonly sorry: { readonly serves: boolean; readonly verdict: ServerVerdict } | undefined;
  /** When slow start gives more. */
  readonly nextChangeAt: MonotonicMs | undefined;
}

export interface ServiceDecision extends Pool {
  readonly service: Service;
}

/** What the decision before this one was, as far as the next depends on it, and the time. */
export interface Memory {
  readonly now: MonotonicMs;
  /** undefined: not known (the start). */
  readonly quorumHeld: boolean | undefined;
  readonly failOpen: boolean;
}

export interface Desired {
  readonly services: ReadonlyMap<ServiceKey, ServiceDecision>;
  readonly table: IpvsTable;
  /** Dead servers that are not to stand in the table even at weight 0; by `placeOf`. */
  readonly takenOut: ReadonlySet<string>;
  /** Servers that a drain took out of the table for good, with how long their last connections may take; by `placeOf`. */
  readonly removed: ReadonlyMap<string, Millis>;
  /** Servers that must not get another client, whoever else can or cannot take them: dead or disabled ones; by `placeOf`. */
  readonly urgent: ReadonlySet<string>;
  /** When time alone changes a weight; undefined: never. */
  readonly nextChangeAt: MonotonicMs | undefined;
}

/** Names one destination of the whole table. */
export function placeOf(service: ServiceKey, destination: DestinationKey): string {
  return `${service} ${destination}`;
}

export interface DesiredInput {
  readonly config: Config;
  readonly intent: (service: Service) => ServiceIntent;
  readonly verdict: (service: Service, server: RealServer) => ServerVerdict;
  /** net.ipv4.vs.expire_quiescent_template: 1 frees persistent clients from a server at weight 0. */
  readonly expireQuiescentTemplate: boolean;
  /** What the kernel has. */
  readonly actual: IpvsTable;
  readonly now: MonotonicMs;
  /** The decision that this one follows; undefined: the first. */
  readonly before: (service: Service) => Pick<ServiceDecision, "quorum" | "failOpen"> | undefined;
}

/** The table as it should be, from configuration, health, intent and drains; follows from its input alone, never accumulated. */
export function desired(input: DesiredInput): Desired {
  const services = new Map<ServiceKey, ServiceDecision>();
  const table = new Map<ServiceKey, ServiceEntry>();
  const takenOut = new Set<string>();
  const urgent = new Set<string>();
  const removed = new Map<string, Millis>();
  let nextChangeAt: MonotonicMs | undefined;
  for (const service of input.config.services) {
    const outcome = rememberedOutcome(service, input);
    services.set(service.key, outcome.decision);
    for (const [key, entry] of outcome.entries) table.set(key, entry);
    for (const place of outcome.takenOut) takenOut.add(place);
    for (const place of outcome.urgent) urgent.add(place);
    for (const [place, grace] of outcome.removed) removed.set(place, grace);
    nextChangeAt = sooner(nextChangeAt, outcome.decision.nextChangeAt);
  }
  return { services, table, takenOut, removed, urgent, nextChangeAt };
}

/** What one service comes to; the lists are parts of those of `Desired`. */
interface Outcome {
  readonly decision: ServiceDecision;
  readonly entries: readonly (readonly [ServiceKey, ServiceEntry])[];
  readonly takenOut: readonly string[];
  readonly removed: readonly (readonly [string, Millis])[];
  readonly urgent: readonly string[];
}

/** An outcome with all that it followed from. */
interface Remembered {
  readonly intent: ServiceIntent;
  readonly verdicts: readonly ServerVerdict[];
  readonly memory: Memory;
  readonly expireQuiescentTemplate: boolean;
  readonly outcome: Outcome;
}

/** The last outcome of each service. What nothing has happened to is not worked out again: with 10,000 servers a pass takes 1 to 2 ms of CPU instead
 *  of 16, and leaves no garbage. */
const lastOutcomes = new WeakMap<Service, Remembered>();

function rememberedOutcome(service: Service, input: DesiredInput): Outcome {
  const { expireQuiescentTemplate } = input;
  const intent = input.intent(service);
  const memory = memoryOf(service, input);
  const everybody = service.sorryServer ? [...service.servers, service.sorryServer] : service.servers;
  const verdicts = everybody.map((server) => input.verdict(service, server));
  const last = lastOutcomes.get(service);
  if (last && stillFollows(last, { intent, verdicts, memory, expireQuiescentTemplate })) return last.outcome;
  const outcome = outcomeOf(service, intent, verdicts, memory, input);
  // Whether somebody unknown has an entry depends on the kernel's table as well, which is not compared.
  if (verdicts.some((verdict) => verdict.kind === "unknown")) lastOutcomes.delete(service);
  else lastOutcomes.set(service, { intent, verdicts, memory, expireQuiescentTemplate, outcome });
  return outcome;
}

/** Verdicts and intents are the very same objects until something changes. */
function stillFollows({ outcome, ...last }: Remembered, now: Omit<Remembered, "outcome">): boolean {
  const { nextChangeAt } = outcome.decision;
  return (
    last.intent === now.intent &&
    last.expireQuiescentTemplate === now.expireQuiescentTemplate &&
    // What the last outcome made of it counts as what was before.
    now.memory.quorumHeld === outcome.decision.quorum.held &&
    now.memory.failOpen === outcome.decision.failOpen &&
    now.memory.now >= last.memory.now &&
    (nextChangeAt === undefined || now.memory.now < nextChangeAt) &&
    last.verdicts.length === now.verdicts.length &&
    last.verdicts.every((verdict, i) => verdict === now.verdicts[i])
  );
}

function outcomeOf(
  service: Service,
  intent: ServiceIntent,
  verdicts: readonly ServerVerdict[],
  memory: Memory,
  { expireQuiescentTemplate, actual }: DesiredInput,
): Outcome {
  const known = new Map<RealServer, ServerVerdict>(service.servers.map((server, i) => [server, verdicts[i]!]));
  if (service.sorryServer) known.set(service.sorryServer, verdicts.at(-1)!);
  const pool = decidePool(service, intent, (server) => known.get(server)!, memory);
  const { servers } = pool;
  const gone = new Map([...refusedShares(service, intent, servers), ...removedServers(service, intent, servers)]);
  const shown = new Map(servers);
  const entries: (readonly [ServiceKey, ServiceEntry])[] = [];
  const takenOut: string[] = [];
  const removed: (readonly [string, Millis])[] = [];
  const urgent: string[] = [];
  for (const frontend of service.frontends) {
    const key = serviceKey(frontend);
    const stuck = sticksAtZero(service, frontend, expireQuiescentTemplate);
    entries.push([key, entryOf(service, frontend, pool, gone, stuck, actual.get(key))]);
    for (const server of service.servers) {
      const decision = servers.get(server.key)!;
      const removal = gone.get(server.key);
      const dead = decision.verdict.kind === "down" && decision.rule !== "fail-open";
      if (!fits(frontend, server) || !(removal || dead || decision.rule === "disabled")) continue;
      const place = placeOf(key, destinationKey(server.address, destinationPort(frontend, server.port)));
      if (removal) {
        removed.push([place, removal.grace]);
        shown.set(server.key, { ...decision, takenOut: removal.why });
      }
      if (!(dead || decision.rule === "disabled")) continue;
      urgent.push(place);
      // By the verdict, whatever rule comes before it: disabling a dead server must not put its entry back.
      if (stuck === undefined || !dead) continue;
      takenOut.push(place);
      shown.set(server.key, { ...decision, takenOut: stuck });
    }
  }
  return { decision: { ...pool, service, servers: shown }, entries, takenOut, removed, urgent };
}

/** After a restart the kernel tells whether the quorum was held: not while the sorry server served. */
function memoryOf(service: Service, { now, before, actual }: DesiredInput): Memory {
  const last = before(service);
  if (last) return { now, quorumHeld: last.quorum.held, failOpen: last.failOpen };
  const { sorryServer } = service;
  const sorryServed = service.frontends.some((frontend) => {
    const key = sorryServer && destinationKey(sorryServer.address, destinationPort(frontend, sorryServer.port));
    return key !== undefined && (actual.get(serviceKey(frontend))?.destinations.get(key)?.weight ?? 0) > 0;
  });
  return { now, quorumHeld: sorryServed ? false : undefined, failOpen: false };
}

function sooner(a: MonotonicMs | undefined, b: MonotonicMs | undefined): MonotonicMs | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

/** The weights alone. */
export function decide(
  service: Service,
  intent: ServiceIntent = NO_INTENT,
  verdictOf: (server: RealServer) => ServerVerdict,
  memory?: Memory,
): ReadonlyMap<ServerKey, Decision> {
  return decidePool(service, intent, verdictOf, memory).servers;
}

/** Weights of one service: `up and ready ? round(scale x (configured - given + taken) x slow start) : 0`, at least 1 when there is anything. Where
 *  the sorry server serves, or all are dead and fail_open is on, the service as a whole has a word before health has.
 *  @param memory left out: slow start, and what was before, are not looked at */
export function decidePool(
  service: Service,
  intent: ServiceIntent,
  verdictOf: (server: RealServer) => ServerVerdict,
  memory?: Memory,
): Pool {
  const verdicts = new Map(service.servers.map((server) => [server.key, verdictOf(server)]));
  const placed = positions(service, intent, (server) => ({
    ready: isReady(verdicts.get(server.key)!, intent.servers.get(server.key)),
    connections: undefined,
    lingering: undefined,
    idle: false,
    empty: false,
    ramping: false,
  }));
  const electors = service.servers.map(({ key }) => {
    const position = placed.get(key)!;
    const verdict = verdicts.get(key)!;
    const enabled = isEnabled(intent.servers.get(key)) && isWilling(verdict, position);
    return { verdict, enabled, ideal: ideal(position), configured: position.configured };
  });
  const quorum = quorumOf(service.quorum, electors, memory?.quorumHeld);
  const sorryVerdict = service.sorryServer && verdictOf(service.sorryServer);
  const sorry = sorryVerdict && { serves: !quorum.held && sorryVerdict.kind !== "down", verdict: sorryVerdict };
  const failOpen = !sorry?.serves && failsOpen(service, electors, memory?.failOpen ?? false);
  const ramps = new Map(service.servers.map(({ key }) => [key, rampOf(service, verdicts.get(key)!, memory?.now)]));
  const scale = scaleOf(
    service.servers.map(({ key }) => {
      const position = placed.get(key)!;
      const reported = multiplier(verdicts.get(key)!.reported, position);
      return { ...position, factor: ramps.get(key)!.factor, reported };
    }),
    intent,
  );
  const servers = new Map<ServerKey, Decision>();
  let nextChangeAt: MonotonicMs | undefined;
  for (const { key } of service.servers) {
    const position = placed.get(key)!;
    const verdict = verdicts.get(key)!;
    const { factor, nextChangeAt: next } = ramps.get(key)!;
    const below = sorry?.serves ?? false;
    const rule = ruleOf(position, verdict, intent.servers.get(key), { below, failOpen, factor });
    const reported = multiplier(verdict.reported, position);
    const weight = GIVES_ZERO.has(rule) ? 0 : Math.min(MOST_WEIGHT, scaled(ideal(position) * factor * reported, scale));
    if (weight > 0) nextChangeAt = sooner(nextChangeAt, next);
    servers.set(key, { ...position, weight, rule, verdict, scale, factor, reported, takenOut: undefined });
  }
  return { servers, quorum, failOpen, sorry, nextChangeAt };
}

/** A server that is in its slow start, and how far. */
export function rampOf(service: Service, verdict: ServerVerdict, now: MonotonicMs | undefined): Ramp {
  if (verdict.kind !== "up" || now === undefined) return WHOLE;
  return ramp(service.slowStart, verdict.recoveredAt, now);
}

/** What the weights of a service are multiplied with: 1, unless a drain needs finer steps than the file's numbers have, or slow start has to give
 *  parts of a weight too small for its steps. What ended drains left counts like the file's own weights, if it can be written there: a standby ends
 *  with the very weight of what it replaced. */
function scaleOf(
  placed: readonly (Position & { readonly factor: number; readonly reported: number })[],
  { drains }: ServiceIntent,
): number {
  const ideals = placed.map(ideal);
  const moving = placed.some((p) => p.given > 0 || p.taken > 0);
  const shifting = drains.some((drain) => isActive(drain) && drain.step > 0);
  const tiny = placed.some((p) => p.factor < 1 && ideal(p) > 0 && ideal(p) < RAMP_STEPS);
  if (!(moving && (shifting || !inFileNumbers(ideals))) && !tiny) return 1;
  return wholeWeights(placed.map((p) => ideal(p) * p.factor * p.reported)).scale;
}

/** May get clients as far as health, operators and the server itself are concerned. */
export function isReady(verdict: ServerVerdict, intent: ServerIntent | undefined): boolean {
  const { configured = 1, value = 1 } = intent?.weight ?? {};
  return isUp(verdict) && isEnabled(intent) && isWilling(verdict, { configured, base: value });
}

/** It does not ask to get none. */
function isWilling({ reported }: ServerVerdict, of: Pick<Position, "configured" | "base">): boolean {
  return reported?.hold === undefined && multiplier(reported, of) > 0;
}

function isEnabled(intent: ServerIntent | undefined): boolean {
  return !intent?.disabled && !intent?.stateLost;
}

/** What ipvsadm(8) takes. */
const MOST_WEIGHT = 65_535;

export const GIVES_ZERO: ReadonlySet<WeightRule> = new Set([
  "disabled",
  "state-lost",
  "down",
  "not-yet-probed",
  "drained",
  "configured-0",
  "below-quorum",
  "agent-drain",
  "agent-maint",
  "reported-0",
]);

interface Circumstances {
  /** The sorry server serves. */
  readonly below: boolean;
  readonly failOpen: boolean;
  readonly factor: number;
}

function ruleOf(
  position: Position,
  verdict: ServerVerdict,
  intent: ServerIntent | undefined,
  { below, failOpen, factor }: Circumstances,
): WeightRule {
  const zero = position.given > 0 ? "drained" : "configured-0";
  if (intent?.disabled) return "disabled";
  if (intent?.stateLost) return "state-lost";
  const { reported } = verdict;
  // A reload makes unknown of the dead whose check it has changed: nothing that would take their clients away.
  const isDead = verdict.kind === "down" || verdict.kind === "unknown";
  if (isDead && failOpen && isWilling(verdict, position)) return ideal(position) === 0 ? zero : "fail-open";
  if (verdict.kind === "down") return "down";
  if (verdict.kind === "unknown") return "not-yet-probed";
  if (reported?.hold !== undefined) return `agent-${reported.hold}`;
  if (ideal(position) === 0) return zero;
  const wanted = multiplier(reported, position);
  if (wanted === 0) return "reported-0";
  if (below) return "below-quorum";
  if (factor < 1) return "slow-start";
  if (position.given > 0 || position.taken > 0) return "drain";
  if (wanted !== 1) return "reported";
  if (position.base !== position.configured) return "set-by-command";
  return verdict.kind === "presumed-up" ? "presumed-up" : "configured";
}

/** Why clients would still reach, or be refused because of, a server at weight 0 below this frontend; undefined where weight 0 is enough.
 *  Measured: persistent clients stay while expire_quiescent_template=0; a UDP flow stays while it talks; dh refuses that server's share
 *  always, mh and sh without their fallback flag. */
export function sticksAtZero(
  service: Service,
  frontend: Frontend,
  expireQuiescentTemplate: boolean,
): string | undefined {
  if (service.onFailure === "quiesce") return undefined;
  if (service.onFailure === "remove") return "on_failure: remove";
  return atZeroWords(service, atZero(service, frontend, expireQuiescentTemplate));
}

function entryOf(
  service: Service,
  frontend: Frontend,
  { servers: decisions, sorry }: Pool,
  gone: { has(server: ServerKey): boolean },
  stuck: string | undefined,
  actual: ServiceEntry | undefined,
): ServiceEntry {
  const destinations = new Map<DestinationKey, Destination>();
  for (const server of service.servers) {
    if (!fits(frontend, server) || gone.has(server.key)) continue;
    const port = destinationPort(frontend, server.port);
    const key = destinationKey(server.address, port);
    const { weight, verdict, rule } = decisions.get(server.key)!;
    if (stuck !== undefined && verdict.kind === "down" && rule !== "fail-open") continue;
    // Of a server nobody has seen well the entry is not made only to stand at 0, where such a scheduler would refuse its share.
    if (stuck !== undefined && verdict.kind === "unknown" && !actual?.destinations.has(key)) continue;
    const { address, forwarding, limits } = server;
    destinations.set(key, { address, port, forwarding, weight, ...(limits && { limits }) });
  }
  const { sorryServer } = service;
  if (sorryServer && sorry?.serves && fits(frontend, sorryServer)) {
    const { address, forwarding, weight } = sorryServer;
    const port = destinationPort(frontend, sorryServer.port);
    destinations.set(destinationKey(address, port), { address, port, forwarding, weight });
  }
  return {
    frontend,
    scheduler: service.scheduler,
    flags: [...service.schedulerFlags].sort(),
    onePacket: service.onePacket,
    persistence: persistenceBelow(service, frontend),
    destinations,
  };
}

/** Olds of drains that ended with `--then remove`, as long as the result stands for them and nothing has given them weight again. Removal waits
 *  for the last connection, unless the drain was told to cut what is left at its grace. */
export function removedServers(
  service: Service,
  { drains }: ServiceIntent,
  placed: ReadonlyMap<ServerKey, Position>,
): ReadonlyMap<ServerKey, { readonly grace: Millis; readonly why: string }> {
  const removed = new Map<ServerKey, { grace: Millis; why: string }>();
  for (const drain of drains) {
    if (drain.phase.kind !== "done" || !drain.result || drain.policy.afterwards !== "remove") continue;
    const cut = drain.policy.atGrace === "remove" && drain.phase.left > 0;
    const grace = cut ? 0 : Number.POSITIVE_INFINITY;
    for (const { key, weight } of service.servers)
      if (key in drain.result.given && drain.configured[key] === weight && ideal(placed.get(key)!) === 0)
        removed.set(key, { grace, why: `removed by drain ${drain.id}` });
  }
  return removed;
}

function persistenceBelow(service: Service, frontend: Frontend): ServiceEntry["persistence"] {
  if (!service.persistence) return undefined;
  const { timeoutSec, prefix, engine } = service.persistence;
  const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
  return { timeoutSec, prefix: family === 4 ? prefix.v4 : prefix.v6, engine };
}
