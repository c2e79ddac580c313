import type { HookAction } from "../model/hook.ts";
import type { Result } from "../model/result.ts";
import { formatDuration, type Millis } from "../model/time.ts";
import { CommandError, type CommandResult, runCommand } from "../runtime/run-command.ts";
import { type Delivery, failed, firstLine } from "./outcome.ts";

export type Argv = Extract<HookAction, { kind: "command" }>["argv"];

export interface ScriptSurroundings {
  /** The same command, started so that it has none of our capabilities; or why it must not be run. */
  readonly unprivileged: (argv: Argv) => Result<Argv, string>;
  readonly environment: Readonly<Record<string, string>>;
}

/** Kept of what a script writes; what follows is thrown away. Nobody reads more of it than the first line of stderr. */
const MOST_OUTPUT = 64 * 1024;
/** From SIGTERM at the timeout to SIGKILL. */
const GRACE_MS: Millis = 1_000;

/** Runs the script with `input` on its stdin. At `timeout` it is ended with all it has started; what it leaves behind when it ends by itself is killed
 *  too, as far as that stayed in its process group. */
export async function runScript(
  argv: Argv,
  input: string,
  timeout: Millis,
  { unprivileged, environment }: ScriptSurroundings,
  signal: AbortSignal,
): Promise<Delivery> {
  const command = unprivileged(argv);
  if (!command.ok) return failed(command.error);
  try {
    const limits = { timeoutMs: timeout, graceMs: GRACE_MS, maxOutput: MOST_OUTPUT, discardMore: true };
    return judged(await runCommand(command.value, { stdin: input, env: environment, ...limits }, signal));
  } catch (error) {
    if (signal.aborted) return { kind: "interrupted" };
    return failed(error instanceof CommandError ? trouble(error, timeout) : firstLine(String(error)));
  }
}

function judged({ code, signal, stderr }: CommandResult): Delivery {
  if (code === 0) return { kind: "delivered" };
  const said = firstLine(stderr);
  return failed(`${signal === null ? `exit code ${code}` : `ended by ${signal}`}${said === "" ? "" : `: ${said}`}`);
}

function trouble(error: CommandError, timeout: Millis): string {
  return error.trouble === "timed-out"
    ? `did not end within ${formatDuration(timeout)} and was killed`
    : firstLine(error.message);
}

/** What systemd tells us and nobody else: a script must not speak to it in our name. */
const OURS: ReadonlySet<string> = new Set([
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "JOURNAL_STREAM",
  "INVOCATION_ID",
  "MAINPID",
  "NODE_COMPILE_CACHE",
]);

/** Our environment as scripts get it. */
export function scriptEnvironment(own: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const kept = Object.entries(own).filter(([name]) => !OURS.has(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
