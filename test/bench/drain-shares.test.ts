import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { drawing } from "../../bench/drain-shares.ts";
import { director, naive, offBy, type Scenario, simulate } from "../../bench/wrr-simulation.ts";

test("docs/drain-shares.svg is what bench/drain-shares.ts draws", () => {
  const drawn = readFileSync(join(import.meta.dirname, "../../docs/drain-shares.svg"), "utf8");
  assert.equal(drawn, drawing(), "run: node bench/drain-shares.ts");
});

test("what the drawing shows holds for other pools as well: director's weights are off by less than a third on average", () => {
  const pools: readonly (readonly [old: number, others: readonly number[]])[] = [
    [97, []],
    [70, [90]],
    [89, [11]],
    [85, [100]],
    [70, [90, 45]],
  ];
  for (const [old, others] of pools) {
    const scenario: Scenario = { old, others, steps: 20, everySec: 30, rate: 5, window: 50 };
    const ours = offBy(scenario, simulate(scenario, director));
    const theirs = offBy(scenario, simulate(scenario, naive));
    assert.ok(ours.mean * 3 < theirs.mean, `${old}, ${others}: ${ours.mean} against ${theirs.mean} points`);
    // Of 50 connections 6: less than two cycles of some weights, so the order within one shows.
    assert.ok(ours.worst < 12, `${old}, ${others}: ${ours.worst} points`);
  }
});
