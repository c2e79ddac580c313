import { Unreachable } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";
import { type Context, pause } from "./context.ts";
import { lookAgain, type Watched } from "./drain-find.ts";
import { drainScreen } from "./drain-screen.ts";
import { patient } from "./patience.ts";

/** How a drain that was waited for ended. */
export const DRAIN_EXIT = { idle: 0, connectionsLeft: 3, undone: 4, paused: 5 } as const;
/** Of several drains the worst counts: the first of these. */
const WORST_FIRST: readonly number[] = [DRAIN_EXIT.undone, DRAIN_EXIT.paused, DRAIN_EXIT.connectionsLeft];
/** 128 and the signal's number, as shells have it. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

/** A pause that ends by itself, one way or the other, is waited for this long: longer than a new server may be down by default (60s). */
export const PAUSE_PATIENCE_MS: Millis = 120_000;

/** Shows drains until each has ended or is paused for good, or somebody has seen enough (Ctrl-C: they go on without us). Returns the exit code. */
export async function waitForDrains(
  context: Context,
  first: Watched,
  patienceMs: Millis = PAUSE_PATIENCE_MS,
): Promise<number> {
  const { clock, signal, abort } = context;
  const ask = patient(context);
  const screen = drainScreen(context);
  const interrupted = catchSignals(abort);
  const pausedFor = pauseTimer();
  let watched = first;
  try {
    for (;;) {
      screen.show(watched);
      const now = clock.now().mono;
      const exits = watched.drains.map((drain) => exitOf(drain, pausedFor(drain, now), patienceMs));
      if (exits.every((exit) => exit !== undefined)) {
        screen.end(watched, exits);
        return worst(exits);
      }
      await pause(clock, lookEvery(watched.drains), signal);
      signal.throwIfAborted();
      watched = await ask(() => lookAgain(context, watched));
    }
  } catch (error) {
    const by = interrupted.by();
    if (by === undefined && !(error instanceof Unreachable)) {
      screen.close();
      throw error;
    }
    screen.leave(first);
    if (by === undefined) throw error;
    return INTERRUPTED[by];
  } finally {
    interrupted.forget();
  }
}

/** undefined: wait on. */
export function exitOf(drain: DrainStatus, pausedFor: Millis, patienceMs = PAUSE_PATIENCE_MS): number | undefined {
  switch (drain.state) {
    case "pending":
    case "shifting":
    case "draining":
      return undefined;
    case "paused":
      return needsSomebody(drain) || pausedFor >= patienceMs ? DRAIN_EXIT.paused : undefined;
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
  return pausedBy === "operator" || pausedBy === "pause-at" || pausedBy === "restart" || pausedBy === "config-changed";
}

/** The exit code of several drains together. */
export function worst(exits: readonly number[]): number {
  return WORST_FIRST.find((exit) => exits.includes(exit)) ?? DRAIN_EXIT.idle;
}

/** How long a drain has been seen paused; 0 when it is not. */
function pauseTimer(): (drain: DrainStatus, now: MonotonicMs) => Millis {
  const since = new Map<string, MonotonicMs>();
  return ({ id, state }, now) => {
    if (state !== "paused") since.delete(id);
    else if (!since.has(id)) since.set(id, now);
    return now - (since.get(id) ?? now);
  };
}

/** Often enough to see every step. */
function lookEvery(drains: readonly DrainStatus[]): Millis {
  const moving = drains.filter(({ state }) => state === "pending" || state === "shifting");
  const shortest = Math.min(WAITING_LOOK_MS * 4, ...moving.map(({ every }) => every));
  return Math.max(100, shortest / 4);
}

/** While nothing moves. */
const WAITING_LOOK_MS: Millis = 500;

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
