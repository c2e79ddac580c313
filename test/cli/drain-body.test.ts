import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../../src/cli/context.ts";
import { type DrainOptions, drainBody } from "../../src/cli/drain-body.ts";

/** What is behind `director drain web --from old` if nothing else is said. */
const plain = { service: "web", from: ["old"], requestId: "r-1" };
const pace: DrainOptions = { over: "10m", every: "30s" };
const paceSent = { overMs: 600_000, everyMs: 30_000 };

describe("what drain asks of the daemon", () => {
  const bodies: readonly (readonly [why: string, options: DrainOptions, body: Readonly<Record<string, unknown>>])[] = [
    ["over some time, in steps", pace, paceSent],
    ["--steps in percent", { steps: ["5", "12.5%", "100"], every: "1m" }, { steps: [0.05, 0.125, 1], everyMs: 60_000 }],
    ["--now", { now: true }, { now: true }],
    ["--to", { ...pace, to: ["label=color=green", "new"] }, { ...paceSent, to: ["label=color=green", "new"] }],
    ["--to --add", { now: true, to: ["10.0.0.3:80"], add: true }, { now: true, to: ["10.0.0.3:80"], add: true }],
    ["--pause-at", { ...pace, pauseAt: ["50", "75"] }, { ...paceSent, pauseAt: [0.5, 0.75] }],
    [
      "times",
      { ...pace, ttl: "30m", newDownTimeout: "0s", grace: "1h30m" },
      { ...paceSent, ttlMs: 1_800_000, newDownTimeoutMs: 0, graceMs: 5_400_000 },
    ],
    ["--min-capacity", { ...pace, minCapacity: "12.5%" }, { ...paceSent, minCapacity: 0.125 }],
    [
      "choices",
      { now: true, onNewDown: "rollback", onRestart: "resume", idle: "all", afterwards: "remove", atGrace: "remove" },
      { now: true, onNewDown: "rollback", onRestart: "resume", idle: "all", afterwards: "remove", atGrace: "remove" },
    ],
    [
      "flags and words",
      { now: true, allowEmpty: true, force: true, reason: "release 7" },
      { now: true, allowEmpty: true, force: true, reason: "release 7" },
    ],
    ["a request id of its own", { now: true, requestId: "ci-7" }, { now: true, requestId: "ci-7" }],
    ["--at-grace keep, the default", { now: true, atGrace: "keep" }, { now: true, atGrace: "keep" }],
  ];
  for (const [why, options, body] of bodies)
    test(why, () => assert.deepEqual(drainBody("web", { from: ["old"], ...options }, "r-1"), { ...plain, ...body }));

  test("a dry run has no request id: it may be asked again and again", () => {
    const body = drainBody("web", { from: ["old"], now: true, dryRun: true, requestId: "ci-7" }, "r-1");
    assert.deepEqual(body, { service: "web", from: ["old"], now: true, dryRun: true });
  });

  test("a service may be called like a command; a machine goes without one", () => {
    assert.equal(drainBody(undefined, { service: "list", from: ["a"], now: true }, "r-1").service, "list");
    assert.equal(drainBody("list", { service: "list", from: ["a"], now: true }, "r-1").service, "list");
    assert.deepEqual(drainBody(undefined, { host: "app1", now: true }, "r-1"), {
      host: "app1",
      now: true,
      requestId: "r-1",
    });
  });

  const misused: readonly (readonly [argument: string | undefined, options: DrainOptions, says: RegExp])[] = [
    [undefined, {}, /^which service\? .*--host NAME$/],
    ["web", {}, /^--from is missing: /],
    ["web", { from: [], now: true }, /^--from is missing: /],
    ["web", { service: "api", from: ["old"], now: true }, /^two services: "web" and --service "api"$/],
    ["web", { host: "app1", now: true }, /^a service or a machine, not both: "web", --host app1$/],
    [undefined, { host: "app1", from: ["old"], now: true }, /^--from has no meaning with --host/],
    ["web", { from: ["old"] }, /^--over is missing: .*--steps 5,25,100, or --now$/],
    ["web", { from: ["old"], every: "1s" }, /^--over is missing: /],
    ["web", { from: ["old"], over: "10m" }, /^--every is missing: /],
    ["web", { from: ["old"], steps: ["100"] }, /^--every is missing: /],
    ["web", { from: ["old"], now: true, every: "1s" }, /^--every has no meaning with --now/],
    ["web", { from: ["old"], now: true, ...pace }, /^--over and --now: say one of them$/],
    ["web", { from: ["old"], steps: ["100"], ...pace }, /^--over and --steps: say one of them$/],
    ["web", { from: ["old"], over: "10", every: "1s" }, /^--over 10: expected a duration such as 30s/],
    ["web", { from: ["old"], over: "1s", every: "50ms" }, /^--every 50ms: 100ms is the least$/],
    ["web", { from: ["old"], over: "721h", every: "1h" }, /^--over 721h: 720h is the most$/],
    ["web", { from: ["old"], now: true, ttl: "0s" }, /^--ttl 0s: 100ms is the least$/],
    ["web", { from: ["old"], now: true, grace: "soon" }, /^--grace soon: expected a duration/],
    ["web", { from: ["old"], now: true, minCapacity: "0.5" }, /^--min-capacity 0\.5: expected a percentage from 0%/],
    ["web", { from: ["old"], now: true, minCapacity: "50" }, /^--min-capacity 50: expected/],
    ["web", { from: ["old"], now: true, minCapacity: "101%" }, /^--min-capacity 101%: expected/],
    ["web", { from: ["old"], steps: ["0", "100"], every: "1s" }, /^--steps 0: expected percentages above 0/],
    ["web", { from: ["old"], steps: ["101"], every: "1s" }, /^--steps 101: expected/],
    ["web", { from: ["old"], ...pace, pauseAt: ["half"] }, /^--pause-at half: expected percentages/],
    ["web", { from: ["old"], now: true, add: true }, /^--add needs --to: /],
    ["web", { from: ["old"], now: true, atGrace: "remove" }, /^--at-grace remove needs --then remove: /],
  ];
  for (const [argument, options, says] of misused)
    test(`wrong usage: ${argument ?? "(no service)"} ${JSON.stringify(options)}`, () =>
      assert.throws(
        () => drainBody(argument, options, "r-1"),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, says);
          return true;
        },
      ));
});
