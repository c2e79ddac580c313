import type { ConfigPath, ConfigProblem } from "../model/config.ts";
import { type At, place } from "./tree.ts";

/** More than this many are counted, not listed: nobody reads on, and one broken template can make thousands. */
const MOST = 100;

/** `FILE:LINE:COL: path: message` on one line; a warning says so before its message. */
export function formatProblem(problem: ConfigProblem): string {
  const path = problem.path.length === 0 ? "" : `${formatPath(problem.path)}: `;
  const warning = problem.severity === "warning" ? "warning: " : "";
  const line = `${problem.file}:${problem.line}:${problem.column}: ${path}${warning}${problem.message}`;
  return line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `services[0].servers[2].wieght`; a key that is no plain word is quoted: `pools["a.b"]`. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (!/^[\w-]+$/.test(step)) return `${text}[${JSON.stringify(step)}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** Collects problems. The same words about the same place count once, however many services inherited what stands there. */
export interface Problems {
  error(at: At, message: string): void;
  warning(at: At, message: string): void;
  hasErrors(): boolean;
  /** In the order of the files and their lines; beyond a hundred, errors before warnings and then how many more there are. */
  list(): readonly ConfigProblem[];
}

export function collectProblems(): Problems {
  const seen = new Map<string, { readonly at: At; readonly problem: ConfigProblem }>();
  let errors = 0;
  function add(severity: ConfigProblem["severity"], at: At, message: string): void {
    const key = `${at.source.order}:${at.offset}:${message}`;
    if (seen.has(key)) return;
    if (severity === "error") errors++;
    seen.set(key, { at, problem: { severity, ...place(at), message } });
  }
  return {
    error: (at, message) => add("error", at, message),
    warning: (at, message) => add("warning", at, message),
    hasErrors: () => errors > 0,
    list() {
      const sorted = [...seen.values()].sort(
        (a, b) => a.at.source.order - b.at.source.order || a.at.offset - b.at.offset,
      );
      return shorten(sorted.map((entry) => entry.problem));
    },
  };
}

function shorten(all: readonly ConfigProblem[]): readonly ConfigProblem[] {
  if (all.length <= MOST) return all;
  const errors = all.filter((p) => p.severity === "error");
  const kept = [...errors, ...all.filter((p) => p.severity === "warning")].slice(0, MOST);
  const more = all.length - MOST;
  const last = kept.at(-1)!;
  return [...kept, { ...last, path: [], message: `and ${more} more ${more === 1 ? "problem" : "problems"}` }];
}
