import type { Asked, AskedForward, AskedServer, AskedService } from "./asked.ts";

/** The check of servers that have one: passed where somebody listens. */
export const CHECK_PORT = 7001;
const CHECK = { type: "tcp", port: CHECK_PORT, interval: "2s", timeout: "20s", fall: 3, rise: 2 };

/** `services:` and `pools:` of director.conf; JSON is YAML. */
export function written(asked: Asked): string {
  const pooled = asked.filter((service) => service.pooled);
  const pools = Object.fromEntries(pooled.map((service) => [`${service.name}-pool`, serversOf(service)]));
  const services = asked.map((service) => `  - ${JSON.stringify(serviceOf(service))}\n`).join("");
  return `${pooled.length === 0 ? "" : `pools: ${JSON.stringify(pools)}\n`}services:\n${services}`;
}

function serversOf({ servers }: AskedService): object {
  return servers.length === 0 ? { servers: [], allow_empty: true } : { servers: servers.map(serverOf) };
}

function serviceOf(service: AskedService): object {
  const { name, front, persistence, spares, graceSec } = service;
  return {
    name,
    ...frontOf(front),
    scheduler: service.scheduler,
    ...(service.flags.length > 0 && { scheduler_flags: service.flags }),
    ...(service.onePacket && { one_packet: true }),
    ...(persistence && {
      persistence: {
        timeout: `${persistence.timeoutSec}s`,
        netmask: { ipv4: persistence.v4, ipv6: persistence.v6 },
        ...(persistence.engine && { engine: persistence.engine }),
      },
    }),
    on_failure: service.onFailure,
    removal_grace: `${graceSec}s`,
    ...quorumOf(service),
    ...(spares.sorryServer && { sorry_server: { address: spares.sorryServer } }),
    ...(spares.slowStart && { slow_start: "30s" }),
    ...(spares.failOpen && { fail_open: "all-down" }),
    ...(spares.flap && { flap: { count: 3, within: "1m", hold: "10s" } }),
    initial: spares.initial,
    ...(service.pooled
      ? { pool: `${name}-pool`, ...(service.servers.length === 0 && { allow_empty: true }) }
      : serversOf(service)),
  };
}

function frontOf(front: AskedService["front"]): object {
  if (front.kind === "mark")
    return { fwmark: front.mark, ...(front.family !== undefined && { family: `ipv${front.family}` }) };
  const vips = front.vips.map(({ address, first, last }) => {
    const host = address.includes(":") ? `[${address}]` : address;
    return `${host}:${first === last ? first : `${first}-${last}`}`;
  });
  return { protocol: front.protocol, ...(vips.length === 1 ? { vip: vips[0] } : { vips }) };
}

/** One that is held: all who are well are enough. */
function quorumOf({ spares, servers }: AskedService): object {
  const well = servers.filter((server) => server.health !== "dead" && server.weight > 0);
  if (spares.quorum === "servers") return { quorum: { up: well.length, down: Math.ceil(well.length / 2) } };
  const weight = (of: readonly AskedServer[]) => of.reduce((sum, server) => sum + server.weight, 0);
  const percent = Math.floor((100 * weight(well)) / weight(servers));
  return spares.quorum === "share" && percent > 0 ? { quorum: { up: `${percent}%`, down: `${percent}%` } } : {};
}

function serverOf(server: AskedServer): object {
  const { written, port, weight, limits, health } = server;
  const host = written.includes(":") ? `[${written}]` : written;
  return {
    address: port === undefined ? written : `${host}:${port}`,
    weight,
    ...forwardOf(server.forward),
    ...(limits && { max_connections: limits.upper, min_connections: limits.lower }),
    ...(health !== "unchecked" && { check: CHECK }),
  };
}

function forwardOf(forward: AskedForward): object {
  if (forward.kind === "masquerade" || forward.kind === "direct") return { forward: forward.kind };
  const { kind: type, ...rest } = forward;
  return { forward: "tunnel", tunnel: { type, ...rest } };
}
