import { apiPath, Unreachable } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import { formatDuration, type Millis, type MonotonicMs } from "../model/time.ts";
import { type Context, EXIT, pause } from "./context.ts";
import { changeKey, changeLine, isRunning, progressLine, route } from "./drain-text.ts";
import { patient } from "./patience.ts";

/** How a drain that was waited for ended. */
export const DRAIN_EXIT = { idle: 0, connectionsLeft: 3, undone: 4, paused: 5 } as const;
/** 128 and the signal's number, as shells have it. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

/** A pause that ends by itself, one way or the other, is waited for this long: longer than a new server may be down (60s). */
const PAUSE_PATIENCE_MS: Millis = 120_000;
const CLEAR_LINE = "\r\x1b[K";

/** Shows a drain until it has ended, is paused for good, or somebody has seen enough (Ctrl-C: it goes on without us). Returns the exit code. */
export async function waitForDrain(context: Context, first: DrainStatus): Promise<number> {
  const { client, clock, signal, abort } = context;
  const ask = patient(context);
  const screen = progress(context);
  const interrupted = catchSignals(abort);
  let drain = first;
  let pausedSince: MonotonicMs | undefined;
  try {
    for (;;) {
      screen.show(drain);
      const now = clock.now().mono;
      pausedSince = drain.state === "paused" ? (pausedSince ?? now) : undefined;
      const exit = exitOf(drain, pausedSince === undefined ? 0 : now - pausedSince);
      if (exit !== undefined) {
        screen.end(drain, exit);
        return exit;
      }
      await pause(clock, lookEvery(drain), signal);
      signal.throwIfAborted();
      drain = (await ask(() => client.get<DrainStatus>(apiPath("drains", first.id), signal))).body;
    }
  } catch (error) {
    const by = interrupted.by();
    if (by === undefined && !(error instanceof Unreachable)) {
      screen.close();
      throw error;
    }
    screen.leave(first.id);
    if (by === undefined) throw error;
    return INTERRUPTED[by];
  } finally {
    interrupted.forget();
  }
}

/** undefined: wait on. */
export function exitOf(drain: DrainStatus, pausedFor: Millis): number | undefined {
  switch (drain.state) {
    case "pending":
    case "shifting":
    case "draining":
      return undefined;
    case "paused":
      return needsSomebody(drain) || pausedFor >= PAUSE_PATIENCE_MS ? DRAIN_EXIT.paused : undefined;
    case "done":
      return drain.left ? DRAIN_EXIT.connectionsLeft : DRAIN_EXIT.idle;
    case "rolled-back":
    case "aborted":
    case "failed":
      return DRAIN_EXIT.undone;
  }
}

/** Others end by themselves: the new comes up or everything goes back, the disk has room again. */
function needsSomebody({ pausedBy }: DrainStatus): boolean {
  return pausedBy === "operator" || pausedBy === "restart" || pausedBy === "config-changed";
}

/** Often enough to see every step. */
function lookEvery({ every }: DrainStatus): Millis {
  return Math.min(1_000, Math.max(100, every / 4));
}

interface Screen {
  show(drain: DrainStatus): void;
  end(drain: DrainStatus, exit: number): void;
  /** We stop looking, the drain goes on. */
  leave(id: string): void;
  /** Something went wrong, which is told elsewhere. */
  close(): void;
}

/** On a terminal one line that is drawn again and again, for programs a value a line, elsewhere a line for each change. */
function progress(context: Context): Screen {
  if (context.json)
    return { ...lineScreen(context), show: changesOnly((drain) => context.out.print(JSON.stringify(drain))) };
  return context.out.tty ? terminalScreen(context) : lineScreen(context);
}

function terminalScreen({ out }: Context): Screen {
  let begun = false;
  const fresh = freshWarnings();
  return {
    show(drain) {
      if (!begun) out.print(`${beginning(drain)}; Ctrl-C stops watching, not the drain`);
      begun = true;
      for (const warning of fresh(drain)) out.print(`${CLEAR_LINE}${out.paint("yellow", "warning")}: ${warning}`);
      out.write(`${CLEAR_LINE}${progressLine(drain, (out.columns() ?? 80) - 1)}`);
    },
    end(drain) {
      out.print(`${CLEAR_LINE}${drain.message}`);
      out.warn(...whatNow(drain));
    },
    leave(id) {
      out.print("");
      out.warn(...farewell(id));
    },
    close: () => out.print(""),
  };
}

function lineScreen({ out, clock }: Context): Screen {
  let begun = false;
  const fresh = freshWarnings();
  const change = changesOnly((drain) => out.print(changeLine(drain, clock.now().epoch)));
  return {
    show(drain) {
      if (!begun) out.warn(`${beginning(drain)}; ${follow(drain.id)}`);
      begun = true;
      out.warn(...fresh(drain).map((warning) => `warning: ${warning}`));
      change(drain);
    },
    end(drain, exit) {
      if (exit !== EXIT.ok) out.warn(drain.message, ...whatNow(drain));
    },
    leave: (id) => out.warn(...farewell(id)),
    close: () => {},
  };
}

function changesOnly(print: (drain: DrainStatus) => void): (drain: DrainStatus) => void {
  let shown: string | undefined;
  return (drain) => {
    if (changeKey(drain) !== shown) print(drain);
    shown = changeKey(drain);
  };
}

/** Each warning once; one that differs in its numbers only is the same. */
function freshWarnings(): (drain: DrainStatus) => readonly string[] {
  const said = new Set<string>();
  const kind = (warning: string) => warning.replace(/\d+(\.\d+)?/g, "#");
  return ({ warnings }) => {
    const fresh = warnings.filter((warning) => !said.has(kind(warning)));
    for (const warning of fresh) said.add(kind(warning));
    return fresh;
  };
}

function beginning(drain: DrainStatus): string {
  const pace = drain.steps === 1 ? "1 step" : `${drain.steps} steps, one every ${formatDuration(drain.every)}`;
  return `drain ${drain.id}: ${drain.service}: ${route(drain)}, ${pace}`;
}

function whatNow(drain: DrainStatus): readonly string[] {
  if (!isRunning(drain)) return [];
  return [`go on with: director drain resume ${drain.id}; go back with: director drain rollback ${drain.id}`];
}

function follow(id: string): string {
  return `follow it with: director drain status ${id} --wait`;
}

function farewell(id: string): readonly string[] {
  return [
    `director: no longer watching; drain ${id} goes on by itself`,
    `  ${follow(id)}`,
    `  hold it with: director drain pause ${id}; undo it with: director drain rollback ${id}`,
  ];
}

type Stop = keyof typeof INTERRUPTED;

function catchSignals(abort: () => void) {
  let by: Stop | undefined;
  const names: readonly Stop[] = ["SIGINT", "SIGTERM"];
  const listeners = names.map((name) => {
    const listener = () => {
      by = name;
      abort();
    };
    process.once(name, listener);
    return () => void process.off(name, listener);
  });
  return {
    by: () => by,
    forget: () => {
      for (const off of listeners) off();
    },
  };
}
