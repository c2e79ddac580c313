/** Text of a manual page. What is built of these holds under `groff -man -ww` and shows in every locale: all of it is ASCII. */

/** Escapes for the body of a page: copied words stay what they are (`-` would become a hyphen, `'` a closing quote). */
export function plain(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\(rs")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replace(/[\u0080-\uffff]/g, (c) => `\\[u${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`);
  // A request would begin with one of these (the quote is an escape by now).
  return escaped.replace(/^\./gm, "\\&.");
}

/** Prose in the notation of our own Markdown: what stands between backticks is bold. */
export function prose(text: string): string {
  return text
    .split("`")
    .map((part, i) => (i % 2 === 1 ? bold(part) : plain(part)))
    .join("");
}

export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${plain(text)}\\fR`;
}

export function heading(title: string): string[] {
  return [`.SH ${quoted(title)}`];
}

export function subheading(title: string): string[] {
  return [`.SS ${quoted(title)}`];
}

export function paragraph(...lines: readonly string[]): string[] {
  return [".PP", ...lines.map(prose)];
}

/** A tagged paragraph; tag and text are roff already. */
export function tagged(tag: string, text: readonly string[]): string[] {
  return [".TP", tag, ...text];
}

/** A list of terms with what they are, in our own notation. */
export function terms(list: readonly (readonly [term: string, text: string])[]): string[] {
  return list.flatMap(([term, text]) => tagged(bold(term), [prose(text)]));
}

/** Lines exactly as they are, indented. */
export function listing(text: string): string[] {
  return [".PP", ".RS 4", ".EX", ...text.replace(/\n$/, "").split("\n").map(plain), ".EE", ".RE"];
}

/** The page as a whole. No date in it: the same sources give the same bytes. */
export function page(name: string, section: number, version: string, lines: readonly string[]): string {
  const title = `.TH ${quoted(name.toUpperCase())} ${section} "" ${quoted(`director ${version}`)} ""`;
  return `${[
    `.\\" Made by "npm run manuals" from the schema and the command line; change those, then make it anew.`,
    title,
    // No hyphenation, and a ragged right margin: names and numbers stay whole.
    ".nr HY 0",
    ".nh",
    ".ad l",
    ...lines,
  ].join("\n")}\n`;
}

/** An argument of a macro. */
function quoted(text: string): string {
  return `"${plain(text).replaceAll('"', '""')}"`;
}
