import type { Protocol } from "../model/service.ts";
import { descend, type Inherited, NOTHING_INHERITED, suitable } from "./inherit.ts";
import { itemsOf } from "./pools.ts";
import type { Problems } from "./problems.ts";
import { type MapNode, merge, type Node, pick, scalarText } from "./tree.ts";

/** What does not merge into a service: checks have rules of their own (inherit.ts), servers are not settings. */
const APART = new Set(["check", "checks", "servers", "allow_empty"]);

/** defaults -> pool -> service. */
export function mergedService(node: MapNode, defaults: MapNode | undefined, pool: MapNode | undefined): MapNode {
  const settings = (level: MapNode): MapNode => pick(level, (key) => !APART.has(key));
  const shared = [defaults, pool].filter((level) => level !== undefined).map(settings);
  return [...shared, node].reduce((above, level) => merge(above, level));
}

/** Checks that reach the servers of a service from the shared levels, outermost first, and from the service itself. */
export function inheritedChecks(
  shared: readonly (MapNode | undefined)[],
  service: MapNode,
  protocol: Protocol | undefined,
  problems: Problems,
): Inherited {
  let inherited = NOTHING_INHERITED;
  for (const level of shared) if (level !== undefined) inherited = descend(inherited, level, problems);
  return descend(suitable(inherited, protocol), service, problems);
}

/** The protocol as far as it can be told, also where other keys are wrong. undefined behind a firewall mark. */
export function protocolOf(merged: MapNode): Protocol | undefined {
  if (merged.entries.has("fwmark")) return undefined;
  const protocol = scalarText(merged, "protocol");
  return protocol === "udp" || protocol === "sctp" ? protocol : "tcp";
}

/** The raw servers of a service: its own or its pool's. None at all must be meant. */
export function serverItems(node: MapNode, pool: MapNode | undefined, problems: Problems): readonly Node[] {
  const own = node.entries.get("servers");
  if (own !== undefined && node.entries.has("pool"))
    problems.warning(own.keyAt, "these replace the servers of the pool, of which only its other keys are taken");
  const owner = own === undefined ? (pool ?? node) : node;
  const mayBeEmpty = [node, pool].some((level) => scalarText(level, "allow_empty") === "true");
  if (own === undefined && node.entries.has("pool") && pool === undefined) return [];
  return itemsOf(owner, "servers", mayBeEmpty, problems, owner === node ? "missing, and no pool is named" : "missing");
}
