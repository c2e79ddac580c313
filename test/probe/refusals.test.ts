import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MonotonicMs } from "../../src/model/time.ts";
import { createLedger, refusal, silence } from "../../src/probe/refusals.ts";

const at = (ms: number) => ms as MonotonicMs;
const NOW = 1_000_000;

describe("a refusal", () => {
  const rows: readonly (readonly [what: string, ago: number | undefined, decisive: boolean])[] = [
    ["is a failure when it is the first", undefined, false],
    ["is decisive 1 ms after another", 1, true],
    ["is decisive 30 s after another", 30_000, true],
    ["is a failure again later than that", 30_001, false],
  ];
  for (const [what, ago, decisive] of rows)
    test(what, () => {
      const outcome = refusal("no", ago === undefined ? undefined : at(NOW - ago), at(NOW));
      assert.equal(outcome.kind === "fail" && (outcome.decisive ?? false), decisive);
    });
});

describe("silence", () => {
  const rows: readonly (readonly [what: string, ago: number | undefined, outcome: string])[] = [
    ["passes where there was no refusal", undefined, "pass"],
    ["says nothing just after one", 0, "inconclusive"],
    ["says nothing up to 10 s after one", 9_999, "inconclusive"],
    ["passes again after 10 s", 10_000, "pass"],
  ];
  for (const [what, ago, kind] of rows)
    test(what, () => {
      assert.equal(silence(2000, ago === undefined ? undefined : at(NOW - ago), false, at(NOW)).kind, kind);
    });
});

test("silence says nothing while the host's ration is used up on others", () => {
  assert.equal(silence(2000, undefined, true, at(NOW)).kind, "inconclusive");
});

describe("a host's ration", () => {
  const rows: readonly (readonly [what: string, refusals: readonly number[], usedUp: boolean])[] = [
    ["is there when it has refused nobody", [], false],
    ["is there after four refusals in 5 s", [-4000, -3000, -2000, -1000], false],
    ["is used up after five", [-5000, -4000, -3000, -2000, -1000], true],
    ["is used up by those that were sent at the same time", [10, 20, 30, 40, 50], true],
    ["is there again where the refusals were longer ago", [-6000, -5900, -5800, -5700, -5600, -5500], false],
    ["is not judged by what came much later", [1500, 1600, 1700, 1800, 1900, 2000], false],
  ];
  for (const [what, refusals, usedUp] of rows)
    test(what, () => {
      const ledger = createLedger();
      for (const time of refusals) ledger.note("10.0.0.1", at(NOW + time));
      assert.equal(ledger.usedUp("10.0.0.1", at(NOW)), usedUp);
      assert.equal(ledger.usedUp("10.0.0.2", at(NOW)), false);
    });

  test("is contested for half a minute after a refusal", () => {
    const ledger = createLedger();
    assert.equal(ledger.contested("10.0.0.1", at(NOW)), false);
    ledger.note("10.0.0.1", at(NOW));
    assert.equal(ledger.contested("10.0.0.1", at(NOW + 30_000)), true);
    assert.equal(ledger.contested("10.0.0.1", at(NOW + 30_001)), false);
  });
});
