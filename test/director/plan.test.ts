import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainContext } from "../../src/director/drains.ts";
import { viewFor } from "../../src/director/drains.ts";
import { givenShare } from "../../src/director/given.ts";
import { sysctlNotes, tooFast } from "../../src/director/pace-warnings.ts";
import { drainPlan } from "../../src/director/plan.ts";
import type { Service, ServiceKey } from "../../src/model/service.ts";
import { decide } from "../../src/policy/decide.ts";
import { DEFAULT_DRAIN_POLICY, type Drain } from "../../src/policy/drain.ts";
import { at, drain, draining, ended, key, shifting } from "../policy/drains.ts";
import { frontend, server, service } from "../support/services.ts";

const A = key("10.0.0.1:80");
const B = key("10.0.0.2:80");
const C = key("10.0.0.3:80");
const pool = (weights: readonly number[], given: Partial<Service> = {}): Service =>
  service(
    weights.map((w, i) => server(`10.0.0.${i + 1}:80 ${w}`, { name: "abcdefghij"[i]! })),
    given,
  );

/** `down`: names of servers that are not ready. */
const context = (web: Service, drains: readonly Drain[] = [], down: readonly string[] = []): DrainContext => ({
  service: web,
  intent: { servers: new Map(), drains },
  condition: ({ name }) => ({
    ready: !down.includes(name),
    connections: 0,
    lingering: 0,
    idle: false,
    empty: false,
    ramping: false,
  }),
  now: at(0),
  storable: true,
});
const RATES = new Map([["tcp:192.0.2.10:80" as ServiceKey, { perSecond: 12, servers: new Map() }]]);
const KERNEL: Readonly<Record<string, number>> = {
  conn_reuse_mode: 1,
  expire_nodest_conn: 0,
  expire_quiescent_template: 0,
};
const sysctl = (name: string) => KERNEL[name];
const moving = (given: Partial<Drain>) => drain({ from: [A], to: [B], steps: [0.25, 0.5, 1], ...given });
const planOf = (web: Service, given: Partial<Drain> = {}, seen = context(web)) =>
  drainPlan(moving(given), seen, RATES, sysctl);

