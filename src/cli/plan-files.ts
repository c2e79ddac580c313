import { dirname, resolve } from "node:path";
import { type ConfigSource, parseConfig } from "../config/parse.ts";
import type { SentFiles } from "../control/plan-routes.ts";
import { err, ok } from "../model/result.ts";
import { probeTypes } from "../probe/registry.ts";
import { environmentIn, type LoadedFiles, refused } from "./config-file.ts";
import { readText } from "./files.ts";

/** A file with all it includes, as texts for a daemon that may not be allowed to read them: its service sees neither /home nor /tmp. */
export function filesToSend(file: string): SentFiles {
  const path = resolve(file);
  const text = readText(path);
  if (!text.ok) return { file: path, text: undefined, problem: text.error, includes: [] };
  const includes: SentFiles["includes"][number][] = [];
  const disk = environmentIn(dirname(path));
  parseConfig(
    { file: path, text: text.value },
    {
      ...disk,
      readInclude(pattern, from) {
        const files = disk.readInclude(pattern, from);
        includes.push(files.ok ? { pattern, files: files.value } : { pattern, files: [], problem: files.error });
        return files;
      },
    },
  );
  return { file: path, text: text.value, includes };
}

/** The same on the other side, as if they had been read there. */
export function loadSent({ file, text, problem, includes }: SentFiles): LoadedFiles {
  if (text === undefined) {
    const parsed = refused(file, problem ?? "cannot be read");
    return { parsed, with: () => parsed };
  }
  const source: ConfigSource = { file, text };
  const env = {
    probeTypes,
    readInclude(pattern: string) {
      const sent = includes.find((include) => include.pattern === pattern);
      return sent?.problem === undefined ? ok(sent?.files ?? []) : err(sent.problem);
    },
  };
  return {
    parsed: parseConfig(source, env),
    with: (additions) => parseConfig(source, { ...env, additions }),
  };
}
