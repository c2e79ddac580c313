import type { DrainStatus, ServerStatus, ServiceStatus, StatusReply } from "../../control/shapes.ts";
import { census, censusLine } from "../census.ts";
import { cut } from "../columns.ts";
import { isRunning, progressLines } from "../drain-text.ts";
import type { Paint, Style } from "../output.ts";
import { checkCell, stateCell, weightNotes, weightNumbers, weightStyle } from "../server-cells.ts";
import { age, clockTime } from "../times.ts";
import { type RateHistory, sparkline } from "./rates.ts";
import { type Row, rowsOf } from "./rows.ts";
import { HELP, type View } from "./view.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Picture {
  readonly status: StatusReply;
  /** The time that is shown; ages go by it. */
  readonly now: number;
  readonly rates: RateHistory;
  readonly view: View;
  /** Why nobody answers, and for how long; undefined: somebody does. */
  readonly lost: { readonly silentMs: number; readonly why: string } | undefined;
  readonly unicode: boolean;
  readonly paint: Paint;
}

export interface Drawn {
  readonly lines: readonly string[];
  /** Rows of the table that fit, and that there are. */
  readonly page: number;
  readonly rows: number;
}

/** Problems and drains that stand above the table: on a small screen it has most of the room. */
const roomAbove = (rows: number): number => Math.max(1, Math.floor(rows / 6));

/** The whole screen, no line longer and not more lines than it has. */
export function screen(picture: Picture, size: Size): Drawn {
  const { view } = picture;
  const table = rowsOf(picture.status.services, view);
  const above = [...headLines(picture, size), ...problemLines(picture, size), ...drainLines(picture, size)];
  const page = Math.max(1, size.rows - above.length - 2);
  const offset = Math.max(0, Math.min(view.offset, table.length - page));
  const shown = view.help
    ? HELP.slice(0, page + 1).map((line) => cut(line, size.columns))
    : tableLines(table, table.slice(offset, offset + page), picture, size);
  const fill = Array.from({ length: Math.max(0, size.rows - above.length - shown.length - 1) }, () => "");
  const lines = [...above, ...shown, ...fill].slice(0, size.rows - 1);
  return { lines: [...lines, footLine(view, offset, page, table.length, picture, size)], page, rows: table.length };
}

/** A line of texts with marks, cut where the screen ends. */
interface Part {
  readonly text: string;
  readonly style?: Style | undefined;
}

function painted(parts: readonly Part[], width: number, paint: Paint): string {
  let left = width;
  let line = "";
  for (const { text, style } of parts) {
    if (left <= 0) break;
    const fits = cut(text, left);
    left -= fits.length;
    line += style === undefined ? fits : paint(style, fits);
  }
  return line;
}

function headLines({ status, now, lost, view, paint }: Picture, { columns }: Size): readonly string[] {
  const { version, mode, startedAt, table, ready, services, freezes } = status;
  const clock = `${view.held ? "HELD " : ""}${clockTime(now)}`;
  const title: readonly Part[] = [
    { text: `director ${version}`, style: "bold" },
    { text: `, up ${age(now - startedAt)}` },
    ...(mode === "observe" ? [{ text: ", OBSERVE MODE", style: "yellow" as const }] : []),
    ...(freezes.length > 0 ? [{ text: ", FROZEN", style: "red" as const }] : []),
    ...(ready ? [] : [{ text: ", STARTING", style: "yellow" as const }]),
    ...(table.inSync ? [] : [{ text: ", table NOT IN SYNC", style: "red" as const }]),
  ];
  const length = title.reduce((sum, { text }) => sum + text.length, 0);
  const gap = " ".repeat(Math.max(1, columns - length - clock.length));
  const first = painted(
    [...title, { text: gap }, { text: clock, style: view.held ? "yellow" : undefined }],
    columns,
    paint,
  );
  if (lost) {
    const text = `NO ANSWER from director for ${age(lost.silentMs)}: ${lost.why}; trying again`;
    return [first, paint("red", cut(text, columns))];
  }
  const plain = censusLine(census(services), (_, text) => text);
  return [first, plain.length > columns ? cut(plain, columns) : censusLine(census(services), paint)];
}

