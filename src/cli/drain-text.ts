import type { DrainStatus } from "../control/shapes.ts";
import { formatDuration } from "../model/time.ts";
import { cut } from "./columns.ts";
import type { Paint } from "./output.ts";
import { age, clockTime, dateTime, percent, wait } from "./times.ts";

export interface Look {
  readonly paint: Paint;
  readonly width: number | undefined;
}

/** Still moves, or can. */
export function isRunning({ state }: DrainStatus): boolean {
  return state === "pending" || state === "shifting" || state === "paused" || state === "draining";
}

/** `web: old -> new`; without named servers the rest of the pool takes over. */
export function route({ from, to }: DrainStatus): string {
  return `${from.join(",")} -> ${to.length === 0 ? "the rest" : to.join(",")}`;
}

/** `[########............]`, filled as far as `share` (0 to 1) says; full only when it is 1. */
export function bar(share: number, width: number): string {
  const full = Math.floor(Math.min(1, Math.max(0, share)) * width + 1e-9);
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
}

/** Where a drain stands, in words that change only when it does, but for what is asked for with `live`: times and counts. */
export function standing(drain: DrainStatus, live: boolean): string {
  const { state, step, steps, nextInMs } = drain;
  const next = live && nextInMs !== undefined ? wait(nextInMs) : undefined;
  switch (state) {
    case "pending":
      return "waiting for the new to be healthy";
    case "shifting":
      return `step ${step}/${steps}${next === undefined ? "" : `, next in ${next}`}`;
    case "paused":
      return `PAUSED at step ${step}/${steps}${drain.pausedBy === undefined ? "" : ` (${drain.pausedBy})`}`;
    case "draining":
      return `all moved, waiting for open connections${next === undefined ? "" : `, ${next} at most`}`;
    case "done":
      return drain.left ? `done, its grace is over with ${drain.left} connections left` : "done, no connection left";
    case "rolled-back":
      return "rolled back";
    case "aborted":
      return `aborted at step ${step}/${steps}, shares stand`;
    case "failed":
      return "failed, nothing was changed";
  }
}

/** `40% asked, 39.6% given, 34 open on old, 2 templates`. */
function shares(drain: DrainStatus): string {
  const { asked, given, connections, from } = drain;
  const parts = [`${percent(asked)} asked`];
  if (given !== undefined) parts.push(`${percent(given)} given`);
  if (connections !== undefined)
    parts.push(`${connections} open on ${from.length > 2 ? `${from.length} olds` : from.join(",")}`);
  return [...parts, ...templates(drain)].join(", ");
}

/** Of persistence: clients that would come back to the olds. */
function templates({ templates: count }: DrainStatus): readonly string[] {
  return count ? [`${count} ${count === 1 ? "template" : "templates"}`] : [];
}

/** Of which machine's drains it is one; nothing for a drain by itself. */
function machine({ parent }: DrainStatus): readonly string[] {
  return parent ? [`machine ${parent.host} (${parent.id})`] : [];
}

/** What there is to say of a drain beside where it stands. */
export function notes(drain: DrainStatus): readonly string[] {
  return [...machine(drain), ...ttl(drain), ...templates(drain)];
}

function ttl({ ttlLeftMs }: DrainStatus): readonly string[] {
  return ttlLeftMs === undefined ? [] : [`undoes itself in ${wait(ttlLeftMs)}`];
}

/** Two lines, or three where there is more to say. */
export function drainLines(drain: DrainStatus, { paint, width }: Look): readonly string[] {
  const state = standing(drain, true);
  const marked = drain.state === "paused" || drain.state === "failed" ? paint("yellow", state) : state;
  const lines = [
    `${drain.id} ${paint("bold", drain.service)}: ${[route(drain), ...machine(drain)].join(", ")}: ${marked}`,
    `  ${bar(drain.asked, 20)} ${[shares(drain), ...ttl(drain)].join(", ")}`,
  ];
  const because = drain.reason === undefined ? "" : `: ${drain.reason}`;
  if (drain.state === "paused") lines.push(`  ${drain.message}`);
  lines.push(...drain.warnings.map((warning) => `  ${paint("yellow", "warning")}: ${warning}`));
  return because === "" ? lines : [...lines, cut(`  by ${drain.actor}${because}`, width ?? Number.POSITIVE_INFINITY)];
}

/** Everything about one drain. */
export function drainDetail(drain: DrainStatus, now: number, look: Look): readonly string[] {
  const because = drain.reason === undefined ? "" : `: ${drain.reason}`;
  const closing = drain.inactive ? `, ${drain.inactive} inactive` : "";
  const began = `begun ${age(now - drain.startedAt)} ago (${dateTime(drain.startedAt)}) by ${drain.actor}${because}`;
  return [
    `${drain.id} ${look.paint("bold", drain.service)}: ${[route(drain), ...machine(drain)].join(", ")}`,
    `  ${standing(drain, true)}`,
    `  ${bar(drain.asked, 20)} ${shares(drain)}${closing}`,
    `  ${pace(drain)}; ${began}`,
    ...ttl(drain).map((line) => `  ${line}`),
    `  ${drain.message}`,
    ...drain.warnings.map((warning) => `  ${look.paint("yellow", "warning")}: ${warning}`),
  ];
}

/** `20 steps, one every 30s`. */
export function pace({ steps, every }: Pick<DrainStatus, "steps" | "every">): string {
  return steps === 1 ? "1 step" : `${steps} steps, one every ${formatDuration(every)}`;
}

/** Of a service, where there has to be room for a bar beside it. */
const LONGEST_NAME = 24;

/** A line for each, drawn again and again; of several each says whose it is. */
export function progressLines(drains: readonly DrainStatus[], width: number): readonly string[] {
  if (drains.length === 1) return drains.map((drain) => progressLine(drain, width));
  const names = Math.min(LONGEST_NAME, Math.max(...drains.map(({ service }) => service.length)));
  return drains.map((drain) => `${cut(drain.service, names).padEnd(names)} ${progressLine(drain, width - names - 1)}`);
}

/** Never longer than `width`. */
export function progressLine(drain: DrainStatus, width: number): string {
  const { state, asked, given, connections, nextInMs } = drain;
  const parts: string[] = [];
  if (state === "draining") {
    parts.push("all moved", `${connections ?? "?"} still open`);
    if (nextInMs !== undefined) parts.push(`waiting up to ${wait(nextInMs)}`);
  } else {
    parts.push(standing(drain, true), `${percent(asked)} asked`);
    if (given !== undefined) parts.push(`${percent(given)} given`);
    if (connections !== undefined) parts.push(`${connections} open`);
  }
  parts.push(...templates(drain));
  return cut(`${bar(asked, 16)} ${parts.join(", ")}`, width);
}

/** A line of its own for each change, where nothing can be redrawn. */
export function changeLine(drain: DrainStatus, at: number): string {
  const text =
    isRunning(drain) && drain.state !== "pending"
      ? `${standing(drain, false)}: ${shares(drain)}`
      : standing(drain, false);
  return `${clockTime(at)} ${drain.service} ${route(drain)}: ${text}`;
}

/** What makes a new line. */
export function changeKey(drain: DrainStatus): string {
  return [drain.state, drain.step, drain.pausedBy ?? ""].join(" ");
}
