import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** Lets only so many begin at a time what is dear to begin. Whoever comes first goes first. */
export interface Turns {
  /** Calls `begin`, now if there is a place, else when one is free, with how long that took. The returned function gives the place back, or
   *  leaves the queue; calling it again changes nothing. */
  take(begin: (waited: Millis) => void): () => void;
}

interface Place {
  readonly begin: (waited: Millis) => void;
  readonly asked: MonotonicMs;
  since: MonotonicMs;
}

/** @param places 1 or more
 *  @param hold after which a place is free for others though it was not given back: those who wait for somebody else hold up nobody for long */
export function createTurns(places: number, hold: Millis, clock: Clock): Turns {
  /** Both in order of coming. */
  const taken = new Set<Place>();
  const queue = new Set<Place>();
  let watching = false;

  function enter(place: Place, now: MonotonicMs): void {
    place.since = now;
    taken.add(place);
    place.begin(now - place.asked);
  }

  function leave(place: Place): void {
    queue.delete(place);
    if (taken.delete(place)) fill();
  }

  function fill(): void {
    const now = clock.now().mono;
    for (const place of queue) {
      if (taken.size >= places) break;
      queue.delete(place);
      enter(place, now);
    }
    watch();
  }

  /** While somebody waits, the place that was taken first falls free after `hold`. */
  function watch(): void {
    const [oldest] = taken;
    if (watching || queue.size === 0 || oldest === undefined) return;
    watching = true;
    clock.after(later(oldest.since, hold) - clock.now().mono, () => {
      watching = false;
      const { mono } = clock.now();
      for (const place of taken) if (mono - place.since >= hold) taken.delete(place);
      fill();
    });
  }

  return {
    take(begin) {
      const now = clock.now().mono;
      const place: Place = { begin, asked: now, since: now };
      if (taken.size < places && queue.size === 0) enter(place, now);
      else {
        queue.add(place);
        watch();
      }
      return () => leave(place);
    },
  };
}
