import type { Notes, Place } from "../notes.ts";
import type { ImportEnvironment, Source } from "../source.ts";
import {
  beginsDefinition,
  type Definition,
  LONGEST_LINE,
  readList,
  readSequence,
  replaceNames,
  type Series,
} from "./definitions.ts";
import { splitAtBrace, withoutComment } from "./line-text.ts";

/** A line as keepalived's parser gets it: without comment, conditions, definitions and includes. A brace is a line of its own. */
export interface Line {
  readonly text: string;
  readonly place: Place;
}

/** More are no configuration, but the product of ~SEQ in ~SEQ or of definitions in each other. (The largest example of keepalived.conf(5) makes
 *  65,024 instances.) */
const MOST_LINES = 250_000;
/** Characters of one line, far beyond what keepalived reads. */
const LONGEST_READ = 16_384;
const DEEPEST_INCLUDE = 32;
const DEEPEST_DEFINITION = 64;

type Frame =
  | { readonly kind: "file"; readonly source: Source; readonly lines: readonly string[]; next: number }
  | { readonly kind: "text"; readonly lines: readonly string[]; readonly place: Place; next: number }
  | { readonly kind: "series"; readonly series: Series; readonly place: Place; next: number };

/** All lines in the order keepalived reads them (lib/parser.c, read_line). What cannot be read is noted; `stopped` ends the lines. */
export function* readLines(main: Source, env: ImportEnvironment, notes: Notes): Generator<Line> {
  const stack: Frame[] = [fileFrame(main)];
  const definitions = new Map<string, Definition>();
  /** A definition whose further lines are being read. */
  let open: Definition | undefined;
  let taken = 0;

  for (;;) {
    const raw = nextRaw(stack, definitions);
    if (raw === undefined) return;
    taken += 1;
    if (taken > MOST_LINES) {
      notes.add(
        "stopped",
        raw.place,
        "more lines than can be meant",
        `more than ${MOST_LINES} lines come of this file`,
      );
      return;
    }
    if (raw.text.length > LONGEST_READ) {
      notes.add("stopped", raw.place, "a line", `has ${raw.text.length} characters: this is no configuration`);
      return;
    }
    if (raw.fromFile && raw.text.length > LONGEST_LINE)
      notes.add(
        "changed",
        raw.place,
        "a long line",
        `keepalived reads ${LONGEST_LINE} characters at once and takes the rest for another line; here it is one`,
      );
    const text = raw.fromFile ? withoutComment(raw.text) : raw.text;
    if (open !== undefined) {
      const more = text.endsWith("\\");
      const line: string = more ? text.slice(0, -1).trimEnd() : text;
      open = { ...open, lines: line === "" ? open.lines : [...open.lines, line] };
      definitions.set(open.name, open);
      if (!more) open = undefined;
      continue;
    }
    const begun = text.startsWith("@") || text.startsWith("$") ? opening(text, env, raw.place, notes) : undefined;
    if (begun !== undefined) {
      definitions.set(begun.definition.name, begun.definition);
      if (begun.open) open = begun.definition;
      continue;
    }
    const line = expanded(text, raw.place);
    if (line === undefined || line === "") continue;
    const include = /^include([rmwba]?)[ \t]+(.*)$/.exec(line);
    if (include !== null) {
      if (line !== text)
        notes.add("hint", raw.place, "include", "stands behind @id or holds a $name, which some versions do not read");
      readInclude(include[2] ?? "", raw.place);
      continue;
    }
    const { head, rest } = splitAtBrace(line);
    if (rest !== "") stack.push({ kind: "text", lines: [rest], place: raw.place, next: 0 });
    if (head !== "") yield { text: head, place: raw.place };
  }

  /** The line with conditions looked at and names replaced; undefined if nothing of it is left to be read. */
  function expanded(text: string, place: Place): string | undefined {
    let line = text;
    for (let again = 0; again <= DEEPEST_DEFINITION; again++) {
      const held = conditional(line, env, place, notes);
      if (held === undefined) return undefined;
      line = held;
      if (/^~(SEQ|LST)/.test(line)) {
        const series = line.startsWith("~SEQ") ? readSequence(inNumbers(line, place)) : readList(line);
        if (series.ok && stack.length <= DEEPEST_DEFINITION)
          stack.push({ kind: "series", series: series.value, place, next: 0 });
        else notes.add("refused", place, line.slice(0, 4), series.ok ? "too many of them in each other" : series.error);
        return undefined;
      }
      if (!line.includes("$")) return line;
      const replaced = replaceNames(line, (name, use) => lookUp(name, use, place));
      if (!replaced.ok) {
        notes.add("refused", place, shortened(text), replaced.error);
        return undefined;
      }
      if (!replaced.value.changed) return line;
      if (replaced.value.rest.length > 0) {
        if (stack.length > DEEPEST_DEFINITION) {
          notes.add("stopped", place, shortened(text), "its $definitions stand in each other without end");
          stack.length = 0;
          return undefined;
        }
        stack.push({ kind: "text", lines: replaced.value.rest, place, next: 0 });
      }
      line = replaced.value.text.trim();
    }
    return line;
  }

  /** Names between the brackets of ~SEQ count before it does. */
  function inNumbers(line: string, place: Place): string {
    const end = line.indexOf(")") + 1;
    const replaced = replaceNames(line.slice(0, end), (name, use) => lookUp(name, use, place));
    return replaced.ok && replaced.value.rest.length === 0 ? replaced.value.text + line.slice(end) : line;
  }

  function lookUp(name: string, use: string, place: Place): Definition | undefined {
    const own = definitions.get(name);
    if (own !== undefined) return own;
    const value = builtIn(name, place);
    if (value !== undefined) return { name, lines: [value], multiline: false };
    if (/^_(ENV|RANDOM|INSTANCE)$/.test(name))
      notes.add("refused", place, use, "is known only where and when keepalived runs: write what it stands for");
    return undefined;
  }

  function readInclude(pattern: string, place: Place): void {
    const files = stack.filter((frame) => frame.kind === "file");
    if (files.length >= DEEPEST_INCLUDE) {
      notes.add("stopped", place, `include ${pattern}`, `more than ${DEEPEST_INCLUDE} files include each other`);
      stack.length = 0;
      return;
    }
    const found = env.readInclude(pattern, place.file);
    if (!found.ok) notes.add("dropped", place, `include ${pattern}`, `${found.error}; keepalived goes on without, too`);
    else if (found.value.length === 0)
      notes.add("dropped", place, `include ${pattern}`, "no file matches; keepalived goes on without, too");
    for (const source of found.ok ? [...found.value].reverse() : []) {
      if ("why" in source) notes.add("dropped", place, `include ${source.file}`, source.why);
      else if (files.some((frame) => frame.source.file === source.file))
        notes.add("refused", place, `include ${pattern}`, `${source.file} includes itself`);
      else stack.push(fileFrame(source));
    }
  }
}

