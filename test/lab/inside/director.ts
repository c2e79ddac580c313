import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { type Ran, run, until } from "./run.ts";

export const directorProgram = join(import.meta.dirname, "../../../bin/director");

export type LogLine = Readonly<Record<string, unknown>>;

export interface StartOptions {
  /** Text of director.conf. State and control socket are put into the scenario's folder when it does not name them itself. */
  readonly config: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of `director run`. */
  readonly args?: readonly string[];
  /** Taken over from an earlier director: its folder, thus its state and its socket. */
  readonly folder?: string;
}

/** A real `director run`. */
export interface Director {
  readonly pid: number;
  /** Holds director.conf, the state and the control socket. */
  readonly folder: string;
  readonly configFile: string;
  readonly socket: string;
  /** What it has logged so far; a line that is not JSON is `{ text }`. */
  readonly log: readonly LogLine[];
  /** Waits for a log line, also one already there; a string has to occur in its JSON. `after` is a length of `log` from before. */
  logged(
    what: string | RegExp | ((line: LogLine) => boolean),
    options?: { timeoutMs?: number; after?: number },
  ): Promise<LogLine>;
  /** Waits until the control socket answers. */
  ready(timeoutMs?: number): Promise<void>;
  /** Another command of the same program, told this daemon's socket: `cli("status", "--json")`. */
  cli(...args: readonly string[]): Promise<Ran>;
  /** The same, read as JSON. @throws Error with what it said when it did not exit 0. */
  json(...args: readonly string[]): Promise<unknown>;
  /** Writes a new director.conf; nothing is told to the daemon. */
  configure(config: string): void;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and waits. @throws Error when it is still there after 15 s. */
  stop(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGKILL, and waits. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the daemon and does not wait: see `ready` and `logged`. */
export function startDirector(options: StartOptions): Director {
  const folder = options.folder ?? mkdtempSync("/run/lab/director-");
  const configFile = join(folder, "director.conf");
  const socket = join(folder, "control.sock");
  const configure = (config: string) => writeFileSync(configFile, complete(config, folder, socket));
  configure(options.config);
  const env = { ...process.env, DIRECTOR_SOCKET: socket, ...options.env };
  const child = spawn(directorProgram, ["run", "-c", configFile, ...(options.args ?? [])], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const log: LogLine[] = [];
  for (const stream of [child.stdout, child.stderr]) collectLines(stream, (line) => log.push(readLine(line)));
  const exit = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  // A daemon that runs on does not keep the scenario from ending.
  child.unref();

  const alive = () => child.exitCode === null && child.signalCode === null;
  const cli = (...args: readonly string[]) => run([directorProgram, ...args], { env: { DIRECTOR_SOCKET: socket } });
  const tail = () =>
    log
      .slice(-20)
      .map((line) => JSON.stringify(line))
      .join("\n");
  return {
    pid: child.pid!,
    folder,
    configFile,
    socket,
    log,
    configure,
    cli,
    async logged(what, { timeoutMs = 10_000, after = 0 } = {}) {
      const matches = (line: LogLine) =>
        typeof what === "function"
          ? what(line)
          : typeof what === "string"
            ? JSON.stringify(line).includes(what)
            : what.test(JSON.stringify(line));
      try {
        return await until(`the director logs ${what}`, () => log.slice(after).find(matches), { timeoutMs });
      } catch (error) {
        throw new Error(`${(error as Error).message}; its log ends:\n${tail()}`);
      }
    },
    async ready(timeoutMs = 20_000) {
      let ended = false;
      await until(
        "the control socket answers",
        async () => {
          ended = !alive();
          return ended || (await answers(socket));
        },
        { timeoutMs, everyMs: 200 },
      ).catch((error: Error) => {
        throw new Error(`${error.message}; its log ends:\n${tail()}`);
      });
      if (ended) throw new Error(`director run ended: ${child.signalCode ?? child.exitCode}; its log ends:\n${tail()}`);
    },
    async json(...args) {
      const { code, stdout, stderr } = await cli(...args);
      if (code !== 0) throw new Error(`director ${args.join(" ")}: exit ${code}\n${stderr}${stdout}`);
      return JSON.parse(stdout) as unknown;
    },
    signal: (signal) => void child.kill(signal),
    async stop() {
      child.kill("SIGTERM");
      await until("the director has stopped", () => !alive(), { timeoutMs: 15_000 });
      return exit;
    },
    async kill() {
      child.kill("SIGKILL");
      await until("the director is dead", () => !alive());
    },
  };
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { socketPath, path: "/v1/status", headers: { host: "director" }, timeout: 2000 },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on("error", () => resolve(false)).on("timeout", () => request.destroy());
  });
}

/** The sections a scenario leaves out: everything in one folder, JSON on stdout. */
function complete(config: string, folder: string, socket: string): string {
  const missing: string[] = [];
  const lacks = (section: string) => !new RegExp(`^${section}:`, "m").test(config);
  if (lacks("state")) missing.push(`state: { directory: ${folder}/state }`);
  if (lacks("control")) missing.push(`control: { socket: ${socket} }`);
  if (lacks("log")) missing.push("log: { level: debug, format: json }");
  return `${missing.join("\n")}\n${config}`;
}

function readLine(text: string): LogLine {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as LogLine) : { text };
  } catch {
    return { text };
  }
}

function collectLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  });
  if ("unref" in stream && typeof stream.unref === "function") stream.unref();
}
