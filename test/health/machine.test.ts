import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type CheckState, intervalOf, step, stepUnproven, type Thresholds, unknown } from "../../src/health/machine.ts";
import type { ProbeOutcome } from "../../src/model/probe.ts";
import type { MonotonicMs } from "../../src/model/time.ts";
import { checkSpec } from "../support/check-spec.ts";

/** p pass, f fail, F a failure that decides at once, ? inconclusive. */
const OUTCOMES: Readonly<Record<string, ProbeOutcome>> = {
  p: { kind: "pass", detail: "connected" },
  f: { kind: "fail", reason: "connection refused" },
  F: { kind: "fail", reason: "refused twice by ICMP", decisive: true },
  "?": { kind: "inconclusive", reason: "director is out of file descriptors" },
};

const at = (ms: number) => ms as MonotonicMs;
const UP: CheckState = { kind: "up", since: at(0), recovered: false, failures: 0, reason: undefined };
const DOWN: CheckState = { kind: "down", since: at(0), passes: 0, reason: "connection refused" };
const FRESH = unknown(false, at(0));
const PRESUMED = unknown(true, at(0));

/** The states after each outcome, one letter each: u up, d down, - unknown. */
function replay(from: CheckState, outcomes: string, t: Thresholds): string {
  let state = from;
  let letters = "";
  for (const [i, letter] of [...outcomes].entries()) {
    state = step(state, OUTCOMES[letter]!, t, at(i + 1));
    letters += { up: "u", down: "d", unknown: "-" }[state.kind];
  }
  return letters;
}

const usual: Thresholds = { rise: 2, fall: 3 };

describe("rise and fall, replayed", () => {
  const rows: readonly (readonly [name: string, from: CheckState, outcomes: string, states: string, t?: Thresholds])[] =
    [
      ["three failures in a row take it down", UP, "ppfff", "uuuud"],
      ["what is inconclusive neither adds to the row nor breaks it", UP, "ppff?f", "uuuuud"],
      ["failures are counted in a row, not together", UP, "ffpffpffpfff", "uuuuuuuuuuud"],
      ["a lone failure among passes is forgotten each time", UP, "fpfpfpfpfp", "uuuuuuuuuu"],
      ["a decisive failure counts for the whole row", UP, "F", "d"],
      ["a decisive failure after others too", UP, "fF", "ud"],
      ["two passes in a row bring it back", DOWN, "pp", "du"],
      ["passes are counted in a row, not together", DOWN, "pfpfpfpp", "dddddddu"],
      ["inconclusive does not break a row of passes", DOWN, "p??p", "dddu"],
      ["inconclusive alone never brings it back", DOWN, "??????", "dddddd"],
      ["inconclusive alone never takes it down", UP, "??????", "uuuuuu"],
      ["at start one pass is enough", FRESH, "p", "u"],
      ["what was never up needs one failure", FRESH, "f", "d"],
      ["at start what is inconclusive decides nothing", FRESH, "??p", "--u"],
      ["presumed up: one pass confirms it", PRESUMED, "p", "u"],
      ["presumed up: it takes the whole row of failures", PRESUMED, "fff", "--d"],
      ["presumed up: a pass in between makes it up for good", PRESUMED, "ffpff", "--uuu"],
      ["presumed up: inconclusive does not count as failure", PRESUMED, "ff??f", "----d"],
      ["presumed up: a decisive failure is the whole row", PRESUMED, "F", "d"],
      ["after an outage `rise` passes are needed even if one was enough at start", FRESH, "pfffpp", "uuuddu"],
      ["fall 1, rise 1: every outcome counts", UP, "fpfp", "dudu", { rise: 1, fall: 1 }],
      ["fall 1 and presumed up: one failure is the row", PRESUMED, "f", "d", { rise: 1, fall: 1 }],
      ["rise 3", DOWN, "ppfppp", "dddddu", { rise: 3, fall: 1 }],
    ];
  for (const [name, from, outcomes, states, t] of rows)
    test(`${name}: ${outcomes} -> ${states}`, () => assert.equal(replay(from, outcomes, t ?? usual), states));
});

