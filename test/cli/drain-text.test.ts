import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { drainTable } from "../../src/cli/drain-list-text.ts";
import { type Planned, planText } from "../../src/cli/drain-plan-text.ts";
import { drainScreen } from "../../src/cli/drain-screen.ts";
import {
  bar,
  changeKey,
  changeLine,
  drainDetail,
  drainLines,
  progressLine,
  progressLines,
} from "../../src/cli/drain-text.ts";
import { exitOf, worst } from "../../src/cli/drain-wait.ts";
import { plain } from "../../src/cli/output.ts";
import { settleText } from "../../src/cli/settle.ts";
import { holdingOf, serversOfHost } from "../../src/cli/undrain.ts";
import type { DrainStatus, ServerStatus, SettleReply } from "../../src/control/shapes.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { aDrain, aServer, aService, captured, HOUR, MINUTE, NOON, SECOND } from "./support.ts";

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
    ["pause-at", 0, 5],
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

  test("a pause that ends by itself gets the time it may take", () => {
    const drain = aDrain({ state: "paused", pausedBy: "new-down" });
    assert.equal(exitOf(drain, 2 * MINUTE, 10 * MINUTE), undefined);
    assert.equal(exitOf(drain, 10 * MINUTE, 10 * MINUTE), 5);
  });

  const together: readonly (readonly [exits: readonly number[], exit: number])[] = [
    [[0], 0],
    [[0, 0], 0],
    [[0, 3], 3],
    [[3, 5, 0], 5],
    [[5, 4, 3], 4],
    [[4, 5], 4],
  ];
  for (const [exits, exit] of together)
    test(`several that ended with ${exits.join(", ")} end with ${exit}`, () => assert.equal(worst(exits), exit));

  test("of several on a terminal each line says whose it is; a long name leaves room for the bar", () => {
    const long = aDrain({ service: "a-service-with-a-rather-long-name" });
    assert.deepEqual(progressLines([aDrain(), aDrain({ service: "api", state: "done", left: 0, asked: 1 })], 50), [
      "web [######..........] step 8/20, next in 12s,...",
      "api [################] done, no connection left...",
    ]);
    assert.deepEqual(progressLines([long, aDrain()], 60), [
      "a-service-with-a-rath... [######..........] step 8/20, ne...",
      "web                      [######..........] step 8/20, ne...",
    ]);
    assert.deepEqual(progressLines([aDrain()], 200), [progressLine(aDrain(), 200)]);
  });

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
      "  [########............] 40% asked, 39.6% given, 34 open on 3 olds, 5 inactive",
      "  20 steps, one every 30s; begun 4m ago (2026-11-24 11:56:00) by alice: release 7",
      "  drain d-1a2b3c4d old -> new: step 8/20, 40% moved",
      "  warning: too fast",
    ]);
  });

  test("whose machine it is, when it undoes itself, what persistence keeps", () => {
    const more = { parent: { id: "h-1", host: "app1" }, ttlLeftMs: 25 * MINUTE + 400, templates: 2 };
    assert.deepEqual(drainDetail(aDrain({ ...more, steps: 1, step: 1 }), NOON, look), [
      "d-1a2b3c4d web: old -> new, machine app1 (h-1)",
      "  step 1/1, next in 12s",
      "  [########............] 40% asked, 39.6% given, 34 open on old, 2 templates, 5 inactive",
      "  1 step; begun 4m ago (2026-11-24 11:56:00) by alice",
      "  undoes itself in 25m1s",
      "  drain d-1a2b3c4d old -> new: step 8/20, 40% moved",
    ]);
    assert.deepEqual(drainLines(aDrain({ ...more, templates: 1 }), look), [
      "d-1a2b3c4d web: old -> new, machine app1 (h-1): step 8/20, next in 12s",
      "  [########............] 40% asked, 39.6% given, 34 open on old, 1 template, undoes itself in 25m1s",
    ]);
    assert.match(progressLine(aDrain(more), 200), /34 open, 2 templates$/);
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

  test("the list has notes where there is something to note, and warnings below", () => {
    const one = aDrain({ parent: { id: "h-1", host: "app1" }, ttlLeftMs: MINUTE, templates: 3 });
    const two = aDrain({ id: "d-2", service: "api", warnings: ["too fast"] });
    assert.deepEqual(drainTable([one, two], NOON, look), [
      "id          service  begun   step  asked  given  state     from -> to  notes",
      "d-1a2b3c4d  web      4m ago  8/20    40%  39.6%  shifting  old -> new  machine app1 (h-1), undoes itself in 1m, 3 templates",
      "d-2         api      4m ago  8/20    40%  39.6%  shifting  old -> new",
      "d-2: warning: too fast",
    ]);
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
    assert.deepEqual(planText([drain], look), [
      "web: old -> new: 2 steps, one every 1m30s; the last after 1m30s; then waits for open connections",
      "at present 12.3 new connections a second",
      "warning: persistence: known clients stay",
      "net.ipv4.vs.x = 1: clients move",
      "  after  asked  given  old  new  5 others  wrr cycle",
      "     0s    50%    50%   50   50        50  15  then waits for resume",
      "  1m30s   100%   100%    0  100        50  15",
      "",
      "dry run: nothing was changed",
    ]);
    const one = { ...drain, steps: 1, plan: plan.slice(1), rate: undefined, warnings: [], ttlLeftMs: 1_799_999.6 };
    const sysctl = { name: "net.ipv4.vs.y", value: undefined, consequence: "not readable" };
    assert.deepEqual(planText([{ ...one, sysctls: [sysctl] }], look), [
      "web: old -> new: 1 step; then waits for open connections; undoes itself after 30m",
      "net.ipv4.vs.y: not readable",
      "  after  asked  given  old  new  5 others  wrr cycle",
      "  1m30s   100%   100%    0  100        50  15",
      "",
      "dry run: nothing was changed",
    ]);
  });

  test("a dry run of a machine: a table for each of its services", () => {
    const step = { at: 0, asked: 1, given: undefined, weights: { app1: 0, app2: 100 }, cycle: 1, pause: false };
    const own = { parent: { id: "h-1", host: "app1" }, from: ["app1"], to: [], steps: 1, plan: [step] };
    const planned = (service: string): Planned => ({
      ...aDrain({ state: "pending", service }),
      ...own,
      warnings: [],
      sysctls: [],
      rate: undefined,
    });
    assert.deepEqual(planText([planned("web"), planned("api")], look), [
      "machine app1: 2 services; all of them or none",
      "",
      "web: app1 -> the rest: 1 step; then waits for open connections",
      "  after  asked  given  app1  app2  wrr cycle",
      "     0s   100%      -     0   100  1",
      "",
      "api: app1 -> the rest: 1 step; then waits for open connections",
      "  after  asked  given  app1  app2  wrr cycle",
      "     0s   100%      -     0   100  1",
      "",
      "dry run: nothing was changed",
    ]);
    assert.equal(planText([planned("web")], look)[0], "machine app1: 1 service; all of them or none");
  });
});

