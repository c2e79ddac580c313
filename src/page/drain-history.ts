import type { DrainStatus } from "../control/shapes.ts";
import { type DrainPoint, isRunning } from "./pieces.ts";

/** A drain of a thousand steps, each paused and gone on with. */
const MOST_POINTS = 2_000;

export interface DrainHistories {
  /** Whether it is to be taken down: it moves, or has just stopped to. */
  wants(id: string, running: boolean): boolean;
  take(drains: readonly DrainStatus[], now: number): void;
  of(id: string): readonly DrainPoint[];
  /** Forgets all others. */
  keep(ids: ReadonlySet<string>): void;
}

/** How the shares of drains came to be, as far as this process has seen it. */
export function drainHistories(): DrainHistories {
  const points = new Map<string, readonly DrainPoint[]>();
  return {
    wants(id, running) {
      const last = points.get(id)?.at(-1);
      return running || (last !== undefined && isRunning(last.state));
    },
    take(drains, now) {
      for (const { id, state, asked, given } of drains) {
        const known = points.get(id) ?? [];
        const last = known.at(-1);
        if (last?.state === state && last.asked === asked && last.given === given) continue;
        points.set(id, [...known.slice(1 - MOST_POINTS), { at: now, state, asked, given }]);
      }
    },
    of: (id) => points.get(id) ?? [],
    keep(ids) {
      for (const id of points.keys()) if (!ids.has(id)) points.delete(id);
    },
  };
}
