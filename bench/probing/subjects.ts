import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Ports, Running } from "./processes.ts";
import { start } from "./processes.ts";
import type { Programs } from "./programs.ts";

/** How servers are asked. `-kept`: over a connection that stays. */
export type Way = PlainWay | "https" | "https-kept";

/** Without TLS: what the target in C speaks. */
export type PlainWay = "tcp" | "http" | "http-kept" | "udp";

export type Subject = "director" | "keepalived" | "haproxy" | "limit";

export interface Setup {
  readonly way: Way;
  readonly servers: number;
  readonly periodMs: number;
  readonly ports: Ports;
  readonly folder: string;
  readonly cpu: number | undefined;
  /** Virtual services that have each server, 1 unless told otherwise. */
  readonly sharedBy?: number;
  /** Where it tells its metrics: a port of 127.0.0.1. */
  readonly metrics?: number;
}

/** Servers of one virtual service. */
const POOL = 100;

const BASE = 0x7f01_0000;

/** The address of the nth server that the target plays: 127.1.0.0 and on. */
export function addressOf(n: number): string {
  const address = BASE + n;
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

function vipOf(pool: number): string {
  return `10.77.${pool >> 8}.${pool & 255}`;
}

export function portOf(way: Way, ports: Ports): number {
  if (way === "https" || way === "https-kept") return ports.https;
  return way === "tcp" ? ports.tcp : way === "udp" ? ports.udp : ports.http;
}

function pools(servers: number): readonly (readonly number[])[] {
  const all = Array.from({ length: servers }, (_, i) => i);
  return Array.from({ length: Math.ceil(servers / POOL) }, (_, p) => all.slice(p * POOL, (p + 1) * POOL));
}

/** Whether this prober can do this at all. */
export function can(subject: Subject, way: Way): boolean {
  if (subject === "keepalived") return !way.endsWith("-kept");
  if (subject === "haproxy") return way === "tcp" || way === "http" || way === "https";
  if (subject === "limit") return !way.startsWith("https");
  return true;
}

/** Starts a prober over all servers. undefined: it is not here. */
export function startSubject(
  subject: Subject,
  setup: Setup,
  programs: Programs,
): (Running & { readonly stub?: string }) | undefined {
  mkdirSync(setup.folder, { recursive: true });
  const cpu = setup.cpu === undefined ? {} : { cpu: setup.cpu };
  switch (subject) {
    case "director": {
      const stub = join(setup.folder, "ipvsadm");
      copyFileSync(programs.ipvsadm, stub);
      const { file, env } = directorFiles(setup, stub);
      const program = join(import.meta.dirname, "../../bin/director");
      return { ...start([program, "run", "-c", file], { ...cpu, env }), stub };
    }
    case "keepalived": {
      if (!programs.keepalived) return undefined;
      const file = written(setup, "keepalived.conf", keepalivedConf(setup));
      const pids = ["-p", join(setup.folder, "ka.pid"), "-c", join(setup.folder, "checkers.pid")];
      const { program, env } = programs.keepalived;
      return start([program, "-C", "-n", "-l", "-f", file, ...pids], { ...cpu, env });
    }
    case "haproxy": {
      if (!programs.haproxy) return undefined;
      const file = written(setup, "haproxy.cfg", haproxyCfg(setup));
      return start([programs.haproxy.program, "-f", file, "-db"], { ...cpu, env: programs.haproxy.env });
    }
    case "limit":
      return start(
        [programs.limit, setup.way, portOf(setup.way, setup.ports), setup.servers, setup.periodMs].map(String),
        cpu,
      );
  }
}

function written({ folder }: Setup, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** @param stub the program in ipvsadm's place; it keeps its table beside itself */
export function directorFiles(
  setup: Setup,
  stub: string,
): { readonly file: string; readonly env: Readonly<Record<string, string>> } {
  const { folder } = setup;
  writeFileSync(
    join(folder, "proc"),
    "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n",
  );
  const file = written(setup, "director.conf", directorConf(setup, stub));
  return { file, env: { DIRECTOR_PROC_IP_VS: join(folder, "proc") } };
}

export function directorConf(setup: Setup, stub: string): string {
  const { way, servers, periodMs, ports, folder, sharedBy = 1, metrics } = setup;
  const check = {
    tcp: "type: tcp",
    http: "type: http, path: /healthz",
    "http-kept": "type: http, path: /healthz, reuse_connection: true",
    // As keepalived and HAProxy do it here.
    https: "type: https, path: /healthz, verify: false",
    "https-kept": "type: https, path: /healthz, verify: false, reuse_connection: true",
    udp: "type: udp, send: ping, expect: ping",
  }[way];
  return [
    `ipvs: { command: ${stub} }`,
    `state: { directory: ${folder}/state }`,
    `control: { socket: ${folder}/control.sock }`,
    "log: { format: json }",
    ...(metrics === undefined ? [] : [`http: { listen: ["127.0.0.1:${metrics}"] }`]),
    `defaults: { check: { ${check}, interval: ${periodMs}ms, timeout: ${periodMs}ms, fast_interval: ${Math.min(periodMs, 1000)}ms, down_interval: ${periodMs}ms } }`,
    "services:",
    ...Array.from({ length: sharedBy }, () => pools(servers))
      .flat()
      .flatMap((pool, p) => [
        `  - name: pool${p}`,
        `    vip: ${vipOf(p)}:80`,
        ...(way === "udp" ? ["    protocol: udp", `    check: { ${check} }`] : []),
        "    servers:",
        ...pool.map((n) => `      - { address: "${addressOf(n)}:${portOf(way, ports)}" }`),
      ]),
    "",
  ].join("\n");
}

function keepalivedConf({ way, servers, periodMs, ports }: Setup): string {
  const seconds = periodMs / 1000;
  const timing = `connect_timeout ${seconds} retry 2 delay_before_retry ${seconds}`.replaceAll(
    / (?=[a-z])/g,
    "\n      ",
  );
  const checker = {
    tcp: `TCP_CHECK {\n      ${timing}\n    }`,
    http: `HTTP_GET {\n      url {\n        path /healthz\n        status_code 200\n      }\n      ${timing}\n    }`,
    "http-kept": "",
    https: `SSL_GET {\n      url {\n        path /healthz\n        status_code 200\n      }\n      ${timing}\n    }`,
    "https-kept": "",
    udp: `UDP_CHECK {\n      payload 70696e67\n      require_reply 70696e67\n      ${timing}\n    }`,
  }[way];
  return [
    "global_defs {\n  checker_log_all_failures off\n}",
    ...pools(servers).map((pool, p) =>
      [
        `virtual_server ${vipOf(p)} 80 {`,
        `  delay_loop ${seconds}\n  lb_algo wrr\n  lb_kind NAT\n  protocol ${way === "udp" ? "UDP" : "TCP"}`,
        ...pool.map(
          (n) => `  real_server ${addressOf(n)} ${portOf(way, ports)} {\n    weight 100\n    ${checker}\n  }`,
        ),
        "}",
      ].join("\n"),
    ),
    "",
  ].join("\n");
}

function haproxyCfg({ way, servers, periodMs, ports, folder }: Setup): string {
  return [
    "global",
    "  nbthread 1",
    "  maxconn 1000",
    "  ulimit-n 19000",
    "  spread-checks 0",
    `  stats socket ${join(folder, "haproxy.sock")}`,
    "defaults",
    "  mode tcp",
    "  timeout connect 2s",
    "  timeout client 10s",
    "  timeout server 10s",
    `  timeout check ${periodMs}ms`,
    `  default-server check inter ${periodMs}ms fastinter ${periodMs}ms downinter ${periodMs}ms fall 3 rise 2`,
    // Without anybody to serve it ends.
    "frontend nobody",
    `  bind unix@${join(folder, "nobody.sock")}`,
    ...pools(servers).flatMap((pool, p) => [
      `backend pool${p}`,
      ...(way === "http" || way === "https"
        ? [
            "  option httpchk",
            "  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host target",
            "  http-check expect status 200",
          ]
        : []),
      ...pool.map(
        (n) => `  server s${n} ${addressOf(n)}:${portOf(way, ports)}${way === "https" ? " check-ssl verify none" : ""}`,
      ),
    ]),
    "",
  ].join("\n");
}