describe("drains that are watched", () => {
  const machine = { parent: { id: "h-1", host: "app1" } };
  const web = aDrain({ ...machine, id: "d-1", message: "drain d-1: done" });
  const api = aDrain({ ...machine, id: "d-2", service: "api", message: "drain d-2: paused" });
  const both = { name: "h-1", drains: [web, api] };

  test("on a terminal the lines are drawn in place, warnings stand above them, and the end takes their place", () => {
    const { out, text } = captured({ columns: 80, rows: 24 });
    const screen = drainScreen({ json: false, out, clock: systemClock });
    const line = (name: string, step: number) =>
      `${name} [######..........] step ${step}/20, next in 12s, 40% asked, 39.6% given, 34 open`;
    screen.show(both);
    assert.equal(
      text.stdout,
      "drain h-1: machine app1 in 2 services (web, api), 20 steps, one every 30s; Ctrl-C stops watching, not the drains\n" +
        `\r\x1b[J${line("web", 8)}\n${line("api", 8)}`,
    );
    text.stdout = "";
    screen.show({ ...both, drains: [aDrain({ ...web, step: 9, warnings: ["too fast: 3"] }), api] });
    assert.equal(text.stdout, `\r\x1b[1A\x1b[Jwarning: web: too fast: 3\n${line("web", 9)}\n${line("api", 8)}`);
    text.stdout = "";
    screen.show({ ...both, drains: [aDrain({ ...web, step: 9, warnings: ["too fast: 4"] }), api] });
    assert.equal(text.stdout, `\r\x1b[1A\x1b[J${line("web", 9)}\n${line("api", 8)}`, "the same warning again");
    text.stdout = "";
    screen.end({ ...both, drains: [aDrain({ ...web, state: "done" }), aDrain({ ...api, state: "paused" })] }, [0, 5]);
    assert.equal(text.stdout, "\r\x1b[1A\x1b[Jdrain d-1: done\ndrain d-2: paused\n");
    assert.equal(
      text.stderr,
      "go on with: director drain resume h-1; go back with: director drain rollback h-1\n",
      "the machine's name is for both",
    );
  });

  test("a terminal that is too small shows those under way, and how many there are besides", () => {
    const { out, text } = captured({ columns: 40, rows: 4 });
    const ended = aDrain({ service: "old", state: "done", left: 0 });
    const names = ["a", "b", "c"];
    const drains = [ended, ...names.map((service) => aDrain({ id: `d-${service}`, service }))];
    drainScreen({ json: false, out, clock: systemClock }).show({ name: "--all", drains });
    const [, ...lines] = text.stdout.split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace("\r\x1b[J", "").slice(0, 10)),
      ["a [######.", "b [######.", "and 2 more"],
    );
    assert.match(text.stdout, /^4 drains: old, a, b, c; Ctrl-C/);
  });

  test("elsewhere a line for each change; at the end those that did not end well", () => {
    const { out, text } = captured();
    const screen = drainScreen({ json: false, out, clock: systemClock });
    screen.show(both);
    screen.show({ ...both, drains: [aDrain({ ...web, connections: 7 }), aDrain({ ...api, state: "paused" })] });
    assert.deepEqual(
      text.stdout.split("\n").map((line) => line.slice(9)),
      [
        "web old -> new: step 8/20: 40% asked, 39.6% given, 34 open on old",
        "api old -> new: step 8/20: 40% asked, 39.6% given, 34 open on old",
        "api old -> new: PAUSED at step 8/20: 40% asked, 39.6% given, 34 open on old",
        "",
      ],
    );
    text.stderr = "";
    screen.end({ ...both, drains: [aDrain({ ...web, state: "done" }), aDrain({ ...api, state: "paused" })] }, [0, 5]);
    assert.match(text.stderr, /^drain d-2: paused\ngo on with: director drain resume h-1;/);
  });

  test("for programs a value a line; whoever stops looking is told how to come back", () => {
    const { out, text } = captured();
    const screen = drainScreen({ json: true, out, clock: systemClock });
    const all = { name: "--all", drains: [web, api] };
    screen.show(all);
    screen.show(all);
    assert.deepEqual(
      text.stdout.split("\n").map((line) => line && (JSON.parse(line) as DrainStatus).id),
      ["d-1", "d-2", ""],
    );
    text.stderr = "";
    screen.leave(all);
    assert.equal(
      text.stderr,
      `director: no longer watching; every drain goes on by itself
  follow it with: director drain watch --all
  hold it with: director drain pause --all; undo it with: director drain rollback --all
`,
    );
  });
});

