import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createSecureContext } from "node:tls";
import type { DirectorEvent } from "../../src/director/events.ts";
import { createHooks, type Hooks, type HooksOptions } from "../../src/hooks/hooks.ts";
import { scriptEnvironment } from "../../src/hooks/script.ts";
import type { Hook } from "../../src/model/hook.ts";
import { ok } from "../../src/model/result.ts";
import type { EpochMs } from "../../src/model/time.ts";
import { systemClock } from "../../src/runtime/clock.ts";

/** On a machine that has other things to do as well. */
const PATIENCE_MS = 30_000;

/** Waits until an answer is there. */
export async function until<T>(what: string, ask: () => T | undefined | false): Promise<T> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 5) {
    const answer = ask();
    if (answer !== undefined && answer !== false) return answer;
    await sleep(5);
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
}

export interface Told {
  readonly sequence: number;
  readonly missed?: number;
  readonly [key: string]: unknown;
}

/** Hooks with scripts of their own in a folder of their own. `await using` stops them and takes the folder away. */
export interface Bench extends AsyncDisposable {
  readonly hooks: Hooks;
  readonly dir: string;
  /** `warning hook a: …`. */
  readonly log: string[];
  /** A shell script; `$DIR` is the folder. */
  script(name: string, text: string): string;
  /** What a script has appended to `$DIR/NAME`, one message a line. */
  told(name: string): readonly Told[];
  status(name: string): ReturnType<Hooks["status"]>[number];
}

export function bench(hooks: readonly Hook[] = [], options: Partial<HooksOptions> = {}): Bench {
  const dir = mkdtempSync(join(tmpdir(), "director-hooks-"));
  const log: string[] = [];
  const running = createHooks({
    clock: systemClock,
    hostname: "lb1",
    trust: () => createSecureContext({}),
    unprivileged: ok,
    environment: { ...scriptEnvironment(process.env), DIR: dir },
    log: (severity, message) => void log.push(`${severity} ${message}`),
    retryAfter: [10, 20, 40],
    ...options,
  });
  running.use(hooks);
  return {
    hooks: running,
    dir,
    log,
    script(name, text) {
      const path = join(dir, name);
      writeFileSync(path, `#!/bin/sh\n${text}\n`);
      chmodSync(path, 0o755);
      return path;
    },
    told: (name) => linesIn(join(dir, name)).map((line) => JSON.parse(line) as Told),
    status: (name) => running.status().find((hook) => hook.name === name)!,
    async [Symbol.asyncDispose]() {
      await running.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function linesIn(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "");
}

export function scriptHook(name: string, path: string, more: Partial<Hook> = {}): Hook {
  const action = { kind: "command", argv: [path] } as const;
  return { name, on: ["all"], services: undefined, action, timeout: 10_000, queue: 1_000, ...more };
}

export function webhook(name: string, url: string, more: Partial<Hook> = {}): Hook {
  const action = { kind: "webhook", url, headers: {}, verify: true, ca: undefined, body: undefined } as const;
  return { name, on: ["all"], services: undefined, action, timeout: 10_000, queue: 1_000, ...more };
}

export function down(seq: number, more: Partial<DirectorEvent> = {}): DirectorEvent {
  return {
    seq,
    at: 1_790_000_000_000 as EpochMs,
    kind: "server",
    severity: "warning",
    message: `web s${seq}: tcp up -> down: connection refused`,
    service: "web",
    server: `s${seq}`,
    address: "10.0.0.1:80",
    from: "up",
    to: "down",
    reason: "connection refused",
    ...more,
  };
}

/** Whether a process lives; a zombie does not. */
export function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
