import { dirname } from "node:path";
import type { FailureNote } from "../config/failure-notes.ts";
import { type ConfigSource, formatProblem, type ParsedConfig, parseConfig } from "../config/parse.ts";
import type { Config } from "../model/config.ts";
import { probeTypes } from "../probe/registry.ts";
import { sysctl } from "../runtime/boot.ts";
import { DEFAULT_CONFIG_FILE, environmentIn, refused } from "./config-file.ts";
import { EXIT } from "./context.ts";
import { counted } from "./counted.ts";
import { readText } from "./files.ts";
import type { Output } from "./output.ts";

export interface ConfigOptions {
  readonly json?: boolean;
  readonly base?: string;
  readonly effective?: boolean;
}

/** `director config test`: every problem on stderr, what a failure will do where that is not plain as notes, a summary on stdout. 78 if some problem is an error. */
export async function configTest(out: Output, file: string | undefined, options: ConfigOptions): Promise<number> {
  const { name, config, problems } = load(file, options.base);
  const notes = config ? await notesOn(config) : [];
  if (options.json)
    out.print(
      JSON.stringify({ ok: config !== undefined, ...(config && counts(config)), problems, notes }, undefined, 2),
    );
  else {
    const { noteText } = await import("../config/failure-notes.ts");
    out.warn(...problems.map(formatProblem), ...notes.map((note) => `${name}: note: ${noteText(note)}`));
    if (config) out.print(`${name}: ok: ${summary(config)}`);
  }
  return config ? EXIT.ok : EXIT.badConfig;
}

async function notesOn(config: Config): Promise<readonly FailureNote[]> {
  const { failureNotes } = await import("../config/failure-notes.ts");
  const expire = sysctl("net/ipv4/vs/expire_quiescent_template");
  return failureNotes(config, expire === undefined ? undefined : expire === 1);
}

/** `director config show`: the files as they are read, or with --effective one file with everything filled in that means the same. */
export async function configShow(out: Output, file: string | undefined, options: ConfigOptions): Promise<number> {
  const { config, problems, sources } = load(file, options.base);
  if (!options.json || !config) out.warn(...problems.map(formatProblem));
  if (!options.effective) {
    if (options.json) out.print(JSON.stringify({ files: sources }, undefined, 2));
    else out.write(sources.map(headed).join("\n"));
    return config ? EXIT.ok : EXIT.badConfig;
  }
  if (!config) return EXIT.badConfig;
  const { effective } = await import("../config/effective.ts");
  const text = effective(config, probeTypes);
  out.write(options.json ? `${JSON.stringify(await untyped(text), undefined, 2)}\n` : text);
  return EXIT.ok;
}

/** `director config schema`: for editors that complete and check while one writes. */
export async function configSchema(out: Output): Promise<number> {
  const { jsonSchema } = await import("../config/schema.ts");
  out.print(JSON.stringify(jsonSchema(probeTypes), undefined, 2));
  return EXIT.ok;
}

interface Loaded extends ParsedConfig {
  readonly name: string;
  /** The main file, if it can be read, and what it includes. */
  readonly sources: readonly ConfigSource[];
}

function load(file = DEFAULT_CONFIG_FILE, base: string | undefined): Loaded {
  const standardInput = file === "-";
  const name = standardInput ? "<stdin>" : file;
  const text = readText(standardInput ? 0 : file);
  if (!text.ok) return { name, sources: [], ...refused(name, text.error) };
  const main = { file: name, text: text.value };
  const included: ConfigSource[] = [];
  const env = environmentIn(base ?? (standardInput ? "." : dirname(file)), (source) => included.push(source));
  return { name, ...parseConfig(main, env), sources: [main, ...included] };
}

function headed({ file, text }: ConfigSource): string {
  return `# ${file}\n${text.endsWith("\n") || text === "" ? text : `${text}\n`}`;
}

function counts({ services }: Config): {
  readonly services: number;
  readonly servers: number;
  readonly checks: number;
} {
  const servers = services.flatMap((service) => service.servers);
  const checks = new Set(servers.flatMap((server) => server.checks.map((check) => check.key)));
  return { services: services.length, servers: servers.length, checks: checks.size };
}

function summary(config: Config): string {
  const { services, servers, checks } = counts(config);
  return `${counted(services, "service")}, ${counted(servers, "server")}, ${counted(checks, "different check")}`;
}

/** Every value stays the text it is in the file. */
async function untyped(yaml: string): Promise<unknown> {
  const { parse } = await import("yaml");
  return parse(yaml, { schema: "failsafe" });
}
