import type { ConnectionLimits, Forwarding, Protocol } from "../model/service.ts";
import { type CheckReader, missingCheckWords, type ReadCheck } from "./checks.ts";
import { forwardingOf } from "./forwarding.ts";
import { descend, type Inherited, saysType, unsaidCheck } from "./inherit.ts";
import { limitsOf } from "./limits.ts";
import type { Problems } from "./problems.ts";
import { type ServerKeys, serverSchema } from "./service-keys.ts";
import { type At, atKey, type MapNode, merge, type Node, pick, within } from "./tree.ts";
import { typed } from "./typed.ts";

/** A server as written and inherited, before it meets the frontends of its service. */
export interface ServerDraft {
  readonly node: MapNode;
  readonly keys: ServerKeys;
  readonly forwarding: Forwarding;
  readonly limits: ConnectionLimits | undefined;
  /** The server's own port, in its address or beside it. */
  readonly ownPort: number | undefined;
  readonly portAt: At;
  /** Empty: `check: none`. */
  readonly checks: readonly ReadCheck[];
}

/** What stands above the servers of one service. */
export interface Above {
  /** The keys servers take over. `port` is not among them: it fills in only what an address leaves open. */
  readonly base: MapNode;
  readonly checks: Inherited;
  /** Said of a server about which no level says anything; one node for all of them, so that it is read once. */
  readonly unsaid: MapNode;
  /** undefined behind a firewall mark. */
  readonly protocol: Protocol | undefined;
}

const INHERITED = new Set(["weight", "forward", "tunnel", "max_connections", "min_connections"]);

export function aboveServers(merged: MapNode, checks: Inherited, protocol: Protocol | undefined): Above {
  const base = pick(merged, (key) => INHERITED.has(key));
  return { base, checks, unsaid: unsaidCheck(checks.base, merged), protocol };
}

/** Reads one item of `servers`; undefined with its problems reported. */
export function draftServer(
  item: Node,
  above: Above,
  reader: CheckReader,
  problems: Problems,
): ServerDraft | undefined {
  if (item.kind !== "map") {
    problems.error(item.at, "expected a server such as { address: 10.0.0.11:8080 }");
    return undefined;
  }
  const node = merge(above.base, item);
  const keys = typed(serverSchema, node, problems)?.value;
  const checks = readChecks(descend(above.checks, item, problems), above, reader, problems);
  if (keys === undefined) return undefined;
  const forwarding = forwardingOf(keys, node, item, problems);
  const limits = limitsOf(keys, node, item, problems);
  const port = ownPort(keys, node, problems);
  return forwarding && checks && { node, keys, forwarding, limits, ...port, checks };
}

/** The port in the address or beside it, and where it stands. */
export function ownPort(
  keys: Pick<ServerKeys, "address" | "port">,
  node: MapNode,
  problems: Problems,
): Pick<ServerDraft, "ownPort" | "portAt"> {
  const { port } = keys.address;
  if (port !== undefined && keys.port !== undefined && port !== keys.port)
    problems.error(atKey(node, "port"), `the address says port ${port}: give it in one place`);
  return { ownPort: port ?? keys.port, portAt: atKey(node, port === undefined ? "port" : "address") };
}

function readChecks(
  { checks }: Inherited,
  above: Above,
  reader: CheckReader,
  problems: Problems,
): readonly ReadCheck[] | undefined {
  const { protocol } = above;
  const mustSay = protocol === "udp" || protocol === "sctp";
  if (checks.kind === "none") {
    problems.warning(checks.at, "nothing is checked: servers without a check always count as up");
    return [];
  }
  if (checks.kind === "unsaid" && mustSay) {
    problems.error(above.unsaid.at, missingCheckWords(protocol));
    return undefined;
  }
  const nodes = checks.kind === "some" ? checks.nodes : [above.unsaid];
  const read = nodes.map((node) => {
    if (!mustSay || saysType(node)) return reader.read(node);
    problems.error(
      within(node.at, "type"),
      `missing: ${typeWords(protocol)}; services of protocol ${protocol} inherit no tcp or http check`,
    );
    return undefined;
  });
  const [first] = read;
  if (first && read.every((check) => check?.type.advisory))
    problems.warning(
      first.node.at,
      `an ${first.type.name} alone does not tell when its server is dead: add another check`,
    );
  return read.every((check) => check !== undefined) ? read : undefined;
}

function typeWords(protocol: "udp" | "sctp"): string {
  return protocol === "udp" ? "say type: udp" : "say which type, and the port that tells";
}
