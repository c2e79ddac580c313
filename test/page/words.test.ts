import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  age,
  checkOf,
  count,
  isTrouble,
  percent,
  serviceState,
  standing,
  stateOf,
  wait,
  weightNotes,
} from "../../src/page/client/words.js";
import type { DrainPiece, ServerPiece } from "../../src/page/pieces.ts";
import { aCheck, aDrain, aServer, aService, HOUR, MINUTE, NOON, SECOND } from "../cli/support.ts";

type Server = Parameters<typeof aServer>[1];

function server(more: Server = {}): ServerPiece {
  const { checks, ...rest } = aServer("app1", more);
  return { ...rest, checks, probes: checks.map(({ at }) => at) };
}

describe("the words of the page", () => {
  test("times and numbers", () => {
    assert.deepEqual([-1, 0, 59_999, 60_000, 3 * HOUR + 12 * MINUTE, 47 * HOUR, 50 * HOUR].map(age), [
      "0s",
      "0s",
      "59s",
      "1m",
      "3h12m",
      "47h",
      "2d",
    ]);
    assert.deepEqual([0, 1, 11_200, 60_000, 90_000, 2 * HOUR + 5 * MINUTE].map(wait), [
      "0s",
      "1s",
      "12s",
      "1m",
      "1m30s",
      "2h5m",
    ]);
    assert.deepEqual([0, 0.396, 1 / 3, 1].map(percent), ["0%", "39.6%", "33.3%", "100%"]);
    assert.deepEqual([0, 2.84, 12.4, 12_345.6].map(count), ["0", "2.8", "12", "12,346"]);
  });

  const weights: readonly (readonly [what: string, server: Server, notes: readonly string[], trouble: boolean])[] = [
    ["as the file says: nothing to say", {}, [], false],
    ["down", { state: "down", weight: 0, rule: "down" }, ["down"], true],
    ["a standby", { weight: 0, configuredWeight: 0, rule: "configured-0" }, [], false],
    ["drained: as was wanted", { weight: 0, rule: "drained" }, ["drained"], false],
    ["half way in a drain", { weight: 50, rule: "drain" }, ["drain"], false],
    [
      "disabled at configured weight 0 as well",
      {
        weight: 0,
        configuredWeight: 0,
        rule: "disabled",
        disabled: { by: "alice", at: NOON, reason: "kernel", until: undefined },
      },
      ["disabled", "by alice: kernel"],
      true,
    ],
    [
      "set by command",
      {
        weight: 40,
        rule: "set-by-command",
        override: { weight: 40, by: "bob", at: NOON, reason: undefined },
      },
      ["set-by-command", "set by bob"],
      true,
    ],
    ["not in the table yet", { kernelWeight: undefined }, ["not in the table"], true],
    ["the kernel has another", { kernelWeight: 7 }, ["kernel has 7"], true],
    ["failing open with its own weight", { state: "down", rule: "fail-open" }, ["fail-open"], true],
    [
      "taken out",
      { state: "down", weight: 0, rule: "down", kernelWeight: undefined, takenOut: "udp flows" },
      ["down", "taken out: udp flows"],
      true,
    ],
  ];
  for (const [what, more, notes, trouble] of weights)
    test(`weight: ${what}`, () => {
      const shown = server("kernelWeight" in more! ? more : { ...more, kernelWeight: more?.weight ?? 100 });
      assert.deepEqual(
        weightNotes(shown).map(({ text }) => text),
        notes,
      );
      assert.equal(isTrouble(shown), trouble);
    });

  test("the check that fails is shown before one that could not ask, and that before one that passes", () => {
    const pass = aCheck({ check: "tcp", at: NOON - 9 * SECOND });
    const fail = aCheck({ check: "http", state: "up", last: "fail", detail: "status 503, expected 200-299", at: NOON });
    const mute = aCheck({ check: "dns", last: "inconclusive", detail: "EMFILE", unchecked: true });
    assert.deepEqual(
      [checkOf(server({ checks: [pass, mute, fail] })), checkOf(server({ checks: [pass, mute] }))].map((each) => [
        each?.text,
        each?.look,
      ]),
      [
        ["http: fail: status 503, expected 200-299", "bad"],
        ["UNCHECKED, dns: inconclusive: EMFILE", "warn"],
      ],
    );
    assert.deepEqual([checkOf(server())?.text, checkOf(server({ checks: [fail, pass] }))?.at], ["pass", NOON]);
    assert.equal(checkOf(server({ checks: [] })), undefined);
    assert.match(checkOf(server({ checks: [pass, fail] }))!.more, /^tcp: pass \(status 200\)\nhttp: fail \(status 503/);
  });

  test("every state has its own word and a look", () => {
    const states = (["up", "presumed-up", "no-check", "unknown", "down"] as const).map((state) =>
      stateOf(server({ state })),
    );
    assert.equal(new Set(states.map(({ word }) => word)).size, 5);
    assert.deepEqual(
      states.map(({ look }) => look),
      ["ok", "ok", "idle", "warn", "bad"],
    );
  });

  test("a service: what is worst about it comes first", () => {
    const word = (more: Parameters<typeof aService>[1]) => serviceState(aService([], more)).word;
    const frozen = { by: "alice", at: NOON, reason: undefined, until: NOON + HOUR };
    assert.deepEqual(
      [
        word({}),
        word({ frozen }),
        word({ up: false }),
        word({ up: true, trouble: "quorum lost", frozen }),
        word({ failOpen: true, trouble: "FAILING OPEN" }),
      ],
      ["up", "up, frozen", "DOWN", "DOWN", "failing open"],
    );
  });

  test("a drain says where it stands and what it waits for", () => {
    const say = (more: Parameters<typeof aDrain>[0] & { nextAt?: number }) => {
      const { nextInMs: _, ttlLeftMs: __, ...drain } = aDrain(more);
      const piece: DrainPiece = {
        nextAt: undefined,
        undoneAt: undefined,
        endedAt: undefined,
        plan: [],
        history: [],
        ...drain,
        ...("nextAt" in more ? { nextAt: more.nextAt } : {}),
      };
      const { word, text } = standing(piece, NOON);
      return `${word}: ${text}`;
    };
    assert.deepEqual(
      [
        say({ state: "pending" }),
        say({ nextAt: NOON + 11_200 }),
        say({ state: "paused", pausedBy: "new-down" }),
        say({ state: "draining", connections: 1, nextAt: NOON + 90_000 }),
        say({ state: "done", left: 3 }),
        say({ state: "rolled-back" }),
      ],
      [
        "pending: waits for the new to be healthy; nothing has changed",
        "shifting: step 8 of 20, the next in 12s",
        "paused (new-down): step 8 of 20",
        "draining: all moved; waits for 1 open connection on old, 1m30s at most",
        "done: its grace is over with 3 connections left",
        "rolled back: the weights of before; it had reached step 8 of 20",
      ],
    );
  });
});
