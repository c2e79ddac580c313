import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  begin,
  type DrainRequest,
  hasNothing,
  MOST_STEPS,
  type Pace,
  selected,
  serversOfHost,
  stepsOf,
} from "../../src/director/drain-request.ts";
import type { DrainContext } from "../../src/director/drains.ts";
import { entriesOf } from "../../src/director/places.ts";
import type { Config } from "../../src/model/config.ts";
import type { ServerKey, Service } from "../../src/model/service.ts";
import type { EpochMs } from "../../src/model/time.ts";
import { DEFAULT_DRAIN_POLICY, type Drain } from "../../src/policy/drain.ts";
import type { ServerIntent } from "../../src/policy/intent.ts";
import { at, drain, draining, ended, key, paused, shifting } from "../policy/drains.ts";
import { frontend, server, service } from "../support/services.ts";

const [A, B, C, D] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"] as const;
/** `old` 100, `new` 0, `c` and `d` 100, two of them blue and one green. */
const WEB = service([
  server(`${A} 100`, { name: "old", labels: { color: "blue" } }),
  server(`${B} 0`, { name: "new", labels: { color: "green", version: "a=b" } }),
  server(`${C} 100`, { name: "c", labels: { color: "blue" } }),
  server(`${D} 100`, { name: "d" }),
]);

interface Seen {
  readonly drains?: readonly Drain[];
  readonly down?: readonly string[];
  readonly said?: Readonly<Record<string, Partial<ServerIntent>>>;
}

function context(web: Service, { drains = [], down = [], said = {} }: Seen = {}): DrainContext {
  const servers = Object.entries(said).map(([name, given]): readonly [ServerKey, ServerIntent] => {
    const { key: id } = web.servers.find((s) => s.name === name)!;
    return [
      id,
      { services: entriesOf(web), server: id, disabled: undefined, weight: undefined, stateLost: undefined, ...given },
    ];
  });
  return {
    service: web,
    intent: { drains, servers: new Map(servers) },
    condition: ({ name }) => ({
      ready: !down.includes(name) && !said[name]?.disabled,
      connections: 0,
      lingering: 0,
      idle: false,
      empty: false,
      ramping: false,
    }),
    now: at(5_000),
    storable: true,
  };
}

const request = (given: Partial<DrainRequest> = {}): DrainRequest => ({
  from: ["old"],
  to: ["new"],
  pace: { kind: "over", over: 600_000, every: 60_000 },
  policy: {},
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
  ...given,
});
const NAMING = { id: "d-7", actor: "ops", parent: undefined };
const judge = (given: Partial<DrainRequest> = {}, seen: Seen = {}, web = WEB) =>
  begin(request(given), context(web, seen), NAMING);

describe("the steps of a pace", () => {
  const rows: readonly (readonly [name: string, pace: Pace, steps: readonly number[] | RegExp])[] = [
    ["--now is one step", { kind: "now" }, [1]],
    ["over 10m, every 2m30s", { kind: "over", over: 600_000, every: 150_000 }, [0.25, 0.5, 0.75, 1]],
    ["a part of a step is a whole one", { kind: "over", over: 100_000, every: 60_000 }, [0.5, 1]],
    ["a step longer than the whole", { kind: "over", over: 10_000, every: 60_000 }, [1]],
    ["over nothing", { kind: "over", over: 0, every: 60_000 }, [1]],
    [
      "--steps as they stand",
      { kind: "steps", shares: [0.05, 0.1, 0.25, 0.5, 1], every: 1_000 },
      [0.05, 0.1, 0.25, 0.5, 1],
    ],
    ["--steps 100", { kind: "steps", shares: [1], every: 1_000 }, [1]],
    ["--steps that do not ascend", { kind: "steps", shares: [0.1, 0.1, 1], every: 1_000 }, /must ascend/],
    ["--steps that begin with 0", { kind: "steps", shares: [0, 1], every: 1_000 }, /above 0/],
    ["--steps of nothing", { kind: "steps", shares: [], every: 1_000 }, /must ascend/],
    [
      "--steps that do not move all",
      { kind: "steps", shares: [0.1, 0.5], every: 1_000 },
      /the last must be 100; use --pause-at/,
    ],
    [
      "more steps than make sense",
      { kind: "over", over: (MOST_STEPS + 1) * 100, every: 100 },
      /1001 steps are more than 1000/,
    ],
  ];
  for (const [name, pace, expected] of rows)
    test(name, () => {
      const steps = stepsOf(pace);
      if (expected instanceof RegExp) assert.match(steps.ok ? "" : steps.error, expected);
      else assert.deepEqual(steps, { ok: true, value: expected });
    });
});

