import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Output, plain } from "../../src/cli/output.ts";
import { runCommandLine } from "../../src/cli/program.ts";
import { apiPath, createClient, Refused } from "../../src/control/client.ts";
import type { DrainStatus, ServerStatus, ServiceStatus, StatusReply } from "../../src/control/shapes.ts";
import { systemClock } from "../../src/runtime/clock.ts";

/** On a machine that has other things to do as well. */
const PATIENCE_MS = 30_000;

const main = join(import.meta.dirname, "../../src/main.ts");
const withClients = join(import.meta.dirname, "daemon-with-clients.ts");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that is under way. */
export interface Running {
  readonly ended: Promise<Ran>;
  /** Resolves when the pattern stands in what was written so far; rejects when the command ends without. */
  seen(pattern: RegExp): Promise<void>;
}

export interface Spawned extends Running {
  readonly child: ChildProcess;
}

/** What a command has written, and who waits for it to write something. */
function transcript() {
  const out = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  return {
    out,
    add(stream: "stdout" | "stderr", text: string): void {
      out[stream] += text;
      for (const watcher of watchers) watcher();
    },
    running: (ended: Promise<Ran>, giveUp = () => {}): Running => ({
      ended,
      seen: (pattern) =>
        new Promise((resolve, reject) => {
          const disarm = systemClock.after(PATIENCE_MS, () => {
            reject(new Error(`${pattern} not seen in:\n${out.stdout}${out.stderr}`));
            giveUp();
          });
          const look = () => {
            if (!pattern.test(out.stdout + out.stderr)) return;
            watchers.delete(look);
            disarm();
            resolve();
          };
          watchers.add(look);
          void ended.then(disarm);
          void ended.then(({ code }) =>
            reject(new Error(`ended (${code}) before ${pattern}:\n${out.stdout}${out.stderr}`)),
          );
          look();
        }),
    }),
  };
}

type Environment = Readonly<Record<string, string>>;

/** Where a command writes that is to be looked at; with a size it is a terminal. */
export function captured(size?: { readonly columns: number; readonly rows: number }) {
  const { out: text, add, running } = transcript();
  const print = (stream: "stdout" | "stderr", lines: readonly string[]) =>
    add(stream, lines.map((line) => `${line}\n`).join(""));
  const out: Output = {
    tty: size !== undefined,
    columns: () => size?.columns,
    rows: () => size?.rows,
    paint: plain,
    print: (...lines) => print("stdout", lines),
    write: (more) => add("stdout", more),
    warn: (...lines) => print("stderr", lines),
    endWithoutReader: () => {},
  };
  return { out, text, running };
}

/** The command line in this process: all of it but the process. Reads no standard input, gets no signals. */
export function begin(args: readonly string[], env: Environment = {}): Running {
  const { out, text, running } = captured();
  return running(runCommandLine(args, { out, env }).then((code) => ({ code, ...text })));
}

/** The same to its end. */
export function cli(args: readonly string[], env: Environment = {}): Promise<Ran> {
  return begin(args, env).ended;
}

interface StartOptions {
  /** All of standard input; without it stays open. */
  readonly input?: string;
  readonly env?: Environment;
  readonly program?: string;
}

/** The command line in a process of its own, in plain text whatever the caller's environment. */
export function start(args: readonly string[], { input, env, program = main }: StartOptions = {}): Spawned {
  const { DIRECTOR_SOCKET: _, FORCE_COLOR: __, SUDO_USER: ___, ...clean } = process.env;
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    env: { ...clean, NO_COLOR: "1", TZ: "UTC", ...env },
  });
  const { out, add, running } = transcript();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (chunk: string) => add(name, chunk));
  }
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, "close").then(([code]) => ({ code, ...out }) as Ran);
  return { child, ...running(ended, () => void child.kill("SIGKILL")) };
}

export interface Played extends Spawned {
  /** A client connects to this kernel entry (`tcp:192.0.2.10:80`) and stays until `leave`. */
  connect(service: string): void;
  /** The last client that came and is still there goes. */
  leave(): void;
}

