import {
  destinationPort,
  type Forwarding,
  type Frontend,
  fits,
  type Protocol,
  type QuorumMark,
  type RealServer,
  type Service,
  serviceKey,
} from "../model/service.ts";
import type { CheckReader } from "./checks.ts";
import { aboveServers, draftServer, type ServerDraft } from "./draft.ts";
import { forwardingOf, overlay } from "./forwarding.ts";
import { frontendsOf, type WrittenFrontend } from "./frontends.ts";
import { descend, type Inherited, NOTHING_INHERITED, suitable } from "./inherit.ts";
import { NOT_YET, NOT_YET_WORDS } from "./not-yet.ts";
import { itemsOf, type Pools } from "./pools.ts";
import type { Problems } from "./problems.ts";
import { persistenceOf, schedulerFlags, udpOnly } from "./scheduling.ts";
import { realServers, serverPort, warnOfMisfits } from "./servers.ts";
import { type ServiceKeys, serviceSchema, sorryServerSchema } from "./service-keys.ts";
import { atKey, child, type MapNode, type Node, pick, scalarText } from "./tree.ts";
import { typed } from "./typed.ts";

export interface Surroundings {
  readonly defaults: MapNode | undefined;
  readonly pools: Pools;
  readonly reader: CheckReader;
  readonly problems: Problems;
}

/** A service and what of it was written where. */
export interface WrittenService {
  readonly service: Service;
  readonly frontends: readonly WrittenFrontend[];
}

/** Reads one item of `services`; undefined with its problems reported, all that can be told at once. */
export function readService(node: MapNode, around: Surroundings): WrittenService | undefined {
  const { problems, reader } = around;
  const pool = around.pools.of(node);
  const merged = mergedService(node, around.defaults, pool);
  const keys = typed(serviceSchema, merged, problems)?.value;
  const items = serverItems(node, pool, problems);
  const protocol = protocolOf(merged);
  const above = aboveServers(merged, inheritedChecks(node, around, pool, protocol), protocol);
  const drafts = items.map((item) => draftServer(item, above, reader, problems));
  if (keys === undefined) return undefined;
  for (const [key, used] of Object.entries(NOT_YET.service))
    if (used(keys)) problems.warning(atKey(merged, key), NOT_YET_WORDS);
  udpOnly(keys, merged, problems);
  schedulerFlags(keys, merged, problems);
  const families = new Set(drafts.flatMap((draft) => draft?.keys.address.address.family ?? []));
  const frontends = frontendsOf(keys, node, families, problems);
  if (frontends.length === 0 || !drafts.every((draft) => draft !== undefined)) return undefined;
  return assemble({ node, merged, keys, frontends, drafts, pooled: pool !== undefined }, problems);
}

interface Parts {
  /** As written; `merged` with what it inherits. */
  readonly node: MapNode;
  readonly merged: MapNode;
  readonly keys: ServiceKeys;
  readonly frontends: readonly WrittenFrontend[];
  readonly drafts: readonly ServerDraft[];
  readonly pooled: boolean;
}

function assemble(parts: Parts, problems: Problems): WrittenService | undefined {
  const { node, merged, keys, drafts } = parts;
  const frontends = parts.frontends.map((written) => written.frontend);
  const [first] = frontends;
  const port = keys.port === undefined ? undefined : { port: keys.port, at: atKey(merged, "port") };
  const home = { node, frontends, port };
  const placed = realServers(drafts, home, problems);
  const servers = [...placed.keys()];
  const sorryServer = sorryServerOf(parts, frontends, servers, problems);
  if (first === undefined) return undefined;
  tunnelIsUsed(node, [...drafts.map((draft) => draft.forwarding), sorryServer?.forwarding], problems);
  warnOfMisfits(parts.frontends, servers, parts.pooled ? new Map() : placed, problems);
  quorumMakesSense(keys, merged, servers.length, problems);
  const service: Service = {
    name: keys.name,
    key: serviceKey(first),
    frontends,
    scheduler: keys.scheduler,
    schedulerFlags: schedulerFlags(keys, merged, problems),
    onePacket: keys.one_packet,
    persistence: persistenceOf(keys, frontends, merged, problems),
    onFailure: keys.on_failure,
    initial: keys.initial,
    quorum: keys.quorum,
    sorryServer,
    failOpen: keys.fail_open,
    slowStart: keys.slow_start === "none" ? undefined : keys.slow_start,
    removalGrace: keys.removal_grace,
    servers,
  };
  return { service, frontends: parts.frontends };
}