describe("who is meant", () => {
  const rows: readonly (readonly [words: readonly string[], names: readonly string[] | RegExp])[] = [
    [["old"], ["old"]],
    [[A], ["old"]],
    [["10.0.0.1"], ["old"]],
    [
      ["d", "old", "d"],
      ["d", "old"],
    ],
    [["label=color=blue"], ["old", "c"]],
    [
      ["c", "label=color=blue"],
      ["c", "old"],
    ],
    [["label=version=a=b"], ["new"]],
    [
      ["label=color=red"],
      /--from label=color=red: service web has old \(color=blue\), new \(color=green, version=a=b\), c \(color=blue\), d$/,
    ],
    [["label=color"], /service web has/],
    [["label=version=a"], /service web has/],
    [["nobody"], /--from nobody: service web has/],
  ];
  for (const [words, expected] of rows)
    test(words.join(","), () => {
      const found = selected(WEB, words, "--from");
      if (expected instanceof RegExp) assert.match(found.ok ? "" : found.error, expected);
      else assert.deepEqual(found.ok && found.value.map((s) => s.name), expected);
    });

  test("an address with several servers names none of them", () => {
    const two = service([server("10.0.0.1:80"), server("10.0.0.1:81")]);
    assert.equal(selected(two, ["10.0.0.1"], "--from").ok, false);
    assert.equal(selected(two, ["10.0.0.1:81"], "--from").ok, true);
  });
});

describe("a new drain", () => {
  test("waits for its news, with everything it was told", () => {
    const begun = judge({ policy: { grace: 5_000, ttl: 1_000_000 }, reason: "release 7", requestId: "ci-1" });
    assert.deepEqual(begun, {
      ok: true,
      value: drain({
        id: "d-7",
        service: WEB.frontends.map(() => WEB.key),
        from: [key(A)],
        to: [key(B)],
        phase: { kind: "pending", since: at(5_000).mono },
        policy: { ...DEFAULT_DRAIN_POLICY, grace: 5_000, ttl: 1_000_000 },
        configured: { [key(A)]: 100, [key(B)]: 0 },
        expires: { mono: at(1_005_000).mono, epoch: at(1_005_000).epoch },
        startedAt: at(5_000).epoch,
        reason: "release 7",
        requestId: "ci-1",
      }),
    });
  });

  test("--now holds its only step for no time", () => {
    const begun = judge({ pace: { kind: "now" } });
    assert.deepEqual(begun.ok && [begun.value.steps, begun.value.every], [[1], 0]);
  });

  const by = { by: "eve", at: 0 as EpochMs, reason: undefined };
  const disabled = { ...by, until: undefined };
  const rr = service(WEB.servers, { scheduler: "rr" });
  const other = (given: Partial<Drain>): Drain => drain({ id: "d-1", from: [key(C)], to: [key(D)], ...given });
  const refused: readonly (readonly [name: string, Partial<DrainRequest>, Seen, Service, RegExp])[] = [
    ["nobody gives", { from: [] }, {}, WEB, /--from names no server/],
    ["the same on both sides", { from: ["old", "c"], to: ["c"] }, {}, WEB, /c stands in --from and in --to/],
    ["a scheduler that does not follow weights", {}, {}, rr, /scheduled by rr.*--force/],
    ["a new that is disabled", {}, { said: { new: { disabled } } }, WEB, /new is disabled by eve: enable it first/],
    [
      "a new that is held",
      {},
      { said: { new: { stateLost: { at: 0 as EpochMs } } } },
      WEB,
      /state-lost.*enable it first/,
    ],
    ["nothing to move", { from: ["new"], to: ["old"] }, {}, WEB, /new: weight is 0 already/],
    [
      "drained already",
      {},
      {
        drains: [
          other({
            from: [key(A)],
            to: [key(C)],
            step: 10,
            phase: ended("done"),
            configured: { [key(A)]: 100, [key(C)]: 100 },
            result: { given: { [key(A)]: 100 }, taken: { [key(C)]: 100 } },
          }),
        ],
      },
      WEB,
      /old: weight is 0 already/,
    ],
    [
      "another one is shifting",
      {},
      { drains: [other({ step: 3, phase: shifting() })] },
      WEB,
      /drain d-1 is shifting in this service/,
    ],
    [
      "another one is paused",
      {},
      { drains: [other({ step: 3, phase: paused("operator") })] },
      WEB,
      /drain d-1 is paused/,
    ],
    [
      "another one waits for connections of the same server",
      {},
      { drains: [other({ from: [key(C)], to: [key(B)], step: 10, phase: draining() })] },
      WEB,
      /new takes part in drain d-1/,
    ],
    [
      "the pool's last server",
      { to: [] },
      {},
      service([WEB.servers[0]!, WEB.servers[1]!]),
      /nobody else has weight.*--to, or say --allow-empty/,
    ],
    [
      "more than half of the pool",
      { from: ["old", "c"], to: [] },
      {},
      WEB,
      /^web: only 33.3% of the healthy weight would be left, below --min-capacity 50%$/,
    ],
    [
      "half of what is configured, where others are drained already",
      { from: ["d"], to: [] },
      {
        drains: [
          other({
            from: [key(A)],
            to: [],
            step: 10,
            phase: ended("done"),
            configured: { [key(A)]: 100 },
            result: { given: { [key(A)]: 100 }, taken: {} },
          }),
        ],
      },
      WEB,
      /^web: only 33.3%/,
    ],
  ];
  for (const [name, given, seen, web, why] of refused)
    test(`is refused: ${name}`, () => {
      const begun = judge(given, seen, web);
      assert.match(begun.ok ? "" : begun.error, why);
    });

  const allowed: readonly (readonly [name: string, Partial<DrainRequest>, Seen, Service])[] = [
    ["a scheduler that does not follow weights, with --force", { force: true }, {}, rr],
    ["another one only waits for connections of others", {}, { drains: [other({ step: 10, phase: draining() })] }, WEB],
    ["another one is over", {}, { drains: [other({ step: 3, phase: ended("aborted") })] }, WEB],
    [
      "an old that is down, or disabled: its weight moves all the same",
      {},
      { down: ["old"], said: { old: { disabled } } },
      WEB,
    ],
    ["a new that is down: it is waited for", {}, { down: ["new"] }, WEB],
    [
      "exactly the capacity that has to be left",
      { from: ["d"], to: [] },
      {},
      service([WEB.servers[0]!, WEB.servers[3]!]),
    ],
    [
      "the pool's last server, with --allow-empty",
      { to: [], policy: { allowEmpty: true } },
      {},
      service([WEB.servers[0]!]),
    ],
    ["several olds, one of which has no weight", { from: ["old", "new"], to: ["c"] }, {}, WEB],
  ];
  for (const [name, given, seen, web] of allowed)
    test(`is begun: ${name}`, () => {
      const begun = judge(given, seen, web);
      assert.ok(begun.ok, begun.ok ? "" : begun.error);
    });
});

