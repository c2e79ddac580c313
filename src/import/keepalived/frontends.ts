import { formatEndpoint } from "../../model/address.ts";
import { type Entries, list } from "../written.ts";
import type { GroupMember, Keepalived, VirtualServer } from "./model.ts";

/** What becomes one service of director: addresses, or one mark. */
export interface Front {
  /** Beside the virtual server's own name; empty for the first. */
  readonly suffix: string;
  readonly entries: Entries;
  /** The one port of all its addresses. */
  readonly port: number | undefined;
  readonly families: ReadonlySet<4 | 6>;
  readonly kind: "addresses" | "fwmark";
}

/** The services a virtual server becomes: one, but for groups that have marks, of which a service of director has one. What cannot be one is noted.
 *  @param taken frontends of virtual servers before, which keepalived keeps when they are written twice */
export function frontsOf(service: VirtualServer, { groups }: Keepalived, taken: Set<string>): readonly Front[] {
  const members = membersOf(service, groups);
  const protocol = service.protocol ?? "udp";
  const own = members.filter((member) => isFree(member, service, protocol, taken));
  const addresses = own.filter((member) => member.kind === "address");
  const ports = new Set(addresses.map(({ port }) => port));
  const vips = addresses.map(({ address, port }) => formatEndpoint(address, port));
  const [vip] = vips;
  const fronts: Front[] = [];
  if (vip !== undefined)
    fronts.push({
      suffix: "",
      kind: "addresses",
      entries: {
        ...(vips.length === 1 ? { vip } : { vips: list(vips) }),
        protocol: protocol === "tcp" ? undefined : protocol,
      },
      port: ports.size === 1 ? [...ports][0] : undefined,
      families: new Set(addresses.map(({ address }) => address.family)),
    });
  for (const member of own) {
    if (member.kind !== "fwmark") continue;
    const family = familyOf(member.family, service);
    fronts.push({
      suffix: fronts.length === 0 ? "" : `-fwmark-${member.mark}`,
      kind: "fwmark",
      entries: { fwmark: String(member.mark), family: family === 4 ? "ipv4" : "ipv6" },
      port: undefined,
      families: new Set([family]),
    });
  }
  return fronts;
}

function membersOf(service: VirtualServer, groups: Keepalived["groups"]): readonly GroupMember[] {
  const { at, place, title, notes } = service;
  if (at.kind === "address") return [{ ...at, place }];
  if (at.kind === "fwmark") return [{ kind: "fwmark", mark: at.mark, family: service.family, place }];
  const group = groups.get(at.name);
  if (group === undefined)
    notes.add("refused", place, `virtual_server ${title}`, "there is no virtual_server_group of that name");
  return group?.members ?? [];
}

/** Whether it is a service of its own; the kernel has each of them once. */
function isFree(member: GroupMember, service: VirtualServer, protocol: string, taken: Set<string>): boolean {
  const { notes } = service;
  if (member.kind === "address" && member.port === undefined) {
    notes.add(
      "dropped",
      member.place,
      `virtual_server ${member.address.text}`,
      "stands for all ports of the address: mark its packets (iptables -t mangle -A PREROUTING -d … -j MARK --set-mark N) and write virtual_server fwmark N",
    );
    return false;
  }
  const key =
    member.kind === "address"
      ? `${protocol} ${formatEndpoint(member.address, member.port)}`
      : `fwmark ${member.mark} ${familyOf(member.family, service)}`;
  if (taken.has(key)) {
    notes.add(
      "refused",
      member.place,
      `virtual_server ${key}`,
      "stands further above already: keepalived keeps the first",
    );
    return false;
  }
  taken.add(key);
  return true;
}

/** Without ip_family, the family of the servers that are not behind a tunnel; if all are, theirs if they agree, else IPv4 (vs_end_handler). */
function familyOf(said: 4 | 6 | undefined, { family, servers, forwarding }: VirtualServer): 4 | 6 {
  if (said !== undefined || family !== undefined) return said ?? family ?? 4;
  const plain = servers.find((server) => (server.forwarding ?? forwarding)?.kind !== "tunnel");
  if (plain !== undefined) return plain.address.family;
  return servers.length > 0 && servers.every((server) => server.address.family === 6) ? 6 : 4;
}
