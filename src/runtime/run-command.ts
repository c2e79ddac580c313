import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface CommandOptions {
  /** Written to the command's stdin, which is then closed. */
  readonly stdin?: string;
  /** From the start of the command; then it is killed with its process group. */
  readonly timeoutMs: number;
  /** The command's whole environment. Default: our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Most bytes of stdout and stderr together; whoever writes more is killed. Default 64 MiB. */
  readonly maxOutput?: number;
  /** What comes after `maxOutput` is thrown away instead, and the command goes on. */
  readonly discardMore?: boolean;
  /** For other people's programs: at the deadline the group gets SIGTERM, and SIGKILL this many ms later, or once its leader has gone; and whoever
   *  it leaves in its group when it ends by itself gets SIGKILL too. Left out: SIGKILL at the deadline, and what is left behind is left alone. */
  readonly graceMs?: number;
}

/** How a command ended by itself. Exactly one of `code` and `signal` is there. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that did not start (`cause` is the system's error, with its `code`) or was killed by us. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly trouble: "not-started" | "timed-out" | "too-much-output";

  constructor(trouble: CommandError["trouble"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
  }
}

/** Runs a command without a shell, in a process group of its own, and waits until it has ended and its output is read.
 *  @throws CommandError; `signal.reason` once `signal` aborts. Then the whole group has been killed (SIGKILL) and the command reaped, unless
 *  it hangs in the kernel, where no signal reaches it: after KILL_GRACE_MS we no longer wait. */
export async function runCommand(
  argv: readonly [command: string, ...args: string[]],
  { stdin = "", timeoutMs, env, maxOutput = 64 * 1024 * 1024, discardMore = false, graceMs }: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const [command, ...args] = argv;
  requireDescriptors(command);
  const child = spawn(command, args, { detached: true, stdio: "pipe", ...(env === undefined ? {} : { env }) });
  const timers: NodeJS.Timeout[] = [];
  const later = (ms: number, run: () => void): void => void timers.push(setTimeout(run, ms));
  const ended = Promise.withResolvers<CommandResult>();
  let killed: { readonly reason: unknown } | undefined;

  const kill = (reason: unknown): void => {
    if (killed !== undefined) return;
    killed = { reason };
    killGroup(child);
    later(KILL_GRACE_MS, () => ended.reject(reason));
  };
  const onAbort = (): void => {
    killed = undefined; // Who is in his grace has none any more.
    kill(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  later(timeoutMs, () => {
    if (hasExited(child) || killed !== undefined) return;
    const late = new CommandError("timed-out", `${command} did not end within ${timeoutMs} ms and was killed`);
    if (graceMs === undefined) return kill(late);
    killed = { reason: late };
    signalGroup(child, "SIGTERM");
    later(graceMs, () => {
      killGroup(child);
      later(KILL_GRACE_MS, () => ended.reject(late));
    });
  });
  const [stdout, stderr] = collect(child, maxOutput, () => {
    if (!discardMore)
      kill(new CommandError("too-much-output", `${command} wrote more than ${maxOutput} bytes and was killed`));
  });
  // A command that ends without reading all its stdin (EPIPE) says why by its exit code and stderr.
  child.stdin?.on("error", () => {});
  child.stdin?.end(stdin);

  child.once("error", (cause) => ended.reject(notStarted(command, cause)));
  // Processes left behind may hold the pipes open for ever; what the command itself wrote is in them by now.
  child.once("exit", () => {
    if (graceMs !== undefined) signalGroup(child, "SIGKILL");
    later(LEFT_BEHIND_MS, () => closePipes(child));
  });
  child.once("close", (code, exitSignal) => {
    if (killed !== undefined) ended.reject(killed.reason);
    else ended.resolve({ code, signal: exitSignal, stdout: text(stdout), stderr: text(stderr) });
  });
  try {
    return await ended.promise;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    letGo(child);
  }
}

/** How long a killed command may take to disappear. */
const KILL_GRACE_MS = 2_000;
/** How long the pipes of an ended command stay open for processes it left behind. */
const LEFT_BEHIND_MS = 500;

/** Node loses three descriptors for good whenever a spawn fails because it can open its pipes but not the one more that tells of exec (seen with 20
 *  and 24). Whoever is short of descriptors tries again and would soon have none at all. So: no attempt without room for all eight.
 *  @throws CommandError, the cause being EMFILE or ENFILE. */
function requireDescriptors(command: string): void {
  const room: number[] = [];
  try {
    while (room.length < 10) room.push(openSync("/dev/null", "r"));
  } catch (cause) {
    throw notStarted(command, cause as Error);
  } finally {
    for (const descriptor of room) closeSync(descriptor);
  }
}

function notStarted(command: string, cause: Error): CommandError {
  return new CommandError("not-started", `cannot run ${command}: ${cause.message}`, { cause });
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Gathers stdout and stderr until they are too much together. */
function collect(child: ChildProcess, maxBytes: number, tooMuch: () => void): readonly [Buffer[], Buffer[]] {
  let bytes = 0;
  const gather = (stream: ChildProcess["stdout"]): Buffer[] => {
    const chunks: Buffer[] = [];
    stream?.on("data", (chunk: Buffer) => {
      const room = maxBytes - bytes;
      bytes += chunk.length;
      if (room > 0) chunks.push(chunk.length <= room ? chunk : chunk.subarray(0, room));
      if (bytes > maxBytes) tooMuch();
    });
    return chunks;
  };
  return [gather(child.stdout), gather(child.stderr)];
}

/** The group and not the process alone: a hook's shell has children. Until the child, which leads the group, is reaped its number is nobody else's. */
function killGroup(child: ChildProcess): void {
  if (!hasExited(child) && !signalGroup(child, "SIGKILL")) child.kill("SIGKILL");
  closePipes(child);
}

/** False: there is no such group. Whoever is left in it keeps its number from being given to others; of a leader that has just been reaped nobody
 *  else has it yet, since numbers are handed out in turn. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

function closePipes(child: ChildProcess): void {
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
}

/** Whatever the child still does must neither crash us nor keep us alive. */
function letGo(child: ChildProcess): void {
  child.on("error", () => {});
  closePipes(child);
  child.unref();
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString("utf8");
}