describe("a whole machine", () => {
  const web = service([server("10.0.0.1:80", { name: "app1" }), server("10.0.0.2:80", { name: "app2" })]);
  const api = service(
    [server("10.0.0.1:8081", { name: "api1" }), server("10.0.0.1:8082", { name: "api1b" }), server("10.0.0.2:8081")],
    { name: "api", frontends: [frontend("tcp 192.0.2.11:80")] },
  );
  const dns = service([server("10.0.0.9:53")], { name: "dns", frontends: [frontend("udp 192.0.2.12:53")] });
  const config = { services: [web, api, dns] } as unknown as Config;
  const homes = (host: string) =>
    [...serversOfHost(config, host)].map(([s, all]) => `${s.name}: ${all.map((each) => each.name).join(",")}`);

  test("is everything at its addresses, under whatever name and port", () => {
    for (const host of ["app1", "10.0.0.1", "10.0.0.1:80", "api1b"])
      assert.deepEqual(homes(host), ["web: app1", "api: api1,api1b"], host);
    assert.deepEqual(homes("app2"), ["web: app2", "api: 10.0.0.2:8081"]);
    assert.deepEqual(homes("app9"), []);
  });

  test("with two addresses under one name, as of both families, is both", () => {
    const six = service([server("[2001:db8::1]:80", { name: "app1" })], {
      name: "six",
      frontends: [frontend("tcp [2001:db8::10]:80")],
    });
    const both = { services: [web, six] } as unknown as Config;
    assert.deepEqual(
      [...serversOfHost(both, "app1").keys()].map((s) => s.name),
      ["web", "six"],
    );
    assert.deepEqual(
      [...serversOfHost(both, "10.0.0.1").keys()].map((s) => s.name),
      ["web"],
    );
  });

  test("has nothing to give where it stands by, unless a drain is about to give it something", () => {
    const standby = [WEB.servers[1]!];
    assert.equal(hasNothing(standby, context(WEB)), true);
    assert.equal(hasNothing([...standby, WEB.servers[0]!], context(WEB)), false);
    assert.equal(hasNothing(standby, context(WEB, { drains: [drain({ from: [key(A)], to: [key(B)] })] })), false);
  });
});
