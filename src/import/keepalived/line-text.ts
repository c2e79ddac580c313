/** The line without comment and outer blanks; a backslash at its end stays there, whatever the comment. Comments begin anywhere outside double
 *  quotes (lib/parser.c, decomment). */
export function withoutComment(line: string): string {
  let text = "";
  let quoted = false;
  let comment = false;
  let continued = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    const next = line[i + 1];
    if (c === "\\" && next === undefined) continued = true;
    else if (c === "\\" && !comment) {
      const escaped = !quoted && (next === "#" || next === "!");
      text += escaped ? next : c + next;
      i += 1;
    } else if (c === "\\") i += 1;
    else if (c === '"') {
      if (!comment) quoted = !quoted;
      if (!comment) text += c;
    } else if (!quoted && (c === "#" || c === "!")) comment = true;
    else if (!comment) text += c;
  }
  text = text.replace(/^[ \t]+|[ \t]+$/g, "");
  return continued ? `${text}\\` : text;
}

/** Up to the first brace outside double quotes; the brace and what follows it are read as further lines. */
export function splitAtBrace(line: string): { readonly head: string; readonly rest: string } {
  if (/^[{}]/.test(line)) return { head: line[0]!, rest: line.slice(1).trim() };
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '"') quoted = !quoted;
    if (!quoted && (line[i] === "{" || line[i] === "}"))
      return { head: line.slice(0, i).trimEnd(), rest: line.slice(i).trim() };
  }
  return { head: line.trimEnd(), rest: "" };
}
