import type { Frontend } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import type { ServiceKeys } from "./service-keys.ts";
import { type At, atKey, child, type MapNode } from "./tree.ts";

/** A frontend and where it was written. */
export interface WrittenFrontend {
  readonly frontend: Frontend;
  readonly at: At;
}

const KINDS = ["vip", "vips", "fwmark"] as const;

/** The frontends of a service from exactly one of vip, vips and fwmark. `families` are those of its servers, for a firewall mark that
 *  names none: the kernel keeps an IPv4 and an IPv6 service of the same mark apart. */
export function frontendsOf(
  keys: ServiceKeys,
  node: MapNode,
  families: ReadonlySet<4 | 6>,
  problems: Problems,
): readonly WrittenFrontend[] {
  const given = KINDS.filter((kind) => node.entries.has(kind));
  const [kind, second] = given;
  if (kind === undefined) problems.error(node.at, "missing: one of vip, vips and fwmark");
  if (kind === undefined) return [];
  if (second !== undefined) {
    problems.error(node.entries.get(second)!.keyAt, `only one of vip, vips and fwmark may be given, ${kind} is`);
    return [];
  }
  return keys.fwmark === undefined
    ? addresses(keys, node, problems)
    : marks(keys.fwmark, keys, node, families, problems);
}

function addresses(keys: ServiceKeys, node: MapNode, problems: Problems): readonly WrittenFrontend[] {
  const family = node.entries.get("family");
  if (family !== undefined) problems.error(family.keyAt, "only with fwmark, an address tells its family itself");
  const { protocol } = keys;
  const list = child(node, "vips");
  const endpoints = keys.vip === undefined ? (keys.vips ?? []) : [keys.vip];
  return endpoints.map(({ address, port }, i) => ({
    frontend: { kind: "address", protocol, address, port },
    at: (list?.kind === "list" ? list.items[i]?.at : undefined) ?? atKey(node, "vip"),
  }));
}

function marks(
  mark: number,
  keys: ServiceKeys,
  node: MapNode,
  families: ReadonlySet<4 | 6>,
  problems: Problems,
): readonly WrittenFrontend[] {
  const protocol = node.entries.get("protocol");
  if (protocol !== undefined)
    problems.error(protocol.keyAt, "not with fwmark: the firewall rules that set the mark choose the protocol");
  const said =
    keys.family === undefined ? [...families].sort() : [keys.family === "ipv4" ? (4 as const) : (6 as const)];
  const found = said.length === 0 ? [4 as const] : said;
  return found.map((family) => ({ frontend: { kind: "fwmark", mark, family }, at: atKey(node, "fwmark") }));
}

/** For people: `192.0.2.10:80/udp` is said `udp 192.0.2.10:80`. */
export function frontendWords(frontend: Frontend): string {
  if (frontend.kind === "fwmark") return `firewall mark ${frontend.mark} for IPv${frontend.family}`;
  const { address, port, protocol } = frontend;
  return `${protocol} ${address.family === 6 ? `[${address.text}]` : address.text}:${port}`;
}

/** The one port that all frontends have; undefined where they differ, and for firewall marks. */
export function commonPort(frontends: readonly Frontend[]): number | undefined {
  const ports = new Set(frontends.map((f) => (f.kind === "address" ? f.port : undefined)));
  return ports.size === 1 ? [...ports][0] : undefined;
}
