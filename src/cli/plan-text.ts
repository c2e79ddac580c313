import type { PlanReply } from "../control/shapes.ts";
import { type Cell, columns } from "./columns.ts";
import type { Paint, Style } from "./output.ts";

type Change = PlanReply["changes"][number];

/** A plan for people: service by service what is added, changed and taken away, then what else a reload does, last the sum. */
export function planText(plan: PlanReply, { paint }: { readonly paint: Paint }): readonly string[] {
  const { changes, standing, unproven, ends, refusals, restart, mode } = plan;
  const observing = mode === "observe";
  const list = (title: string, lines: readonly string[], style: Style = "yellow"): readonly string[] =>
    lines.length === 0 ? [] : ["", paint(style, title), ...lines.map((line) => `  ${line}`)];
  const differs = observing
    ? "table differs: director would write this, were it not observe mode"
    : "table differs already, whatever the file says (left alone, refused, or not written yet; see director status)";
  const lines = [
    ...grouped(changes, paint),
    ...(standing.length === 0
      ? []
      : ["", paint("yellow", differs), ...grouped(standing, paint).filter((l) => l !== "")]),
    ...list("new or changed checks: each takes nothing down until it has passed once", unproven),
    ...list("ends with this file:", ends),
    ...list("takes effect when director is restarted:", restart),
    ...list("the reload would be refused without --force:", refusals, "red"),
    ...(changes.length + standing.length + unproven.length + ends.length + refusals.length === 0 ? [] : [""]),
    summary(plan),
  ];
  return lines[0] === "" ? lines.slice(1) : lines;
}

/** The end of the text, and all of it where there is nothing to do. */
function summary({ changes, untouched, standing, mode, offline, refusals }: PlanReply): string {
  const count = (sign: Change["sign"]) => changes.filter((change) => change.sign === sign).length;
  const calm = `${untouched.length} ${untouched.length === 1 ? "service" : "services"} untouched`;
  if (changes.length === 0)
    return standing.length === 0 ? `nothing to change; ${calm}` : `the file changes nothing; ${calm}`;
  const who = offline ? "a start" : "a reload";
  const would = mode === "observe" ? `${who} would show, and not write (observe mode)` : `${who} would write`;
  const refused = refusals.length > 0 ? ", with --force only" : "";
  return `${would}${refused}: ${count("+")} to add, ${count("~")} to change, ${count("-")} to remove; ${calm}`;
}

const STYLE: Readonly<Record<Change["sign"], Style>> = { "+": "green", "~": "yellow", "-": "red" };

function grouped(changes: readonly Change[], paint: Paint): readonly string[] {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const title = `${paint("bold", change.service)}  ${change.frontend}`;
    groups.set(title, [...(groups.get(title) ?? []), change]);
  }
  return [...groups].flatMap(([title, lines], i) => {
    const rows = lines.map(({ sign, server, what }): readonly Cell[] => [
      { text: sign, style: STYLE[sign] },
      ...(server === undefined ? ["virtual service", "", what] : named(server, what)),
    ]);
    return [...(i === 0 ? [] : [""]), title, ...columns(rows, { paint, indent: "  " })];
  });
}

/** A server is often named by its address. */
function named({ name, address }: NonNullable<Change["server"]>, what: string): readonly Cell[] {
  return [name, name === address ? "" : address, what];
}
