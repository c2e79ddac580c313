import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CALM, type FlapState, holdFor, isHeld, released, wentDown } from "../../src/health/flap.ts";
import type { FlapDamping } from "../../src/model/service.ts";
import type { MonotonicMs } from "../../src/model/time.ts";

const MINUTE = 60_000;
const DAMPING: FlapDamping = { count: 3, within: 10 * MINUTE, hold: 5 * MINUTE, max: 60 * MINUTE };
/** Not zero: a machine that has just booted is another case. */
const BOOTED = 1_000 * MINUTE;

const at = (minute: number) => (BOOTED + minute * MINUTE) as MonotonicMs;
const downAt = (minutes: readonly number[], damping = DAMPING, from = CALM): FlapState =>
  minutes.reduce((state, minute) => wentDown(state, damping, at(minute)), from);
/** In minutes; undefined: not held after the last of them. */
const heldUntil = (minutes: readonly number[], damping = DAMPING): number | undefined => {
  const state = downAt(minutes, damping);
  return isHeld(state, at(minutes.at(-1)!)) ? (state.until! - BOOTED) / MINUTE : undefined;
};

describe("a server that goes down", () => {
  const table: readonly [what: string, minutes: readonly number[], heldUntil: number | undefined][] = [
    ["once is not held", [0], undefined],
    ["twice is not held", [0, 1], undefined],
    ["three times is held from the third on", [0, 1, 2], 7],
    ["three times in just ten minutes is held", [0, 5, 10], 15],
    ["three times in more than ten minutes is not", [0, 5, 10.01], undefined],
    ["seldom enough is never held", [0, 6, 12, 18, 24, 30], undefined],
    ["again during its hold is held as long as before", [0, 1, 2, 3], 7],
    ["three times more during its hold is held twice as long", [0, 1, 2, 3, 4, 5], 15],
    ["three times more after its hold is held twice as long", [0, 1, 2, 8, 9, 10], 20],
    ["and four times as long the third time", [0, 1, 2, 8, 9, 10, 21, 22, 23], 43],
    ["begins anew when it was up for ten minutes after its hold", [0, 1, 2, 17.1, 18, 19], 24],
    ["does not when it was up for less", [0, 1, 2, 16.9, 18, 19], 29],
    ["twice after its hold is not held again", [0, 1, 2, 8, 9], undefined],
  ];
  for (const [what, minutes, until] of table) test(what, () => assert.equal(heldUntil(minutes), until));

  test("is held for an hour at most", () => {
    const often = Array.from({ length: 60 }, (_, i) => i);
    assert.equal(heldUntil(often), 59 + 60);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 2_000].map((holds) => holdFor(DAMPING, holds) / MINUTE),
      [5, 10, 20, 40, 60, 60, 60],
    );
  });

  test("soon after the machine booted is counted like any other", () => {
    const early = (ms: number) => ms as MonotonicMs;
    const state = [0, 1_000, 2_000].reduce((s, ms) => wentDown(s, DAMPING, early(ms)), CALM);
    assert.equal(isHeld(state, early(2_000)), true);
  });
});

describe("an operator's word", () => {
  test("ends the hold, and what was counted before it", () => {
    const free = released(downAt([0, 1, 2, 3, 4]), at(4));
    assert.equal(isHeld(free, at(4)), false);
    assert.deepEqual([free.downs, free.holds, free.until], [[], 0, at(4)]);
    assert.equal(isHeld(downAt([5, 6], DAMPING, free), at(6)), false);
    assert.equal(downAt([5, 6, 7], DAMPING, free).until, at(12));
  });
  test("about one that is not held only forgets", () => {
    assert.deepEqual(released(downAt([0, 1]), at(2)), CALM);
  });
});

describe("laws", () => {
  const damping = fc.record({
    count: fc.integer({ min: 2, max: 6 }),
    within: fc.integer({ min: 1, max: 20 }).map((m) => m * MINUTE),
    hold: fc.integer({ min: 1, max: 10 }).map((m) => m * MINUTE),
    max: fc.integer({ min: 10, max: 60 }).map((m) => m * MINUTE),
  });
  /** Minutes between one and the next. */
  const gaps = fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 60 });
  const moments = gaps.map((all) => {
    let now = 0;
    return all.map((gap) => {
      now += gap;
      return now;
    });
  });
  const runs = { numRuns: 500 };

  test("a hold ends in the future, `max` away at most, and never earlier than it was to end before", () => {
    fc.assert(
      fc.property(damping, moments, (d, minutes) => {
        let state = CALM;
        for (const minute of minutes) {
          const next = wentDown(state, d, at(minute));
          if (next.holds > state.holds || (next.until !== state.until && next.until !== undefined)) {
            assert.ok(next.until! > at(minute));
            assert.ok(next.until! <= Math.max(at(minute) + d.max, state.until ?? 0));
          }
          if (isHeld(state, at(minute))) assert.ok(next.until! >= state.until!);
          state = next;
        }
      }),
      runs,
    );
  });

  test("who never goes down `count` times within `within` is never held", () => {
    fc.assert(
      fc.property(damping, moments, (d, minutes) => {
        const ms = minutes.map(at);
        const often = ms.some((from) => ms.filter((t) => t >= from && t - from <= d.within).length >= d.count);
        if (!often) assert.equal(downAt(minutes, d).until, undefined);
        else assert.ok(downAt(minutes, d).until !== undefined || ms.length > d.count);
      }),
      runs,
    );
  });

  test("what is remembered does not grow", () => {
    fc.assert(
      fc.property(damping, moments, (d, minutes) => assert.ok(downAt(minutes, d).downs.length < d.count)),
      runs,
    );
  });

  test("after a hold and `within` without going down it is as if nothing had been", () => {
    fc.assert(
      fc.property(damping, moments, (d, minutes) => {
        const state = downAt(minutes, d);
        const later = (Math.max(state.until ?? 0, at(minutes.at(-1)!)) + d.within + 1) as MonotonicMs;
        assert.deepEqual(wentDown(state, d, later), wentDown(CALM, d, later));
      }),
      runs,
    );
  });
});
