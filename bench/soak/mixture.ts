import type { Ports } from "../probing/processes.ts";
import { addressOf, type PlainWay, portOf } from "../probing/subjects.ts";

/** Servers FROM to TO - 1 of the target, asked in one way. */
export interface Part {
  readonly way: PlainWay;
  readonly from: number;
  readonly to: number;
}

/** With the doors 5,000. */
export const PARTS: readonly Part[] = [
  { way: "tcp", from: 0, to: 2_480 },
  { way: "http", from: 2_480, to: 3_480 },
  { way: "http-kept", from: 3_480, to: 3_980 },
  { way: "udp", from: 3_980, to: 4_980 },
];
/** TCP servers of the bench itself, which close their port when they are down: connections are refused. */
export const DOORS = 20;
/** What comes and goes with reloads. */
export const SPARE = 4_980;
export const PLAYED = SPARE + 1;

/** Servers of one service. */
const POOL = 100;

interface Pool {
  readonly way: PlainWay;
  readonly servers: readonly string[];
}

export function doorAddress(n: number): string {
  return `127.2.0.${n + 1}`;
}

export interface Files {
  readonly folder: string;
  readonly stub: string;
  readonly ports: Ports;
  readonly doorPort: number;
  readonly listen: string;
}

/** The file in its nth form: one server has another weight, and in every second form one pool has a server more. */
export function soakConf(files: Files, form: number): string {
  const { folder, stub, listen } = files;
  const pools = poolsOf(files);
  const changed = (form * 7) % pools.length;
  return [
    `ipvs: { command: ${stub} }`,
    `state: { directory: ${folder}/state }`,
    `control: { socket: ${folder}/control.sock }`,
    `http: { listen: ["${listen}"] }`,
    "log: { format: json }",
    "defaults: { check: { type: tcp, interval: 1s, timeout: 1s, fast_interval: 1s, down_interval: 1s } }",
    "services:",
    ...pools.flatMap(({ way, servers }, p) => [
      `  - name: pool${p}`,
      `    vip: 10.77.0.${p}:80`,
      ...(way === "udp" ? ["    protocol: udp"] : []),
      `    check: { ${CHECKS[way]} }`,
      "    servers:",
      ...servers.map((address, i) => {
        const weight = p === changed && i === form % servers.length ? 50 : 100;
        return `      - { name: s${i}, address: "${address}", weight: ${weight} }`;
      }),
      ...(p === changed && form % 2 === 1
        ? [`      - { name: spare, address: "${addressOf(SPARE)}:${portOf(way, files.ports)}", weight: 100 }`]
        : []),
    ]),
    "",
  ].join("\n");
}

const CHECKS: Readonly<Record<PlainWay, string>> = {
  tcp: "type: tcp",
  http: "type: http, path: /healthz",
  "http-kept": "type: http, path: /healthz, reuse_connection: true",
  udp: "type: udp, send: ping, expect: ping",
};

/** The doors are pool 0. */
function poolsOf({ ports, doorPort }: Files): readonly Pool[] {
  const doors = Array.from({ length: DOORS }, (_, n) => `${doorAddress(n)}:${doorPort}`);
  const pools: Pool[] = [{ way: "tcp", servers: doors }];
  for (const { way, from, to } of PARTS)
    for (let first = from; first < to; first += POOL) {
      const size = Math.min(POOL, to - first);
      const servers = Array.from({ length: size }, (_, i) => `${addressOf(first + i)}:${portOf(way, ports)}`);
      pools.push({ way, servers });
    }
  return pools;
}

export function poolCount(files: Files): number {
  return poolsOf(files).length;
}
