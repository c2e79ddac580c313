import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTurns } from "../../src/probe/turns.ts";
import { fakeClock } from "../support/fake-clock.ts";

function setup(places: number) {
  const clock = fakeClock();
  const turns = createTurns(places, 100, clock);
  const begun: string[] = [];
  const take = (name: string) => turns.take((waited) => begun.push(`${name} after ${waited}`));
  return { clock, begun, take };
}

describe("turns", () => {
  test("begin at once while there are places, then in order as places are given back", () => {
    const { begun, take } = setup(2);
    const [a, b] = [take("a"), take("b")];
    take("c");
    take("d");
    assert.deepEqual(begun, ["a after 0", "b after 0"]);
    b();
    assert.deepEqual(begun.slice(2), ["c after 0"]);
    a();
    a();
    assert.deepEqual(begun.slice(3), ["d after 0"]);
  });

  test("whoever leaves the queue does not begin", () => {
    const { begun, take } = setup(1);
    const a = take("a");
    take("b")();
    take("c");
    a();
    assert.deepEqual(begun, ["a after 0", "c after 0"]);
  });

  test("a place that is not given back is free for others after the holding time", async () => {
    const { clock, begun, take } = setup(2);
    take("a");
    await clock.advance(60);
    take("b");
    take("c");
    take("d");
    await clock.advance(39);
    assert.equal(begun.length, 2);
    await clock.advance(1);
    assert.deepEqual(begun.slice(2), ["c after 40"]);
    await clock.advance(60);
    assert.deepEqual(begun.slice(3), ["d after 100"]);
  });

  test("giving back late, after others took over, gives no place twice", async () => {
    const { clock, begun, take } = setup(1);
    const a = take("a");
    take("b");
    await clock.advance(100);
    a();
    take("c");
    assert.deepEqual(begun, ["a after 0", "b after 100"]);
  });

  test("no timer stays armed once nobody waits", async () => {
    const { clock, take } = setup(1);
    const a = take("a");
    const b = take("b");
    assert.equal(clock.armed(), 1);
    a();
    b();
    await clock.advance(1000);
    assert.equal(clock.armed(), 0);
  });
});
