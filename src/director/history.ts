import { isActive } from "../policy/drain.ts";
import type { Intent } from "../policy/intent.ts";

/** Drains that ended and left nothing behind are kept for the list, this many. */
export const KEPT_DRAINS = 100;

/** The document without the oldest of what is only history. */
export function pruned(intent: Intent): Intent {
  const history = intent.drains.filter((d) => !isActive(d) && d.result === undefined);
  if (history.length <= KEPT_DRAINS) return intent;
  const gone = new Set(history.slice(0, history.length - KEPT_DRAINS));
  return { ...intent, drains: intent.drains.filter((d) => !gone.has(d)) };
}