describe("what settle says", () => {
  type Line = SettleReply["lines"][number];
  const line = (more: Partial<Line>): Line => ({
    service: "web",
    server: "old",
    address: "10.0.0.1:80",
    configured: 100,
    weight: 0,
    remove: false,
    added: false,
    because: "drain d-1",
    ...more,
  });

  test("by service: where, what to write, what stands there now, and why", () => {
    const lines = [
      line({}),
      line({ server: "new", address: "10.0.0.2:80", configured: 0, weight: 100 }),
      line({ service: "api", server: "10.0.0.3:80", address: "10.0.0.3:80", configured: 0, weight: 50, added: true }),
      line({
        service: "api",
        server: "gone",
        address: "10.0.0.4:80",
        configured: 50,
        remove: true,
        because: "drain d-2",
      }),
    ];
    assert.deepEqual(settleText({ lines }, look), [
      "web",
      "  old  10.0.0.1:80  weight: 0    # now 100; drain d-1",
      "  new  10.0.0.2:80  weight: 100  # now 0; drain d-1",
      "api",
      "  10.0.0.3:80               a line for it, weight: 50  # not in the file; drain d-1",
      "  gone         10.0.0.4:80  the line may go            # now 50; drain d-2",
      "",
      "Write all of them, then reload: the table stays as it is, and the drains behind it are over.",
      "If that takes away more than reload.max_removed: director reload --force",
    ]);
  });

  test("nothing to say, and nothing taken away", () => {
    assert.deepEqual(settleText({ lines: [] }, look), [
      "nothing to settle: the file agrees with what drains and commands have left",
    ]);
    const raised = settleText({ lines: [line({ configured: 50, weight: 60, because: "set by alice" })] }, look);
    assert.equal(
      raised.at(-1),
      "Write all of them, then reload: the table stays as it is, and the drains behind it are over.",
    );
  });
});

