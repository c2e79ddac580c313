import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Wrr, wrr } from "../../src/kernel/wrr.ts";

/** A service that got these servers one after another, as `ipvsadm -a` adds them. */
function serviceOf(
  weights: Readonly<Record<string, number>>,
): { set(name: string, weight: number): void } & Wrr<string> {
  const scheduler = wrr<string>();
  const held = new Map<string, number>();
  const set = (name: string, weight: number): void => {
    held.set(name, weight);
    scheduler.changed(Array.from(held, ([key, weight]) => ({ key, weight })).reverse());
  };
  for (const [name, weight] of Object.entries(weights)) set(name, weight);
  return { ...scheduler, set };
}

function take(service: Wrr<string>, count: number): string {
  return Array.from({ length: count }, () => service.next() ?? "-").join("");
}

function counts(text: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of text) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

// Every number below was counted on Linux 6.1 with real connections.
describe("wrr as the kernel has it", () => {
  for (const [a, b, asGot] of [
    [99, 1, { A: 198, B: 2 }],
    [90, 10, { A: 180, B: 20 }],
    [75, 25, { A: 150, B: 50 }],
    [50, 50, { A: 100, B: 100 }],
    [1, 99, { A: 2, B: 198 }],
    [65_534, 1, { A: 199, B: 1 }],
  ] as const)
    test(`200 connections at ${a}:${b}`, () => {
      assert.deepEqual(counts(take(serviceOf({ A: a, B: b }), 200)), asGot);
    });

  test("three servers at 3:1:0, and nobody at all weight 0", () => {
    assert.deepEqual(counts(take(serviceOf({ A: 3, B: 1, C: 0 }), 60)), { A: 45, B: 15 });
    assert.equal(take(serviceOf({ A: 0, B: 0 }), 3), "---");
    assert.equal(take(serviceOf({}), 1), "-");
  });

  test("the first connection goes to the server added last", () => {
    assert.equal(take(serviceOf({ A: 1, B: 1, C: 1 }), 6), "CBACBA");
    assert.equal(take(serviceOf({ A: 90, B: 10 }), 1), "B");
  });

  test("a cycle is sum/gcd long: 90:10 is over after 10 connections, 89:11 after 100, most of one's in one run", () => {
    assert.equal(take(serviceOf({ A: 90, B: 10 }), 20), "BAAAAAAAAABAAAAAAAAA");
    assert.equal(take(serviceOf({ A: 89, B: 11 }), 41), `B${"A".repeat(40)}`);
    assert.equal(take(serviceOf({ A: 10, B: 5 }), 9), "BAABAABAA");
    const heavyFirst = take(serviceOf({ A: 100, B: 51 }), 60);
    assert.equal(heavyFirst, `B${"A".repeat(50)}${"BA".repeat(5)}`.slice(0, 50) + heavyFirst.slice(50));
    assert.match(heavyFirst.slice(50), /^A?(BA)+B?$/);
  });

  test("an edit before every connection gives all of them to the newest, whatever the weights", () => {
    const service = serviceOf({ A: 90, B: 10 });
    const got = Array.from({ length: 60 }, () => {
      service.set("A", 90);
      return service.next();
    });
    assert.deepEqual(counts(got.join("")), { B: 60 });
  });

  for (const [perStep, asGot] of [
    [1, { N: 20 }],
    [2, { O: 19, N: 21 }],
    [3, { O: 25, N: 35 }],
    [7, { O: 66, N: 74 }],
    [30, { O: 288, N: 312 }],
  ] as const)
    test(`a drain in 20 steps with ${perStep} connections a step`, () => {
      const service = serviceOf({ O: 100, N: 0 });
      let got = "";
      for (let step = 1; step <= 20; step++) {
        service.set("N", 5 * step);
        service.set("O", 100 - 5 * step);
        got += take(service, perStep);
      }
      assert.deepEqual(counts(got), asGot);
    });

  test("a service edited down to one server and up again goes on", () => {
    const service = serviceOf({ A: 100, B: 100 });
    service.set("B", 0);
    assert.equal(take(service, 3), "AAA");
    service.set("A", 0);
    assert.equal(take(service, 2), "--");
    service.set("A", 1);
    service.set("B", 1);
    assert.deepEqual(counts(take(service, 10)), { A: 5, B: 5 });
  });
});
