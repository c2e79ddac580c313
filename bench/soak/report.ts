import type { Inside } from "./inside.ts";

/** What /metrics says, since the start but for the last two. */
export interface Counts {
  readonly checks: number;
  readonly downs: number;
  readonly ups: number;
  readonly reloads: number;
  readonly refusedReloads: number;
  readonly drains: number;
  readonly runs: number;
  readonly lateMs: number;
  readonly lagMs: number;
}

/** At one moment. */
export interface Look extends Counts, Inside {
  readonly minute: number;
  readonly fds: number;
  readonly cpu: number;
  readonly handles: number;
  readonly allListeners: number;
}

/** The cells of a line, by their heading. */
export type Row = Readonly<Record<string, string>>;

/** Of one minute. Low and high are those of its looks; memory is their mean, the heap their least: after a collection, or near it. */
export const HEADING = [
  { name: "minute", width: 6 },
  { name: "RSS MB", width: 6 },
  { name: "heap MB", width: 7 },
  { name: "fds", width: 11 },
  { name: "handles", width: 11 },
  { name: "listeners", width: 11 },
  { name: "most", width: 4 },
  { name: "checks/s", width: 8 },
  { name: "down", width: 5 },
  { name: "up", width: 5 },
  { name: "reloads", width: 7 },
  { name: "drains", width: 6 },
  { name: "ipvsadm", width: 7 },
  { name: "late ms", width: 7 },
  { name: "CPU %", width: 5 },
] as const;

/** @param minute that ended with the last of `looks` */
export function rowOf(minute: number, looks: readonly Look[], before: Look): Row {
  const end = looks.at(-1)!;
  const all = (pick: (look: Look) => number): readonly number[] => looks.map(pick);
  const range = (pick: (look: Look) => number) => `${Math.min(...all(pick))}-${Math.max(...all(pick))}`;
  const seconds = (end.minute - before.minute) * 60;
  const average = (pick: (look: Look) => number) => all(pick).reduce((sum, value) => sum + value, 0) / looks.length;
  return {
    minute: String(minute),
    "RSS MB": (average((look) => look.rss) / 1e6).toFixed(1),
    "heap MB": (Math.min(...all((look) => look.heapUsed)) / 1e6).toFixed(1),
    fds: range((look) => look.fds),
    handles: range((look) => look.handles),
    listeners: range((look) => look.allListeners),
    most: String(Math.max(...all((look) => look.mostListeners))),
    "checks/s": ((end.checks - before.checks) / seconds).toFixed(0),
    down: String(end.downs - before.downs),
    up: String(end.ups - before.ups),
    reloads: String(end.reloads),
    drains: String(end.drains),
    ipvsadm: String(end.runs - before.runs),
    "late ms": Math.max(...all((look) => look.lateMs)).toFixed(0),
    "CPU %": (((end.cpu - before.cpu) / seconds) * 100).toFixed(0),
  };
}

/** What must not grow, with how much of it in ten minutes is still taken for noise. */
export const WATCHED: readonly {
  readonly name: string;
  readonly of: (look: Look) => number;
  /** The least of each minute counts: what is under way at a look comes and goes. */
  readonly least: boolean;
  readonly allowed: (mean: number) => number;
}[] = [
  { name: "RSS, kB", of: (look) => look.rss / 1000, least: false, allowed: (mean) => Math.max(0.02 * mean, 5_000) },
  {
    name: "heap used, kB",
    of: (look) => look.heapUsed / 1000,
    least: true,
    allowed: (mean) => Math.max(0.05 * mean, 5_000),
  },
  { name: "open files", of: (look) => look.fds, least: true, allowed: (mean) => Math.max(0.02 * mean, 10) },
  { name: "handles", of: (look) => look.handles, least: true, allowed: (mean) => Math.max(0.02 * mean, 10) },
  { name: "listeners", of: (look) => look.allListeners, least: true, allowed: (mean) => Math.max(0.02 * mean, 10) },
  { name: "warnings of Node", of: (look) => look.warnings, least: true, allowed: () => 0 },
];

export function lineOf(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padStart(HEADING[i]!.width)).join("  ");
}
