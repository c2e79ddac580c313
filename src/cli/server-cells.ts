import type { CheckStatus, ServerStatus } from "../control/shapes.ts";
import type { Cell } from "./columns.ts";
import type { Style } from "./output.ts";
import { age, nearTime } from "./times.ts";

/** `up 3h`, `DOWN 12m`. */
export function stateCell({ state, since }: ServerStatus, now: number): Cell {
  const lasting = since === undefined ? "" : ` ${age(now - since)}`;
  switch (state) {
    case "up":
      return { text: `up${lasting}`, style: "green" };
    case "presumed-up":
      return { text: `presumed up${lasting}`, style: "green" };
    case "no-check":
      return "no check";
    case "unknown":
      return { text: `not probed${lasting}`, style: "yellow" };
    case "down":
      return { text: `DOWN${lasting}`, style: "red" };
  }
}

/** `100`; where the weight in force is not the file's, both: `0/100`. */
export function weightNumbers({ weight, configuredWeight }: ServerStatus): string {
  return weight === configuredWeight ? String(weight) : `${weight}/${configuredWeight}`;
}

/** Why the weight in force is not the file's; what the kernel has where that differs still. */
export function weightNotes(server: ServerStatus, now: number): readonly string[] {
  const { weight, configuredWeight, rule, kernelWeight, takenOut, disabled } = server;
  const notes: string[] = [];
  // All weights of a service that is drained are made smaller together.
  if (weight !== configuredWeight || rule === "disabled") notes.push(rule === "configured" ? "scaled" : rule);
  if (disabled?.until !== undefined) notes.push(`until ${nearTime(disabled.until, now)}`);
  if (takenOut !== undefined) notes.push("taken out");
  else if (kernelWeight === undefined) notes.push("not in the table");
  else if (kernelWeight !== weight) notes.push(`kernel has ${kernelWeight}`);
  return notes;
}

/** `0/100 down`. */
export function weightCell(server: ServerStatus, now: number): Cell {
  const numbers = weightNumbers(server);
  const notes = weightNotes(server, now);
  if (notes.length === 0) return numbers;
  return { text: `${numbers} ${notes.join(", ")}`, style: weightStyle(server) };
}

export function weightStyle({ rule }: ServerStatus): Style {
  return rule === "down" || rule === "state-lost" ? "red" : "yellow";
}

/** The check that matters: a failing one before one that could not ask before one that passes. */
export function checkCell(checks: readonly CheckStatus[], now: number): Cell {
  const [first] = [...checks].sort((a, b) => rank(a) - rank(b));
  if (first === undefined) return "";
  const which = checks.length === 1 ? "" : `${first.check} `;
  const marks = [first.unchecked ? "UNCHECKED" : "", first.unproven ? "unproven" : ""].filter((mark) => mark !== "");
  const marked = marks.length === 0 ? "" : `${marks.join(", ")}: `;
  if (first.last === undefined) return { text: `${marked}${which}none yet`, style: "yellow" };
  const when = first.at === undefined ? "" : ` ${age(now - first.at)} ago`;
  // A pass needs no words, unless something else is wrong with it.
  const why = first.detail === undefined || first.detail === "" || first.last === "pass" ? "" : `: ${first.detail}`;
  const text = `${marked}${which}${first.last}${when}${why}`;
  if (first.last === "pass" && marks.length === 0) return text;
  return { text, style: first.last === "fail" ? "red" : "yellow" };
}

function rank(check: CheckStatus): number {
  if (check.last === "fail" || check.state === "down") return 0;
  if (check.last === "inconclusive" || check.unchecked) return 1;
  if (check.last === undefined || check.unproven) return 2;
  return 3;
}
