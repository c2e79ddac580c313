import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRefusals, type Refusals } from "../../src/director/refusals.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsChange } from "../../src/ipvs/table.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { mono } from "../policy/drains.ts";

const SERVICE = "-A -t 192.0.2.10:80 -s wrr";
const server = (n: number, weight = 1) => `-a -t 192.0.2.10:80 -r 10.0.0.${n}:80 -m -w ${weight}`;
const changes = (...lines: readonly string[]): readonly IpvsChange[] => lines.map(parseRule);
const lines = (all: readonly IpvsChange[]) => all.map(ruleLine);

/** One pass: tries what may be tried, of which `refused` does not come about. Returns what was tried. */
function pass(
  refusals: Refusals,
  wanted: readonly string[],
  refused: readonly string[],
  now: number,
): readonly string[] {
  const tried = refusals.due(changes(...wanted), mono(now));
  if (tried.length > 0)
    refusals.settle(
      tried,
      changes(...wanted.filter((line) => refused.includes(line) || !lines(tried).includes(line))),
      refused.map((line) => `${line}: Memory allocation problem`),
      mono(now),
    );
  return lines(tried);
}

describe("what the kernel refuses", () => {
  test("is tried again after 1, 2, 4 … 60 seconds", () => {
    const refusals = createRefusals();
    const tries: number[] = [];
    for (let now = 0; now <= 300_000; now += 500)
      if (pass(refusals, [server(1)], [server(1)], now).length > 0) tries.push(now);
    assert.deepEqual(tries, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
  });

  test("keeps nobody else waiting", () => {
    const refusals = createRefusals();
    assert.deepEqual(pass(refusals, [server(1), server(2)], [server(1)], 0), [server(1), server(2)]);
    assert.deepEqual(pass(refusals, [server(1), server(3)], [server(1)], 500), [server(3)]);
  });

  test("is named with what ipvsadm said of that very line, not of one that begins alike", () => {
    const refusals = createRefusals();
    const [one, ten] = changes(server(1, 1), server(1, 10));
    const fresh = refusals.settle([one!], [one!], [`${server(1, 10)}: wrong`, `${server(1, 1)}: right`], mono(0));
    assert.equal(fresh[0]!.reason, `${server(1, 1)}: right`);
    assert.notDeepEqual(lines([one!]), lines([ten!]));
  });

  test("without a word: the table does not show it", () => {
    const [change] = changes(server(1));
    assert.equal(createRefusals().settle([change!], [change!], [], mono(0))[0]!.reason, "the table does not show it");
  });

  test("is told once, and keeps its time and its count", () => {
    const refusals = createRefusals();
    const [change] = changes(server(1));
    assert.equal(refusals.settle([change!], [change!], [], mono(0)).length, 1);
    assert.equal(refusals.settle([change!], [change!], [], mono(1_000)).length, 0);
    const [item] = refusals.list();
    assert.deepEqual([item!.since, item!.attempts, item!.retryAt], [0, 2, 3_000]);
  });

  test("is forgotten once it came about, or is not wanted any more", () => {
    const refusals = createRefusals();
    pass(refusals, [server(1)], [server(1)], 0);
    pass(refusals, [server(1)], [], 1_000);
    assert.deepEqual(refusals.list(), []);
    pass(refusals, [server(1), server(2)], [server(1), server(2)], 2_000);
    assert.deepEqual(pass(refusals, [server(2)], [server(2)], 2_500), []);
    assert.deepEqual(
      refusals.list().map((r) => ruleLine(r.change)),
      [server(2)],
    );
    assert.deepEqual(pass(refusals, [], [], 2_600), []);
    assert.deepEqual(refusals.list(), []);
  });

  test("another weight is another attempt", () => {
    const refusals = createRefusals();
    pass(refusals, [server(1, 5)], [server(1, 5)], 0);
    assert.deepEqual(pass(refusals, [server(1, 6)], [], 100), [server(1, 6)]);
  });

  test("servers of a refused service wait with it, and are no refusals of their own", () => {
    const refusals = createRefusals();
    const wanted = [SERVICE, server(1), server(2)];
    const all = changes(...wanted);
    refusals.settle(all, all, [`${SERVICE}: Scheduler or persistence engine not found`], mono(0));
    assert.deepEqual(
      refusals.list().map((r) => ruleLine(r.change)),
      [SERVICE],
    );
    assert.deepEqual(refusals.due(all, mono(999)), []);
    assert.deepEqual(lines(refusals.due(all, mono(1_000))), wanted);
  });

  test("the next look is the next time that is to come: what is due and still waits for something else is no reason to hurry", () => {
    const refusals = createRefusals();
    pass(refusals, [server(1)], [server(1)], 0);
    assert.equal(refusals.nextAt(mono(0)), 1_000);
    assert.equal(refusals.nextAt(mono(1_000)), undefined);
    pass(refusals, [server(1), server(2)], [server(2)], 500);
    assert.equal(refusals.nextAt(mono(1_000)), 1_500);
  });
});
