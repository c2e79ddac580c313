import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RAMP_STEPS, ramp } from "../../src/policy/slow-start.ts";
import { mono } from "./drains.ts";

describe("slow start", () => {
  const rows: readonly (readonly [why: string, elapsed: number, factor: number, next: number | undefined])[] = [
    ["a tenth at once", 0, 0.1, 3_000],
    ["until the next tenth is due", 2_999, 0.1, 3_000],
    ["a tenth more with each tenth of the time", 3_000, 0.2, 6_000],
    ["half way", 14_000, 0.5, 15_000],
    ["the last part", 26_999, 0.9, 27_000],
    ["all of it after nine tenths", 27_000, 1, undefined],
    ["and for good", 1e9, 1, undefined],
  ];
  for (const [why, elapsed, factor, next] of rows)
    test(why, () => {
      const { nextChangeAt, ...is } = ramp(30_000, mono(1_000), mono(1_000 + elapsed));
      assert.deepEqual(is, { factor });
      assert.equal(nextChangeAt, next === undefined ? undefined : 1_000 + next);
    });

  test("without slow_start, or without an outage that we saw, the whole weight is there at once", () => {
    assert.equal(ramp(undefined, mono(0), mono(1)).factor, 1);
    assert.equal(ramp(30_000, undefined, mono(1)).factor, 1);
  });

  test("it only grows, in at most ten steps, and says when it grows next", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 86_400_000 }), fc.integer({ min: 0, max: 1e9 }), (duration, at) => {
        const seen: number[] = [];
        for (let now = mono(at); ; ) {
          const { factor, nextChangeAt } = ramp(duration, mono(at), now);
          assert.ok(factor > (seen.at(-1) ?? 0), "it grows when it said it would");
          seen.push(factor);
          if (nextChangeAt === undefined) break;
          assert.ok(nextChangeAt > now);
          now = nextChangeAt;
        }
        assert.equal(seen.at(-1), 1);
        assert.ok(seen.length <= RAMP_STEPS);
      }),
    );
  });
});
