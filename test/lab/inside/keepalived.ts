import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { inNamespace, until } from "./run.ts";

/** As bin/setup-keepalived.cjs found it. */
export interface KeepalivedProgram {
  readonly program: string;
  /** Where the loader finds what it needs; undefined for one that is installed. */
  readonly libraries?: string;
}

export interface KeepalivedOptions {
  /** Text of keepalived.conf. */
  readonly config: string;
  /** Default `-C`: the checks only, no VRRP. With `-I` as well it leaves its table when it is stopped. */
  readonly args?: readonly string[];
  /** Default: the director's own. Each namespace has a table of its own. */
  readonly namespace?: string;
}

/** A real keepalived. */
export interface Keepalived {
  readonly pid: number;
  readonly configFile: string;
  /** Waits until it has written its table and begun to check. @throws Error with its log when it ends before. */
  ready(timeoutMs?: number): Promise<void>;
  /** SIGHUP, with another file if one is given, and waits until it is through with it. */
  reload(config?: string): Promise<void>;
  /** A signal, SIGTERM if none is given, and waits for its end: with SIGTERM it empties its table, SIGKILL ends its children with it. */
  stop(signal?: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Its log so far. */
  said(): string;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) killAll(child);
});

/** Starts keepalived in the foreground and does not wait: see `ready`. The scenario's line `// lab:` has to have `prepare=keepalived.ts`. */
export function startKeepalived({ config, args = ["-C"], namespace }: KeepalivedOptions): Keepalived {
  const { program, libraries } = findProgram();
  const folder = mkdtempSync("/run/lab/keepalived-");
  const configFile = join(folder, "keepalived.conf");
  writeFileSync(configFile, config);
  const pids = ["pid", "checkers_pid", "vrrp_pid", "bfd_pid"].map((name) => `--${name}=${join(folder, name)}`);
  const own = ["--use-file", configFile, "--dont-fork", "--log-console", "--log-detail", "--no-syslog", ...pids];
  const [command, ...rest] = inNamespace(namespace, [program, ...own, ...args]);
  const child = spawn(command!, rest, {
    // It is the leader of a group of its own with its children: what is left of it when the scenario ends is killed whole.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }) },
  });
  running.add(child);
  const texts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => texts.push(text));
    // One that runs on does not keep the scenario from ending.
    (stream as Socket).unref();
  }
  const exit = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  child.unref();

  const said = () => texts.join("");
  const alive = () => child.exitCode === null && child.signalCode === null;
  /** What it has said since, up to the line that comes after its table is written. */
  const settled = async (what: string, from: number, done: RegExp, timeoutMs: number) => {
    await until(what, () => !alive() || done.test(said().slice(from)), { timeoutMs }).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${said().slice(from)}`);
    });
    if (!alive()) throw new Error(`keepalived ended: ${child.signalCode ?? child.exitCode}; it said:\n${said()}`);
  };
  return {
    pid: child.pid!,
    configFile,
    said,
    ready: (timeoutMs = 20_000) => settled("keepalived is ready", 0, /Startup complete/, timeoutMs),
    async reload(next) {
      if (next !== undefined) writeFileSync(configFile, next);
      const from = said().length;
      child.kill("SIGHUP");
      await settled("keepalived has reloaded", from, /Reload complete/, 20_000);
    },
    async stop(signal = "SIGTERM") {
      if (signal === "SIGKILL") killAll(child);
      else child.kill(signal);
      await until("keepalived has ended", () => !alive(), { timeoutMs: 20_000 }).catch((error: Error) => {
        throw new Error(`${error.message}; it said:\n${said()}`);
      });
      return exit;
    },
  };
}

/** Its children would live on without it. */
function killAll(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // it has ended
  }
}

function findProgram(): KeepalivedProgram {
  const folder = process.env.LAB_PREPARED;
  if (folder === undefined) throw new Error("the scenario's line // lab: needs prepare=keepalived.ts");
  return JSON.parse(readFileSync(join(folder, "keepalived.json"), "utf8")) as KeepalivedProgram;
}
