import { err, ok, type Result } from "../model/result.ts";

/** Written otherwise in Perl's regular expressions than in JavaScript's, or there only. */
const UNKNOWN: readonly (readonly [construct: RegExp, words: string])[] = [
  [/(?<!\\)(?:\\\\)*\\[AzZGQEKRXhHN]/, "\\A, \\z, \\Z, \\G, \\Q, \\E, \\K, \\R, \\X, \\h, \\H and \\N are Perl's"],
  [/\(\?>/, "atomic groups (?>…) are Perl's"],
  [/\(\?\||\(\?#|\(\?[R0-9&]|\(\?P[>=]|\(\*/, "branch resets, comments, recursion and verbs are Perl's"],
  [/\(\?\(/, "conditions (?(…)…) are Perl's"],
  [/(?:[*+?]|\{\d+(?:,\d*)?\})\+/, "possessive quantifiers are Perl's"],
  [/\[\[?[.:=]\^?\w+[.:=]\]/, "classes like [[:alpha:]] are POSIX's"],
];

/** A regular expression of Perl or PCRE as JavaScript reads it, with the options as a group around it; or what it has that JavaScript has not. */
export function javascriptRegex(
  perl: string,
  options: ReadonlySet<"i" | "m" | "s"> = new Set(),
): Result<string, string> {
  const leading = /^\(\?([ims]+)\)/.exec(perl);
  const flags = new Set([...options, ...(leading?.[1] ?? "")]);
  const body = perl.slice(leading?.[0].length ?? 0).replaceAll("(?P<", "(?<");
  const stranger = UNKNOWN.find(([construct]) => construct.test(body));
  if (stranger !== undefined) return err(stranger[1]);
  const ours = asJavascript(body, flags.has("m"));
  const text = flags.size === 0 ? ours : `(?${[...flags].sort().join("")}:${ours})`;
  try {
    new RegExp(text);
    return ok(text);
  } catch (error) {
    return err((error as Error).message);
  }
}

/** Perl's `$` fits before a line's end that is the last character, too, and a `]` that a class begins with is one of it (perlre(1)). */
function asJavascript(body: string, multiline: boolean): string {
  return body.replace(/\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\$/g, (part) => {
    if (part === "$") return multiline ? part : "(?=\\n?$)";
    return part.replace(/^(\[\^?)\]/, "$1\\]");
  });
}

/** Matches exactly where the other does not. */
export function noMatch(regex: string): string {
  return `^(?![\\s\\S]*(?:${regex}))`;
}
