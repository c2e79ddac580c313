import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createCheckTallies } from "../../src/director/check-tallies.ts";
import { createEventTallies } from "../../src/director/event-tallies.ts";
import type { DirectorEvent } from "../../src/director/events.ts";
import { intentHash } from "../../src/director/intent-hash.ts";
import { onDemand } from "../../src/director/on-demand.ts";
import type { Config } from "../../src/model/config.ts";
import type { ProbeOutcome } from "../../src/model/probe.ts";
import type { ServerKey, ServiceKey } from "../../src/model/service.ts";
import type { EpochMs } from "../../src/model/time.ts";
import { EMPTY_INTENT, type Intent } from "../../src/policy/intent.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { webConf, world } from "./daemon.ts";

const SERVICE = "tcp:192.0.2.10:80" as ServiceKey;
const pass: ProbeOutcome = { kind: "pass", detail: "ok" };
const fail: ProbeOutcome = { kind: "fail", reason: "refused" };
const inconclusive: ProbeOutcome = { kind: "inconclusive", reason: "EMFILE" };

describe("probes are counted by service", () => {
  const w = world();
  const one = w.config(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80"]));
  const checkOf = (config: Config, service: number, server: number) => ({
    spec: config.services[service]!.servers[server]!.checks[0]!,
  });

  test("by outcome; what could not be asked has no duration", () => {
    const tallies = createCheckTallies(() => one);
    assert.equal(tallies.of("web"), undefined);
    for (const [outcome, tookMs] of [
      [pass, 2],
      [pass, 30],
      [fail, 2000],
      [inconclusive, 1],
    ] as const)
      tallies.note(checkOf(one, 0, 0), outcome, tookMs);
    const { results, duration } = tallies.of("web")!;
    assert.deepEqual(results, { pass: 2, fail: 1, inconclusive: 1 });
    assert.equal(
      duration.counts.reduce((a, b) => a + b),
      3,
    );
    assert.equal(duration.sum, 2.032);
  });

  test("one that two services share counts in both, once each", () => {
    const two = w.config(
      `${webConf(["a 10.0.0.1:80"])}\n${webConf(["x 10.0.0.1:80"]).replace("services:\n", "").replace("web", "api").replace("2.10", "2.11")}`,
    );
    const tallies = createCheckTallies(() => two);
    tallies.note(checkOf(two, 0, 0), pass, 1);
    assert.deepEqual([tallies.of("web")!.results.pass, tallies.of("api")!.results.pass], [1, 1]);
  });

  test("a reload goes on counting for what stays, and forgets what is gone; a late probe of it is nobody's", () => {
    let config = one;
    const tallies = createCheckTallies(() => config);
    const old = checkOf(one, 0, 1);
    tallies.note(old, pass, 1);
    config = w.config(webConf(["a 10.0.0.1:80"]));
    tallies.note(old, pass, 1);
    assert.equal(tallies.of("web")!.results.pass, 1);
    tallies.note(checkOf(config, 0, 0), pass, 1);
    assert.equal(tallies.of("web")!.results.pass, 2);
    config = { ...config, services: [] };
    assert.equal(tallies.of("web"), undefined);
  });
});

describe("events are counted", () => {
  const event = (kind: string, more: Partial<DirectorEvent> = {}): DirectorEvent => ({
    seq: 1,
    at: 0 as EpochMs,
    severity: "info",
    message: "",
    kind,
    ...more,
  });
  const moved = (from: string | undefined, to: string) =>
    event("server", { service: "web", server: "a", to, ...(from === undefined ? {} : { from }) });

  const cases: readonly (readonly [from: string | undefined, to: string, ups: number, downs: number])[] = [
    ["up", "down", 0, 1],
    ["presumed-up", "down", 0, 1],
    ["down", "up", 1, 0],
    [undefined, "up", 1, 0],
    ["unknown", "up", 0, 0],
    ["presumed-up", "up", 0, 0],
    ["unknown", "down", 0, 0],
    ["ready", "drain", 0, 0],
    [undefined, "flapping", 0, 0],
  ];
  for (const [from, to, ups, downs] of cases)
    test(`server ${from} -> ${to}: ${ups} ups, ${downs} downs`, () => {
      const tallies = createEventTallies();
      tallies.note(moved(from, to));
      assert.deepEqual(tallies.transitions("web", "a"), ups + downs === 0 ? { ups: 0, downs: 0 } : { ups, downs });
    });

  test("checks that do not decide are no transitions; drift, reloads and ends of drains are counted by their words", () => {
    const tallies = createEventTallies();
    tallies.note(event("check", { service: "web", server: "a", from: "up", to: "down" }));
    for (const to of ["repaired", "fight"]) tallies.note(event("drift", { to }));
    for (const to of ["done", "refused", "refused"]) tallies.note(event("reload", { to }));
    tallies.note(event("reload"));
    for (const to of ["shifting", "done", "rolled-back"]) tallies.note(event("drain", { to }));
    assert.deepEqual(tallies.transitions("web", "a"), { ups: 0, downs: 0 });
    assert.equal(tallies.drift(), 2);
    assert.deepEqual(tallies.reloads(), { done: 1, refused: 2 });
    assert.deepEqual(tallies.drainsEnded(), { done: 1, "rolled-back": 1, aborted: 0, failed: 0 });
  });

  test("servers that the configuration has not are forgotten", () => {
    const tallies = createEventTallies();
    const config = world().config(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80"]));
    tallies.note(moved("up", "down"));
    tallies.keep(config);
    assert.equal(tallies.transitions("web", "a").downs, 1);
    tallies.keep({ ...config, services: config.services.map((s) => ({ ...s, servers: s.servers.slice(1) })) });
    tallies.keep(config);
    assert.equal(tallies.transitions("web", "a").downs, 0);
  });
});

describe("what is asked for on demand", () => {
  const LIMITS = { everyMs: 5_000, patienceMs: 2_000, oldestMs: 60_000 };

  test("is asked for when somebody wants it, every 5s at most, once for many", async () => {
    const clock = fakeClock();
    let asked = 0;
    const ask = onDemand(clock, LIMITS, async () => ++asked);
    await clock.advance(60_000);
    assert.equal(asked, 0);
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [1, 1, 1]);
    await clock.advance(4_999);
    assert.equal(await ask(), 1);
    await clock.advance(1);
    assert.equal(await ask(), 2);
  });

  test("does not hold up who asks: the older value while it hangs, none when that is too old; and is asked again once it failed", async () => {
    const clock = fakeClock();
    let answer: () => Promise<number> = async () => 1;
    const ask = onDemand(clock, LIMITS, () => answer());
    assert.equal(await ask(), 1);
    await clock.advance(10_000);
    const hanging = Promise.withResolvers<number>();
    answer = () => hanging.promise;
    const waiting = ask();
    await clock.advance(2_000);
    assert.equal(await waiting, 1);
    await clock.advance(50_000);
    const late = ask();
    await clock.advance(2_000);
    assert.equal(await late, undefined);
    hanging.reject(new Error("killed"));
    await clock.advance(10);
    assert.equal(await ask(), undefined);
    answer = async () => 3;
    await clock.advance(5_000);
    assert.equal(await ask(), 3);
  });
});

describe("the hash of the intent", () => {
  const now = 1_000_000 as EpochMs;
  const said = (by: string, more: Partial<Intent["servers"][number]> = {}): Intent["servers"][number] => ({
    services: [SERVICE],
    server: "10.0.0.1:80" as ServerKey,
    disabled: { by, at: 5 as EpochMs, reason: by, until: undefined },
    weight: undefined,
    stateLost: undefined,
    ...more,
  });
  const base: Intent = { ...EMPTY_INTENT, servers: [said("alice")] };
  const freeze = { services: [SERVICE], serviceName: "web", by: "a", at: 0 as EpochMs, reason: undefined };

  const same: readonly (readonly [what: string, Intent])[] = [
    ["who said it and why", { ...base, servers: [said("bob")] }],
    ["revision, boot and what the kernel has", { ...base, revision: 9, bootId: "x", owned: [SERVICE] }],
    ["a freeze that is over", { ...base, freezes: [{ ...freeze, until: now }] }],
  ];
  for (const [what, intent] of same)
    test(`is not changed by ${what}`, () => assert.equal(intentHash(intent, now), intentHash(base, now)));

  const other: readonly (readonly [what: string, Intent])[] = [
    ["nothing said", EMPTY_INTENT],
    [
      "until when",
      { ...base, servers: [said("alice", { disabled: { by: "a", at: now, reason: undefined, until: now } })] },
    ],
    [
      "a weight",
      {
        ...base,
        servers: [said("alice", { weight: { by: "a", at: now, reason: undefined, value: 5, configured: 100 } })],
      },
    ],
    ["another server", { ...base, servers: [said("alice", { server: "10.0.0.2:80" as ServerKey })] }],
    ["a freeze", { ...base, freezes: [{ ...freeze, until: (now + 1) as EpochMs }] }],
    [
      "an added server",
      { ...base, added: [{ services: [SERVICE], address: "10.0.0.3:80", server: "10.0.0.3:80" as ServerKey }] },
    ],
  ];
  for (const [what, intent] of other)
    test(`is changed by ${what}`, () => {
      const hash = intentHash(intent, now);
      assert.notEqual(hash, intentHash(base, now));
      assert.ok(Number.isSafeInteger(hash) && hash >= 0);
    });

  test("the order in which things were said does not count", () => {
    const two = [said("a"), said("a", { server: "10.0.0.2:80" as ServerKey })];
    assert.equal(intentHash({ ...base, servers: two }, now), intentHash({ ...base, servers: two.toReversed() }, now));
  });
});