function problemLines({ status: { problems }, paint }: Picture, { columns, rows }: Size): readonly string[] {
  const room = roomAbove(rows);
  const shown = problems.length <= room ? problems : problems.slice(0, Math.max(1, room - 1));
  const lines = shown.map(({ severity, message }) =>
    painted([{ text: "! ", style: severity === "error" ? "red" : "yellow" }, { text: message }], columns, paint),
  );
  const more = problems.length - shown.length;
  return more === 0 ? lines : [...lines, paint("yellow", cut(`! and ${more} more problems: director status`, columns))];
}

function drainLines({ status, paint }: Picture, { columns, rows }: Size): readonly string[] {
  const running: readonly DrainStatus[] = status.drains.filter(isRunning);
  if (running.length === 0) return [];
  const room = roomAbove(rows);
  const shown = running.length <= room ? running : running.slice(0, Math.max(1, room - 1));
  const names = Math.min(24, Math.max(...shown.map(({ service }) => service.length)));
  const lines = progressLines(shown, columns - (shown.length === 1 ? names + 1 : 0)).map((line) =>
    shown.length === 1 ? `${cut(shown[0]!.service, names)} ${line}` : line,
  );
  const more = running.length - shown.length;
  return [...lines, ...(more === 0 ? [] : [cut(`and ${more} more drains: director drain list`, columns)])].map((line) =>
    paint("cyan", line),
  );
}

interface Cells {
  readonly name: string;
  readonly state: string;
  readonly weight: string;
  readonly open: string;
  readonly rate: string;
}

const HEADING: Cells = { name: "", state: "state", weight: "weight", open: "act/in", rate: "conn/s" };
const LONGEST_STATE = 16;

/** Heading and rows; columns are as wide as all rows need, shown or not, so that nothing jumps while they are scrolled. */
function tableLines(
  all: readonly Row[],
  shown: readonly Row[],
  picture: Picture,
  { columns }: Size,
): readonly string[] {
  const { view, now, paint } = picture;
  const grouped = view.order === "file";
  const heads = { ...HEADING, name: grouped ? "server" : "service server" };
  const longest = { name: heads.name.length, state: 5, weight: 6, open: 6, rate: 6 };
  for (const row of all) {
    if (row.kind === "service") continue;
    const cells = cellsOf(row.server, nameOf(row, grouped), now);
    for (const key of ["name", "state", "weight", "open", "rate"] as const)
      longest[key] = Math.max(longest[key], cells[key].length);
  }
  const widths = {
    ...longest,
    name: Math.min(longest.name, columns < 100 ? 24 : 44),
    state: Math.min(longest.state, LONGEST_STATE),
  };
  const used = widths.name + widths.state + widths.weight + widths.open + widths.rate + 10;
  const layout = { widths, left: Math.max(0, columns - used), columns };
  const heading = fixed(heads, widths);
  return [
    paint(
      "dim",
      cut(`${heading.map(({ text }) => text).join("")}${layout.left > 30 ? "new connections, notes" : ""}`, columns),
    ),
    ...shown.map((row) =>
      row.kind === "service" ? serviceLine(row.service, picture, columns) : serverLine(row, picture, layout),
    ),
  ];
}

function nameOf({ service, server }: Extract<Row, { kind: "server" }>, grouped: boolean): string {
  return grouped ? `  ${server.name}` : `${service.name} ${server.name}`;
}

function cellsOf(server: ServerStatus, name: string, now: number): Cells & { readonly style: Style | undefined } {
  const state = stateCell(server, now);
  const { active, inactive, connectionsPerSecond } = server;
  return {
    name,
    state: typeof state === "string" ? state : state.text,
    style: typeof state === "string" ? undefined : state.style,
    weight: weightNumbers(server),
    open: active === undefined ? "-" : `${active}/${inactive ?? 0}`,
    rate: connectionsPerSecond === undefined ? "-" : String(connectionsPerSecond),
  };
}

type Widths = Readonly<Record<keyof Cells, number>>;

function fixed(cells: Cells, widths: Widths, state?: Style, weight?: Style): readonly Part[] {
  return [
    { text: `${cut(cells.name, widths.name).padEnd(widths.name)}  ` },
    { text: `${cut(cells.state, widths.state).padEnd(widths.state)}  `, style: state },
    { text: `${cells.weight.padEnd(widths.weight)}  `, style: weight },
    { text: `${cells.open.padStart(widths.open)}  ${cells.rate.padStart(widths.rate)}  ` },
  ];
}

