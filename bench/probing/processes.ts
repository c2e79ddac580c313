import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** Clock ticks a second in /proc: 100 on every Linux that runs Node. */
const HZ = 100;

export interface Running {
  readonly pid: number;
  /** CPU time, user and system, of it and all its descendants, ended ones included; in seconds. */
  cpu(): number;
  /** Resident memory of it and its descendants, in MB. */
  rss(): number;
  /** Open files. */
  files(): number;
  alive(): boolean;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The CPU it runs on; undefined: any. */
  readonly cpu?: number;
  /** It is talked with: its standard output is read. What nobody reads would hold it up. */
  readonly talks?: boolean;
}

const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** Starts a program, pinned to a CPU where one is named. */
export function start(argv: readonly string[], options: StartOptions = {}): Running & { readonly child: ChildProcess } {
  const pinned = options.cpu === undefined ? argv : ["taskset", "-c", String(options.cpu), ...argv];
  const child = spawn(pinned[0]!, pinned.slice(1), {
    env: { ...process.env, ...options.env },
    stdio: options.talks === true ? ["pipe", "pipe", "inherit"] : "ignore",
  });
  started.add(child);
  const gone = once(child, "exit").then(() => void started.delete(child));
  const pid = child.pid!;
  return {
    child,
    pid,
    cpu: () => family(pid).reduce((sum, each) => sum + cpuOf(each), 0),
    rss: () => family(pid).reduce((sum, each) => sum + rssOf(each), 0),
    files: () => readdirSync(`/proc/${pid}/fd`).length,
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = sleep(5_000).then(() => child.kill("SIGKILL"));
      await Promise.race([gone, late]);
      await gone;
    },
  };
}

/** A process and its living descendants. */
function family(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const each = Number(name);
    const parent = Number.isInteger(each) ? stat(each)?.[1] : undefined;
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), each]);
  }
  const found: number[] = [];
  const visit = (each: number): void => {
    found.push(each);
    for (const child of children.get(each) ?? []) visit(child);
  };
  visit(pid);
  return found;
}

/** Fields of /proc/PID/stat after the name, which may hold anything: state, parent, … */
function stat(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** proc(5): utime, stime, cutime, cstime are fields 14 to 17. */
function cpuOf(pid: number): number {
  const fields = stat(pid)?.slice(11, 15) ?? [];
  return fields.reduce((sum, ticks) => sum + Number(ticks), 0) / HZ;
}

function rssOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Connections that this host has begun: TcpActiveOpens of /proc/net/snmp. For a prober that resets a connection before the server's accept() sees it. */
export function connectionsBegun(): number {
  const [names = "", values = ""] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Tcp:"));
  return Number(values.split(" ")[names.split(" ").indexOf("ActiveOpens")]);
}

/** Arrivals at the servers. */
export interface TargetStats {
  /** CLOCK_MONOTONIC, microseconds. */
  readonly at: number;
  readonly seen: number;
  /** How many servers saw any. */
  readonly served: number;
  /** How far intervals were from the period: index in milliseconds, the last is that and more. */
  readonly late: readonly number[];
}

export interface Target {
  /** A line in, a line of JSON out. */
  ask<T>(line: string): Promise<T>;
  stop(): Promise<void>;
}

export interface Ports {
  readonly tcp: number;
  readonly http: number;
  readonly https: number;
  readonly udp: number;
}

export async function startTarget(
  program: string,
  ports: Ports,
  servers: number,
  periodMs: number,
  cpu: number | undefined,
): Promise<Target> {
  const argv = [program, ports.tcp, ports.http, ports.udp, servers, periodMs].map(String);
  const running = start(argv, { ...(cpu === undefined ? {} : { cpu }), talks: true });
  const lines = createInterface({ input: running.child.stdout! })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the target ended");
    return JSON.parse(value) as unknown;
  };
  await next();
  return {
    ...running,
    async ask<T>(line: string): Promise<T> {
      running.child.stdin!.write(`${line}\n`);
      return (await next()) as T;
    },
  };
}
