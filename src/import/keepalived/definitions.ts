import { err, ok, type Result } from "../../model/result.ts";

/** `$NAME=value`; the lines of a multi-line definition were ended by a backslash, all but the last. */
export interface Definition {
  readonly name: string;
  readonly lines: readonly string[];
  readonly multiline: boolean;
}

/** Whether a line begins a definition: no blank before the `=`. `open`: further lines belong to it. */
export function beginsDefinition(
  text: string,
): { readonly definition: Definition; readonly open: boolean } | undefined {
  const match = /^\$([A-Za-z_]\w*)=[ \t]*(.*)$/s.exec(text);
  if (match === null) return undefined;
  const [, name = "", value = ""] = match;
  if (!value.endsWith("\\")) return { definition: { name, lines: [value], multiline: false }, open: false };
  const first = value.slice(0, -1).trimEnd();
  return { definition: { name, lines: first === "" ? [] : [first], multiline: true }, open: true };
}

/** What replacing made of a line. `rest`: the further lines of a multi-line definition, which come next. */
export interface Replaced {
  readonly text: string;
  readonly rest: readonly string[];
  readonly changed: boolean;
}

/** keepalived reads lines into a buffer of this size, the closing zero included (lib/parser.c, MAXBUF). */
export const LONGEST_LINE = 1023;

/** A definition that holds itself never comes to an end. */
const MOST_REPLACEMENTS = 1000;

const USE = /\$(?:\{([A-Za-z_]\w*)(?: [^}]*)?\}|([A-Za-z_]\w*)(?=[ \t,)]|$))/g;

/** Puts the values of definitions in the place of `$NAME` (before a blank, comma, bracket or the end) and `${NAME}`, theirs included. A name that
 *  is not defined stays as it is; a multi-line definition counts at the end of a line only. */
export function replaceNames(
  text: string,
  lookUp: (name: string, use: string) => Definition | undefined,
): Result<Replaced, string> {
  let line = text;
  let rest: readonly string[] = [];
  let changed = false;
  let from = 0;
  for (let n = 0; n < MOST_REPLACEMENTS; n++) {
    USE.lastIndex = from;
    const match = USE.exec(line);
    if (match === null) return ok({ text: line, rest, changed });
    const [use] = match;
    const end = match.index + use.length;
    const definition = lookUp(match[1] ?? match[2] ?? "", use);
    if (definition === undefined || (definition.multiline && end < line.length)) {
      from = match.index + 1;
      continue;
    }
    const [first = "", ...further] = definition.lines;
    line = line.slice(0, match.index) + first + line.slice(end);
    if (definition.multiline) rest = further;
    changed = true;
    from = match.index;
    if (line.length > LONGEST_LINE)
      return err(
        `becomes longer than ${LONGEST_LINE} characters with its $definitions, which keepalived does not read`,
      );
    if (/^[ \t]*~/.test(first)) return ok({ text: line, rest, changed });
  }
  return err("a $definition holds itself");
}

/** The values that ~SEQ or ~LST gives to its names one after the other, and the text that is read once for each. */
export interface Series {
  readonly names: readonly string[];
  readonly count: number;
  at(index: number): readonly string[];
  readonly text: string;
}

/** `~SEQ(i, 1, 3) text`, `~SEQ(i, first, step, last)`, `~SEQ(i, last)`, `~SEQx(...)` in hexadecimal. The numbers are those of strtol(3). */
export function readSequence(line: string): Result<Series, string> {
  const match = /^~SEQ(x?)[ \t]*\([ \t]*([^ \t,)]+)[ \t]*,([^)]*)\)[ \t]*(.*)$/s.exec(line);
  if (match === null) return err("expected ~SEQ(name, first, last) or ~SEQ(name, first, step, last)");
  const [, hex, name = "", numbers = "", text = ""] = match;
  const given = numbers.split(",").map((each) => strtol(each.trim()));
  if (given.length > 3 || given.some((each) => each === undefined)) return err("expected one to three whole numbers");
  const [one = 0, two = 0, three = 0] = given as readonly number[];
  const span =
    given.length === 1
      ? { first: one < 0 ? -1 : 1, step: one < 1 ? -1 : 1, last: one }
      : given.length === 2
        ? { first: one, step: one <= two ? 1 : -1, last: two }
        : { first: one, step: two, last: three };
  const { first, step, last } = span;
  if (step === 0 || (first < last && step < 0) || (first > last && step > 0))
    return err("its step never reaches its end");
  if (hex !== "" && (first < 0 || last < 0)) return err("~SEQx takes no negative numbers");
  const base = hex === "" ? 10 : 16;
  const count = Math.floor((last - first) / step) + 1;
  return ok({ names: [name], count, at: (i) => [(first + i * step).toString(base)], text });
}

function strtol(text: string): number | undefined {
  const match = /^([+-]?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9]\d*))$/i.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, octal, decimal] = match;
  const value =
    hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : Number(decimal);
  return Number.isSafeInteger(value) ? (sign === "-" ? -value : value) : undefined;
}

/** `~LST(name, a, b) text`, `~LST({x,y}, {1,2}, {3,4}) text`. Values that are missing are empty. */
export function readList(line: string): Result<Series, string> {
  const wrong = err("expected ~LST(name, value, ...) or ~LST({name, name}, {value, value}, ...)");
  const head = /^~LST[ \t]*\([ \t]*/.exec(line);
  if (head === null) return wrong;
  const groups: string[][] = [];
  const group = /(?:\{([^{}()]*)\}|([^ \t,{}()]*))[ \t]*([,)])[ \t]*/y;
  group.lastIndex = head[0].length;
  for (;;) {
    const match = group.exec(line);
    if (match === null) return wrong;
    const [, braced, single = "", end] = match;
    groups.push(braced === undefined ? [single] : braced.split(",").map((each) => each.trim()));
    if (end === ")") break;
  }
  const [names, ...sets] = groups;
  if (names === undefined || sets.length === 0 || names.some((name) => name === "")) return wrong;
  if (sets.some((set) => set.length > names.length)) return err("more values than names");
  const at = (i: number) => names.map((_, n) => sets[i]?.[n] ?? "");
  return ok({ names, count: sets.length, at, text: line.slice(group.lastIndex) });
}