/** Of the servers, each at an address of its own: 127.0.0.2 to 127.0.0.6. */
interface Ports {
  readonly old: number;
  readonly new: number;
  readonly dead: number;
  readonly a: number;
  readonly b: number;
}

export interface Bench {
  readonly dir: string;
  readonly conf: string;
  readonly socket: string;
  /** Live servers and a port where nobody listens. */
  readonly ports: Ports;
  /** With `--socket`, in this process. */
  cli(...args: readonly string[]): Promise<Ran>;
  begin(...args: readonly string[]): Running;
  /** With `--socket`, in a process of its own. */
  start(...args: readonly string[]): Spawned;
  /** Starts the daemon and waits until it is ready. */
  daemon(): Promise<Spawned>;
  daemonWithClients(): Promise<Played>;
  status(): Promise<StatusReply>;
  /** What the table has, by server. */
  weights(service: string): Promise<Readonly<Record<string, number | undefined>>>;
  /** As after the start: the file, nothing commanded, no drain; whatever a test that failed has left. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** A web service with a standby and a dead server; an api on the same machines; a list that is not scheduled by weight, on others. */
const configOf = (dir: string, { old, new: fresh, dead, a, b }: Ports) => `
ipvs: { backend: memory }
state: { directory: ${dir}/state }
control: { socket: ${dir}/control.sock }
defaults: { check: { type: tcp, interval: 500ms, timeout: 400ms } }
services:
  - name: web
    vip: 192.0.2.10:80
    servers:
      - { name: old, address: "127.0.0.2:${old}", labels: { color: blue } }
      - { name: new, address: "127.0.0.3:${fresh}", weight: 0, labels: { color: green } }
      - { name: dead, address: "127.0.0.4:${dead}" }
  - name: list
    vip: 192.0.2.11:80
    scheduler: rr
    servers:
      - { name: a, address: "127.0.0.5:${a}" }
      - { name: b, address: "127.0.0.6:${b}" }
  - name: api
    vip: 192.0.2.12:80
    servers:
      - { name: api-old, address: "127.0.0.2:${old}" }
      - { name: api-new, address: "127.0.0.3:${fresh}" }
`;

/** A daemon of its own with the table in memory, below a directory of its own. */
export async function bench(): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), "director-cli-"));
  const servers = await Promise.all([2, 3, 4, 5, 6].map((n) => httpServer(`127.0.0.${n}`)));
  const numbers = servers.map((server) => (server.address() as AddressInfo).port);
  const [old, fresh, dead, a, b] = numbers as [number, number, number, number, number];
  servers[2]!.close();
  const ports: Ports = { old, new: fresh, dead, a, b };
  const conf = join(dir, "director.conf");
  const socket = join(dir, "control.sock");
  const text = configOf(dir, ports);
  writeFileSync(conf, text);
  const api = createClient({ clock: systemClock, socket, actor: "test", printable: false });
  const status = async () => (await api.get<StatusReply>(apiPath("status"), never)).body;
  const running = new Set<Spawned>();
  const kept = (one: Spawned): Spawned => {
    running.add(one);
    void one.ended.then(() => running.delete(one));
    return one;
  };
  return {
    dir,
    conf,
    socket,
    ports,
    cli: (...args) => cli(["--socket", socket, ...args]),
    begin: (...args) => begin(["--socket", socket, ...args]),
    start: (...args) => kept(start(["--socket", socket, ...args], { input: "" })),
    async daemon() {
      const daemon = kept(start(["run", "-c", conf]));
      await daemon.seen(/ready: \d+ services/);
      return daemon;
    },
    async daemonWithClients() {
      const daemon = kept(start([conf], { program: withClients }));
      await daemon.seen(/ready: \d+ services/);
      const say = (line: string) => void daemon.child.stdin!.write(`${line}\n`);
      return { ...daemon, connect: say, leave: () => say("") };
    },
    status,
    async weights(service) {
      const { servers: all } = (await status()).services.find((s) => s.name === service)!;
      return Object.fromEntries(all.map((server) => [server.name, server.kernelWeight]));
    },
    async reset() {
      writeFileSync(conf, text);
      const post = (path: string, body: unknown) => api.send("POST", path, body, never).catch(unlessRefused);
      await post(apiPath("reload"), { force: true });
      const { services, drains } = await status();
      for (const { id, stands } of drains.toReversed()) if (stands) await post(apiPath("drains", id, "rollback"), {});
      for (const { name, servers: all } of services)
        for (const server of all) {
          const path = (word: string) => apiPath("services", name, "servers", server.name, word);
          if (server.disabled) await post(path("enable"), {});
          if (server.override) await post(path("weight"), { weight: null });
        }
    },
    async close() {
      for (const { child, ended } of [...running]) {
        child.kill("SIGKILL");
        await ended;
      }
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const never = new AbortController().signal;

function unlessRefused(error: unknown): void {
  if (!(error instanceof Refused)) throw error;
}

async function httpServer(address: string): Promise<Server> {
  const server = createServer((_, response) => response.end("ok\n"));
  server.listen(0, address);
  await once(server, "listening");
  return server;
}

// ---- replies for formatting: everything fine, with what a case is about laid over ----------------------------------

// Times are shown by the clock of the place.
process.env.TZ = "UTC";

/** A Tuesday, 12:00:00 UTC. */
export const NOON = Date.UTC(2026, 10, 24, 12);
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export function aServer(name: string, more: Partial<ServerStatus> = {}): ServerStatus {
  return {
    name,
    address: `10.0.0.${name.length}:80`,
    state: "up",
    since: NOON - 3 * HOUR,
    reason: undefined,
    weight: 100,
    rule: "configured",
    kernelWeight: more.weight ?? 100,
    configuredWeight: 100,
    reported: undefined,
    takenOut: undefined,
    active: 12,
    inactive: 3,
    connectionsPerSecond: undefined,
    added: false,
    disabled: undefined,
    override: undefined,
    checks: [aCheck()],
    ...more,
  };
}

export function aCheck(more: Partial<ServerStatus["checks"][number]> = {}): ServerStatus["checks"][number] {
  return {
    check: "http GET /healthz",
    state: "up",
    unchecked: false,
    unproven: false,
    last: "pass",
    detail: "status 200",
    at: NOON - SECOND,
    tookMs: 2,
    ...more,
  };
}

export function aService(servers: readonly ServerStatus[], more: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    name: "web",
    frontends: ["tcp 192.0.2.10:80"],
    scheduler: "wrr",
    up: true,
    trouble: undefined,
    quorum: { held: true, healthy: servers.length, share: 1 },
    failOpen: false,
    sorryServer: undefined,
    connectionsPerSecond: undefined,
    frozen: undefined,
    unproven: [],
    servers,
    ...more,
  };
}

export function aStatus(more: Partial<StatusReply> = {}): StatusReply {
  return {
    version: "1.2.3",
    mode: "manage",
    now: NOON,
    startedAt: NOON - 72 * HOUR,
    ready: true,
    config: { file: "/etc/director/director.conf", loadedAt: NOON - 2 * HOUR, lastReload: undefined },
    table: {
      inSync: true,
      lastSuccessAt: NOON - 4 * SECOND,
      lastError: undefined,
      refused: [],
      leftAlone: [],
      leaving: [],
      differences: [],
    },
    state: { writable: true, problem: undefined },
    problems: [],
    services: [aService([aServer("app1")])],
    drains: [],
    hooks: [],
    freezes: [],
    ...more,
  };
}

export function aDrain(more: Partial<DrainStatus> = {}): DrainStatus {
  return {
    id: "d-1a2b3c4d",
    service: "web",
    from: ["old"],
    to: ["new"],
    state: "shifting",
    stands: true,
    pausedBy: undefined,
    step: 8,
    steps: 20,
    every: 30 * SECOND,
    asked: 0.4,
    given: 0.396,
    parent: undefined,
    connections: 34,
    inactive: 5,
    templates: 0,
    nextInMs: 11_200,
    ttlLeftMs: undefined,
    message: "drain d-1a2b3c4d old -> new: step 8/20, 40% moved",
    warnings: [],
    reason: undefined,
    actor: "alice",
    startedAt: NOON - 4 * MINUTE,
    left: undefined,
    ...more,
  };
}