interface Layout {
  readonly widths: Widths;
  /** Columns that are left for what has no fixed width. */
  readonly left: number;
  readonly columns: number;
}

function serverLine(
  row: Extract<Row, { kind: "server" }>,
  picture: Picture,
  { widths, left, columns }: Layout,
): string {
  const { now, paint, rates, unicode, view } = picture;
  const { service, server } = row;
  const cells = cellsOf(server, nameOf(row, view.order === "file"), now);
  const notes = weightNotes(server, now);
  const style = notes.length > 0 ? weightStyle(server) : undefined;
  const parts = [...fixed(cells, widths, cells.style, style)];
  const check = checkCell(server.checks, now);
  const words = typeof check === "string" ? check : check.text;
  // Who is down gets nothing new: the reason is what there is to see.
  if (server.state === "down") {
    const why = [server.reason ?? words, ...notes.filter((note) => note !== "down")].join(", ");
    return painted([...parts, { text: why, style: "red" }], columns, paint).trimEnd();
  }
  const why = [...notes, ...(typeof check === "string" ? [] : [check.text])].join(", ");
  const spark = left >= WIDE_SPARK + 20 ? WIDE_SPARK : Math.min(left, SPARK);
  const room = left - spark - 2;
  const note: Part = { text: why === "" ? words : why, style: why === "" ? "dim" : "yellow" };
  // Where there is no room for both, words come first that say what is wrong.
  if (why !== "" && room < LEAST_NOTE) return painted([...parts, note], columns, paint).trimEnd();
  parts.push({ text: sparkline(rates.of(service.name, server.address), spark, unicode), style: "green" });
  if (room >= LEAST_NOTE) parts.push({ text: "  " }, note);
  return painted(parts, columns, paint).trimEnd();
}

const SPARK = 12;
const WIDE_SPARK = 24;
/** Less than this of a note says nothing. */
const LEAST_NOTE = 10;

function serviceLine(service: ServiceStatus, { rates, unicode, now, paint }: Picture, columns: number): string {
  const { name, scheduler, frontends, connectionsPerSecond, frozen, trouble } = service;
  const vips = frontends.length > 2 ? `${frontends[0]} and ${frontends.length - 1} more` : frontends.join(", ");
  const spark = sparkline(rates.of(name), columns < 100 ? SPARK : WIDE_SPARK, unicode);
  const parts: Part[] = [
    { text: name, style: "bold" },
    { text: `  ${scheduler}  ${vips}` },
    ...(connectionsPerSecond === undefined
      ? []
      : [{ text: `  ${connectionsPerSecond}/s ` }, { text: spark, style: "green" as const }]),
    ...(frozen ? [{ text: `  FROZEN for ${age(frozen.until - now)}`, style: "yellow" as const }] : []),
    ...(trouble === undefined ? [] : [{ text: `  ${trouble.toUpperCase()}`, style: "red" as const }]),
  ];
  // What is wrong must not be cut off.
  const [head, rest] = [parts.slice(0, 1), parts.slice(1)];
  return painted(trouble === undefined && !frozen ? parts : [...head, ...rest.toReversed()], columns, paint).trimEnd();
}

function footLine(
  view: View,
  offset: number,
  page: number,
  rows: number,
  { paint }: Picture,
  { columns }: Size,
): string {
  const last = Math.min(rows, offset + page);
  const where = rows === 0 ? "nothing fits" : `${offset + 1}-${last} of ${rows}`;
  const chosen = [
    `by ${view.order}${view.inverted ? " (inverted)" : ""}`,
    ...(view.onlyTroubled ? ["problems only"] : []),
    ...(view.filter !== "" || view.typing ? [`/${view.filter}${view.typing ? "_" : ""}`] : []),
  ].join(", ");
  const keys = view.typing ? "Enter done  Esc all" : "? help  / filter  p problems  f s o r n order  q leave";
  const right = `${chosen}  ${where}`;
  const gap = columns - keys.length - right.length;
  const text = gap >= 2 ? `${keys}${" ".repeat(gap)}${right}` : right.padStart(columns);
  return paint("dim", cut(text, columns));
}
