import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { endOf, explainText } from "../../src/cli/admin.ts";
import { columns, cut } from "../../src/cli/columns.ts";
import { UsageError } from "../../src/cli/context.ts";
import { eventLine } from "../../src/cli/events.ts";
import { type Paint, plain } from "../../src/cli/output.ts";
import { age, nearTime, percent, wait } from "../../src/cli/times.ts";
import type { EpochMs } from "../../src/model/time.ts";
import { HOUR, MINUTE, NOON, SECOND } from "./support.ts";

describe("times for people", () => {
  const ages: readonly (readonly [ms: number, text: string])[] = [
    [-5, "0s"],
    [999, "0s"],
    [59_999, "59s"],
    [MINUTE, "1m"],
    [HOUR - 1, "59m"],
    [HOUR, "1h"],
    [3 * HOUR + 12 * MINUTE, "3h12m"],
    [48 * HOUR - 1, "47h59m"],
    [48 * HOUR, "2d"],
    [400 * 24 * HOUR, "400d"],
  ];
  for (const [ms, text] of ages) test(`since ${ms} ms: ${text}`, () => assert.equal(age(ms), text));

  const waits: readonly (readonly [ms: number, text: string])[] = [
    [-1, "0s"],
    [0, "0s"],
    [1, "1s"],
    [59_001, "1m"],
    [90 * SECOND, "1m30s"],
    [HOUR - 1, "1h"],
    [HOUR + 1, "1h1m"],
  ];
  for (const [ms, text] of waits) test(`in ${ms} ms: ${text}`, () => assert.equal(wait(ms), text));

  test("a share has one decimal at most", () => {
    assert.deepEqual([0, 0.3333, 0.05, 1].map(percent), ["0%", "33.3%", "5%", "100%"]);
  });

  test("the day is said only where it is another", () => {
    assert.equal(nearTime(NOON + HOUR, NOON), "13:00");
    assert.equal(nearTime(NOON + 13 * HOUR, NOON), "11-25 01:00");
  });
});

describe("--until", () => {
  const good: readonly (readonly [text: string, at: number])[] = [
    ["30m", NOON + 30 * MINUTE],
    ["1h30m", NOON + 90 * MINUTE],
    ["2026-11-24T12:00:01Z", NOON + SECOND],
    ["2026-11-24T14:00:00+01:00", NOON + HOUR],
    ["2026-11-24 13:00Z", NOON + HOUR],
    ["2026-11-24t13:00:00.5z", NOON + HOUR + 500],
  ];
  for (const [text, at] of good) test(`${text} is understood`, () => assert.equal(endOf(text, NOON), at));

  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ["0s", /expected a duration/],
    ["2", /expected a duration/],
    ["tomorrow", /expected a duration/],
    ["2026-11-24T13:00:00", /with its zone/],
    ["2026-13-24T13:00:00Z", /with its zone/],
    ["2026-11-24T12:00:00Z", /that is over; it is 2026-11-24T12:00:00\.000Z/],
  ];
  for (const [text, why] of bad)
    test(`${text} is refused`, () =>
      assert.throws(
        () => endOf(text, NOON),
        (e) => e instanceof UsageError && why.test(e.message),
      ));
});

describe("columns", () => {
  const marked: Paint = (style, text) => `<${style}>${text}</>`;

  test("marks take no room, numbers end below each other, nothing stands behind the last", () => {
    const rows = [
      ["a", "1", ""],
      [{ text: "long", style: "red" as const }, "100", "x"],
    ];
    assert.deepEqual(columns(rows, { paint: marked, right: new Set([1]), indent: " " }), [
      " a       1",
      " <red>long</>  100  x",
    ]);
  });

  test("the last column gives way to the width, but not below what says something", () => {
    const rows = [["name", "a text that is rather long"]];
    assert.deepEqual(columns(rows, { paint: plain, width: 24 }), ["name  a text that is..."]);
    assert.deepEqual(columns(rows, { paint: plain, width: 10 }), ["name  a text th..."]);
    assert.deepEqual(columns([[]], { paint: plain }), [""]);
  });

  test("a text is cut with a sign", () => {
    assert.deepEqual([cut("abcdef", 6), cut("abcdefg", 6)], ["abcdef", "abc..."]);
  });
});

test("an event is one line with its number, which --after takes", () => {
  const event = {
    seq: 7,
    at: NOON as EpochMs,
    kind: "server",
    severity: "warning" as const,
    message: "web a: up -> down",
  };
  assert.equal(eventLine(event, plain), "2026-11-24 12:00:00     7 warning web a: up -> down");
});

test("explain shows the formula with its numbers and where they come from", () => {
  const reply = {
    service: "web",
    server: "a",
    weight: 50,
    rule: "drain" as const,
    formula: "round(1 x (100 - 50 + 0)) = 50",
    inputs: ["one", "two"],
  };
  assert.deepEqual(explainText(reply, plain), [
    "web a: weight 50, rule drain",
    "  round(1 x (100 - 50 + 0)) = 50",
    "  - one",
    "  - two",
  ]);
});
