import pLimit from "p-limit";
import { z } from "zod";
import { absolutePath, bool, text } from "../config/scalars.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { formatDuration, type Millis } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";
import { CommandError, type CommandResult, runCommand } from "../runtime/run-command.ts";
import { type Argv, programPath, withoutCapabilities } from "../runtime/unprivileged.ts";
import { type Done, fail, inconclusive } from "./outcome.ts";

/** Programs that run at a time, of all checks together; starting one holds up everything else for some milliseconds. */
const AT_ONCE = 20;
/** Between SIGTERM at the deadline and SIGKILL. */
const GRACE_MS: Millis = 500;
/** Of what it prints; the rest is read and thrown away. */
const KEPT_BYTES = 4_096;
const LONGEST_WORDS = 200;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const options = z
  .strictObject({
    command: z
      .array(z.string({ error: "expected text" }).meta({ type: ["string", "number", "boolean"] }), {
        error: "expected a list: a program and its arguments",
      })
      .min(1, { error: "may not be empty: a program and its arguments" })
      .describe("Program and arguments, run without a shell. `{address}` and `{port}` stand for the server's"),
    dynamic_weight: bool.prefault("false").describe("Exit codes 2 to 255 pass too, and say the weight: code - 2"),
    env: z
      .record(text, z.string({ error: "expected text" }).meta({ type: ["string", "number", "boolean"] }))
      .prefault({})
      .describe("Variables of its environment, which otherwise has PATH and director's own alone"),
  })
  .superRefine((check, context) => {
    const problem = (path: readonly (string | number)[], message: string): void =>
      context.addIssue({ code: "custom", path: [...path], message, input: check });
    const [program] = check.command;
    if (program !== undefined && !absolutePath.safeParse(program).success)
      problem(["command", 0], `expected the program's absolute path, not ${JSON.stringify(program)}`);
    for (const [i, argument] of check.command.entries())
      if (argument.includes("\0")) problem(["command", i], "no argument can have a NUL in it");
    for (const name of Object.keys(check.env)) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) problem(["env", name], "is no name of a variable");
      else if (name.startsWith("DIRECTOR_")) problem(["env", name], "names with DIRECTOR_ are director's own");
      else if (check.env[name]!.includes("\0")) problem(["env", name], "no variable can have a NUL in it");
    }
  });

export type ExecOptions = z.output<typeof options>;

/** Runs a program for each probe, without director's capabilities. Its exit code is the verdict: 0 passes, everything else fails; with
 *  `dynamic_weight` as keepalived's MISC_CHECK has it with `misc_dynamic` (keepalived.conf(5)): 1 fails, 2 to 255 pass with weight code - 2, and
 *  0 passes with the configured weight. */
export const execProbe: ProbeType<ExecOptions> = {
  name: "exec",
  options,
  reports: ({ dynamic_weight }) => dynamic_weight,
  programs: ({ command }) => command.slice(0, 1),
  label: ({ command }) => `exec ${nameOf(command)}`,
  open: openExec,
};

/** A script is known by its own name, not by that of the shell which reads it. Arguments are not shown: there may be passwords among them. */
function nameOf([program = "", script = ""]: readonly string[]): string {
  const last = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const reads = /^(?:(?:ba|da|k|z)?sh|(?:python|perl|ruby|node|php)[\d.]*)$/.test(last(program));
  return last(reads && script.startsWith("/") ? script : program);
}

const places = pLimit(AT_ONCE);

interface Run {
  readonly done: Done;
  readonly abort: AbortController;
}