describe("the plan", () => {
  test("every step with its time, shares asked and given, weights and cycle", () => {
    const { plan, rate, warnings } = planOf(pool([100, 0, 100]));
    assert.deepEqual(plan, [
      { at: 0, asked: 0.25, given: 0.25, weights: { a: 75, b: 25, c: 100 }, cycle: 8, pause: false },
      { at: 60_000, asked: 0.5, given: 0.5, weights: { a: 50, b: 50, c: 100 }, cycle: 4, pause: false },
      { at: 120_000, asked: 1, given: 1, weights: { a: 0, b: 100, c: 100 }, cycle: 2, pause: false },
    ]);
    assert.equal(rate, 12);
    assert.deepEqual(warnings, []);
  });

  test("given differs from asked where small numbers cannot say it", () => {
    const { plan } = planOf(pool([89, 0, 11]), { steps: [0.01, 1] });
    assert.equal(plan[0]!.asked, 0.01);
    assert.ok(plan[0]!.cycle <= 50);
    const { a = 0, b = 0, c = 0 } = plan[0]!.weights;
    assert.ok(Math.abs(plan[0]!.given! - (1 - a / (a + b + c) / 0.89)) < 1e-9);
    assert.ok(plan[0]!.given! > 0.01);
  });

  test("--pause-at is marked at the step that reaches it", () => {
    const policy = { ...DEFAULT_DRAIN_POLICY, pauseAt: [0.3, 0.4, 1] };
    assert.deepEqual(
      planOf(pool([100, 0]), { policy }).plan.map((p) => p.pause),
      [false, true, true],
    );
  });

  test("it is as if everybody were healthy: a new that is down now is waited for", () => {
    const web = pool([100, 0, 100]);
    const seen = context(web, [], ["b", "c"]);
    assert.deepEqual(planOf(web, {}, seen), planOf(web));
  });

  test("upon what an earlier drain left", () => {
    const web = pool([100, 0, 0]);
    const first = moving({
      id: "d-0",
      step: 3,
      phase: ended("done"),
      configured: { [A]: 100, [B]: 0 },
      result: { given: { [A]: 100 }, taken: { [B]: 100 } },
    });
    const { plan } = planOf(web, { from: [B], to: [C] }, context(web, [first]));
    assert.deepEqual(
      plan.map((p) => [p.given, p.weights]),
      [
        [0.25, { a: 0, b: 75, c: 25 }],
        [0.5, { a: 0, b: 50, c: 50 }],
        [1, { a: 0, b: 0, c: 100 }],
      ],
    );
  });

  const warned: readonly (readonly [name: string, web: Service, given: Partial<Drain>, warning: RegExp])[] = [
    [
      "steps too short for the rate",
      pool([89, 0, 11]),
      { every: 1_000 },
      /^a step of 1s carries 12 connections at the present 12\/s, fewer than two wrr cycles of \d+; two cycles take \d+s/,
    ],
    ["rr", pool([100, 0], { scheduler: "rr" }), {}, /^scheduler rr ignores weights above 0: nothing moves before/],
    ["wlc", pool([100, 0], { scheduler: "wlc" }), {}, /^scheduler wlc goes by open connections/],
    ["mh", pool([100, 0], { scheduler: "mh" }), {}, /^scheduler mh divides by hash/],
    ["fo", pool([100, 0], { scheduler: "fo" }), {}, /^scheduler fo .* all moves in one step/],
    ["ovf", pool([100, 0], { scheduler: "ovf" }), {}, /^scheduler ovf/],
    [
      "persistence",
      pool([100, 0], { persistence: { timeoutSec: 300, prefix: { v4: 32, v6: 128 }, engine: undefined } }),
      {},
      /^persistence: clients that are known stay with the old/,
    ],
  ];
  for (const [name, web, given, warning] of warned)
    test(`warns: ${name}`, () => {
      const { warnings } = planOf(web, given);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, warning);
    });

  test("who does not serve anyway is named", () => {
    const web = pool([100, 0]);
    const by = { by: "ops", at: at(0).epoch, reason: undefined, until: undefined };
    const entry = { services: [web.key], server: A, disabled: by, weight: undefined, stateLost: undefined };
    const seen = { ...context(web), intent: { servers: new Map([[A, entry]]), drains: [] } };
    assert.deepEqual(planOf(web, {}, seen).warnings, ["not serving anyway: a"]);
  });

  test("without a known rate nothing is said of it", () => {
    const web = pool([89, 0, 11]);
    const { rate, warnings } = drainPlan(moving({ every: 1 }), context(web), new Map(), sysctl);
    assert.equal(rate, undefined);
    assert.deepEqual(warnings, []);
  });
});

describe("the given share", () => {
  const given = (
    web: Service,
    mine: Drain,
    earlier: readonly Drain[] = [],
    later: readonly Drain[] = [],
    down: readonly string[] = [],
  ) => {
    const seen = context(web, [...earlier, mine, ...later], down);
    const scale = [
      ...decide(web, seen.intent, ({ name }) =>
        down.includes(name) ? { kind: "down", since: at(0).mono, reason: "" } : { kind: "no-check" },
      ).values(),
    ][0]!.scale;
    const share = givenShare(mine, viewFor(mine, seen).servers, scale);
    return share === undefined ? undefined : Math.round(share * 1e6) / 1e6;
  };
  const taken = moving({
    id: "d-0",
    from: [A],
    to: [B],
    step: 3,
    phase: ended("done"),
    configured: { [A]: 100, [B]: 0 },
    result: { given: { [A]: 100 }, taken: { [B]: 100 } },
  });
  const gone = moving({
    id: "d-0",
    from: [A],
    to: [],
    step: 3,
    phase: ended("done"),
    configured: { [A]: 100 },
    result: { given: { [A]: 100 }, taken: {} },
  });
  const half = moving({ step: 2, phase: shifting() });

  const rows: readonly (readonly [
    name: string,
    web: Service,
    drain: Drain,
    share: number | undefined,
    earlier?: readonly Drain[],
  ])[] = [
    ["half of one of two", pool([100, 0]), half, 0.5],
    ["half of one of three", pool([100, 0, 100]), half, 0.5],
    ["nothing yet", pool([100, 0]), moving({}), 0],
    ["all of it", pool([100, 0, 70]), moving({ step: 3, phase: draining() }), 1],
    ["to the rest: against the others", pool([100, 100, 100]), moving({ to: [], step: 2, phase: shifting() }), 0.5],
    [
      "to nobody: what was taken away",
      pool([100]),
      moving({ to: [], step: 2, phase: shifting(), policy: { ...DEFAULT_DRAIN_POLICY, allowEmpty: true } }),
      0.5,
    ],
    ["an old without weight", pool([0, 0]), half, undefined],
    [
      "of a server that an earlier drain filled",
      pool([100, 0, 0]),
      moving({ from: [B], to: [C], step: 2, phase: shifting() }),
      0.5,
      [taken],
    ],
    [
      "beside a server that an earlier drain emptied",
      pool([100, 100, 0]),
      moving({ from: [B], to: [C], step: 2, phase: shifting() }),
      0.5,
      [gone],
    ],
  ];
  for (const [name, web, mine, share, earlier] of rows)
    test(name, () => assert.equal(given(web, mine, earlier), share));

  test("later drains do not count", () => {
    const web = pool([100, 0, 0]);
    const stopped = { ...taken, phase: ended("aborted"), step: 2, result: { given: { [A]: 50 }, taken: { [B]: 50 } } };
    const later = moving({ id: "d-2", from: [A], to: [C], step: 3, phase: draining() });
    assert.equal(given(web, stopped, [], [later]), 0.5);
  });

  test("a new that is down carries nothing", () => assert.equal(given(pool([100, 0]), half, [], [], ["b"]), 0));
});

