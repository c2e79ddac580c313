import { Unreachable } from "../control/client.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";
import { type Context, pause } from "./context.ts";
import { wait } from "./times.ts";

/** A daemon that is being restarted is back within seconds. */
const PATIENCE_MS: Millis = 120_000;
const RETRY_EVERY_MS: Millis = 500;

/** For commands that wait: asks again while nobody answers, says so once, and gives up after `patienceMs` in a row. What may not be done twice must
 *  not be asked this way. */
export function patient({ out, clock, signal }: Context, patienceMs: Millis = PATIENCE_MS) {
  let lostAt: MonotonicMs | undefined;
  return async function ask<T>(once: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await once();
        if (lostAt !== undefined) out.warn("director is back");
        lostAt = undefined;
        return answer;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        const now = clock.now().mono;
        if (lostAt === undefined)
          out.warn(`connection to director lost (${error.message}); trying again for up to ${wait(patienceMs)}`);
        lostAt ??= now;
        if (now - lostAt >= patienceMs) throw error;
      }
      await pause(clock, RETRY_EVERY_MS, signal);
      signal.throwIfAborted();
    }
  };
}
