import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CheckState, unknown } from "../../src/health/machine.ts";
import { isUp, type ServerVerdict, serverVerdict } from "../../src/health/server.ts";
import type { MonotonicMs } from "../../src/model/time.ts";

const at = (ms: number) => ms as MonotonicMs;
const up = (since = 5): Extract<CheckState, { kind: "up" }> => ({
  kind: "up",
  since: at(since),
  recovered: false,
  failures: 0,
  reason: undefined,
});
const failing: CheckState = { kind: "up", since: at(5), recovered: false, failures: 2, reason: "timed out" };
const down = (reason = "connection refused", since = 7): CheckState => ({
  kind: "down",
  since: at(since),
  passes: 0,
  reason,
});
const open = unknown(false, at(1));
const openFailing: CheckState = { kind: "unknown", since: at(1), presumedUp: true, failures: 1, reason: "timed out" };

/** `*` marks a check that is unproven. */
function verdict(presumedUp: boolean, ...states: readonly (CheckState | readonly ["*", CheckState])[]): ServerVerdict {
  const checks = states.map((entry, i) => {
    const [mark, state] = "kind" in entry ? ["", entry] : entry;
    return { label: ["tcp", "http GET /", "tcp port 9000"][i]!, state, unproven: mark === "*" };
  });
  return serverVerdict(checks, presumedUp);
}

describe("many checks, one verdict", () => {
  const rows: readonly (readonly [name: string, is: ServerVerdict, expected: ServerVerdict])[] = [
    ["no check: it counts as up", verdict(false), { kind: "no-check" }],
    ["one check up", verdict(false, up()), { kind: "up", since: at(5), recoveredAt: undefined }],
    [
      "after an outage it says when that ended",
      verdict(false, up(5), { ...up(7), recovered: true }, up(9)),
      { kind: "up", since: at(9), recoveredAt: at(7) },
    ],
    [
      "up since the last of them came up",
      verdict(false, up(5), up(9)),
      { kind: "up", since: at(9), recoveredAt: undefined },
    ],
    ["a failing row is still up", verdict(false, failing), { kind: "up", since: at(5), recoveredAt: undefined }],
    [
      "one of two down: down",
      verdict(true, up(), down()),
      { kind: "down", since: at(7), reason: "http GET /: connection refused" },
    ],
    [
      "a single check needs no name",
      verdict(true, down()),
      { kind: "down", since: at(7), reason: "connection refused" },
    ],
    [
      "two down: both reasons, since the first",
      verdict(true, down("refused", 9), down("status 503", 8)),
      { kind: "down", since: at(8), reason: "tcp: refused; http GET /: status 503" },
    ],
    ["open and presumed up", verdict(true, open), { kind: "presumed-up", since: at(1) }],
    [
      "open and not presumed up",
      verdict(false, open),
      { kind: "unknown", since: at(1), reason: "waiting for the first pass" },
    ],
    [
      "one up, one open: all must pass",
      verdict(false, up(), open),
      { kind: "unknown", since: at(1), reason: "http GET /: waiting for the first pass" },
    ],
    ["one up, one open, presumed up", verdict(true, up(), open), { kind: "presumed-up", since: at(1) }],
    [
      "one down, one open: down, whatever was presumed",
      verdict(true, down(), open),
      { kind: "down", since: at(7), reason: "tcp: connection refused" },
    ],
    [
      "open and failing says why",
      verdict(false, openFailing),
      { kind: "unknown", since: at(1), reason: "not passed yet: timed out" },
    ],
    ["an unproven check takes nothing down", verdict(true, ["*", down()]), { kind: "presumed-up", since: at(7) }],
    [
      "an unproven check beside one that is up",
      verdict(true, up(), ["*", down()]),
      { kind: "presumed-up", since: at(7) },
    ],
    [
      "an unproven check brings nothing up either",
      verdict(false, ["*", down()]),
      { kind: "unknown", since: at(7), reason: "not passed yet: connection refused (unproven check)" },
    ],
    [
      "a proven check beside an unproven one still takes it down",
      verdict(true, down(), ["*", down()]),
      { kind: "down", since: at(7), reason: "tcp: connection refused" },
    ],
  ];
  for (const [name, is, expected] of rows) test(name, () => assert.deepEqual(is, expected));

  test("only up, presumed up and unchecked by choice get clients", () => {
    assert.deepEqual(
      rows
        .map(([, is]) => is)
        .filter(isUp)
        .map((v) => v.kind)
        .filter((kind) => kind === "down" || kind === "unknown"),
      [],
    );
    for (const kind of ["up", "presumed-up", "no-check"] as const)
      assert.ok(isUp({ kind, since: at(0) } as ServerVerdict));
    for (const kind of ["down", "unknown"] as const) assert.ok(!isUp({ kind, since: at(0), reason: "x" }));
  });
});
