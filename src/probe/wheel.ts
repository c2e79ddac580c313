import type { MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** Everything due within one tick starts together: a wake-up costs more than a check, and a timer each three times as much. */
export const TICK_MS = 10;
const SLOTS = 1024;

/** Something with one next time to be looked at. */
export interface WheelItem {
  /** Absolute tick of the next look; set by the wheel. An entry of another tick is stale and passed over. */
  tick: number;
}

export interface Wheel<T extends WheelItem> {
  /** Sets, or moves, the item's one next look: at the first tick that is not before `at`. */
  schedule(item: T, at: MonotonicMs): void;
  cancel(item: T): void;
  stop(): void;
}

/** A hashed timing wheel on absolute time. Calls `onDue(item, now)` for each item whose time has come; sleeps until the next occupied slot,
 *  so that an idle daemon does not wake a hundred times a second. `onTick` follows each round of calls. */
export function createWheel<T extends WheelItem>(
  clock: Clock,
  onDue: (item: T, now: MonotonicMs) => void,
  onTick: (now: MonotonicMs) => void,
): Wheel<T> {
  const slots: { tick: number; item: T }[][] = Array.from({ length: SLOTS }, () => []);
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
    for (let tick = from; tick <= present; tick++) visit(slots[tick % SLOTS]!, present, now);
    onTick(now);
    if (running) sleep(present);
  }

  function visit(slot: { tick: number; item: T }[], present: number, now: MonotonicMs): void {
    let kept = 0;
    const length = slot.length;
    for (let i = 0; i < length; i++) {
      const entry = slot[i]!;
      if (entry.item.tick !== entry.tick) continue;
      if (entry.tick > present) {
        slot[kept++] = entry;
        continue;
      }
      entry.item.tick = -1;
      onDue(entry.item, now);
    }
    // What onDue put into this very slot belongs to a later round and stands behind `length`.
    for (let i = length; i < slot.length; i++) slot[kept++] = slot[i]!;
    slot.length = kept;
  }

  function sleep(present: number): void {
    for (let ahead = 1; ahead <= SLOTS; ahead++) {
      if (slots[(present + ahead) % SLOTS]!.length === 0) continue;
      if (present + ahead < wakeTick) arm(present + ahead);
      return;
    }
  }

  return {
    schedule(item, at) {
      const tick = Math.max(Math.ceil(at / TICK_MS), done + 1);
      if (item.tick === tick) return;
      item.tick = tick;
      slots[tick % SLOTS]!.push({ tick, item });
      if (tick < wakeTick && running) arm(tick);
    },
    cancel(item) {
      item.tick = -1;
    },
    stop() {
      running = false;
      disarm();
    },
  };
}
