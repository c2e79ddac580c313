import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planText } from "../../src/cli/drain-plan-text.ts";
import { bar, changeKey, changeLine, drainDetail, drainTable, progressLine } from "../../src/cli/drain-text.ts";
import { exitOf } from "../../src/cli/drain-wait.ts";
import { plain } from "../../src/cli/output.ts";
import type { DrainStatus } from "../../src/control/shapes.ts";
import { aDrain, HOUR, MINUTE, NOON, SECOND } from "./support.ts";

const look = { paint: plain, width: undefined };

describe("a drain in words", () => {
  const bars: readonly (readonly [share: number, expected: string])[] = [
    [0, "[..........]"],
    [0.04, "[..........]"],
    [0.5, "[#####.....]"],
    [0.3, "[###.......]"],
    [0.999, "[#########.]"],
    [1, "[##########]"],
    [1.5, "[##########]"],
    [-1, "[..........]"],
  ];
  for (const [share, expected] of bars) test(`a bar of ${share}`, () => assert.equal(bar(share, 10), expected));

  const states: readonly (readonly [
    drain: Partial<DrainStatus>,
    progress: string,
    change: string,
    exit: number | undefined,
  ])[] = [
    [
      {},
      "[######..........] step 8/20, next in 12s, 40% asked, 39.6% given, 34 open",
      "12:00:00 web old -> new: step 8/20: 40% asked, 39.6% given, 34 open on old",
      undefined,
    ],
    [
      { state: "pending", step: 0, asked: 0, given: 0, connections: undefined, nextInMs: undefined },
      "[................] waiting for the new to be healthy, 0% asked, 0% given",
      "12:00:00 web old -> new: waiting for the new to be healthy",
      undefined,
    ],
    [
      { state: "paused", pausedBy: "operator", nextInMs: undefined },
      "[######..........] PAUSED at step 8/20 (operator), 40% asked, 39.6% given, 34 open",
      "12:00:00 web old -> new: PAUSED at step 8/20 (operator): 40% asked, 39.6% given, 34 open on old",
      5,
    ],
    [
      { state: "draining", step: 20, asked: 1, given: 1, nextInMs: 10 * MINUTE },
      "[################] all moved, 34 still open, waiting up to 10m",
      "12:00:00 web old -> new: all moved, waiting for open connections: 100% asked, 100% given, 34 open on old",
      undefined,
    ],
    [
      { state: "done", step: 20, asked: 1, given: 1, connections: 0, left: 0, nextInMs: undefined },
      "[################] done, no connection left, 100% asked, 100% given, 0 open",
      "12:00:00 web old -> new: done, no connection left",
      0,
    ],
    [
      { state: "done", step: 20, asked: 1, given: 1, connections: 2, left: 2, nextInMs: undefined },
      "[################] done, its grace is over with 2 connections left, 100% asked, 100% given, 2 open",
      "12:00:00 web old -> new: done, its grace is over with 2 connections left",
      3,
    ],
    [
      { state: "rolled-back", given: undefined, connections: undefined, nextInMs: undefined },
      "[######..........] rolled back, 40% asked",
      "12:00:00 web old -> new: rolled back",
      4,
    ],
    [
      { state: "aborted", to: [], nextInMs: undefined },
      "[######..........] aborted at step 8/20, shares stand, 40% asked, 39.6% given, 34 open",
      "12:00:00 web old -> the rest: aborted at step 8/20, shares stand",
      4,
    ],
    [
      { state: "failed", step: 0, asked: 0, given: undefined, connections: undefined, nextInMs: undefined },
      "[................] failed, nothing was changed, 0% asked",
      "12:00:00 web old -> new: failed, nothing was changed",
      4,
    ],
  ];
  for (const [more, progress, change, exit] of states)
    test(`${more.state ?? "shifting"}${more.left ? ` with ${more.left} left` : ""}: a line that is redrawn, a line for its change, its exit code`, () => {
      const drain = aDrain(more);
      assert.equal(progressLine(drain, 200), progress);
      assert.equal(changeLine(drain, NOON), change);
      assert.equal(exitOf(drain, 0), exit);
    });

  test("a terminal's line never wraps", () => {
    assert.equal(progressLine(aDrain(), 40), "[######..........] step 8/20, next in...");
  });

  const pauses: readonly (readonly [DrainStatus["pausedBy"], forMs: number, exit: number | undefined])[] = [
    ["operator", 0, 5],
    ["restart", 0, 5],
    ["config-changed", 0, 5],
    ["new-down", 0, undefined],
    ["new-down", 61 * SECOND, undefined],
    ["new-down", 2 * MINUTE, 5],
    ["capacity", 0, undefined],
    ["capacity", 2 * MINUTE, 5],
    ["state-unwritable", 0, undefined],
    ["state-unwritable", 2 * MINUTE, 5],
  ];
  for (const [pausedBy, forMs, exit] of pauses)
    test(`paused by ${pausedBy} for ${forMs / SECOND}s: ${exit === undefined ? "waits on" : `exit ${exit}`}`, () =>
      assert.equal(exitOf(aDrain({ state: "paused", pausedBy }), forMs), exit));

  test("a new line is worth a step, a state, a reason to pause; not a connection more or less", () => {
    const key = changeKey(aDrain());
    assert.equal(changeKey(aDrain({ connections: 7, nextInMs: 1 })), key);
    for (const more of [{ step: 9 }, { state: "draining" }, { pausedBy: "capacity" }] as const)
      assert.notEqual(changeKey(aDrain(more)), key);
  });

  test("everything about one drain", () => {
    const drain = aDrain({ reason: "release 7", from: ["a", "b", "c"], warnings: ["too fast"] });
    assert.deepEqual(drainDetail(drain, NOON, look), [
      "d-1a2b3c4d web: a,b,c -> new",
      "  step 8/20, next in 12s",
      "  [########............] 40% asked, 39.6% given, 34 open on 3 olds",
      "  20 steps, one every 30s; begun 4m ago (2026-11-24 11:56:00) by alice: release 7",
      "  drain d-1a2b3c4d old -> new: step 8/20, 40% moved",
      "  warning: too fast",
    ]);
  });

  test("the list, aligned; an empty one says so", () => {
    const done = aDrain({
      id: "d-2",
      service: "api",
      state: "done",
      step: 4,
      steps: 4,
      asked: 1,
      given: undefined,
      left: 3,
      to: [],
      startedAt: NOON - 50 * HOUR,
    });
    const paused = aDrain({ state: "paused", pausedBy: "new-down" });
    assert.deepEqual(drainTable([done, paused], NOON, look), [
      "id          service  begun   step  asked  given  state            from -> to",
      "d-2         api      2d ago   4/4   100%      -  done, 3 left     old -> the rest",
      "d-1a2b3c4d  web      4m ago  8/20    40%  39.6%  PAUSED new-down  old -> new",
    ]);
    assert.deepEqual(drainTable([], NOON, look), ["no drains"]);
  });

  test("a dry run: times, shares, who has which weight; of many others the sum", () => {
    const plan = [
      {
        at: 0,
        asked: 0.5,
        given: 0.5,
        weights: { a: 10, b: 10, c: 10, old: 50, d: 10, new: 50, e: 10 },
        cycle: 15,
        pause: true,
      },
      {
        at: 90_000,
        asked: 1,
        given: 1,
        weights: { a: 10, b: 10, c: 10, old: 0, d: 10, new: 100, e: 10 },
        cycle: 15,
        pause: false,
      },
    ];
    const warnings = ["persistence: known clients stay"];
    const sysctls = [{ name: "net.ipv4.vs.x", value: 1, consequence: "clients move" }];
    const drain = { ...aDrain({ state: "pending", steps: 2, every: 90_000 }), plan, warnings, sysctls, rate: 12.34 };
    assert.deepEqual(planText(drain, look), [
      "web: old -> new: 2 steps, one every 1m30s; the last after 1m30s; then waits for open connections",
      "at present 12.3 new connections a second",
      "warning: persistence: known clients stay",
      "net.ipv4.vs.x = 1: clients move",
      "  after  asked  given  old  new  5 others  wrr cycle",
      "     0s    50%    50%   50   50        50  15  then waits for resume",
      "  1m30s   100%   100%    0  100        50  15",
      "dry run: nothing was changed",
    ]);
    const one = { ...aDrain({ steps: 1 }), plan: plan.slice(1) };
    assert.match(planText(one, look)[0]!, /^web: old -> new: 1 step; then waits/);
  });
});
