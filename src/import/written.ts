import { Document, isScalar, Scalar, YAMLMap, YAMLSeq } from "yaml";

/** A part of director.conf to be written. Every scalar is the text as it stands in the file. */
export type Written = string | WrittenList | WrittenMap;

export interface WrittenList {
  readonly kind: "list";
  readonly items: readonly Written[];
}

export interface WrittenMap {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, Written>;
  /** Lines above it. */
  readonly comment: readonly string[];
  /** On one line, if nothing below has a comment. */
  readonly flow: boolean;
}

/** What is undefined is left out. */
export type Entries = Readonly<Record<string, Written | undefined>>;

export function map(entries: Entries, comment: readonly string[] = []): WrittenMap {
  return { kind: "map", entries: given(entries), comment, flow: false };
}

export function flow(entries: Entries, comment: readonly string[] = []): WrittenMap {
  return { kind: "map", entries: given(entries), comment, flow: true };
}

function given(entries: Entries): ReadonlyMap<string, Written> {
  return new Map(
    Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  );
}

export function list(items: readonly Written[]): WrittenList {
  return { kind: "list", items };
}

/** Equal exactly for what means the same; comments do not count. */
export function sameText(value: Written): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value.kind === "list") return `[${value.items.map(sameText).join(",")}]`;
  return `{${[...value.entries].map(([key, each]) => `${JSON.stringify(key)}:${sameText(each)}`).join(",")}}`;
}

/** @param head lines of comment at the top of the file */
export function renderFile(root: WrittenMap, head: readonly string[]): string {
  const document = new Document(undefined, { schema: "failsafe" });
  document.contents = node(root, undefined) as YAMLMap<unknown, unknown> as never;
  document.commentBefore = commentText(head);
  return document.toString({ lineWidth: 0 });
}

function node(value: Written, comment: readonly string[] | undefined): Scalar | YAMLSeq | YAMLMap {
  if (typeof value === "string") return scalar(value);
  if (value.kind === "list") return sequence(value);
  const result = new YAMLMap();
  for (const [key, each] of value.entries) {
    const name = new Scalar(key);
    const child = node(each, undefined);
    if (typeof each !== "string" && each.kind === "map" && each.comment.length > 0 && !(each.flow && isPlain(each)))
      name.commentBefore = commentText(each.comment);
    result.add({ key: name, value: child } as never);
  }
  if (comment !== undefined && comment.length > 0) result.commentBefore = commentText(comment);
  result.flow = value.flow && isPlain(value);
  return result;
}

function sequence(value: WrittenList): YAMLSeq {
  const result = new YAMLSeq();
  for (const item of value.items)
    result.add(node(item, typeof item !== "string" && item.kind === "map" ? item.comment : undefined));
  result.flow = result.items.every((item) => isScalar(item));
  return result;
}

/** Whether nothing below needs lines of its own. */
function isPlain(value: Written): boolean {
  if (typeof value === "string") return true;
  if (value.kind === "list") return value.items.every((item) => isPlain(item) && !hasComment(item));
  return [...value.entries.values()].every((each) => isPlain(each) && !hasComment(each));
}

function hasComment(value: Written): boolean {
  return typeof value !== "string" && value.kind === "map" && value.comment.length > 0;
}

function scalar(text: string): Scalar {
  const result = new Scalar(text);
  // Plain, these would read as nothing at all.
  if (/^(~|null|Null|NULL)?$/.test(text)) result.type = "QUOTE_DOUBLE";
  return result;
}

function commentText(lines: readonly string[]): string {
  return lines.flatMap((line) => (line === "" ? [""] : wrapped(printable(line)))).join("\n");
}

const WIDTH = 130;

/** Broken between words; what goes on is indented. */
function wrapped(line: string): readonly string[] {
  const rows: string[] = [];
  let row = "";
  for (const word of line.split(" ")) {
    if (row.length + word.length > WIDTH && row.trim() !== "") {
      rows.push(row);
      row = `   ${word}`;
    } else row += ` ${word}`;
  }
  return [...rows, row];
}

/** One line that a terminal shows as it is; what stands in a comment comes from a file of others. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\u2028\u2029\ufeff]/gu, (c) => `\\x${c.codePointAt(0)!.toString(16).padStart(2, "0")}`);
}
