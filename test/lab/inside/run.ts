import { type SpawnOptions, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface Ran {
  /** 128 + signal for a command that a signal ended. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** After it the command is killed; default 30000. */
  readonly timeoutMs?: number;
}

if (process.env.LAB !== "1") throw new Error("this changes routes and kernel settings: it runs only inside the lab");

/** Runs a command to its end, whatever its exit code. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const spawned: SpawnOptions = { stdio: "pipe", env: { ...process.env, ...options.env } };
  const child = spawn(argv[0]!, argv.slice(1), {
    ...spawned,
    timeout: options.timeoutMs ?? 30_000,
    killSignal: "SIGKILL",
  });
  const [out, err] = [child.stdout!, child.stderr!].map((stream) => {
    const texts: string[] = [];
    stream.setEncoding("utf8").on("data", (text: string) => texts.push(text));
    return texts;
  });
  child.stdin!.on("error", () => {}); // the command need not read it
  child.stdin!.end(options.stdin ?? "");
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`${argv.join(" ")}: could not be started`, { cause })));
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  });
  return { code, stdout: out!.join(""), stderr: err!.join("") };
}

/** Runs a command that has to succeed, and returns what it printed.
 *  @throws Error with what it said, when it did not exit 0. */
export async function must(argv: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** A bash script that has to succeed in every line. */
export function shell(script: string): Promise<string> {
  return must(["/bin/bash", "-euo", "pipefail", "-c", script]);
}

/** The same command within a network namespace; `undefined` is the director's own. */
export function inNamespace(namespace: string | undefined, argv: readonly string[]): readonly string[] {
  if (namespace === undefined) return argv;
  const file = `/run/netns/${namespace}`;
  if (!existsSync(file)) throw new Error(`there is no namespace ${namespace}`);
  return ["nsenter", `--net=${file}`, "--", ...argv];
}

/** Sets kernel settings: `{ "net.ipv4.vs.conntrack": 1 }`. */
export async function sysctl(values: Readonly<Record<string, number | string>>, namespace?: string): Promise<void> {
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  await must(inNamespace(namespace, ["sysctl", "-qw", ...pairs]));
}

/** Asks again and again until the answer is truthy, and returns it. A throwing `ask` counts as no.
 *  @throws Error naming `what` and the last answer, after `timeoutMs` (default 10000). */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 50 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= giveUpAt) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`, { cause: last });
    await sleep(everyMs);
  }
}
