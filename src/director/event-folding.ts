import { eventName } from "../model/event-words.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import type { DirectorEvent, NewEvent, Severity } from "./events.ts";

/** Whether this event is folded into another one, which `emit` gets later. */
export type Fold = (event: DirectorEvent, emit: (summary: NewEvent) => void) => boolean;

/** More of the same than this in a second become one with counts. */
export const MOST_A_SECOND = 20;
const WINDOW_MS: Millis = 1_000;
/** Names and reasons are told apart up to so many, the others are one: a reason may have a number of its own for each server. */
const MOST_TOLD_APART = 100;
/** Reasons and services that are named, the most frequent ones. */
const MOST_NAMED = 3;

/** What comes in masses when a switch fails, ten thousand servers start, or somebody empties the table. What operators said and what drains do
 *  is never folded. */
const FOLDED: ReadonlySet<string> = new Set(["server", "check", "service", "weight", "drift", "reconcile"]);

interface Window {
  readonly beganAt: MonotonicMs;
  /** Those that were let through. */
  passed: number;
  held: Held | undefined;
}

/** What is held back, counted. */
interface Held {
  readonly first: DirectorEvent;
  count: number;
  severity: Severity;
  readonly froms: Map<string, number>;
  readonly reasons: Map<string, number>;
  readonly services: Map<string, number>;
}

export interface Folding {
  readonly fold: Fold;
  /** What is held back is told at once: nothing comes after. */
  flush(): void;
}

/** Lets the first twenty a second of each name through (`server.down` and `server.up` are two); those beyond become one event when the second is
 *  over. As long as that goes on there is one a second, and none by itself. */
export function createFolding(clock: Pick<Clock, "now" | "after">): Folding {
  const windows = new Map<string, Window>();
  /** Of windows that hold something back. */
  const closers = new Set<() => void>();

  function opened(name: string, passed: number): Window {
    const window = { beganAt: clock.now().mono, passed, held: undefined };
    windows.set(name, window);
    return window;
  }

  function close(name: string, { count, ...held }: Held, emit: (summary: NewEvent) => void): void {
    windows.delete(name);
    if (count > MOST_A_SECOND) opened(name, MOST_A_SECOND);
    emit(summary({ count, ...held }));
  }

  function hold(name: string, window: Window, event: DirectorEvent, emit: (summary: NewEvent) => void): void {
    const held = empty(event);
    window.held = held;
    add(held, event);
    const end = () => {
      disarm();
      closers.delete(end);
      close(name, held, emit);
    };
    const disarm = clock.after(later(window.beganAt, WINDOW_MS) - clock.now().mono, end);
    closers.add(end);
  }

  return {
    fold(event, emit) {
      if (!FOLDED.has(event.kind)) return false;
      // A weight is another number each time.
      const name = event.kind === "weight" ? event.kind : eventName(event);
      const known = windows.get(name);
      const isOver = !known?.held && clock.now().mono >= later(known?.beganAt ?? NEVER, WINDOW_MS);
      const window = known === undefined || isOver ? opened(name, 0) : known;
      if (window.held) add(window.held, event);
      else if (window.passed >= MOST_A_SECOND) hold(name, window, event, emit);
      else {
        window.passed++;
        return false;
      }
      return true;
    },
    flush() {
      for (const end of [...closers]) end();
    },
  };
}

const NEVER = Number.NEGATIVE_INFINITY as MonotonicMs;

function empty(first: DirectorEvent): Held {
  return { first, count: 0, severity: first.severity, froms: new Map(), reasons: new Map(), services: new Map() };
}

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, error: 2 };

function add(held: Held, { severity, from, reason, service }: DirectorEvent): void {
  held.count++;
  if (RANK[severity] > RANK[held.severity]) held.severity = severity;
  tally(held.froms, from);
  tally(held.reasons, reason);
  tally(held.services, service);
}

const OTHERS = "other";

function tally(counts: Map<string, number>, key: string | undefined): void {
  if (key === undefined) return;
  const name = counts.has(key) || counts.size < MOST_TOLD_APART ? key : OTHERS;
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function summary({ first, count, severity, froms, reasons, services }: Held): NewEvent {
  // One that came late is no mass: it says all it has to say.
  if (count === 1) {
    const { seq: _, at: __, ...same } = first;
    return same;
  }
  const { kind, to } = first;
  const whose = single(services);
  const from = single(froms);
  const why = ranked(reasons);
  const change = kind === "weight" || to === undefined ? "" : ` ${from === undefined ? "" : `${from} `}-> ${to}`;
  const parts = [
    `${count} more within a second: ${kind}${change}`,
    ...(why.length === 0 ? [] : [counted(why)]),
    ...(whose === undefined && services.size > 0
      ? [
          `in ${services.has(OTHERS) ? `more than ${MOST_TOLD_APART}` : services.size} services: ${counted(ranked(services))}`,
        ]
      : []),
  ];
  return {
    kind,
    severity,
    message: `${whose === undefined ? "" : `${whose}: `}${parts.join("; ")}`,
    count,
    ...(whose === undefined ? {} : { service: whose }),
    ...(from === undefined || kind === "weight" ? {} : { from }),
    ...(to === undefined || kind === "weight" ? {} : { to }),
    ...(why[0] === undefined ? {} : { reason: why[0][0] }),
  };
}

function single(counts: ReadonlyMap<string, number>): string | undefined {
  return counts.size === 1 ? counts.keys().next().value : undefined;
}

function ranked(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** `connection refused (9000), timed out after 2s (980), other (20)`. */
function counted(all: readonly (readonly [string, number])[]): string {
  const named = all.filter(([name]) => name !== OTHERS).slice(0, MOST_NAMED);
  const sum = (some: typeof all) => some.reduce((total, [, count]) => total + count, 0);
  const rest = sum(all) - sum(named);
  return [...named, ...(rest === 0 ? [] : [[OTHERS, rest] as const])]
    .map(([name, count]) => `${name} (${count})`)
    .join(", ");
}
