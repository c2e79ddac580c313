import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { formatProblem, parseConfig } from "../../src/config/parse.ts";
import { importKeepalived } from "../../src/import/keepalived.ts";
import { importLdirectord } from "../../src/import/ldirectord.ts";
import type { Note } from "../../src/import/notes.ts";
import type { ImportEnvironment } from "../../src/import/source.ts";
import type { Config } from "../../src/model/config.ts";
import { err, ok } from "../../src/model/result.ts";
import { probeTypes } from "../../src/probe/registry.ts";

export interface Ran {
  readonly text: string | undefined;
  readonly notes: readonly Note[];
  /** `refused 12 delay_loop 500ms`: what is not a hint. */
  readonly losses: readonly string[];
  readonly hints: readonly string[];
}

export interface Options {
  readonly configId?: string;
  readonly recommended?: boolean;
  readonly observe?: boolean;
  /** By the pattern of the include. */
  readonly includes?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function runKeepalived(text: string, options: Options = {}): Ran {
  return ran(importKeepalived({ file: "k.conf", text }, environment(options)));
}

export function runLdirectord(text: string, options: Options = {}): Ran {
  return ran(importLdirectord({ file: "l.cf", text }, environment(options)));
}

function environment({ configId, recommended = false, observe = false, includes = {} }: Options): ImportEnvironment {
  return {
    configId,
    recommended,
    observe,
    readInclude(pattern) {
      const files = includes[pattern];
      if (files === undefined) return err(`${pattern} cannot be read`);
      return ok(Object.entries(files).map(([file, text]) => ({ file, text })));
    },
  };
}

/** A file of the disk, with what it includes from there. */
export function runFile(file: string, options: Options = {}): Ran {
  const env: ImportEnvironment = {
    ...environment(options),
    readInclude: (pattern, from) =>
      ok(
        globSync(join(dirname(from), pattern))
          .sort()
          .map((found) => ({ file: found, text: readFileSync(found, "utf8") })),
      ),
  };
  const imports = file.endsWith(".cf") ? importLdirectord : importKeepalived;
  return ran(imports({ file, text: readFileSync(file, "utf8") }, env));
}

function ran({ text, notes }: { readonly text: string | undefined; readonly notes: readonly Note[] }): Ran {
  const words = ({ kind, place, subject }: Note) => `${kind} ${basename(place.file)}:${place.line} ${subject}`;
  const hints = notes.filter(({ kind }) => kind === "hint").map(words);
  return { text, notes, losses: notes.filter(({ kind }) => kind !== "hint").map(words), hints };
}

/** The errors director has with it. */
export function errorsIn(text: string): readonly string[] {
  const { problems } = parseConfig({ file: "d.conf", text }, { probeTypes, readInclude: () => ok([]) });
  return problems.filter(({ severity }) => severity === "error").map(formatProblem);
}

/** What director makes of it. */
export function configOf({ text, notes }: Ran): Config {
  if (text === undefined) throw new Error(notes.map(({ message }) => message).join("\n"));
  const { config, problems } = parseConfig({ file: "d.conf", text }, { probeTypes, readInclude: () => ok([]) });
  if (config === undefined) throw new Error(`${problems.map(formatProblem).join("\n")}\n${text}`);
  return config;
}

/** A virtual server around these lines, with one real server that has these. */
export function virtualServer(lines: string, server = "TCP_CHECK {\n}", target = "192.0.2.10 80"): string {
  return `virtual_server ${target} {\nprotocol TCP\n${lines}\nreal_server 10.0.0.1 8080 {\n${server}\n}\n}\n`;
}
