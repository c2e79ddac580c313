import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerStatus, StatusReply } from "../../src/control/shapes.ts";
import { problemsOf } from "../../src/director/problems.ts";
import { aCheck, aDrain, aServer, aService, aStatus, HOUR, MINUTE, NOON, SECOND } from "../cli/support.ts";

const lines = (status: Partial<StatusReply>) =>
  problemsOf(aStatus(status)).map(({ severity, message }) => `${severity}: ${message}`);
const down = (name: string, more: Partial<ServerStatus> = {}) =>
  aServer(name, {
    state: "down",
    since: NOON - 3 * MINUTE,
    reason: "connection refused",
    weight: 0,
    rule: "down",
    active: 0,
    ...more,
  });

describe("what an operator reads first", () => {
  test("who is down, before what could not be asked, before what stands still, before what operators said", () => {
    const table = {
      ...aStatus().table,
      leftAlone: [
        { what: "-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 1", why: "fight" as const, until: NOON + 2 * MINUTE },
        { what: "-e -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1", why: "reported" as const, until: undefined },
      ],
    };
    const servers = [
      aServer("a", {
        disabled: { by: "alice", at: NOON - 2 * HOUR, reason: "kernel update", until: NOON + HOUR },
      }),
      aServer("b", { override: { weight: 30, by: "bob", at: NOON - HOUR, reason: undefined } }),
      aServer("c", { checks: [aCheck({ unchecked: true, detail: "no route" })] }),
      down("d", { active: 7 }),
    ];
    assert.deepEqual(
      lines({
        table,
        freezes: [{ service: "db", by: "carol", at: NOON, reason: "switch", until: NOON + 30 * MINUTE }],
        services: [
          aService(servers, { unproven: ["http GET /new"] }),
          aService([down("x")], { name: "api", trouble: "no server gets clients" }),
        ],
        drains: [aDrain({ state: "paused", message: "drain d-1 old -> new: paused at 40% (new-down: it is down)" })],
      }),
      [
        "error: FROZEN: db, by carol for another 30m (switch): nothing is written",
        "error: api: no server gets clients",
        "error: drift-fight: somebody else changes it, left alone for another 2m: -e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 1",
        "warning: web d: down for 3m: connection refused; weight 0, 7 connections still open",
        "warning: api x: down for 3m: connection refused; weight 0",
        "warning: web c: unchecked: http GET /healthz: no route",
        "warning: web: check http GET /new is unproven since the reload: it has passed nowhere and takes nothing down",
        "warning: web: drain d-1 old -> new: paused at 40% (new-down: it is down)",
        "warning: web a: disabled by alice for 2h, for another 1h (kernel update)",
        "warning: web b: weight 30 set by bob 1h ago",
        "warning: drift: somebody else changes it, left alone: -e -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 1",
      ],
    );
  });

  const done: readonly (readonly [more: Partial<ServerStatus>, words: string])[] = [
    [{}, "weight 0"],
    [{ active: 1 }, "weight 0, 1 connection still open"],
    [{ takenOut: "udp flows", kernelWeight: undefined }, "taken out of the table"],
    [{ weight: 100, rule: "fail-open" }, "keeps weight 100 (fail-open)"],
    [{ kernelWeight: 100 }, "the kernel still has weight 100"],
    [{ kernelWeight: undefined, active: undefined }, "not in the table"],
  ];
  for (const [more, words] of done)
    test(`what director did about it: ${words}`, () =>
      assert.deepEqual(lines({ services: [aService([down("a", { kernelWeight: 0, ...more })])] }), [
        `warning: web a: down for 3m: connection refused; ${words}`,
      ]));

  test("many of a service are one line: how many, for how long, why, and the first of them", () => {
    const servers = Array.from({ length: 1_000 }, (_, i) =>
      i < 10
        ? aServer(`s${i}`)
        : down(`s${i}`, { since: NOON - i * SECOND, reason: i % 3 === 0 ? "status 503" : "connection refused" }),
    );
    assert.deepEqual(lines({ services: [aService(servers)] }), [
      "warning: web: 990 of 1000 servers down, for 10s to 16m39s: 660 connection refused, 330 status 503: s10, s11, s12 and 987 more",
    ]);
  });

  test("where most services have somebody down all of it is two lines", () => {
    const services = Array.from({ length: 200 }, (_, i) =>
      aService(
        Array.from({ length: i === 7 ? 60 : 50 }, (_, n) => down(`n${n}`)),
        { name: `s${i}`, trouble: "no server gets clients" },
      ),
    );
    assert.deepEqual(lines({ services }), [
      "error: 200 of 200 services: no server gets clients: s0, s1, s2 and 197 more",
      "warning: 200 services: 10010 of 10010 servers down, for 3m: 10010 connection refused; most in: s7 60, s0 50, s1 50",
    ]);
  });

  test("checks that could not be made are one line when they are many", () => {
    const unchecked = [aCheck({ unchecked: true, last: "inconclusive", detail: "too many open files" })];
    const servers = Array.from({ length: 40 }, (_, i) => aServer(`s${i}`, { checks: unchecked }));
    assert.deepEqual(lines({ services: [aService(servers)] }), [
      "warning: web: 40 checks could not be made: too many open files: s0, s1, s2 and 37 more",
    ]);
  });
});
