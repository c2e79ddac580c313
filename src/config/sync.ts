import type { SyncSettings } from "../model/config.ts";
import type { Service } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import { atKey, child, type MapNode } from "./tree.ts";

/** The sync daemon and servers of the other address family refuse each other, whichever comes second (seen on Linux 6.1: EINVAL, "Possibly wrong
 *  module version"; ip_vs_sync.c, mixed_address_family_dests). */
export function warnOfMixedFamilies(
  sync: SyncSettings | undefined,
  services: readonly Service[],
  main: MapNode,
  problems: Problems,
): void {
  const node = child(main, "ipvs");
  const mixed = services.find(crossesFamilies);
  if (sync === undefined || node?.kind !== "map" || mixed === undefined) return;
  problems.warning(
    atKey(node, "sync"),
    `service ${mixed.name} has servers of another address family behind a tunnel: the kernel takes either those or the sync daemon`,
  );
}

function crossesFamilies({ frontends, servers }: Service): boolean {
  return frontends.some((frontend) => {
    const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
    return servers.some((server) => server.forwarding.kind === "tunnel" && server.address.family !== family);
  });
}
