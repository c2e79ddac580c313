import type { ProbeOutcome } from "../model/probe.ts";
import type { JsonDemand } from "./body-options.ts";
import { type Bounded, LIMIT_WORDS } from "./bounded.ts";
import { compilePath, type Query } from "./json-path.ts";
import { fail, inconclusive } from "./outcome.ts";

/** Judges a document; undefined: it is as it should be. */
export type JsonJudge = (body: Buffer) => ProbeOutcome | undefined;

export function jsonJudge(demands: readonly JsonDemand[], bounded: Bounded): JsonJudge {
  const judges = demands.map((demand) => {
    const query = compilePath(demand.path);
    if (!query.ok) throw new Error(`${demand.path}: ${query.error}, which the configuration let through`);
    return { demand, find: bound(demand.path, query.value, bounded) };
  });

  return (body) => {
    let document: unknown;
    try {
      document = JSON.parse(body.toString());
    } catch {
      return fail("body is not JSON");
    }
    for (const { demand, find } of judges) {
      const found = find(document);
      if (!Array.isArray(found)) return found as ProbeOutcome;
      const trouble = troubleWith(demand, found as Found);
      if (trouble !== undefined) return fail(trouble);
    }
    return undefined;
  };
}

type Found = ReturnType<Query>;

/** Paths that go down every way, or ask a filter at each step, can take for ever on a document made for that. */
function bound(path: string, query: Query, bounded: Bounded): (document: unknown) => Found | ProbeOutcome {
  const dear = /\.\.|\?|\*.*\*/.test(path);
  return (document) => {
    try {
      if (!dear) return query(document);
      const result = bounded(() => query(document));
      if (result.kind === "done") return result.value;
      return result.kind === "stopped"
        ? fail(`the search for ${path} in the body takes longer than ${LIMIT_WORDS}`)
        : inconclusive(`director has no time at present to search the body for ${path}`);
    } catch {
      return fail(`body is nested too deep for ${path}`);
    }
  };
}

function troubleWith({ path, equals, min, max }: JsonDemand, found: Found): string | undefined {
  if (found.length === 0) return `body has nothing at ${path}`;
  for (const { at, value } of found) {
    const where = found.length === 1 ? path : at;
    if (equals !== undefined && !equals.some((text) => same(value, text)))
      return `${where} is ${inWords(value)}, expected ${equals.map((text) => JSON.stringify(text)).join(" or ")}`;
    if ((min !== undefined || max !== undefined) && typeof value !== "number")
      return `${where} is ${inWords(value)}, expected a number`;
    if (min !== undefined && (value as number) < min) return `${where} is ${inWords(value)}, expected at least ${min}`;
    if (max !== undefined && (value as number) > max) return `${where} is ${inWords(value)}, expected at most ${max}`;
  }
  return undefined;
}

/** Whether a value is what was written in the file, where everything is text. */
function same(value: unknown, text: string): boolean {
  if (typeof value === "string") return value === text;
  if (typeof value === "number") return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) && Number(text) === value;
  return (typeof value === "boolean" || value === null) && String(value) === text;
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
