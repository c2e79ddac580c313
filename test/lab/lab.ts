import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { compileCache, findHost, type LabHost, memoryFolder } from "./host.ts";

export type Topology = "routed" | "flat" | "none";

export interface LabOptions {
  /** Run inside, by absolute path: the host's files are visible there, read-only (writes go to memory and are lost). */
  readonly command: readonly string[];
  /** Default routed; guest/topology.sh has the addresses. */
  readonly topology?: Topology;
  /** Namespaces rs1..rsN; default 3. */
  readonly servers?: number;
  /** Boots systemd as process 1 and runs the command as a unit; about 5 s more. */
  readonly systemd?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory inside; default the project. */
  readonly cwd?: string;
  readonly stdin?: string;
  /** For the command, boot not counted; default 120. */
  readonly timeoutSec?: number;
  /** Default 1024; only what is touched is taken from the host. */
  readonly memoryMb?: number;
  /** Folders of the host that the guest may really write to. */
  readonly writable?: readonly string[];
  readonly onStdout?: (text: string) => void;
  readonly onStderr?: (text: string) => void;
  /** What is written to /dev/tty3 inside. */
  readonly onReport?: (text: string) => void;
  /** Aborting kills the machine; bootLab then rejects. */
  readonly signal?: AbortSignal;
}

export interface LabResult {
  /** The command's exit code; 124 (137 if it had to be killed) at the time limit. */
  readonly code: number;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** The kernel's messages and those of init. */
  readonly console: string;
}

/** This host cannot run a machine at all: nothing is said about what was to be tested. */
export class LabUnavailable extends Error {}

const project = realpathSync(join(import.meta.dirname, "../.."));
const guest = join(import.meta.dirname, "guest");

/** Boots a throw-away User-Mode Linux machine with the real IPVS, runs one command in it and waits for its end. Works without root; several
 *  may run at once. Its processes and files are gone when this ends, and also when this process is killed.
 *  @throws LabUnavailable where no machine can run; Error when the machine ended without the command having ended. */
export async function bootLab(options: LabOptions): Promise<LabResult> {
  const host = findHost();
  if ("missing" in host) throw new LabUnavailable(host.missing);
  options.signal?.throwIfAborted();
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "director-lab-"));
  const caretaker = startCaretaker(folder);
  try {
    writeJob(folder, host, options);
    const machine = startMachine(folder, host, options.memoryMb ?? 1024);
    caretaker.stdin.write(`${machine.pid}\n`);
    return await watch(machine, folder, options);
  } finally {
    caretaker.stdin.end();
    await once(caretaker.process, "exit");
  }
}

/** A shell in a session of its own that kills the machine and removes the folder as soon as we close the pipe or die, however we die. */
function startCaretaker(folder: string): { readonly process: ChildProcess; readonly stdin: Writable } {
  const script =
    'trap "" INT TERM HUP; while read -r group; do last=$group; done; [ -n "$last" ] && kill -s KILL -- "-$last" 2>/dev/null; rm -rf -- "$1"';
  const process = spawn("/bin/sh", ["-c", script, "lab-caretaker", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  return { process, stdin: process.stdin };
}

function writeJob(folder: string, host: LabHost, o: LabOptions): void {
  mkdirSync(join(folder, "uml"));
  const io = join(folder, "io");
  mkdirSync(io);
  for (const file of ["init", "command", "topology", "systemd"])
    copyFileSync(join(guest, `${file}.sh`), join(io, file));
  chmodSync(join(io, "init"), 0o755);
  const values: Record<string, string | readonly string[]> = {
    TOPOLOGY: o.topology ?? "routed",
    SERVERS: String(o.servers ?? 3),
    SYSTEMD: o.systemd ? "yes" : "",
    LIMIT: String(o.timeoutSec ?? 120),
    MODULES: host.modules,
    KMOD: host.kmod,
    COMPILED: compileCache() ?? "",
    PACKAGES: host.packages ?? "",
    DIRECTORY: o.cwd ?? project,
    COMMAND_PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    WRITABLE: (o.writable ?? []).map((path) => realpathSync(path)),
    ENVIRONMENT: Object.entries(o.env ?? {}).map(([name, value]) => `${name}=${value}`),
    COMMAND: o.command,
  };
  const lines = Object.entries(values).map(([name, v]) =>
    typeof v === "string" ? `${name}=${quote(v)}` : `${name}=(${v.map(quote).join(" ")})`,
  );
  writeFileSync(join(io, "job"), `${lines.join("\n")}\n`);
  writeFileSync(join(io, "stdin"), o.stdin ?? "");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function startMachine(folder: string, host: LabHost, memoryMb: number): ChildProcess {
  const consoles = ["con=null", "ssl=null", ...[0, 1, 2, 3].map((n) => `con${n}=null,fd:${n + 3}`)];
  const args = [
    `mem=${memoryMb}M`,
    ...["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", `init=${folder}/io/init`],
    ...[`uml_dir=${folder}/uml`, "umid=lab", "noreboot", "panic=1", "quiet"],
    ...consoles,
  ];
  return spawn(host.kernel, args, {
    detached: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: folder, TMPDIR: memoryFolder(memoryMb) },
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe", "pipe"],
  });
}

async function watch(machine: ChildProcess, folder: string, o: LabOptions): Promise<LabResult> {
  const collect = (fd: number, tell?: (text: string) => void): string[] => {
    const texts: string[] = [];
    const stream = machine.stdio[fd] as Readable;
    stream.setEncoding("utf8").on("data", (text: string) => {
      texts.push(text);
      tell?.(text);
    });
    return texts;
  };
  const console = [1, 2, 3].map((fd) => collect(fd));
  const stdout = collect(4, o.onStdout);
  const stderr = collect(5, o.onStderr);
  collect(6, o.onReport);

  let closed = false;
  const end = once(machine, "close").then(() => {
    closed = true;
  });
  // Boot takes a few seconds; the minute is for a host that is busy. The guest's own limit comes first.
  const giveUpAt = performance.now() + ((o.timeoutSec ?? 120) + 60) * 1000;
  const status = join(folder, "io/status");
  while (!closed && !existsSync(status) && !o.signal?.aborted && performance.now() < giveUpAt) {
    await Promise.race([end, sleep(50)]);
  }
  const running = !closed;
  if (running) process.kill(-machine.pid!, "SIGKILL");
  await end;

  const said = console.flat().join("");
  if (!existsSync(status)) {
    if (o.signal?.aborted) throw new Error("the lab was stopped", { cause: o.signal.reason });
    if (running) throw new Error(`the lab did not end in time; ${tail(said)}`);
    // A kernel that came as far as our init or a panic does run here; what went wrong then is for us to mend.
    if (!/lab: init|Kernel panic/.test(said)) throw new LabUnavailable(`the lab's kernel did not start; ${tail(said)}`);
    throw new Error(`the lab ended without the command having ended; ${tail(said)}`);
  }
  const [code, limit] = readFileSync(status, "utf8").trim().split(" ");
  return {
    code: Number(code),
    timedOut: limit === "limit",
    stdout: stdout.join(""),
    stderr: stderr.join(""),
    console: said,
  };
}

/** What init said, or else the end of everything. */
function tail(said: string): string {
  const lines = said.trimEnd().split("\n");
  const ours = lines.filter((line) => line.startsWith("lab: ") && line !== "lab: init");
  return `its console:\n${(ours.length > 0 ? ours : lines.slice(-30)).join("\n")}`;
}
