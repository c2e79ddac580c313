import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { step, unknown } from "../../src/health/machine.ts";
import { combined, multiplier, reportAfter, reportWords } from "../../src/health/reported.ts";
import { serverVerdict } from "../../src/health/server.ts";
import type { Report } from "../../src/model/probe.ts";
import type { MonotonicMs } from "../../src/model/time.ts";

const now = 5 as MonotonicMs;

describe("one report after another", () => {
  const table: readonly [
    what: string,
    before: Report | undefined,
    report: Report | undefined,
    after: Report | undefined,
  ][] = [
    ["the first is taken", undefined, { factor: 0.5 }, { factor: 0.5 }],
    ["what is not mentioned stays", { factor: 0.5 }, { hold: "drain" }, { factor: 0.5, hold: "drain" }],
    ["what is taken back goes", { factor: 0.5, hold: "drain" }, { hold: undefined }, { factor: 0.5, hold: undefined }],
    ["nothing changes nothing", { factor: 0.5 }, undefined, { factor: 0.5 }],
    ["nothing at all is nothing", undefined, undefined, undefined],
  ];
  for (const [what, before, report, after] of table)
    test(what, () => assert.deepEqual(reportAfter(before, report), after));

  test("the same again is the very same object", () => {
    const before = { factor: 0.5 };
    assert.equal(reportAfter(before, { factor: 0.5 }), before);
    assert.equal(reportAfter(before, { hold: undefined }), before);
    assert.equal(reportAfter(undefined, { weight: undefined }), undefined);
  });
});

describe("several checks", () => {
  const table: readonly [what: string, reports: readonly (Report | undefined)[], all: Report | undefined][] = [
    ["nobody wants anything", [undefined, undefined], undefined],
    ["taken back is nothing", [{ weight: undefined, hold: undefined }], undefined],
    ["parts multiply", [{ factor: 0.5 }, { factor: 0.5 }], { factor: 0.25, weight: undefined, hold: undefined }],
    ["the first weight counts", [{ weight: 7 }, { weight: 9 }], { factor: undefined, weight: 7, hold: undefined }],
    [
      "maint before drain",
      [{ hold: "maint" }, { hold: "drain" }],
      { factor: undefined, weight: undefined, hold: "maint" },
    ],
    ["and after it", [{ hold: "drain" }, { hold: "maint" }], { factor: undefined, weight: undefined, hold: "maint" }],
  ];
  for (const [what, reports, all] of table) test(what, () => assert.deepEqual(combined(reports), all));

  test("a verdict carries what is reported; of an unproven check it does not count", () => {
    const up = step(unknown(false, now), { kind: "pass", detail: "" }, { rise: 2, fall: 3 }, now);
    const check = { label: "agent", state: up, unproven: false, reported: { hold: "drain" } as const };
    assert.deepEqual(serverVerdict([check], false).reported, { factor: undefined, weight: undefined, hold: "drain" });
    assert.equal("reported" in serverVerdict([{ ...check, reported: undefined }], false), false);
  });
});

describe("what a weight is multiplied with", () => {
  const table: readonly [what: string, report: Report | undefined, configured: number, by: number][] = [
    ["nothing reported", undefined, 100, 1],
    ["a part", { factor: 0.75 }, 100, 0.75],
    ["more than all", { factor: 1.5 }, 100, 1.5],
    ["a weight in place of the configured one", { weight: 50 }, 200, 0.25],
    ["a weight and a part of it", { weight: 50, factor: 0.5 }, 100, 0.25],
    ["weight 0", { weight: 0 }, 100, 0],
    ["a standby stays one", { weight: 50 }, 0, 1],
    ["a standby that reports 0 gives up what it took over", { weight: 0 }, 0, 0],
    ["asking for no clients is no part", { hold: "maint" }, 100, 1],
  ];
  for (const [what, report, configured, by] of table)
    test(what, () => assert.equal(multiplier(report, { configured, base: configured }), by));

  test("a weight set by command comes before one that is reported, not before a part", () => {
    assert.equal(multiplier({ weight: 50 }, { configured: 100, base: 30 }), 1);
    assert.equal(multiplier({ weight: 50, factor: 0.5 }, { configured: 100, base: 30 }), 0.5);
  });
});

test("words for people", () => {
  assert.equal(reportWords(undefined), undefined);
  assert.equal(reportWords({ hold: undefined }), undefined);
  assert.equal(reportWords({ hold: "maint", factor: 0.333, weight: 7 }), "maint, weight 7, 33.3% of its weight");
});

describe("what is harmlessly inconclusive", () => {
  const harmless = { kind: "inconclusive", reason: "agent did not answer", harmless: true } as const;
  const t = { rise: 2, fall: 3 };
  test("makes an unknown check up, and no outage is over by that", () => {
    assert.deepEqual(step(unknown(false, now), harmless, t, now), {
      kind: "up",
      since: now,
      recovered: false,
      failures: 0,
      reason: undefined,
    });
  });
  test("leaves one that is down where it is, and its row of passes", () => {
    const down = { kind: "down", since: now, passes: 1, reason: "agent says down" } as const;
    assert.equal(step(down, harmless, t, now), down);
  });
});