function openExec(target: ProbeTarget, { command, dynamic_weight: dynamic, env }: ExecOptions): Prober {
  const address = target.endpoint.address.text;
  const port = String(target.endpoint.port);
  const argv = command.map((argument) => argument.replaceAll("{address}", address).replaceAll("{port}", port));
  const [program = "", ...rest] = argv;
  const environment = {
    PATH,
    ...env,
    DIRECTOR_ADDRESS: address,
    DIRECTOR_PORT: port,
    DIRECTOR_CHECK_TIMEOUT_MS: String(target.timeout),
  };
  let current: Run | undefined;

  async function run(signal: AbortSignal): Promise<ProbeOutcome> {
    // Trouble on this machine says nothing about the server: an update that replaces the program must not empty the pool.
    if (programPath(program) === undefined)
      return inconclusive(`${program} is not there, or not to be run by director's user`);
    const unprivileged = withoutCapabilities([program, ...rest]);
    if (!unprivileged.ok) return inconclusive(`${program} was not run: ${unprivileged.error}`);
    try {
      const result = await runCommand(
        unprivileged.value,
        { timeoutMs: target.timeout, graceMs: GRACE_MS, env: environment, maxOutput: KEPT_BYTES, discardMore: true },
        signal,
      );
      return launcherTrouble(unprivileged.value, program, result) ?? execVerdict(result, dynamic);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (error.trouble === "timed-out") return fail(`timed out after ${formatDuration(target.timeout)}, killed`);
      return inconclusive(error.message);
    }
  }

  function finish(mine: Run, outcome: ProbeOutcome): void {
    if (mine !== current) return;
    current = undefined;
    mine.done(outcome);
  }

  return {
    start(done) {
      if (current !== undefined) throw new Error("exec probe started while one is in flight");
      const mine: Run = { done, abort: new AbortController() };
      current = mine;
      const asked = systemClock.now().mono;
      // The deadline begins with its turn, and runCommand keeps it; waiting is not the server's doing.
      places(async () => {
        if (mine !== current) return;
        const waited = systemClock.now().mono - asked;
        finish(mine, withLag(await run(mine.abort.signal), waited, target.timeout));
      }).catch((error: unknown) =>
        finish(mine, inconclusive(`probe could not run: ${error instanceof Error ? error.message : error}`)),
      );
    },
    // The program's own deadline is at hand; the probe ends when all of its processes have.
    cancel() {},
    close() {
      const last = current;
      current = undefined;
      last?.abort.abort();
    },
  };
}

/** setpriv that could not do what it is for, or not run the program. */
function launcherTrouble(argv: Argv, program: string, { code, stderr }: CommandResult): ProbeOutcome | undefined {
  if (argv[0] === program || code === 0 || !stderr.startsWith("setpriv: ")) return undefined;
  return inconclusive(`${program} was not run: ${firstLine(stderr)}`);
}

/** What a program's end says about the server. */
export function execVerdict({ code, signal, stdout, stderr }: CommandResult, dynamic: boolean): ProbeOutcome {
  const said = firstLine(stdout) || firstLine(stderr);
  const words = said === "" ? "" : `: ${said}`;
  if (code === null) return fail(`ended by ${signal}${words}`);
  if (code === 0)
    return { kind: "pass", detail: said || "exit code 0", ...(dynamic && { report: { weight: undefined } }) };
  if (!dynamic || code === 1) return fail(`exit code ${code}${words}`);
  return { kind: "pass", detail: `weight ${code - 2}${words}`, report: { weight: code - 2 } };
}

function firstLine(output: string): string {
  const line = output.split(/[\r\n]+/).find((each) => each.trim() !== "") ?? "";
  const clean = line.replaceAll(/\p{Cc}+/gu, " ").trim();
  return clean.length > LONGEST_WORDS ? `${clean.slice(0, LONGEST_WORDS - 1)}…` : clean;
}

/** A wait for a place of more than a tenth of the timeout is shown: there are too many slow checks. */
function withLag(outcome: ProbeOutcome, waited: Millis, timeout: Millis): ProbeOutcome {
  if (waited <= timeout / 10) return outcome;
  const note = ` (waited ${formatDuration(Math.round(waited))} for its turn)`;
  if (outcome.kind === "pass") return { ...outcome, detail: outcome.detail + note };
  return { ...outcome, reason: outcome.reason + note };
}