describe("what a state carries", () => {
  test("down says why it went down, and later why it still is", () => {
    const down = step({ ...UP, failures: 2, reason: "timed out" }, OUTCOMES.f!, usual, at(7));
    assert.deepEqual(down, { kind: "down", since: 7, passes: 0, reason: "connection refused" });
    const later = step(down, { kind: "fail", reason: "status 503" }, usual, at(9));
    assert.deepEqual(later, { kind: "down", since: 7, passes: 0, reason: "status 503" });
  });

  test("a failing row says its newest reason and is forgotten with the next pass", () => {
    const failing = step(UP, OUTCOMES.f!, usual, at(1));
    assert.deepEqual(failing, { kind: "up", since: 0, recovered: false, failures: 1, reason: "connection refused" });
    assert.deepEqual(step(failing, OUTCOMES.p!, usual, at(2)), UP);
  });

  test("what came up after it was down says so; a first pass, or one after failures that took nothing down, does not", () => {
    const recovered = (state: CheckState) => state.kind === "up" && state.recovered;
    const pass = (state: CheckState) => step(state, OUTCOMES.p!, { rise: 1, fall: 3 }, at(9));
    assert.deepEqual(
      [DOWN, FRESH, PRESUMED, step(UP, OUTCOMES.f!, usual, at(1))].map((s) => recovered(pass(s))),
      [true, false, false, false],
    );
    assert.equal(recovered(pass(pass(DOWN))), true, "and goes on saying so");
  });

  test("the very same state comes back when nothing changed", () => {
    assert.equal(step(UP, OUTCOMES.p!, usual, at(1)), UP);
    assert.equal(step(DOWN, OUTCOMES.f!, usual, at(1)), DOWN);
    for (const state of [UP, DOWN, FRESH, PRESUMED]) assert.equal(step(state, OUTCOMES["?"]!, usual, at(1)), state);
  });

  test("since is when it became so, not when it was last seen so", () => {
    assert.equal(step(FRESH, OUTCOMES.p!, usual, at(5)).since, 5);
    assert.equal(step(step(FRESH, OUTCOMES.p!, usual, at(5)), OUTCOMES.p!, usual, at(6)).since, 5);
  });
});

test("a check that nobody has passed yet makes nobody down, and leaves no row behind for when it is proven", () => {
  for (const start of [FRESH, PRESUMED]) {
    let state: CheckState = start;
    for (const letter of "ffffFf?ff") state = stepUnproven(state, OUTCOMES[letter]!, usual, at(1));
    assert.deepEqual(state, { ...start, reason: "connection refused" });
    assert.equal(replay(state, "ff", usual), start === PRESUMED ? "--" : "dd");
    assert.equal(stepUnproven(state, OUTCOMES.p!, usual, at(2)).kind, "up");
  }
  assert.deepEqual(
    stepUnproven({ ...DOWN, passes: 1 } as CheckState, OUTCOMES.f!, usual, at(1)),
    DOWN,
    "who was down before stays so",
  );
});

test("the interval follows the state: fast towards down only, slower while down", () => {
  const spec = checkSpec({ interval: 2_000, fastInterval: 1_000, downInterval: 5_000 });
  const rows: readonly (readonly [CheckState, number])[] = [
    [UP, 2_000],
    [{ ...UP, failures: 1, reason: "x" }, 1_000],
    [FRESH, 2_000],
    [{ kind: "unknown", since: at(0), presumedUp: true, failures: 2, reason: "x" }, 1_000],
    [DOWN, 5_000],
    [{ kind: "down", since: at(0), passes: 1, reason: "x" }, 5_000],
  ];
  for (const [state, ms] of rows) assert.equal(intervalOf(state, spec), ms, JSON.stringify(state));
});

describe("laws of the machine", () => {
  const letters = fc.array(fc.constantFrom("p", "f", "?"), { maxLength: 40 }).map((all) => all.join(""));
  const thresholds = fc.record({ rise: fc.integer({ min: 1, max: 5 }), fall: fc.integer({ min: 1, max: 5 }) });
  const states = fc.constantFrom(UP, DOWN, FRESH, PRESUMED);

  test("it goes down exactly at the end of a row of `fall`, and up at the end of a row of `rise`", () => {
    fc.assert(
      fc.property(letters, thresholds, (outcomes, t) => {
        const after = replay(UP, outcomes, t);
        let state = "u";
        let row = 0;
        for (const [i, letter] of [...outcomes].entries()) {
          const against = state === "u" ? "f" : "p";
          if (letter !== "?") row = letter === against ? row + 1 : 0;
          if (row === (state === "u" ? t.fall : t.rise)) {
            state = state === "u" ? "d" : "u";
            row = 0;
          }
          assert.equal(after[i], state);
        }
      }),
    );
  });

  test("taking every inconclusive outcome away changes no verdict", () => {
    fc.assert(
      fc.property(states, letters, thresholds, (from, outcomes, t) => {
        const conclusive = outcomes.replaceAll("?", "");
        assert.equal(
          replay(from, outcomes, t).at(-1) ?? "",
          replay(from, conclusive, t).at(-1) ?? (outcomes === "" ? "" : letterOf(from)),
        );
      }),
    );
  });

  function letterOf(state: CheckState): string {
    return { up: "u", down: "d", unknown: "-" }[state.kind];
  }
});