function fileFrame(source: Source): Frame {
  return { kind: "file", source, lines: source.text.replace(/^\ufeff/, "").split("\n"), next: 0 };
}

interface RawLine extends Line {
  readonly fromFile: boolean;
}

/** The next line of what was begun last; a series sets its names as it goes on. */
function nextRaw(stack: Frame[], definitions: Map<string, Definition>): RawLine | undefined {
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const index = top.next++;
    if (top.kind === "series") {
      if (index >= top.series.count) {
        stack.pop();
        continue;
      }
      if (index === top.series.count - 1) stack.pop();
      const values = top.series.at(index);
      for (const [i, name] of top.series.names.entries())
        definitions.set(name, { name, lines: [values[i] ?? ""], multiline: false });
      return { text: top.series.text, place: top.place, fromFile: false };
    }
    const text = top.lines[index];
    if (text === undefined) {
      stack.pop();
      continue;
    }
    const { kind } = top;
    // Gone before it is read, lest what stands in each other looks deep. Not a file: it could include itself with its last line.
    if (kind === "text" && index === top.lines.length - 1) stack.pop();
    if (kind === "text") return { text, place: top.place, fromFile: false };
    return { text: text.replace(/\r+$/, ""), place: { file: top.source.file, line: index + 1 }, fromFile: true };
  }
  return undefined;
}

/** A definition, whether or not behind `@id`; undefined for anything else. */
function opening(
  text: string,
  env: ImportEnvironment,
  place: Place,
  notes: Notes,
): ReturnType<typeof beginsDefinition> {
  if (text.startsWith("$")) return beginsDefinition(text);
  const behind = /^@\^?\S*[ \t]+(\$.*)$/s.exec(text)?.[1];
  const begun = behind === undefined ? undefined : beginsDefinition(behind);
  return begun !== undefined && conditional(text, env, place, notes) !== undefined ? begun : undefined;
}

/** What stands behind `@id` and `@^id` if it is to be read; other lines as they are. */
function conditional(text: string, env: ImportEnvironment, place: Place, notes: Notes): string | undefined {
  if (!text.startsWith("@")) return text;
  const match = /^@(\^?)(\S*)[ \t]+(.*)$/s.exec(text);
  if (match === null) return undefined;
  const [, not, id = "", rest] = match;
  if (env.configId === undefined)
    notes.add(
      "refused",
      place,
      `@${not}${id}`,
      `depends on the machine: say --config-id ${id}, or another (keepalived's -i, else the first part of the host name)`,
    );
  if (env.configId === undefined) return undefined;
  return (env.configId === id) === (not === "") ? rest : undefined;
}

function builtIn(name: string, place: Place): string | undefined {
  if (name === "_HASH") return "#";
  if (name === "_BANG") return "!";
  if (name === "_PWD") return /^(.*)\/[^/]*$/s.exec(place.file)?.[1] ?? ".";
  return undefined;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
