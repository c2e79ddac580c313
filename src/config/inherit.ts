import type { Protocol } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import { type At, type MapNode, mapNode, merge, type Node, pick, scalarText, within } from "./tree.ts";
import { quoted } from "./typed.ts";

/*
 * Which checks a server has, and what each takes over from the levels above (defaults, pool, service, server). `check` is one check and
 * what further ones build upon; `checks` is a list that replaces whatever was there. Both work on the raw tree.
 */

/** What every check inherits, whatever its type. `address` and `port` go with the type: a health port for HTTP is not one for TCP. */
const ALWAYS = new Set(["interval", "timeout", "fall", "rise", "fast_interval", "down_interval", "source"]);

/** The protocol a check type speaks; a type that is not listed can be inherited by any service. */
const SPEAKS: ReadonlyMap<string, Protocol> = new Map([
  ["tcp", "tcp"],
  ["http", "tcp"],
  ["https", "tcp"],
  ["udp", "udp"],
  ["dns", "udp"],
  ["smtp", "tcp"],
  ["grpc", "tcp"],
]);

const DEFAULT_TYPE = "tcp";

export interface Inherited {
  /** What a check one level down builds upon. */
  readonly base: MapNode | undefined;
  readonly checks:
    | { readonly kind: "unsaid" }
    | { readonly kind: "none"; readonly at: At }
    | { readonly kind: "some"; readonly nodes: readonly MapNode[] };
}

export const NOTHING_INHERITED: Inherited = { base: undefined, checks: { kind: "unsaid" } };

/** Takes one level further down into account. */
export function descend(above: Inherited, level: MapNode, problems: Problems): Inherited {
  const one = level.entries.get("check");
  const several = level.entries.get("checks");
  if (one !== undefined && several !== undefined)
    problems.error(several.keyAt, "`check` and `checks` stand on the same level: put all of them into `checks`");
  if (one !== undefined) return descendToOne(above, one.value, problems);
  if (several !== undefined) return descendToList(above, several.value, problems);
  return above;
}

function descendToOne(above: Inherited, node: Node, problems: Problems): Inherited {
  if (node.kind === "scalar" && node.text === "none") return { ...above, checks: { kind: "none", at: node.at } };
  const own = checkMap(node, problems);
  if (own === undefined) return above;
  const base = inheritCheck(above.base, own);
  return { base, checks: { kind: "some", nodes: [base] } };
}

function descendToList(above: Inherited, node: Node, problems: Problems): Inherited {
  if (node.kind !== "list") {
    const got = node.kind === "scalar" ? `, not ${quoted(node.text)}` : "";
    problems.error(node.at, `expected a list of checks${got}; \`check: none\` switches checks off`);
    return above;
  }
  if (node.items.length === 0) problems.error(node.at, "may not be empty; `check: none` switches checks off");
  const maps = node.items.map((item) => checkMap(item, problems)).filter((map) => map !== undefined);
  return { ...above, checks: { kind: "some", nodes: maps.map((own) => inheritCheck(above.base, own)) } };
}

function checkMap(node: Node, problems: Problems): MapNode | undefined {
  if (node.kind === "map") return node;
  const none = node.kind === "null" ? "nothing is given: " : "";
  const got =
    node.kind === "list"
      ? ", a list stands below `checks`"
      : node.kind === "scalar"
        ? `, not ${quoted(node.text)}`
        : "";
  problems.error(node.at, `${none}expected a map such as { type: tcp }, or \`check: none\`${got}`);
  return undefined;
}

/** A check takes the keys of its type from a check of the same type only; http and https are different types. */
export function inheritCheck(base: MapNode | undefined, own: MapNode): MapNode {
  if (base === undefined) return own;
  const type = scalarText(own, "type");
  if (type === undefined || type === typeOf(base)) return merge(base, own);
  return merge(
    pick(base, (key) => ALWAYS.has(key)),
    own,
  );
}

export function typeOf(check: MapNode): string {
  return scalarText(check, "type") ?? DEFAULT_TYPE;
}

/** Whether a check says its type, itself or by what it inherited. */
export function saysType(check: MapNode): boolean {
  return scalarText(check, "type") !== undefined;
}

/** What a service of this protocol takes over from defaults and pools: a UDP service never a TCP or HTTP check, which would take down
 *  servers that answer, and a TCP service no UDP check. Behind a firewall mark anything may be. */
export function suitable(above: Inherited, protocol: Protocol | undefined): Inherited {
  const suits = (check: MapNode): boolean => {
    const speaks = SPEAKS.get(typeOf(check));
    return protocol === undefined || speaks === undefined || speaks === protocol;
  };
  const { checks } = above;
  const base = above.base && (suits(above.base) ? above.base : pick(above.base, (key) => ALWAYS.has(key)));
  if (checks.kind !== "some") return { base, checks };
  const nodes = checks.nodes.filter(suits);
  return { base, checks: nodes.length === 0 ? { kind: "unsaid" } : { kind: "some", nodes } };
}

/** The check of a server for which no level says anything: tcp, with the timings that are given. */
export function unsaidCheck(base: MapNode | undefined, service: MapNode): MapNode {
  return merge(base, mapNode([], within(service.at, "check")));
}
