import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRepairs, FIGHT_WINDOW_MS } from "../../src/director/repairs.ts";
import { driftBetween } from "../../src/ipvs/drift.ts";
import type { IpvsTable } from "../../src/ipvs/table.ts";
import { mono } from "../policy/drains.ts";
import { linesBetween, web } from "../support/tables.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const OURS = web(`${A} 100`, `${B} 100`);
const THEIRS = web(`${A} 7`, `${B} 100`);
const REPAIR = [`-e -t 192.0.2.10:80 -r ${A} -m -w 100`];

function bench(mode: { value: "repair" | "report" } = { value: "repair" }) {
  const repairs = createRepairs(() => mode.value);
  /** A pass that finds `actual` where `believed` was, and wants `wanted`. Returns the verdicts and what is to be written. */
  function pass(now: number, actual: IpvsTable, wanted: IpvsTable = OURS, believed: IpvsTable = OURS) {
    const verdicts = repairs.judge(driftBetween(believed, actual), wanted, mono(now)).map(([, verdict]) => verdict);
    return { verdicts, lines: linesBetween(actual, repairs.tolerate(wanted, wanted, actual, mono(now))) };
  }
  return { repairs, pass, mode };
}

describe("repairing what somebody else did", () => {
  test("three times within five minutes; the fourth time it is left alone for five minutes, and that is told once", () => {
    const { repairs, pass } = bench();
    for (const now of [0, 60_000, 120_000])
      assert.deepEqual(pass(now, THEIRS), { verdicts: ["repaired"], lines: REPAIR });
    assert.deepEqual(pass(180_000, THEIRS), { verdicts: ["fight"], lines: [] });
    assert.equal(repairs.tolerated()[0]!.until, 180_000 + FIGHT_WINDOW_MS);
    // Whatever the other writer does meanwhile is neither repaired nor told again, nor does it prolong the five minutes.
    for (const now of [185_000, 240_000, 310_000, 450_000, 479_999])
      assert.deepEqual(pass(now, web(`${A} ${now % 97}`, `${B} 100`), OURS, THEIRS), { verdicts: [], lines: [] });
    assert.deepEqual(pass(480_000, THEIRS, OURS, THEIRS), { verdicts: [], lines: REPAIR });
    assert.deepEqual(repairs.tolerated(), []);
  });

  test("repairs further apart never become a fight", () => {
    const { pass } = bench();
    for (let now = 0; now < 3_600_000; now += 101_000)
      assert.deepEqual(pass(now, THEIRS).verdicts, ["repaired"], `at ${now}`);
  });

  test("each thing is counted by itself", () => {
    const { pass } = bench();
    for (const now of [0, 1_000, 2_000]) pass(now, THEIRS);
    const both = web(`${A} 7`, `${B} 7`);
    assert.deepEqual(pass(3_000, both), {
      verdicts: ["fight", "repaired"],
      lines: [`-e -t 192.0.2.10:80 -r ${B} -m -w 100`],
    });
  });

  test("a health change of a server that is let be is written all the same, and then counts as a fight again", () => {
    const { pass } = bench();
    for (const now of [0, 1_000, 2_000, 3_000]) pass(now, THEIRS);
    const dead = web(`${A} 0`, `${B} 100`);
    assert.deepEqual(pass(10_000, THEIRS, dead, THEIRS).lines, [`-e -t 192.0.2.10:80 -r ${A} -m -w 0`]);
    assert.deepEqual(pass(15_000, THEIRS, dead, dead), { verdicts: ["fight"], lines: [] });
  });

  test("after the five minutes three repairs are made anew", () => {
    const { pass } = bench();
    for (const now of [0, 1_000, 2_000, 3_000]) pass(now, THEIRS);
    const later = 3_000 + FIGHT_WINDOW_MS;
    pass(later, THEIRS, OURS, THEIRS);
    for (const after of [1_000, 2_000, 3_000]) assert.deepEqual(pass(later + after, THEIRS).verdicts, ["repaired"]);
    assert.deepEqual(pass(later + 4_000, THEIRS).verdicts, ["fight"]);
  });

  test("a service that is deleted again and again is a fight about the service", () => {
    const { pass } = bench();
    const gone: IpvsTable = new Map();
    for (const now of [0, 1_000, 2_000]) {
      assert.deepEqual(pass(now, gone).verdicts, ["repaired"]);
    }
    assert.deepEqual(pass(3_000, gone), { verdicts: ["fight"], lines: [] });
  });
});

describe("drift: report", () => {
  test("nothing is repaired, every deed is told, and what we want anew is written", () => {
    const { pass, repairs } = bench({ value: "report" });
    assert.deepEqual(pass(0, THEIRS), { verdicts: ["reported"], lines: [] });
    assert.deepEqual(pass(5_000, THEIRS, OURS, THEIRS), { verdicts: [], lines: [] });
    const again = web(`${A} 9`, `${B} 100`);
    assert.deepEqual(pass(10_000, again, OURS, THEIRS), { verdicts: ["reported"], lines: [] });
    const dead = web(`${A} 0`, `${B} 100`);
    assert.deepEqual(pass(15_000, again, dead, again).lines, [`-e -t 192.0.2.10:80 -r ${A} -m -w 0`]);
    assert.deepEqual(repairs.tolerated(), []);
  });

  test("a server that was added stays, one that was deleted stays away, a service that was deleted too", () => {
    for (const actual of [web(`${A} 100`, `${B} 100`, "10.0.0.9:80 5"), web(`${A} 100`), new Map() as IpvsTable]) {
      const { pass } = bench({ value: "report" });
      assert.deepEqual(pass(0, actual), { verdicts: ["reported"], lines: [] });
      assert.deepEqual(pass(3_600_000, actual, OURS, actual), { verdicts: [], lines: [] });
    }
  });

  test("what they put back is forgotten", () => {
    const { pass, repairs } = bench({ value: "report" });
    pass(0, THEIRS);
    pass(5_000, OURS, OURS, OURS);
    assert.deepEqual(repairs.tolerated(), []);
  });

  test("a reload to drift: repair puts everything back", () => {
    const { pass, mode } = bench({ value: "report" });
    pass(0, THEIRS);
    mode.value = "repair";
    assert.deepEqual(pass(5_000, THEIRS, OURS, THEIRS), { verdicts: [], lines: REPAIR });
  });
});
