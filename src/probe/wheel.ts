import type { MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** Everything due within one tick starts together: a wake-up costs more than a check, and a timer each three times as much. */
export const TICK_MS = 10;
const SLOTS = 1024;
/** So many are looked at in one go; then what has come in has its turn. After a hold-up everything at once would have thousands under way together: none
 *  of them ends before all have begun, and all outlive V8's nursery. 10,000 servers over HTTP with a connection each never caught up. */
const PORTION = 200;

/** A place in a ring; a ring without members is its own neighbour. */
interface Place {
  previous: Place;
  next: Place;
}

/** Something with one next time to be looked at. It stands in its slot's ring itself: no entry to be made for each look, and none left behind to wake up
 *  for when it is moved. */
export interface WheelItem extends Place {
  /** Absolute tick of the next look, -1 without one; set by the wheel. */
  tick: number;
}

export interface Wheel<T extends WheelItem> {
  /** Sets, or moves, the item's one next look: at the first tick that is not before `at`. */
  schedule(item: T, at: MonotonicMs): void;
  cancel(item: T): void;
  stop(): void;
}

function emptyRing(): Place {
  const ring = {} as Place;
  ring.previous = ring;
  ring.next = ring;
  return ring;
}

/** Both neighbours of an item that was never scheduled. */
export const NOWHERE: Place = emptyRing();

function enter(ring: Place, place: Place): void {
  const last = ring.previous;
  place.previous = last;
  place.next = ring;
  last.next = place;
  ring.previous = place;
}

function leave({ previous, next }: Place): void {
  previous.next = next;
  next.previous = previous;
}

/** Makes all of one ring the last members of another. */
function moveAll(from: Place, to: Place): void {
  if (from.next === from) return;
  to.previous.next = from.next;
  from.next.previous = to.previous;
  from.previous.next = to;
  to.previous = from.previous;
  from.previous = from;
  from.next = from;
}

/** A hashed timing wheel on absolute time. Calls `onDue(item, now)` for each item whose time has come; sleeps until the next occupied slot,
 *  so that an idle daemon does not wake a hundred times a second. `onTick` follows each round of calls. */
export function createWheel<T extends WheelItem>(
  clock: Clock,
  onDue: (item: T, now: MonotonicMs) => void,
  onTick: (now: MonotonicMs) => void,
): Wheel<T> {
  const slots: readonly Place[] = Array.from({ length: SLOTS }, emptyRing);
  /** Whose time has come. */
  const visited = emptyRing();
  let done = Math.floor(clock.now().mono / TICK_MS);
  let wakeTick = Number.POSITIVE_INFINITY;
  let disarm: () => void = () => {};
  let running = true;

  function arm(tick: number): void {
    disarm();
    wakeTick = tick;
    // One millisecond more: a timer may fire a fraction early, and would then find nothing due.
    disarm = clock.after(tick * TICK_MS - clock.now().mono + 1, turn);
  }

  function turn(): void {
    wakeTick = Number.POSITIVE_INFINITY;
    const now = clock.now().mono;
    const present = Math.floor(now / TICK_MS);
    // After a long block every slot needs one look, not one for each tick missed.
    const from = Math.max(done + 1, present - SLOTS + 1);
    // Set first: what onDue schedules must land behind the slots of this turn.
    done = Math.max(done, present);
    for (let tick = from; tick <= present; tick++) moveAll(slots[tick % SLOTS]!, visited);
    visit(present, now);
    onTick(now);
    if (running) sleep(present);
  }

  function visit(present: number, now: MonotonicMs): void {
    for (let looks = 0; looks < PORTION && visited.next !== visited; looks++) {
      const item = visited.next as T;
      leave(item);
      if (item.tick > present) enter(slots[item.tick % SLOTS]!, item);
      else {
        item.tick = -1;
        onDue(item, now);
      }
    }
  }

  function sleep(present: number): void {
    if (visited.next !== visited) {
      arm(present);
      return;
    }
    for (let ahead = 1; ahead <= SLOTS; ahead++) {
      const slot = slots[(present + ahead) % SLOTS]!;
      if (slot.next === slot) continue;
      if (present + ahead < wakeTick) arm(present + ahead);
      return;
    }
  }

  return {
    schedule(item, at) {
      const tick = Math.max(Math.ceil(at / TICK_MS), done + 1);
      if (item.tick === tick) return;
      if (item.tick !== -1) leave(item);
      item.tick = tick;
      enter(slots[tick % SLOTS]!, item);
      if (tick < wakeTick && running) arm(tick);
    },
    cancel(item) {
      if (item.tick !== -1) leave(item);
      item.tick = -1;
    },
    stop() {
      running = false;
      disarm();
    },
  };
}
