import { formatEndpoint } from "../model/address.ts";
import type { Config, Timeouts } from "../model/config.ts";
import type { Problems } from "./problems.ts";
import type { FileKeys } from "./schema.ts";
import { atKey, child, type MapNode } from "./tree.ts";

/** Everything but the services, from the typed keys of the main file. */
export function globalsOf(keys: FileKeys, main: MapNode, problems: Problems): Omit<Config, "services" | "hooks"> {
  const { ipvs, state, control, http, log, reload } = keys;
  twoSockets(control, main, problems);
  listenOnce(http, main, problems);
  return {
    ipvs: { ...ipvs, sync: ipvs.sync, timeouts: ipvs.timeouts && timeoutsOf(ipvs.timeouts) },
    vips: keys.vips,
    state,
    control: {
      socket: control.socket,
      mode: control.mode,
      group: control.group,
      readOnly: control.read_only,
    },
    http: http && { listen: http.listen, hosts: http.hosts ?? [] },
    log,
    reload: { maxRemoved: reload.max_removed },
  };
}

function timeoutsOf({ tcp, tcp_fin, udp }: NonNullable<FileKeys["ipvs"]["timeouts"]>): Timeouts {
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
  return { tcp: seconds(tcp), tcpFin: seconds(tcp_fin), udp: seconds(udp) };
}

function twoSockets({ socket, read_only }: FileKeys["control"], main: MapNode, problems: Problems): void {
  if (read_only?.socket !== socket) return;
  const node = child(child(main, "control"), "read_only");
  if (node?.kind === "map") problems.error(atKey(node, "socket"), "is the socket that takes commands");
}

function listenOnce(http: FileKeys["http"], main: MapNode, problems: Problems): void {
  const list = child(child(main, "http"), "listen");
  const seen = new Set<string>();
  for (const [i, { address, port }] of (http?.listen ?? []).entries()) {
    const endpoint = formatEndpoint(address, port);
    if (seen.has(endpoint) && list?.kind === "list") problems.error(list.items[i]!.at, `${endpoint} is given twice`);
    seen.add(endpoint);
  }
}