describe("a step that is too short", () => {
  const rows: readonly (readonly [
    name: string,
    every: number,
    cycle: number,
    rate: number | undefined,
    text: RegExp | undefined,
  ])[] = [
    ["two cycles and more", 10_000, 50, 10, undefined],
    [
      "fewer than two",
      9_000,
      50,
      10,
      /^a step of 9s carries 90 connections at the present 10\/s, fewer than two wrr cycles of 50; two cycles take 10s: /,
    ],
    [
      "nobody connects",
      60_000,
      10,
      0,
      /^a step of 1m carries 0 connections at the present 0\/s, fewer than two wrr cycles of 10: /,
    ],
    ["the rate is not known", 1_000, 50, undefined, undefined],
    ["one step only", 0, 50, 1, undefined],
    ["nobody has weight", 1_000, 0, 1, undefined],
  ];
  for (const [name, every, cycle, rate, text] of rows)
    test(name, () => {
      const said = tooFast(every, cycle, rate);
      if (text === undefined) assert.equal(said, undefined);
      else assert.match(said ?? "", text);
    });
});

describe("kernel settings that decide whether a drain ends", () => {
  const persistence = { timeoutSec: 300, prefix: { v4: 32, v6: 128 }, engine: undefined };
  const names = (web: Service, policy: Partial<Drain["policy"]> = {}) =>
    sysctlNotes(moving({ policy: { ...DEFAULT_DRAIN_POLICY, ...policy } }), web, sysctl).map((n) =>
      n.name.replace("net.ipv4.vs.", ""),
    );

  test("only those that matter for this service and this drain", () => {
    assert.deepEqual(names(pool([100, 0])), ["conn_reuse_mode"]);
    assert.deepEqual(names(pool([100, 0], { persistence })), ["expire_quiescent_template", "conn_reuse_mode"]);
    assert.deepEqual(names(pool([100, 0]), { afterwards: "remove" }), ["conn_reuse_mode", "expire_nodest_conn"]);
    for (const text of ["udp 192.0.2.10:53", "fwmark 7"])
      assert.deepEqual(names(pool([100, 0], { frontends: [frontend(text)] })), [
        "conn_reuse_mode",
        "expire_nodest_conn",
      ]);
  });

  test("with what their present value means, or that it cannot be read", () => {
    const web = pool([100, 0], { persistence });
    const said = (value: number | undefined) =>
      sysctlNotes(moving({ policy: { ...DEFAULT_DRAIN_POLICY, afterwards: "remove" } }), web, () => value).map((n) => [
        n.value,
        n.consequence,
      ]);
    for (const [value, consequence] of said(0)) {
      assert.equal(value, 0);
      assert.match(String(consequence), /set it to 1/);
    }
    for (const [, consequence] of said(1)) assert.doesNotMatch(String(consequence), /set it/);
    for (const [, consequence] of said(undefined)) assert.equal(consequence, "not readable");
  });
});