/** defaults -> pool -> service. Checks have rules of their own (inherit.ts); servers do not merge. */
function mergedService(node: MapNode, defaults: MapNode | undefined, pool: MapNode | undefined): MapNode {
  const marked = node.entries.has("fwmark");
  const settings = (level: MapNode): MapNode =>
    pick(
      level,
      (key) => !["check", "checks", "servers", "allow_empty"].includes(key) && !(marked && key === "protocol"),
    );
  let merged = defaults && settings(defaults);
  if (pool !== undefined) merged = overlay(merged, settings(pool));
  return overlay(merged, node);
}

function inheritedChecks(
  node: MapNode,
  around: Surroundings,
  pool: MapNode | undefined,
  protocol: Protocol | undefined,
): Inherited {
  let inherited = NOTHING_INHERITED;
  if (around.defaults !== undefined) inherited = descend(inherited, around.defaults, around.problems);
  if (pool !== undefined) inherited = descend(inherited, pool, around.problems);
  return descend(suitable(inherited, protocol), node, around.problems);
}

/** The protocol as far as it can be told, also where other keys are wrong. undefined behind a firewall mark. */
function protocolOf(merged: MapNode): Protocol | undefined {
  if (merged.entries.has("fwmark")) return undefined;
  const protocol = scalarText(merged, "protocol");
  return protocol === "udp" || protocol === "sctp" ? protocol : "tcp";
}

/** The raw servers of a service: its own or its pool's. None at all must be meant. */
function serverItems(node: MapNode, pool: MapNode | undefined, problems: Problems): readonly Node[] {
  const own = node.entries.get("servers");
  if (own !== undefined && node.entries.has("pool"))
    problems.error(own.keyAt, "either servers or pool: they would replace the pool's servers");
  const owner = own === undefined ? (pool ?? node) : node;
  const mayBeEmpty = [node, pool].some((level) => scalarText(level, "allow_empty") === "true");
  if (own === undefined && node.entries.has("pool") && pool === undefined) return [];
  return itemsOf(owner, "servers", mayBeEmpty, problems, owner === node ? "missing, and no pool is named" : "missing");
}

/** The sorry server inherits the service's forwarding method, and its port follows the same rules as a real server's. */
function sorryServerOf(
  { keys, merged }: Parts,
  frontends: Service["frontends"],
  servers: readonly RealServer[],
  problems: Problems,
): Service["sorryServer"] {
  const written = child(merged, "sorry_server");
  if (keys.sorry_server === undefined || keys.sorry_server === "none" || written?.kind !== "map") return undefined;
  const node = overlay(
    pick(merged, (key) => key === "forward" || key === "tunnel"),
    written,
  );
  const sorry = typed(sorryServerSchema, node, problems)?.value;
  const forwarding = sorry && forwardingOf(sorry, node, written, problems);
  if (sorry === undefined || forwarding === undefined) return undefined;
  const { address, port: inAddress } = sorry.address;
  const portAt = atKey(node, inAddress === undefined ? "port" : "address");
  const placed = { forwarding, ownPort: inAddress ?? sorry.port, portAt };
  const ports = serverPort(placed, { frontends, port: undefined }, problems);
  if (ports === undefined) return undefined;
  const result = { address, port: ports.port, forwarding };
  const entry = (f: Frontend, port: number | undefined) => destinationPort(f, port);
  const twin = servers.find(
    (server) =>
      server.address.text === address.text && frontends.some((f) => entry(f, server.port) === entry(f, result.port)),
  );
  if (twin !== undefined) problems.error(atKey(node, "address"), `is the real server ${twin.name} of this service too`);
  if (!frontends.some((f) => fits(f, result)))
    problems.warning(atKey(node, "address"), `never serves: it is IPv${address.family}, the service is not`);
  return result;
}

/** A `tunnel` written for a service of which nothing is tunnelled was meant to do something. */
function tunnelIsUsed(node: MapNode, methods: readonly (Forwarding | undefined)[], problems: Problems): void {
  const tunnel = node.entries.get("tunnel");
  if (tunnel !== undefined && !methods.some((method) => method?.kind === "tunnel"))
    problems.error(tunnel.keyAt, "means something with forward: tunnel only, and nothing here has that");
}

function quorumMakesSense(keys: ServiceKeys, merged: MapNode, servers: number, problems: Problems): void {
  const { up, down } = keys.quorum;
  const size = (mark: QuorumMark) => (mark.kind === "servers" ? mark.count : mark.share);
  const node = child(merged, "quorum");
  const at = node?.kind === "map" ? atKey(node, "up") : atKey(merged, "quorum");
  if (up.kind === down.kind && size(up) < size(down))
    problems.error(at, "up is below down: a quorum is lost below `down` and regained at `up`, which cannot be less");
  if (up.kind === "servers" && up.count > servers && servers > 0)
    problems.warning(at, `a quorum of ${up.count} is never reached: the service has ${servers}`);
}