describe("what undrain waits for", () => {
  const disabled = { by: "alice", at: NOON, reason: "kernel", until: undefined };
  const holds: readonly (readonly [server: Partial<ServerStatus>, says: string | undefined])[] = [
    [{}, undefined],
    [{ rule: "presumed-up" }, undefined],
    [{ rule: "set-by-command" }, undefined],
    [{ rule: "drain" }, undefined],
    [{ rule: "configured-0" }, undefined],
    [{ rule: "disabled", disabled }, "disabled by alice (kernel): director enable web old"],
    [{ rule: "disabled", disabled: { ...disabled, reason: undefined } }, "disabled by alice: director enable web old"],
    [{ rule: "state-lost" }, "held at 0, its state was lost: director enable web old"],
    [{ rule: "down", reason: "connection refused" }, "down: connection refused"],
    [{ rule: "down" }, "down"],
    [{ rule: "not-yet-probed" }, "not probed yet"],
    [{ rule: "drained" }, "drained once more: director drain list"],
  ];
  for (const [server, says] of holds)
    test(`${server.rule ?? "configured"}: ${says ?? "nothing"}`, () =>
      assert.equal(holdingOf("web", aServer("old", server)), says));

  test("a machine is all that stands at its addresses, by whatever name it is called", () => {
    const services = [
      aService([aServer("app1", { address: "10.0.0.1:80" }), aServer("app2", { address: "10.0.0.2:80" })]),
      aService([aServer("x", { address: "10.0.0.1:81" }), aServer("y", { address: "[::1]:80" })], { name: "api" }),
      aService([aServer("z", { address: "10.0.0.1" })], { name: "marked" }),
    ];
    const found = (host: string) => serversOfHost(services, host).map(({ service, server }) => `${service} ${server}`);
    for (const host of ["app1", "x", "10.0.0.1", "10.0.0.1:80"])
      assert.deepEqual(found(host), ["web app1", "api x", "marked z"], host);
    assert.deepEqual(found("::1"), ["api y"]);
    assert.deepEqual(found("10.0.0"), []);
  });
});
