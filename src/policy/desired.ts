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
import type { Millis } from "../model/time.ts";
import { isActive } from "./drain.ts";
import type { ServerIntent } from "./intent.ts";
import { ideal, NO_INTENT, type Position, positions, type ServiceIntent } from "./moves.ts";
import { inFileNumbers, scaled, wholeWeights } from "./shares.ts";

/** The rule that bound a weight. The first six are the only ones that make 0. */
export type WeightRule =
  | "disabled"
  | "state-lost"
  | "down"
  | "not-yet-probed"
  | "drained"
  | "configured-0"
  | "drain"
  | "set-by-command"
  | "presumed-up"
  | "configured";

/** A server's weight with everything it follows from; what `explain` prints. */
export interface Decision extends Position {
  readonly weight: number;
  readonly rule: WeightRule;
  readonly verdict: ServerVerdict;
  readonly scale: number;
  /** Why the entry is taken out of the table instead of standing there at weight 0. */
  readonly takenOut: string | undefined;
}

export interface ServiceDecision {
  readonly service: Service;
  readonly servers: ReadonlyMap<ServerKey, Decision>;
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
}

/** The table as it should be, from configuration, health, intent and drains; computed anew every time, never accumulated. */
export function desired(input: DesiredInput): Desired {
  const services = new Map<ServiceKey, ServiceDecision>();
  const table = new Map<ServiceKey, ServiceEntry>();
  const takenOut = new Set<string>();
  const urgent = new Set<string>();
  const removed = new Map<string, Millis>();
  for (const service of input.config.services) {
    const intent = input.intent(service);
    const servers = decide(service, intent, (server) => input.verdict(service, server));
    const gone = removedServers(service, intent, servers);
    const shown = new Map(servers);
    for (const frontend of service.frontends) {
      const key = serviceKey(frontend);
      const stuck = sticksAtZero(service, frontend, input.expireQuiescentTemplate);
      table.set(key, entryOf(service, frontend, servers, gone, stuck, input.actual.get(key)));
      for (const server of service.servers) {
        const decision = servers.get(server.key)!;
        const removal = gone.get(server.key);
        if (removal && fits(frontend, server)) {
          removed.set(
            placeOf(key, destinationKey(server.address, destinationPort(frontend, server.port))),
            removal.grace,
          );
          shown.set(server.key, { ...decision, takenOut: removal.why });
        }
        const dead = decision.verdict.kind === "down";
        if (!fits(frontend, server) || !(dead || decision.rule === "disabled")) continue;
        const place = placeOf(key, destinationKey(server.address, destinationPort(frontend, server.port)));
        urgent.add(place);
        // By the verdict, whatever rule comes before it: disabling a dead server must not put its entry back.
        if (stuck === undefined || !dead) continue;
        takenOut.add(place);
        shown.set(server.key, { ...decision, takenOut: stuck });
      }
    }
    services.set(service.key, { service, servers: shown });
  }
  return { services, table, takenOut, removed, urgent };
}

/** Weights of one service: `up and ready ? round(scale x (configured - given + taken)) : 0`, at least 1 when there is anything. */
export function decide(
  service: Service,
  intent: ServiceIntent = NO_INTENT,
  verdictOf: (server: RealServer) => ServerVerdict,
): ReadonlyMap<ServerKey, Decision> {
  const verdicts = new Map(service.servers.map((server) => [server.key, verdictOf(server)]));
  const placed = positions(service, intent, (server) => ({
    ready: isReady(verdicts.get(server.key)!, intent.servers.get(server.key)),
    connections: undefined,
    lingering: undefined,
    idle: false,
    empty: false,
  }));
  const scale = scaleOf([...placed.values()], intent);
  const result = new Map<ServerKey, Decision>();
  for (const server of service.servers) {
    const position = placed.get(server.key)!;
    const verdict = verdicts.get(server.key)!;
    const rule = ruleOf(position, verdict, intent.servers.get(server.key));
    const weight = GIVES_ZERO.has(rule) ? 0 : scaled(ideal(position), scale);
    result.set(server.key, { ...position, weight, rule, verdict, scale, takenOut: undefined });
  }
  return result;
}

/** What the weights of a service are multiplied with: 1, unless a drain needs finer steps than the file's numbers have. What ended drains left
 *  counts like the file's own weights, if it can be written there: a standby ends with the very weight of what it replaced. */
function scaleOf(placed: readonly Position[], { drains }: ServiceIntent): number {
  const ideals = placed.map(ideal);
  const moving = placed.some((p) => p.given > 0 || p.taken > 0);
  const shifting = drains.some((drain) => isActive(drain) && drain.step > 0);
  return moving && (shifting || !inFileNumbers(ideals)) ? wholeWeights(ideals).scale : 1;
}

/** May get clients as far as health and operators are concerned. */
export function isReady(verdict: ServerVerdict, intent: ServerIntent | undefined): boolean {
  return isUp(verdict) && !intent?.disabled && !intent?.stateLost;
}

const GIVES_ZERO: ReadonlySet<WeightRule> = new Set([
  "disabled",
  "state-lost",
  "down",
  "not-yet-probed",
  "drained",
  "configured-0",
]);

function ruleOf(position: Position, verdict: ServerVerdict, intent: ServerIntent | undefined): WeightRule {
  if (intent?.disabled) return "disabled";
  if (intent?.stateLost) return "state-lost";
  if (verdict.kind === "down") return "down";
  if (verdict.kind === "unknown") return "not-yet-probed";
  if (ideal(position) === 0) return position.given > 0 ? "drained" : "configured-0";
  if (position.given > 0 || position.taken > 0) return "drain";
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
  const { scheduler, schedulerFlags } = service;
  if (scheduler === "dh") return "scheduler dh refuses the share of a server at weight 0";
  if ((scheduler === "mh" || scheduler === "sh") && !schedulerFlags.includes(`${scheduler}-fallback`))
    return `scheduler ${scheduler} without ${scheduler}-fallback refuses the share of a server at weight 0`;
  if (service.persistence && !expireQuiescentTemplate)
    return "persistent clients would stay with it (expire_quiescent_template=0)";
  if (frontend.kind === "address" && frontend.protocol === "udp") return "udp flows would stay with it";
  return undefined;
}

function entryOf(
  service: Service,
  frontend: Frontend,
  decisions: ReadonlyMap<ServerKey, Decision>,
  gone: { has(server: ServerKey): boolean },
  stuck: string | undefined,
  actual: ServiceEntry | undefined,
): ServiceEntry {
  const destinations = new Map<DestinationKey, Destination>();
  for (const server of service.servers) {
    if (!fits(frontend, server) || gone.has(server.key)) continue;
    const port = destinationPort(frontend, server.port);
    const key = destinationKey(server.address, port);
    const { weight, verdict } = decisions.get(server.key)!;
    if (stuck !== undefined && verdict.kind === "down") continue;
    // Of a server nobody has seen well the entry is not made only to stand at 0, where such a scheduler would refuse its share.
    if (stuck !== undefined && verdict.kind === "unknown" && !actual?.destinations.has(key)) continue;
    destinations.set(key, { address: server.address, port, forwarding: server.forwarding, weight });
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
