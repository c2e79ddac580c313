import type { Paint, Style } from "./output.ts";

/** A text with how to mark it; the marks take no room. */
export type Cell = string | { readonly text: string; readonly style: Style };

export interface ColumnOptions {
  readonly paint: Paint;
  /** Before each line. */
  readonly indent?: string;
  /** Columns whose texts end below each other: numbers. */
  readonly right?: ReadonlySet<number>;
  /** Longest line; the last column gives way. undefined: any length. */
  readonly width?: number | undefined;
}

/** Rows below each other, two blanks between columns, nothing behind the last. */
export function columns(rows: readonly (readonly Cell[])[], options: ColumnOptions): readonly string[] {
  const { paint, indent = "", right = new Set(), width } = options;
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, textOf(cell).length);
  return rows.map((row) => {
    let line = "";
    let used = indent.length;
    for (const [i, cell] of row.entries()) {
      const last = i === row.length - 1;
      const text = last && width !== undefined ? cut(textOf(cell), Math.max(MIN_LAST, width - used)) : textOf(cell);
      const fill = " ".repeat(widths[i]! - Math.min(text.length, widths[i]!));
      const shown = typeof cell === "string" || text === "" ? text : paint(cell.style, text);
      line += right.has(i) ? fill + shown : shown + (last ? "" : fill);
      used += widths[i]! + GAP.length;
      if (!last) line += GAP;
    }
    return (indent + line).trimEnd();
  });
}

const GAP = "  ";
/** Less than this of the last column says nothing: rather a line that wraps. */
const MIN_LAST = 12;

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

/** At most `width` characters; what is missing is shown to be. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 3)).trimEnd()}...`;
}
