import { createContext, Script } from "node:vm";
import { formatDuration, later, type Millis, type MonotonicMs } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";

/*
 * Work on what a server sent which, for some texts, never ends: regular expressions backtrack, and /ok.*ready/ takes a second for 64 KiB of "ok".
 * All checks run on one thread, so such work is cut short from another one: V8 stops it even in the middle of a match.
 */

/** No honest reply comes near it. */
const LIMIT: Millis = 50;
export const LIMIT_WORDS = formatDuration(LIMIT);

/** After work was cut short, such work of checks that had theirs cut before waits this long: altogether they take a twentieth of the time. */
const REST: Millis = 20 * LIMIT;

/** The limit is one of the wall clock, and runs out also while this thread has no processor. Work that had less than this is begun again. */
const ENOUGH: Millis = 10;
/** So often at most. */
const TRIES = 3;

export type Limited<T> =
  | { readonly kind: "done"; readonly value: T }
  /** Cut short, for it took all that time. */
  | { readonly kind: "stopped" }
  /** Not done: too busy a machine, or it has to wait for its turn after such work was cut short. */
  | { readonly kind: "postponed" };

/** Does the work of one check, for LIMIT at most. The work may be abandoned at any point, so it must not keep anything. */
export interface Bounded {
  <T>(work: () => T): Limited<T>;
  /** Whether the last of it was cut short. */
  readonly wasCutShort: () => boolean;
}

const POSTPONED = Object.freeze({ kind: "postponed" });
const STOPPED = Object.freeze({ kind: "stopped" });

let restUntil = 0 as MonotonicMs;
let present: () => unknown = () => undefined;
let stage: (() => unknown) | undefined;

/** Only a script of its own can be run with a limit. */
function prepared(): () => unknown {
  const context = createContext({ run: () => present() });
  const script = new Script("run()");
  return () => script.runInContext(context, { timeout: LIMIT });
}

function attempt<T>(work: () => T): Limited<T> {
  stage ??= prepared();
  present = work;
  const { user: before } = process.threadCpuUsage();
  try {
    return { kind: "done", value: stage() as T };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    const took = (process.threadCpuUsage().user - before) / 1000;
    return took < ENOUGH ? POSTPONED : STOPPED;
  } finally {
    present = () => undefined;
  }
}

export function createBounded(): Bounded {
  let suspect = false;

  const bounded = <T>(work: () => T): Limited<T> => {
    if (suspect && systemClock.now().mono < restUntil) return POSTPONED;
    let result = attempt(work);
    for (let tries = 1; result.kind === "postponed" && tries < TRIES; tries++) result = attempt(work);
    suspect = result.kind === "stopped";
    if (suspect) restUntil = later(systemClock.now().mono, REST);
    return result;
  };
  return Object.assign(bounded, { wasCutShort: () => suspect });
}
