import type { Steps } from "../model/steps.ts";
import type { Millis } from "../model/time.ts";
import type { Clock } from "./clock.ts";

/** Long enough to be worth the change, short enough that no probe starts noticeably late. */
const TURN_MS: Millis = 8;

/** As many steps at a time as take a few milliseconds; in between everything else has its turn. */
export async function inTurns<T>(work: Steps<T>, clock: Clock): Promise<T> {
  let until = clock.now().mono + TURN_MS;
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    if (clock.now().mono < until) continue;
    await new Promise<void>((resolve) => void clock.after(0, resolve));
    until = clock.now().mono + TURN_MS;
  }
}
