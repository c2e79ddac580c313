import type { Frontend } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import type { ServiceKeys } from "./service-keys.ts";
import { type At, atKey, child, type MapNode } from "./tree.ts";

/** A frontend and where it was written. */
export interface WrittenFrontend {
  readonly frontend: Frontend;
  readonly at: At;
}

/** Of one service. Written and read in one go they take a second or so (measured: ipvsadm -R of 1,000 lines takes 0.6 to 0.9 s in a machine
 *  eight times slower than usual). */
const MOST_FRONTENDS = 4_096;

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
  const ranges = keys.vip === undefined ? (keys.vips ?? []) : [keys.vip];
  const count = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (count > MOST_FRONTENDS) {
    problems.error(
      atKey(node, keys.vip === undefined ? "vips" : "vip"),
      `${count} ports in all, a service has at most ${MOST_FRONTENDS}: each is an entry of the kernel's table with every server below it; a firewall mark covers any number of ports with one`,
    );
    return [];
  }
  return ranges.flatMap(({ address, first, last }, i) => {
    const at = (list?.kind === "list" ? list.items[i]?.at : undefined) ?? atKey(node, "vip");
    return Array.from({ length: last - first + 1 }, (_, n): WrittenFrontend => {
      return { frontend: { kind: "address", protocol, address, port: first + n }, at };
    });
  });
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
