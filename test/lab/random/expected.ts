// What the kernel has to hold for a configuration, and how three listings print it. By ipvsadm(8) and docs/, with nothing of src/.
import {
  type Asked,
  type AskedForward,
  type AskedServer,
  type AskedService,
  type Family,
  familiesOf,
  familyOf,
} from "./asked.ts";

/** One entry of the kernel's table. */
export interface Entry {
  /** `-t 10.98.0.1:80`, `-f -1 -6`. */
  readonly at: string;
  /** In `-Ln`: `TCP 10.98.0.1:80`, `FWM -1 IPv6`. */
  readonly title: string;
  /** In /proc/net/ip_vs: `TCP 0A620001:0050`, `FWM FFFFFFFF`. */
  readonly proc: string;
  readonly scheduler: string;
  /** ` -p 300 -M 255.255.255.0 -b flag-1`. */
  readonly options: string;
  readonly graceSec: number;
  /** By address and port, `[fd00::1]:80`. */
  readonly servers: ReadonlyMap<string, Placed>;
}

export interface Placed {
  readonly address: string;
  readonly port: number;
  readonly forward: AskedForward;
  readonly weight: number;
  readonly upper: number;
  readonly lower: number;
}

/** By `at`. */
export type Expected = ReadonlyMap<string, Entry>;

export function expected(asked: Asked): Expected {
  return new Map(asked.flatMap(entriesOf).map((entry) => [entry.at, entry]));
}

interface Front {
  readonly at: string;
  readonly title: string;
  readonly proc: string;
  readonly family: Family;
  /** What servers without a port of their own have. */
  readonly port: number;
  readonly udp: boolean;
}

function entriesOf(service: AskedService): readonly Entry[] {
  return frontsOf(service).map((front) => {
    const servers = service.servers.flatMap((server) => placed(service, front, server));
    return {
      at: front.at,
      title: front.title,
      proc: front.proc,
      scheduler: service.scheduler,
      options: optionsOf(service, front.family),
      graceSec: service.graceSec,
      servers: new Map(servers.map((server) => [endpoint(server.address, server.port), server])),
    };
  });
}

function frontsOf(service: AskedService): readonly Front[] {
  const { front } = service;
  if (front.kind === "mark") {
    // Listings print marks as if they had a sign.
    const signed = front.mark >= 2 ** 31 ? front.mark - 2 ** 32 : front.mark;
    return familiesOf(service).map((family) => ({
      at: `-f ${signed}${family === 6 ? " -6" : ""}`,
      title: `FWM ${signed}${family === 6 ? " IPv6" : ""}`,
      proc: `FWM ${hex(front.mark, 8)}`,
      family,
      port: 0,
      udp: false,
    }));
  }
  const option = { tcp: "-t", udp: "-u", sctp: "--sctp-service" }[front.protocol];
  const name = front.protocol.toUpperCase();
  return front.vips.flatMap(({ address, first, last }) =>
    Array.from({ length: last - first + 1 }, (_, i) => ({
      at: `${option} ${endpoint(address, first + i)}`,
      title: `${name} ${endpoint(address, first + i)}`,
      proc: `${name} ${hexEndpoint(address, first + i)}`,
      family: familyOf(address),
      port: first + i,
      udp: front.protocol === "udp",
    })),
  );
}

/** At most one: only tunnels cross families, and of the dead some are not to be there at all. */
function placed(service: AskedService, front: Front, server: AskedServer): readonly Placed[] {
  const { address, forward, limits, health } = server;
  const crosses = forward.kind !== "masquerade" && forward.kind !== "direct";
  if (familyOf(address) !== front.family && !crosses) return [];
  if (health === "dead" && leavesWhenDead(service, front)) return [];
  const weight = health === "dead" ? 0 : server.weight;
  return [
    { address, port: server.port ?? front.port, forward, weight, upper: limits?.upper ?? 0, lower: limits?.lower ?? 0 },
  ];
}

