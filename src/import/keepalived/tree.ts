import type { Notes, Place } from "../notes.ts";
import type { Line } from "./lines.ts";
import { words } from "./words.ts";

/** A keyword with its words, and the block that follows it, if one does. */
export interface Statement {
  readonly keyword: string;
  /** The words after the keyword. */
  readonly args: readonly string[];
  /** What follows the keyword as it was written, quotes included. */
  readonly raw: string;
  readonly place: Place;
  readonly block: readonly Statement[] | undefined;
  /** Of its closing brace, or its own. */
  readonly end: Place;
}

/** Deeper blocks have no meaning in any version. */
const DEEPEST = 50;

/** Lines as a tree. Unlike keepalived, which reads the lines of a block it does not know at the outer level and closes the outer block with its
 *  brace, every block stays what it looks like. Braces that do not match leave nothing to go by: noted as stopped, the result is undefined. */
export function readTree(lines: Iterable<Line>, notes: Notes): readonly Statement[] | undefined {
  interface Open {
    readonly statements: Statement[];
    readonly place: Place | undefined;
    readonly what: string;
  }
  const root: Open = { statements: [], place: undefined, what: "" };
  const stack: Open[] = [root];
  let last: Place = { file: "", line: 1 };
  const stop = (place: Place, subject: string, message: string): undefined => {
    notes.add("stopped", place, subject, message);
    return undefined;
  };

  for (const { text, place } of lines) {
    last = place;
    const top = stack.at(-1)!;
    if (text === "}") {
      stack.pop();
      const owner = stack.at(-1)?.statements;
      const closed = owner?.at(-1);
      if (owner !== undefined && closed !== undefined) owner[owner.length - 1] = { ...closed, end: place };
      if (stack.length === 0) return stop(place, "}", "closes nothing: an opening { is missing above");
      continue;
    }
    if (text === "{") {
      const owner = top.statements.at(-1);
      if (owner === undefined || owner.block !== undefined)
        return stop(place, "{", "opens a block of nothing: keepalived reads on at the wrong level from here");
      if (stack.length > DEEPEST) return stop(place, "{", `more than ${DEEPEST} blocks in each other`);
      const statements: Statement[] = [];
      top.statements[top.statements.length - 1] = { ...owner, block: statements };
      stack.push({ statements, place, what: owner.keyword });
      continue;
    }
    const parts = words(text);
    const [keyword, ...args] = parts ?? [];
    if (parts === undefined)
      notes.add(
        "refused",
        place,
        text.split(/[ \t"]/)[0] ?? "",
        "a double quote is not closed; keepalived drops what follows it",
      );
    if (keyword === undefined) continue;
    const raw = text.replace(/^[ \t]*("[^"]*"|[^ \t"]+)[ \t]*/, "");
    top.statements.push({ keyword, args, raw, place, block: undefined, end: place });
  }
  const open = stack.at(-1)!;
  if (open.place !== undefined)
    return stop(open.place, open.what, `its { is never closed, up to the end at line ${last.line} of ${last.file}`);
  return root.statements;
}
