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

export type Limited<T> =
  | { readonly kind: "done"; readonly value: T }
  /** Cut short, not for the first time: it is the text. */
  | { readonly kind: "stopped" }
  /** Not done: the first time may have been this machine's doing, and later ones have to wait for their turn. */
  | { readonly kind: "postponed" };

/** Does the work of one check, for LIMIT at most. The work may be abandoned at any point, so it must not keep anything. */
export type Bounded = <T>(work: () => T) => Limited<T>;

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

export function createBounded(): Bounded {
  let suspect = false;

  return <T>(work: () => T): Limited<T> => {
    const now = systemClock.now().mono;
    if (suspect && now < restUntil) return POSTPONED;
    stage ??= prepared();
    present = work;
    try {
      const value = stage() as T;
      suspect = false;
      return { kind: "done", value };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      restUntil = later(systemClock.now().mono, REST);
      const first = !suspect;
      suspect = true;
      return first ? POSTPONED : STOPPED;
    } finally {
      present = () => undefined;
    }
  };
}
