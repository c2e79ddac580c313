import type { Config, ConfigProblem } from "../model/config.ts";
import type { Result } from "../model/result.ts";
import { serviceKey } from "../model/service.ts";
import { type CheckReader, checkReader, type ProbeTypes } from "./checks.ts";
import { frontendWords } from "./frontends.ts";
import { globalsOf } from "./globals.ts";
import { hooksOf } from "./hooks.ts";
import { collectPools, itemsOf, lookAtDefaults } from "./pools.ts";
import { collectProblems, type Problems } from "./problems.ts";
import { fileSchema, includedFileSchema } from "./schema.ts";
import { readService, type Surroundings, type WrittenService } from "./service.ts";
import { warnOfMixedFamilies } from "./sync.ts";
import { type At, child, type MapNode, type Node, scalarText, spot } from "./tree.ts";
import { quoted, typed } from "./typed.ts";
import { readTree } from "./yaml-tree.ts";

export { formatPath, formatProblem } from "./problems.ts";

/** One file as it was read. */
export interface ConfigSource {
  /** The name problems are reported under. */
  readonly file: string;
  readonly text: string;
}

export interface ConfigEnvironment {
  /** By name. */
  readonly probeTypes: ProbeTypes;
  /** The files that match one pattern of `include`, relative to the file `from`, in a stable order; or why they cannot be read. */
  readonly readInclude: (pattern: string, from: string) => Result<readonly ConfigSource[], string>;
  /** Whether a program that the file names is there and may be run; left out: nobody looks. */
  readonly runnable?: (path: string) => boolean;
  /** Servers that no file has (yet), with weight 0 and everything else as the service gives it. */
  readonly additions?: readonly Addition[];
}

/** A server beside those of the file. */
export interface Addition {
  /** The service's name in the file. */
  readonly service: string;
  /** As in the file: `10.0.0.13:8080`, `10.0.0.13`. */
  readonly address: string;
}

export interface ParsedConfig {
  /** undefined exactly if some problem is an error; warnings alone stop nothing. */
  readonly config: Config | undefined;
  /** All of them, by file and line; after a YAML syntax error the syntax errors only. */
  readonly problems: readonly ConfigProblem[];
}

/** Reads director.conf: text in, the whole configuration with every default filled in, or everything that is wrong with it, out. */
export function parseConfig(source: ConfigSource, env: ConfigEnvironment): ParsedConfig {
  const problems = collectProblems();
  const trees = readFiles(source, env, problems);
  if (trees === undefined) return { config: undefined, problems: problems.list() };
  const config = build(trees, env, problems);
  return { config: problems.hasErrors() ? undefined : config, problems: problems.list() };
}

/** The tree of every file, the main file first; undefined if the syntax of any is wrong. */
function readFiles(source: ConfigSource, env: ConfigEnvironment, problems: Problems): readonly Node[] | undefined {
  const main = readTree(source, 0, problems);
  if (main === undefined) return undefined;
  const trees: Node[] = [main];
  const taken = new Map<string, string>([[source.file, "the main file"]]);
  let wellFormed = true;
  for (const pattern of patterns(main)) {
    const files = env.readInclude(pattern.text, source.file);
    if (!files.ok) problems.error(pattern.at, files.error);
    for (const file of files.ok ? files.value : []) {
      const first = taken.get(file.file);
      if (first !== undefined) problems.error(pattern.at, `${file.file} is included twice: it is ${first}`);
      if (first !== undefined) continue;
      taken.set(file.file, `included at ${spot(pattern.at)}`);
      const tree = readTree(file, taken.size - 1, problems);
      if (tree === undefined) wellFormed = false;
      else trees.push(tree);
    }
  }
  return wellFormed ? trees : undefined;
}

function patterns(main: Node): readonly { readonly text: string; readonly at: At }[] {
  const list = child(main, "include");
  return list?.kind === "list" ? list.items.filter((item) => item.kind === "scalar") : [];
}

