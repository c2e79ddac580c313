import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MonotonicMs } from "../../src/model/time.ts";
import { refusal, silence } from "../../src/probe/refusals.ts";

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
      assert.equal(silence(2000, ago === undefined ? undefined : at(NOW - ago), at(NOW)).kind, kind);
    });
});
