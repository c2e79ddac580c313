import { type Forwarding, type QuorumMark, type Service, serviceKey } from "../model/service.ts";
import type { CheckReader } from "./checks.ts";
import { aboveServers, draftServer, type ServerDraft } from "./draft.ts";
import { frontendsOf, type WrittenFrontend } from "./frontends.ts";
import { inheritedChecks, mergedService, protocolOf, serverItems } from "./levels.ts";
import type { Addition } from "./parse.ts";
import type { Pools } from "./pools.ts";
import type { Problems } from "./problems.ts";
import { persistenceOf, schedulerFlags, slowStartMeansSomething, udpOnly } from "./scheduling.ts";
import { realServers, warnOfMisfits } from "./servers.ts";
import { type ServiceKeys, serviceSchema } from "./service-keys.ts";
import { sorryServerOf } from "./sorry.ts";
import { atKey, child, type MapNode, type Node, scalarText } from "./tree.ts";
import { typed } from "./typed.ts";

export interface Surroundings {
  readonly defaults: MapNode | undefined;
  readonly pools: Pools;
  readonly reader: CheckReader;
  readonly problems: Problems;
  readonly additions: readonly Addition[];
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
  const items = [...serverItems(node, pool, problems), ...added(node, around.additions)];
  const protocol = protocolOf(merged);
  const checks = inheritedChecks([around.defaults, pool], node, protocol, problems);
  const above = aboveServers(merged, checks, protocol);
  const drafts = items.map((item) => draftServer(item, above, reader, problems));
  if (keys === undefined) return undefined;
  udpOnly(keys, merged, problems);
  const flags = schedulerFlags(keys, merged, problems);
  const families = new Set(drafts.flatMap((draft) => draft?.keys.address.address.family ?? []));
  const frontends = frontendsOf(keys, node, families, problems);
  if (frontends.length === 0 || !drafts.every((draft) => draft !== undefined)) return undefined;
  return assemble({ node, merged, keys, flags, frontends, drafts, pooled: pool !== undefined, reader }, problems);
}

/** Added servers as if they stood in the list; problems with them point at the service. */
function added(node: MapNode, additions: readonly Addition[]): readonly Node[] {
  const name = scalarText(node, "name");
  const { at } = node;
  const entry = (text: string) => ({ keyAt: at, value: { kind: "scalar", text, at } }) as const;
  return additions
    .filter((addition) => addition.service === name)
    .map(({ address }) => ({
      kind: "map",
      at,
      entries: new Map([
        ["address", entry(address)],
        ["weight", entry("0")],
      ]),
    }));
}

interface Parts {
  /** As written; `merged` with what it inherits. */
  readonly node: MapNode;
  readonly merged: MapNode;
  readonly keys: ServiceKeys;
  readonly flags: readonly string[];
  readonly frontends: readonly WrittenFrontend[];
  readonly drafts: readonly ServerDraft[];
  readonly pooled: boolean;
  readonly reader: CheckReader;
}

function assemble(parts: Parts, problems: Problems): WrittenService | undefined {
  const { node, merged, keys, drafts } = parts;
  const frontends = parts.frontends.map((written) => written.frontend);
  const [first] = frontends;
  const port = keys.port === undefined ? undefined : { port: keys.port, at: atKey(merged, "port") };
  const home = { node, frontends, port };
  const placed = realServers(drafts, home, problems);
  const servers = [...placed.keys()];
  const sorryServer = sorryServerOf(keys, merged, { frontends, servers }, node, parts.reader, problems);
  if (first === undefined) return undefined;
  tunnelIsUsed(node, [...drafts.map((draft) => draft.forwarding), sorryServer?.forwarding], problems);
  warnOfMisfits(parts.frontends, servers, parts.pooled ? new Map() : placed, problems);
  quorumMakesSense(keys, merged, servers.length, problems);
  slowStartMeansSomething(keys, merged, problems);
  const service: Service = {
    name: keys.name,
    key: serviceKey(first),
    frontends,
    scheduler: keys.scheduler,
    schedulerFlags: parts.flags,
    onePacket: keys.one_packet,
    persistence: persistenceOf(keys, frontends, merged, problems),
    onFailure: keys.on_failure,
    initial: keys.initial,
    quorum: keys.quorum,
    sorryServer,
    failOpen: keys.fail_open,
    slowStart: keys.slow_start === "none" ? undefined : keys.slow_start,
    ...(typeof keys.flap === "object" && { flap: keys.flap }),
    removalGrace: keys.removal_grace,
    servers,
  };
  return { service, frontends: parts.frontends };
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
