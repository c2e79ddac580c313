import type { Millis } from "../../model/time.ts";

/** A line in words: parted by blanks, "double quotes" make one of several and are dropped. Text that touches a quote is a word of its own
 *  (lib/parser.c, alloc_strvec). undefined: a quote is not closed. */
export function words(line: string): readonly string[] | undefined {
  const found: string[] = [];
  const word = /[ \t]*(?:"([^"]*)"|([^ \t"]+))/y;
  const end = line.trimEnd().length;
  for (let at = 0; at < end; at = word.lastIndex) {
    word.lastIndex = at;
    const match = word.exec(line);
    if (match === null) return undefined;
    found.push(match[1] ?? match[2] ?? "");
  }
  return found;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  E: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const ESCAPED = /\\(?:x([0-9a-fA-F]+)|([0-7]{1,3})|c(.)|(.))/sy;

/** The same for commands and regular expressions, which know 'single quotes' too, and backslashes, within quotes of either kind as well; text that
 *  touches belongs together (alloc_strvec_quoted_escaped). undefined: a quote is not closed, or a backslash has nothing behind it. */
export function quotedWords(line: string): readonly string[] | undefined {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (c === "\\") {
      if (i + 1 === line.length) return undefined;
      ESCAPED.lastIndex = i;
      const [whole = c, hex, octal, control, other = ""] = ESCAPED.exec(line) ?? [];
      const code =
        hex !== undefined
          ? Number.parseInt(hex.slice(-2), 16)
          : octal !== undefined
            ? Number.parseInt(octal, 8)
            : undefined;
      const controlled = control === undefined ? undefined : control.charCodeAt(0) & 0x1f;
      const char = code ?? controlled;
      word = (word ?? "") + (char === undefined ? (ESCAPES[other] ?? other) : String.fromCharCode(char & 0xff));
      i += whole.length - 1;
    } else if (quote !== "") {
      if (c === quote) quote = "";
      else word = (word ?? "") + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= "";
    } else if (c === " " || c === "\t") {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? "") + c;
  }
  if (quote !== "") return undefined;
  if (word !== undefined) found.push(word);
  return found;
}

/** A command as it stands after notify_up, quorum_up and misc_path: one quoted text that is parted into arguments, then perhaps a user and a
 *  group. `raw` is what follows the keyword. */
export function command(
  raw: string,
): { readonly argv: readonly string[]; readonly user: readonly string[] } | undefined {
  const [first, ...user] = quotedWords(raw) ?? [];
  const argv = first === undefined ? undefined : quotedWords(first);
  return argv === undefined || argv.length === 0 || argv.some((word) => word.includes("\0"))
    ? undefined
    : { argv, user };
}

/** Seconds, with up to six decimals. Nothing else: keepalived complains of `500ms`, and then takes it for 0.0005 seconds. */
export function timer(text: string | undefined): Millis | undefined {
  return text !== undefined && /^\d{1,10}(\.\d{0,6})?$/.test(text) ? Math.round(Number(text) * 1e6) / 1e3 : undefined;
}

/** A whole number in decimal digits within limits, both included. */
export function whole(text: string | undefined, min: number, max: number): number | undefined {
  const value = text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

/** `true`, `on` and `yes`, their opposites, and nothing at all for true (check_true_false). */
export function truth(text: string | undefined): boolean | undefined {
  if (text === undefined || text === "true" || text === "on" || text === "yes") return true;
  return text === "false" || text === "off" || text === "no" ? false : undefined;
}
