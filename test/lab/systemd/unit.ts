import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, step as plainStep, type Ran, run, shell, until } from "../inside.ts";

/** Where the checkout lies for those who install it as README.md says. */
export const checkout = "/opt/director";
export const configFile = "/etc/director/director.conf";
const project = join(import.meta.dirname, "../../..");

/** A step whose failure also shows the end of the unit's journal. */
export function step(name: string, act: () => Promise<void> | void): void {
  plainStep(name, async () => {
    try {
      await act();
    } catch (error) {
      console.error(`--- the journal when this failed: ${name}\n${await journalTail()}---`);
      throw error;
    }
  });
}

/** Puts this checkout where it is installed from; what is written there is lost with the machine. */
export async function bringCheckout(): Promise<void> {
  mkdirSync(checkout, { recursive: true });
  await must(["mount", "--bind", project, checkout]);
  // The umask of whoever made the checkout is not what is tested here.
  await shell(`chmod o+rx ${checkout}; [ -e ${checkout}/node_modules/.package-lock.json ]`);
}

export function configure(text: string): void {
  mkdirSync("/etc/director", { recursive: true });
  writeFileSync(configFile, text);
}

/** The documented way, one command. */
export function install(...args: readonly string[]): Promise<Ran> {
  return run([`${checkout}/systemd/install.sh`, ...args], { timeoutMs: 60_000 });
}

/** systemctl, whatever it answers, and how long it took. */
export async function systemctl(...args: readonly string[]): Promise<Ran & { readonly tookMs: number }> {
  const startedAt = performance.now();
  const ran = await run(["systemctl", ...args], { timeoutMs: 60_000 });
  return { ...ran, tookMs: Math.round(performance.now() - startedAt) };
}

/** systemctl, which has to succeed; how long it took, in ms. */
export async function order(...args: readonly string[]): Promise<number> {
  const { code, tookMs, stdout, stderr } = await systemctl(...args);
  if (code !== 0) throw new Error(`systemctl ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return tookMs;
}

/** Properties of the unit, as `systemctl show` has them. */
export async function show<N extends string>(...names: readonly N[]): Promise<Readonly<Record<N, string>>> {
  const text = await must(["systemctl", "show", "director.service", ...names.map((name) => `--property=${name}`)]);
  const pairs = text
    .trimEnd()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  return Object.fromEntries(pairs) as Record<N, string>;
}

export async function mainPid(): Promise<number> {
  return Number((await show("MainPID")).MainPID);
}

/** Waits until the unit is active with another process than `pid`. */
export async function restarted(pid: number, timeoutMs = 20_000): Promise<number> {
  return until(
    `a process other than ${pid} is active`,
    async () => {
      const { ActiveState, MainPID } = await show("ActiveState", "MainPID");
      return ActiveState === "active" && Number(MainPID) !== pid && Number(MainPID) > 0 ? Number(MainPID) : undefined;
    },
    { timeoutMs, everyMs: 500 },
  );
}

export interface Entry {
  readonly message: string;
  /** syslog(3): 3 error, 4 warning, 6 info, 7 debug. */
  readonly priority: number;
  /** `director` for what it says itself, `systemd` for what is said about it. */
  readonly by: string;
  readonly atMs: number;
}

/** The unit's entries since then (Date.now()), its own and those of systemd about it, oldest first; `args` as of journalctl. Not by cursor:
 *  journalctl 252 leaves out one entry after a cursor that its other conditions do not match. */
export async function journal(sinceMs: number, ...args: readonly string[]): Promise<readonly Entry[]> {
  await must(["journalctl", "--sync"]);
  const text = await must([
    "journalctl",
    "--unit=director.service",
    "--output=json",
    `--since=@${Math.floor(sinceMs / 1000)}`,
    ...args,
  ]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const entry = JSON.parse(line) as Record<string, string>;
      return {
        message: String(entry.MESSAGE),
        priority: Number(entry.PRIORITY),
        by: entry.SYSLOG_IDENTIFIER ?? "",
        atMs: Number(entry.__REALTIME_TIMESTAMP) / 1000,
      };
    })
    .filter(({ atMs }) => atMs >= sinceMs);
}

/** Waits until a line is in the journal, and returns it. */
export function journaled(sinceMs: number, what: RegExp, timeoutMs = 15_000): Promise<Entry> {
  return until(
    `the journal has ${what}`,
    async () => (await journal(sinceMs)).find(({ message }) => what.test(message)),
    { timeoutMs, everyMs: 1000 },
  );
}

export function journalTail(lines = 25): Promise<string> {
  return must(["journalctl", "--unit=director.service", "--no-pager", "--output=short-precise", `--lines=${lines}`]);
}

/** Changes to the unit by the administrator, as `systemctl edit` makes them; undefined takes them away. */
export async function dropIn(name: string, text: string | undefined): Promise<void> {
  const folder = "/etc/systemd/system/director.service.d";
  if (text === undefined) await must(["rm", "-f", join(folder, `${name}.conf`)]);
  else {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.conf`), text);
  }
  await must(["systemctl", "daemon-reload"]);
}

/** /proc/PID/status by field. */
export function processStatus(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  );
}

/** The same command as a user, with that user's groups. */
export function as(user: string, ...argv: readonly string[]): Promise<Ran> {
  return run(["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups", "--", ...argv]);
}

/** Samples until stopped, every few ms; `what` must not throw. */
export function sampling<T>(what: () => T, everyMs = 20): () => readonly T[] {
  const samples: T[] = [];
  const timer = setInterval(() => samples.push(what()), everyMs);
  return () => {
    clearInterval(timer);
    return samples;
  };
}