function build(trees: readonly Node[], env: ConfigEnvironment, problems: Problems): Config | undefined {
  const [main, ...included] = trees.map((tree) => rootMap(tree, problems));
  const keys = main && typed(fileSchema, main, problems)?.value;
  for (const file of included) if (file !== undefined) typed(includedFileSchema, file, problems);

  const files = [main, ...included].filter((file) => file !== undefined);
  const pools = collectPools(problems);
  for (const file of files) pools.add(file);
  const reader = checkReader(env.probeTypes, problems, env.runnable);
  const defaults = defaultsOf(main, reader, problems);
  const { additions = [] } = env;
  const services = readServices(files, { defaults, pools, reader, problems, additions });
  pools.look(defaults, reader);
  const hooks = hooksOf(main, files, problems, env.runnable);
  if (keys === undefined || main === undefined) return undefined;
  const built = services.map((written) => written.service);
  warnOfMixedFamilies(keys.ipvs.sync, built, main, problems);
  return {
    ...globalsOf(keys, main, problems),
    hooks,
    services: built,
  };
}

function rootMap(tree: Node, problems: Problems): MapNode | undefined {
  if (tree.kind === "map") return tree;
  const message =
    tree.kind === "null"
      ? "nothing in it: a template that rendered nothing is not an order; if nothing is meant, say allow_empty: true"
      : "expected keys with values";
  problems.error(tree.at, message);
  return undefined;
}

function defaultsOf(main: MapNode | undefined, reader: CheckReader, problems: Problems): MapNode | undefined {
  const defaults = child(main, "defaults");
  if (defaults === undefined) return undefined;
  if (defaults.kind !== "map") problems.error(defaults.at, "expected a map");
  if (defaults.kind !== "map") return undefined;
  lookAtDefaults(defaults, reader, problems);
  return defaults;
}

/** The services of all files. A file may go without the key `services`, if another has some; an empty list must be meant. */
function readServices(files: readonly MapNode[], around: Surroundings): readonly WrittenService[] {
  const { problems } = around;
  const [main] = files;
  const somewhere = files.some((file) => file.entries.has("services"));
  const names = new Map<string, At>();
  const taken = new Map<string, { readonly by: string; readonly at: At }>();
  const services: WrittenService[] = [];
  for (const file of files) {
    const wanted = file.entries.has("services") || (!somewhere && file === main);
    const mayBeEmpty = scalarText(file, "allow_empty") === "true";
    for (const item of wanted ? itemsOf(file, "services", mayBeEmpty, problems) : []) {
      if (item.kind !== "map") problems.error(item.at, "expected a service: a map with name, vip and servers");
      if (item.kind !== "map") continue;
      uniqueName(item, names, problems);
      const service = readService(item, around);
      if (service !== undefined) uniqueFrontends(service, taken, problems);
      if (service !== undefined) services.push(service);
    }
  }
  return services;
}

function uniqueName(item: MapNode, names: Map<string, At>, problems: Problems): void {
  const name = child(item, "name");
  if (name?.kind !== "scalar") return;
  const first = names.get(name.text);
  if (first === undefined) names.set(name.text, name.at);
  else problems.error(name.at, `the service ${quoted(name.text)} stands already at ${spot(first)}`);
}

function uniqueFrontends(
  { service, frontends }: WrittenService,
  taken: Map<string, { readonly by: string; readonly at: At }>,
  problems: Problems,
): void {
  // Of a range of ports the first that is taken says enough.
  const told = new Set<At>();
  for (const { frontend, at } of frontends) {
    const key = serviceKey(frontend);
    const first = taken.get(key);
    if (first === undefined) taken.set(key, { by: service.name, at });
    else if (!told.has(at) && told.add(at))
      problems.error(
        at,
        `${frontendWords(frontend)} belongs to service ${quoted(first.by)} already, at ${spot(first.at)}`,
      );
  }
}