/** docs/services.md, on_failure: where the kernel would go on sending clients to a server at weight 0, or refuse them there. */
function leavesWhenDead({ onFailure, scheduler, flags, persistence }: AskedService, front: Front): boolean {
  if (onFailure !== "auto") return onFailure === "remove";
  if (scheduler === "dh") return true;
  if ((scheduler === "mh" || scheduler === "sh") && !flags.includes(`${scheduler}-fallback`)) return true;
  return persistence !== undefined || front.udp;
}

function optionsOf({ persistence, onePacket, flags }: AskedService, family: Family): string {
  let text = "";
  if (persistence !== undefined) {
    text += ` -p ${persistence.timeoutSec}`;
    if (family === 4 && persistence.v4 !== 32) text += ` -M ${dotted(persistence.v4)}`;
    if (family === 6 && persistence.v6 !== 128) text += ` -M ${persistence.v6}`;
    if (persistence.engine !== undefined) text += ` --pe ${persistence.engine}`;
  }
  if (onePacket) text += " -o";
  return flags.length === 0 ? text : `${text} -b ${[...flags].sort().join(",")}`;
}

// ---- the three listings ----------------------------------------------------------------------------------------------

/** `ipvsadm -Sn`. */
export function savedLines(table: Expected): readonly string[] {
  return [...table.values()].flatMap((entry) => [
    savedService(entry),
    ...[...entry.servers.values()].map((s) => savedServer(entry, s)),
  ]);
}

export function savedService({ at, scheduler, options }: Entry): string {
  return `-A ${at} -s ${scheduler}${options}`;
}

export function savedServer({ at }: Entry, { address, port, forward, weight }: Placed): string {
  const option = { masquerade: "-m", direct: "-g", ipip: "-i", gre: "-i", gue: "-i" }[forward.kind];
  return `-a ${at} -r ${endpoint(address, port)} ${option} -w ${weight}${tunnelWords(forward)}`;
}

function tunnelWords(forward: AskedForward): string {
  const checksum = { none: "--tun-nocsum", checksum: "--tun-csum", remote: "--tun-remcsum" };
  switch (forward.kind) {
    case "masquerade":
    case "direct":
      return "";
    case "ipip":
      return " --tun-type ipip";
    case "gre":
      return ` --tun-type gre ${checksum[forward.checksum]}`;
    case "gue":
      return ` --tun-type gue --tun-port ${forward.port} ${checksum[forward.checksum]}`;
  }
}

/** `ipvsadm -Ln --thresholds`: the service, the server, its limits and nobody connected. */
export function thresholdLines(table: Expected): readonly string[] {
  return [...table.values()].flatMap(({ title, servers }) => [
    title,
    ...[...servers].map(([at, { upper, lower }]) => `${title} -> ${at} ${upper} ${lower} 0 0`),
  ]);
}

/** /proc/net/ip_vs: the service, the server's weight and nobody connected; IPv4 and IPv6 services of the same mark look alike there. */
export function procLines(table: Expected): readonly string[] {
  const method = { masquerade: "Masq", direct: "Route", ipip: "Tunnel", gre: "Tunnel", gue: "Tunnel" };
  return [...table.values()].flatMap(({ proc, scheduler, servers }) => [
    `${proc} ${scheduler}`,
    ...[...servers.values()].map(
      ({ address, port, forward, weight }) =>
        `${proc} -> ${hexEndpoint(address, port)} ${method[forward.kind]} ${weight} 0 0`,
    ),
  ]);
}

/** 23 is `255.255.254.0`. */
function dotted(prefix: number): string {
  const bits = "1".repeat(prefix).padEnd(32, "0");
  return [0, 8, 16, 24].map((from) => Number.parseInt(bits.slice(from, from + 8), 2)).join(".");
}

function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `0A620001:0050`, `[fd00:0098:0000:0000:0000:0000:0000:0001]:0050`. */
function hexEndpoint(address: string, port: number): string {
  if (familyOf(address) === 4)
    return `${address
      .split(".")
      .map((byte) => hex(Number(byte), 2))
      .join("")}:${hex(port, 4)}`;
  const [head = [], tail = []] = address.split("::").map((side) => side.split(":").filter((group) => group !== ""));
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
  return `[${groups.map((group) => group.padStart(4, "0")).join(":")}]:${hex(port, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
