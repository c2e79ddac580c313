import { formatProblem } from "../config/parse.ts";
import { COMMAND_ENVIRONMENT, collect } from "../doctor/collect.ts";
import { examine, unseen } from "../doctor/examine.ts";
import type { Command } from "../doctor/finding.ts";
import type { Config } from "../model/config.ts";
import { runCommand } from "../runtime/run-command.ts";
import { DEFAULT_CONFIG_FILE, loadConfigFile } from "./config-file.ts";
import { EXIT, Failed } from "./context.ts";
import { commandText, type Diagnosis, doctorText } from "./doctor-text.ts";
import type { Output } from "./output.ts";

export interface DoctorOptions {
  readonly config?: string;
  readonly apply?: boolean;
  readonly json?: boolean;
}

/** `director doctor`: what would keep the file from working on this system. Needs no daemon. 1 if an error or warning is (still) there.
 *  @throws Failed when it is told to apply and may not */
export async function doctor(out: Output, options: DoctorOptions): Promise<number> {
  const file = options.config ?? DEFAULT_CONFIG_FILE;
  const { config, problems } = loadConfigFile(file);
  if (!config) {
    out.warn(...problems.map(formatProblem));
    return EXIT.badConfig;
  }
  if (options.apply && process.geteuid?.() !== 0) throw new Failed("--apply changes the system: it needs root");
  const { signal } = new AbortController();
  const say = options.json ? () => {} : (line: string) => out.print(line);
  const applied = options.apply ? await apply(config, say, signal) : undefined;
  const diagnosis = await look(config, signal);
  const ok = diagnosis.findings.every(({ severity }) => severity === "hint");
  if (options.json) out.print(JSON.stringify({ ok, ...diagnosis, ...(applied && { applied }) }, undefined, 2));
  else out.print(...doctorText(file, diagnosis, out.paint));
  return ok ? EXIT.ok : EXIT.failed;
}

async function look(config: Config, signal: AbortSignal): Promise<Diagnosis> {
  // Nothing of the kernel is used, so nothing of it is read.
  if (config.ipvs.backend === "memory") return { backend: "memory", root: true, findings: [], unseen: [] };
  const facts = await collect(config, signal);
  const { root } = facts.user;
  return { backend: "ipvsadm", root, findings: examine(config, facts), unseen: unseen(facts) };
}

interface Applied {
  readonly command: Command;
  /** What it complained about; undefined: it succeeded. */
  readonly failed: string | undefined;
}

const TIMEOUT_MS = 30_000;

/** Runs the commands of errors and warnings, each once, and looks again: a loaded module shows settings that were not there before. */
async function apply(config: Config, say: (line: string) => void, signal: AbortSignal): Promise<readonly Applied[]> {
  const applied: Applied[] = [];
  const isNew = (command: Command) => !applied.some((done) => commandText(done.command) === commandText(command));
  for (;;) {
    const { findings } = await look(config, signal);
    const next = findings
      .filter(({ severity, fix }) => severity !== "hint" && fix.where === "here")
      .flatMap(({ fix }) => fix.commands)
      .filter(isNew);
    if (next.length === 0) break;
    for (const command of next) {
      if (!isNew(command)) continue;
      say(`+ ${commandText(command)}`);
      const failed = await run(command, signal);
      if (failed !== undefined) say(`  failed: ${failed}`);
      applied.push({ command, failed });
    }
  }
  if (applied.length > 0) say("");
  return applied;
}

async function run(command: Command, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { code, stderr } = await runCommand(command, { timeoutMs: TIMEOUT_MS, env: COMMAND_ENVIRONMENT }, signal);
    return code === 0 ? undefined : stderr.trim() || `exit code ${code}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
