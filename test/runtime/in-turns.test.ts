import assert from "node:assert/strict";
import { test } from "node:test";
import { atOnce, type Steps } from "../../src/model/steps.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { inTurns } from "../../src/runtime/in-turns.ts";
import { fakeClock } from "../support/fake-clock.ts";

function* counted(steps: number, busyMs: number): Steps<number> {
  for (let i = 0; i < steps; i++) {
    const until = performance.now() + busyMs;
    while (performance.now() < until);
    yield;
  }
  return steps;
}

test("long work lets others have their turn, and comes to the same", async () => {
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  assert.equal(await inTurns(counted(60, 2), systemClock), 60);
  clearInterval(others);
  assert.ok(turns >= 5, `${turns} turns of others`);
  assert.equal(atOnce(counted(60, 0)), 60);
});

test("short work is done at once", async () => {
  let turns = 0;
  const others = setImmediate(() => turns++);
  assert.equal(await inTurns(counted(100, 0), fakeClock()), 100);
  assert.equal(turns, 0);
  clearImmediate(others);
});

test("what goes wrong in it goes to who asked", async () => {
  const broken = function* (): Steps<never> {
    yield;
    throw new Error("broken");
  };
  await assert.rejects(inTurns(broken(), systemClock), /broken/);
});
