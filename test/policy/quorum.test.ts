import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerVerdict } from "../../src/health/server.ts";
import type { QuorumMark } from "../../src/model/service.ts";
import { type Elector, failsOpen, quorumOf } from "../../src/policy/quorum.ts";
import { mono } from "./drains.ts";

const VERDICTS: Readonly<Record<string, ServerVerdict>> = {
  u: { kind: "up", since: mono(0), recoveredAt: undefined },
  p: { kind: "presumed-up", since: mono(0) },
  n: { kind: "no-check" },
  d: { kind: "down", since: mono(0), reason: "connection refused" },
  "?": { kind: "unknown", since: mono(0), reason: "waiting for the first pass" },
};

/** `uu?d`: one server a letter, each with weight 100; capitals are disabled, `-` before one says that it has nothing (drained, a standby). */
function servers(words: string): readonly Elector[] {
  return words.split(" ").map((word) => {
    const letter = word.at(-1)!;
    return {
      verdict: VERDICTS[letter.toLowerCase()]!,
      enabled: letter === letter.toLowerCase(),
      ideal: word.startsWith("-") ? 0 : 100,
      configured: 100,
    };
  });
}

const count = (n: number): QuorumMark => ({ kind: "servers", count: n });
const share = (x: number): QuorumMark => ({ kind: "weight", share: x });

/** `+` held, `-` lost, from a history of pools. */
function history(up: QuorumMark, down: QuorumMark, ...pools: readonly string[]): string {
  let before: boolean | undefined;
  return pools
    .map((pool) => {
      before = quorumOf({ up, down }, servers(pool), before).held;
      return before ? "+" : "-";
    })
    .join("");
}

describe("quorum", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["one healthy server is enough by default", history(count(1), count(1), "u d", "d d", "d u"), "+-+"],
    [
      "regained at up, lost below down",
      history(count(2), count(1), "u u", "u d", "d d", "u d", "u u", "u d"),
      "++--++",
    ],
    [
      "a share of the configured weight",
      history(share(0.5), share(0.25), "u u u u", "u d d d", "d d d d", "u d d d", "u u d d"),
      "++--+",
    ],
    ["who was not probed yet never loses it", history(count(1), count(1), "? ?", "? d", "d d"), "++-"],
    ["and never regains it", history(count(1), count(1), "d d", "? d", "u d"), "--+"],
    ["presumed up and unchecked by choice count", history(count(2), count(2), "p n", "p d"), "+-"],
    ["disabled servers do not count", history(count(1), count(1), "U u", "U d"), "+-"],
    ["nor do drained ones and standbys", history(count(1), count(1), "-u u", "-u d", "u d"), "+-+"],
    ["between the marks it is held at the start", history(count(3), count(1), "u d d"), "+"],
  ];
  for (const [what, is, expected] of rows) test(what, () => assert.equal(is, expected));

  test("it says how many are healthy, and their share of the configured weight", () => {
    assert.deepEqual(quorumOf({ up: count(1), down: count(1) }, servers("u u d ?"), undefined), {
      held: true,
      healthy: 2,
      share: 0.5,
    });
  });
});

describe("fail open", () => {
  const service = { failOpen: "all-down", quorum: { up: count(2), down: count(1) } } as const;
  const open = (...pools: readonly string[]): string => {
    let before = false;
    return pools
      .map((pool) => {
        before = failsOpen(service, servers(pool), before);
        return before ? "o" : ".";
      })
      .join("");
  };
  const rows: readonly (readonly [string, string, string])[] = [
    ["begins when all are down by verdict", open("u d", "d d"), ".o"],
    ["ends when quorum.up is reached, not with the first", open("d d d", "u d d", "u u d"), "oo."],
    ["one that was not probed may be well", open("d ?"), "."],
    ["disabled and drained ones are not meant", open("d U -u"), "o"],
    ["with nobody left who is meant it does not begin, and ends", open("D -d", "d d", "D D"), ".o."],
  ];
  for (const [what, is, expected] of rows) test(what, () => assert.equal(is, expected));

  test("never, where it is not asked for", () => {
    assert.equal(failsOpen({ ...service, failOpen: "never" }, servers("d d"), true), false);
  });
});
