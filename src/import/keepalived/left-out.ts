import type { Keepalived, RealServer, VirtualServer } from "./model.ts";

/** Why keepalived leaves a virtual server out altogether; undefined: it does not (check_data.c: link_vsg_to_vs, validate_check_config). */
export function leftOut(service: VirtualServer, { groups }: Keepalived): string | undefined {
  const { at, servers } = service;
  const plain = servers.filter((server) => isPlain(server, service));
  if (servers.length === 0) return "has no real_server";
  if (at.kind === "address" && plain.length === servers.length)
    return plain.some(({ address }) => address.family === at.address.family)
      ? undefined
      : "none of its real servers is of its family";
  const group = at.kind === "group" ? groups.get(at.name) : undefined;
  if (group === undefined) return undefined;
  const families = new Set(
    group.members.flatMap((member) => (member.kind === "address" ? member.address.family : (member.family ?? []))),
  );
  const own = familyOf(service, plain);
  if (own === undefined || families.size === 0) return undefined;
  if (families.size > 1) return "its group is of both families, which keepalived takes for servers behind tunnels only";
  return families.has(own) ? undefined : "its group is of another family";
}

/** Servers behind tunnels may be of any family, all others give it theirs. */
function familyOf({ family, sorry, forwarding }: VirtualServer, plain: readonly RealServer[]): 4 | 6 | undefined {
  const tunnelled = (sorry?.forwarding ?? forwarding)?.kind === "tunnel";
  return family ?? plain[0]?.address.family ?? (tunnelled ? undefined : sorry?.address.family);
}

function isPlain(server: RealServer, { forwarding }: VirtualServer): boolean {
  return (server.forwarding ?? forwarding)?.kind !== "tunnel";
}
