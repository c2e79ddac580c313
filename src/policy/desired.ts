import type { ServerVerdict } from "../health/server.ts";
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
import { atOnce, type Steps } from "../model/steps.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";
import { atZero, atZeroWords } from "../model/weight-zero.ts";
import { decidePool, type Memory, type Pool, type ServiceDecision, sooner } from "./decide.ts";
import { ideal, type Position, type ServiceIntent } from "./moves.ts";
import { refusedShares } from "./refused-share.ts";

export interface Desired {
  readonly services: ReadonlyMap<ServiceKey, ServiceDecision>;
  readonly table: IpvsTable;
  /** Dead servers (a dead sorry server among them) that are not to stand in the table even at weight 0; by `placeOf`. */
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
  return atOnce(desiring(input));
}

/** The same in steps, one service each: when all of 10,000 servers have changed, the whole takes 200 ms, too long to hold up the probes. */
export function* desiring(input: DesiredInput): Steps<Desired> {
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
    yield;
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
  const decided = (of: Service) => {
    const pool = decidePool(of, intent, (server) => known.get(server)!, memory);
    const { servers } = pool;
    return {
      pool,
      gone: new Map([...refusedShares(service, intent, servers), ...removedServers(service, intent, servers)]),
    };
  };
  const whole = decided(service);
  const { sorryServer } = service;
  // Where the sorry server cannot stand (IPv6 clients, and it is IPv4) nobody gives way to it.
  const hasSorry = (frontend: Frontend) => sorryServer !== undefined && fits(frontend, sorryServer);
  const withoutSorry =
    whole.pool.sorry?.serves && !service.frontends.every(hasSorry)
      ? decided({ ...service, sorryServer: undefined })
      : whole;
  const shown = new Map(whole.pool.servers);
  const entries: (readonly [ServiceKey, ServiceEntry])[] = [];
  const takenOut: string[] = [];
  const removed: (readonly [string, Millis])[] = [];
  const urgent: string[] = [];
  for (const frontend of service.frontends) {
    const key = serviceKey(frontend);
    const stuck = sticksAtZero(service, frontend, expireQuiescentTemplate);
    const { pool, gone } = hasSorry(frontend) ? whole : withoutSorry;
    const { servers } = pool;
    entries.push([key, entryOf(service, frontend, pool, gone, stuck, actual.get(key))]);
    if (sorryServer && hasSorry(frontend) && known.get(sorryServer)!.kind === "down") {
      const place = placeOf(key, destinationKey(sorryServer.address, destinationPort(frontend, sorryServer.port)));
      urgent.push(place);
      if (stuck !== undefined) takenOut.push(place);
    }
    for (const server of service.servers) {
      const decision = servers.get(server.key)!;
      const removal = gone.get(server.key);
      const dead = decision.verdict.kind === "down" && decision.rule !== "fail-open";
      if (!fits(frontend, server) || !(removal || dead || decision.rule === "disabled")) continue;
      const place = placeOf(key, destinationKey(server.address, destinationPort(frontend, server.port)));
      if (removal) {
        removed.push([place, removal.grace]);
        shown.set(server.key, { ...whole.pool.servers.get(server.key)!, takenOut: removal.why });
      }
      if (!(dead || decision.rule === "disabled")) continue;
      urgent.push(place);
      // By the verdict, whatever rule comes before it: disabling a dead server must not put its entry back.
      if (stuck === undefined || !dead) continue;
      takenOut.push(place);
      shown.set(server.key, { ...whole.pool.servers.get(server.key)!, takenOut: stuck });
    }
  }
  return { decision: { ...whole.pool, service, servers: shown }, entries, takenOut, removed, urgent };
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
