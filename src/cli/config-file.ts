import { isUtf8 } from "node:buffer";
import { globSync, opendirSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { type ConfigEnvironment, type ConfigSource, type ParsedConfig, parseConfig } from "../config/parse.ts";
import { err, ok, type Result } from "../model/result.ts";
import { probeTypes } from "../probe/registry.ts";

/** Where the file is looked for when none is named. */
export const DEFAULT_CONFIG_FILE = "/etc/director/director.conf";

/** Reads and parses director.conf with what it includes. A file that is missing, unreadable or no text is a problem of its own at 1:1. Reading is
 *  synchronous: a parse holds up the process for longer than that. */
export function loadConfigFile(file: string): ParsedConfig {
  const text = readText(file);
  if (!text.ok) return refused(file, text.error);
  return loadConfigText(text.value, file, dirname(file));
}

/** The same for a text from elsewhere. `file` is the name its problems are reported under; its includes are looked for below `baseDir`. */
export function loadConfigText(text: string, file: string, baseDir: string): ParsedConfig {
  return parseConfig({ file, text }, environmentIn(baseDir));
}

export function refused(file: string, message: string): ParsedConfig {
  return { config: undefined, problems: [{ severity: "error", file, line: 1, column: 1, path: [], message }] };
}

/** What parseConfig needs of the world: the probe types, and files looked for below `baseDir`. `onRead` sees each file that is included. */
export function environmentIn(baseDir: string, onRead: (source: ConfigSource) => void = () => {}): ConfigEnvironment {
  return {
    probeTypes,
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

/** `any` takes a pipe as well: `config test <(render)`; a pipe that matches a wildcard would be waited for without end. 0 is standard input. */
export function readText(file: string | 0, kind: "any" | "regular" = "any"): Result<string, string> {
  try {
    if (kind === "regular" && file !== 0) {
      const stat = statSync(file);
      if (stat.isDirectory()) return err("is a folder, not a file");
      if (!stat.isFile()) return err("is no regular file");
    }
    const bytes = readFileSync(file);
    return isUtf8(bytes) ? ok(bytes.toString("utf8")) : err("is no UTF-8 text");
  } catch (error) {
    return err(trouble(error, "file"));
  }
}

function trouble(error: unknown, what: "file" | "folder"): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return `cannot be read: there is no such ${what}`;
    case "EACCES":
    case "EPERM":
      return `cannot be read: permission denied for user id ${process.geteuid?.()}`;
    case "EISDIR":
      return "is a folder, not a file";
    case "ENOTDIR":
      return what === "folder" ? "is no folder" : "cannot be read: a part of its path is no folder";
    case "ELOOP":
      return "cannot be read: too many symbolic links, perhaps in a circle";
    default:
      return `cannot be read: ${message}`;
  }
}
