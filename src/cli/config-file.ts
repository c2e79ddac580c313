import { globSync, opendirSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import {
  type Addition,
  type ConfigEnvironment,
  type ConfigSource,
  type ParsedConfig,
  parseConfig,
} from "../config/parse.ts";
import { err, ok, type Result } from "../model/result.ts";
import { probeTypes } from "../probe/registry.ts";
import { programPath } from "../runtime/unprivileged.ts";
import { readText, trouble } from "./files.ts";

/** Where the file is looked for when none is named. */
export const DEFAULT_CONFIG_FILE = "/etc/director/director.conf";

/** Reads and parses director.conf with what it includes. A file that is missing, unreadable or no text is a problem of its own at 1:1. Reading is
 *  synchronous: a parse holds up the process for longer than that. */
export function loadConfigFile(file: string): ParsedConfig {
  return loadFiles(file).parsed;
}

/** The same for a text from elsewhere. `file` is the name its problems are reported under; its includes are looked for below `baseDir`. */
export function loadConfigText(text: string, file: string, baseDir: string): ParsedConfig {
  return parseConfig({ file, text }, environmentIn(baseDir));
}

/** A configuration with the texts it was read from, which can be read once more with servers beside them while the files on the disk change. */
export interface LoadedFiles {
  readonly parsed: ParsedConfig;
  with(additions: readonly Addition[]): ParsedConfig;
}

export interface ReadFiles extends LoadedFiles {
  /** What was read, for reading it once more elsewhere. */
  readonly texts: Texts;
}

/** What stood on the disk: the file, and its includes by their patterns. */
export interface Texts {
  readonly file: string;
  readonly text: Result<string, string>;
  readonly included: ReadonlyMap<string, Included>;
}

type Included = ReturnType<ConfigEnvironment["readInclude"]>;

export function loadFiles(file: string): ReadFiles {
  return parseTexts({ file, text: readText(file), included: new Map() });
}

/** As `loadFiles`, of texts that were read before; what they lack is read now. */
export function parseTexts(texts: Texts): ReadFiles {
  const { file, text } = texts;
  const included = new Map(texts.included);
  const kept = { file, text, included };
  if (!text.ok) return { parsed: refused(file, text.error), texts: kept, with: () => refused(file, text.error) };
  const source = { file, text: text.value };
  const disk = environmentIn(dirname(file));
  const readInclude: ConfigEnvironment["readInclude"] = (pattern, from) => {
    const known = included.get(pattern) ?? disk.readInclude(pattern, from);
    included.set(pattern, known);
    return known;
  };
  return {
    parsed: parseConfig(source, { ...disk, readInclude }),
    texts: kept,
    with: (additions) => parseConfig(source, { ...disk, readInclude, additions }),
  };
}

export function refused(file: string, message: string): ParsedConfig {
  return { config: undefined, problems: [{ severity: "error", file, line: 1, column: 1, path: [], message }] };
}

/** What parseConfig needs of the world: the probe types, and files looked for below `baseDir`. `onRead` sees each file that is included. */
export function environmentIn(baseDir: string, onRead: (source: ConfigSource) => void = () => {}): ConfigEnvironment {
  return {
    probeTypes,
    runnable: (path) => programPath(path) !== undefined,
    readInclude(pattern) {
      const files = matching(pattern, baseDir);
      if (!files.ok) return files;
      const sources: ConfigSource[] = [];
      for (const file of files.value) {
        const text = readText(file, "regular");
        if (!text.ok) return err(`${file}: ${text.error}`);
        const source = { file, text: text.value };
        onRead(source);
        sources.push(source);
      }
      return ok(sources);
    },
  };
}

/** The files that match, in the order of their names, byte by byte: the same on every machine and in every language. A pattern without a wildcard
 *  names one file, which must be there. A pattern with one may match nothing, but the folder it looks in must be there and readable: an unmounted
 *  or closed folder is not an order to remove all that stood in it. */
function matching(pattern: string, baseDir: string): Result<readonly string[], string> {
  const from = isAbsolute(pattern) ? "/" : baseDir;
  const named = isAbsolute(pattern) ? pattern : join(from, pattern);
  const wildcard = pattern.search(/[*?[{]/);
  if (wildcard < 0) return ok([named]);
  const folder = dirname(`${pattern.slice(0, wildcard)}x`);
  const looked = isAbsolute(pattern) ? folder : join(from, folder);
  try {
    opendirSync(looked).closeSync();
  } catch (error) {
    return err(`${looked}: ${trouble(error, "folder")}`);
  }
  const found = globSync(pattern, { cwd: resolve(from) });
  return ok(found.map((file) => (isAbsolute(pattern) ? resolve(from, file) : join(from, file))).sort(byBytes));
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
