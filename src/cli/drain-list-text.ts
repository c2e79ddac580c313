import type { DrainStatus } from "../control/shapes.ts";
import { type Cell, columns } from "./columns.ts";
import { type Look, notes, route } from "./drain-text.ts";
import { age, percent } from "./times.ts";

/** A row for each drain, newest last; below them their warnings. */
export function drainTable(drains: readonly DrainStatus[], now: number, { paint, width }: Look): readonly string[] {
  if (drains.length === 0) return ["no drains"];
  const noted = drains.some((drain) => notes(drain).length > 0);
  const heading = ["id", "service", "begun", "step", "asked", "given", "state", "from -> to"];
  if (noted) heading.push("notes");
  const rows = drains.map((d): readonly Cell[] => [
    d.id,
    d.service,
    `${age(now - d.startedAt)} ago`,
    `${d.step}/${d.steps}`,
    percent(d.asked),
    d.given === undefined ? "-" : percent(d.given),
    stateCell(d),
    route(d),
    ...(noted ? [notes(d).join(", ")] : []),
  ]);
  const dim = heading.map((text): Cell => ({ text, style: "dim" }));
  return [
    ...columns([dim, ...rows], { paint, width, right: new Set([3, 4, 5]) }),
    ...drains.flatMap(({ id, warnings }) => warnings.map((text) => `${id}: ${paint("yellow", "warning")}: ${text}`)),
  ];
}

function stateCell({ state, pausedBy, left }: DrainStatus): Cell {
  switch (state) {
    case "paused":
      return { text: `PAUSED ${pausedBy ?? ""}`.trimEnd(), style: "yellow" };
    case "failed":
    case "rolled-back":
      return { text: state, style: "red" };
    case "done":
      return left ? `done, ${left} left` : "done";
    default:
      return state;
  }
}
