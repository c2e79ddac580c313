import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerVerdict } from "../../src/health/server.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsTable } from "../../src/ipvs/table.ts";
import type { Config } from "../../src/model/config.ts";
import type { RealServer, Service } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs } from "../../src/model/time.ts";
import { decide, isReady, type ServiceDecision, type WeightRule } from "../../src/policy/decide.ts";
import { type Desired, desired, sticksAtZero } from "../../src/policy/desired.ts";
import type { ServerIntent } from "../../src/policy/intent.ts";
import { NO_INTENT, type ServiceIntent } from "../../src/policy/moves.ts";
import { frontend, server, service } from "../support/services.ts";
import { drain, draining, ended, key, mono, shifting } from "./drains.ts";

const UP: ServerVerdict = { kind: "up", since: mono(0), recoveredAt: undefined };
const DOWN: ServerVerdict = { kind: "down", since: mono(0), reason: "connection refused" };
const UNKNOWN: ServerVerdict = { kind: "unknown", since: mono(0), reason: "waiting for the first pass" };
const PRESUMED: ServerVerdict = { kind: "presumed-up", since: mono(0) };
const UNCHECKED: ServerVerdict = { kind: "no-check" };

const said = { by: "ops", at: 0 as EpochMs, reason: undefined };
const DISABLED = { ...said, until: undefined };
const LOST = { at: 0 as EpochMs };

function intentFor(
  entries: Readonly<Record<string, Partial<ServerIntent>>>,
  drains: ServiceIntent["drains"] = [],
): ServiceIntent {
  const servers = Object.entries(entries).map(([name, given]) => {
    const entry: ServerIntent = {
      services: ["tcp:192.0.2.10:80" as Service["key"]],
      server: key(name),
      disabled: undefined,
      weight: undefined,
      stateLost: undefined,
      ...given,
    };
    return [key(name), entry] as const;
  });
  return { servers: new Map(servers), drains };
}

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
/** A drain from A to B. */
const moving = (given: Parameters<typeof drain>[0]) =>
  drain({ from: [key(A)], to: [key(B)], configured: { [key(A)]: 100, [key(B)]: 100 }, ...given });

describe("the weight of one server: every rule, and which comes first", () => {
  type Row = readonly [
    name: string,
    input: {
      readonly weight?: number;
      readonly verdict: ServerVerdict;
      readonly said?: Partial<ServerIntent>;
      readonly drains?: ServiceIntent["drains"];
    },
    weight: number,
    rule: WeightRule,
  ];
  const override = (value: number, configured = 100) => ({ weight: { ...said, value, configured } });
  const half = [moving({ step: 5, phase: shifting() })];
  const all = [moving({ step: 10, phase: draining() })];
  const rows: readonly Row[] = [
    ["up", { verdict: UP }, 100, "configured"],
    ["no check: counts as up", { verdict: UNCHECKED }, 100, "configured"],
    ["presumed up", { verdict: PRESUMED }, 100, "presumed-up"],
    ["down", { verdict: DOWN }, 0, "down"],
    ["not probed yet", { verdict: UNKNOWN }, 0, "not-yet-probed"],
    ["a standby", { weight: 0, verdict: UP }, 0, "configured-0"],
    ["a standby that is down is down", { weight: 0, verdict: DOWN }, 0, "down"],
    ["disabled", { verdict: UP, said: { disabled: DISABLED } }, 0, "disabled"],
    [
      "disabled and down: enabling it will show that it is down",
      { verdict: DOWN, said: { disabled: DISABLED } },
      0,
      "disabled",
    ],
    ["held, our state was lost", { verdict: UP, said: { stateLost: LOST } }, 0, "state-lost"],
    ["disabled comes before held", { verdict: UP, said: { stateLost: LOST, disabled: DISABLED } }, 0, "disabled"],
    ["held comes before down", { verdict: DOWN, said: { stateLost: LOST } }, 0, "state-lost"],
    ["a weight set by command", { verdict: UP, said: override(30) }, 30, "set-by-command"],
    [
      "a weight set by command gives a standby clients",
      { weight: 0, verdict: UP, said: override(30, 0) },
      30,
      "set-by-command",
    ],
    ["weight 0 set by command", { verdict: UP, said: override(0) }, 0, "configured-0"],
    [
      "set by command, but the file's weight changed since",
      { weight: 80, verdict: UP, said: override(30, 100) },
      80,
      "configured",
    ],
    ["set by command, and down", { verdict: DOWN, said: override(30) }, 0, "down"],
    ["half drained", { verdict: UP, drains: half }, 50, "drain"],
    ["half drained and presumed up", { verdict: PRESUMED, drains: half }, 50, "drain"],
    ["half drained and down", { verdict: DOWN, drains: half }, 0, "down"],
    [
      "half drained and disabled: disabling wins",
      { verdict: UP, drains: half, said: { disabled: DISABLED } },
      0,
      "disabled",
    ],
    ["drained", { verdict: UP, drains: all }, 0, "drained"],
    ["drained and down", { verdict: DOWN, drains: all }, 0, "down"],
    ["drained and not probed yet", { verdict: UNKNOWN, drains: all }, 0, "not-yet-probed"],
    ["half drained from a weight set by command", { verdict: UP, drains: half, said: override(60) }, 30, "drain"],
  ];
  for (const [name, { weight = 100, verdict, said: entry = {}, drains = [] }, expected, rule] of rows)
    test(`${name}: ${expected}, ${rule}`, () => {
      const pool = service([server(`${A} ${weight}`), server(`${B} 100`)]);
      const decided = decide(pool, intentFor({ [A]: entry }, drains), (s) => (s.key === key(A) ? verdict : UP));
      const { scale, ...decision } = decided.get(key(A))!;
      assert.equal(Math.round(decision.weight / scale), expected);
      assert.equal(decision.rule, rule);
      assert.equal(decision.verdict, verdict);
      assert.equal(decision.configured, weight);
    });

  test("clearing one reason never clears another", () => {
    const pool = service([server(A)]);
    const rule = (entry: Partial<ServerIntent>, verdict: ServerVerdict) =>
      decide(pool, intentFor({ [A]: entry }), () => verdict).get(key(A))!.rule;
    assert.equal(rule({ disabled: DISABLED, ...override(30) }, DOWN), "disabled");
    assert.equal(rule({ ...override(30) }, DOWN), "down");
    assert.equal(rule({ ...override(30) }, UP), "set-by-command");
    assert.equal(rule({ disabled: DISABLED, ...override(30) }, UP), "disabled");
  });

  test("what follows the weight: configured - given + taken, and the scale", () => {
    const pool = service([server(`${A} 100`), server(`${B} 100`), server(`${C} 50`)]);
    const decided = decide(pool, intentFor({}, [moving({ step: 3, phase: shifting() })]), () => UP);
    const inputs = [A, B, C].map((name) => {
      const { configured, base, given, taken } = decided.get(key(name))!;
      return [configured, base, given, taken];
    });
    assert.deepEqual(inputs, [
      [100, 100, 30, 0],
      [100, 100, 0, 30],
      [50, 50, 0, 0],
    ]);
    for (const { base, given, taken, scale, weight } of decided.values())
      assert.equal(weight, Math.max(1, Math.round(scale * (base - given + taken))));
  });

  test("without a drain weights are those of the file, whatever their cycle", () => {
    const pool = service([server(`${A} 65535`), server(`${B} 1`), server(`${C} 97`)]);
    assert.deepEqual(
      [...decide(pool, NO_INTENT, () => UP).values()].map((d) => d.weight),
      [65_535, 1, 97],
    );
  });

  test("a server keeps at least weight 1 while anything of it is left", () => {
    const pool = service([server(`${A} 1`), server(`${B} 1000`)]);
    const decided = decide(pool, intentFor({}, [moving({ step: 9, phase: shifting() })]), () => UP);
    assert.ok(decided.get(key(A))!.weight >= 1);
  });

  test("drains stand upon each other in the order they began, and a rolled-back one counts for nothing", () => {
    const pool = service([server(`${A} 100`), server(`${B} 0`), server(`${C} 0`)]);
    const first = moving({
      step: 10,
      phase: ended("done"),
      result: { given: { [key(A)]: 100 }, taken: { [key(B)]: 100 } },
      configured: { [key(A)]: 100, [key(B)]: 0 },
    });
    const second = drain({
      from: [key(B)],
      to: [key(C)],
      step: 5,
      phase: shifting(),
      configured: { [key(B)]: 0, [key(C)]: 0 },
    });
    const weights = (...drains: ServiceIntent["drains"]) =>
      [...decide(pool, intentFor({}, drains), () => UP).values()].map((d) => d.weight);
    assert.deepEqual(weights(first, second), [0, 50, 50]);
    assert.deepEqual(weights({ ...first, phase: ended("rolled-back"), result: undefined }), [100, 0, 0]);
  });

  test("ready: up by any verdict, not disabled, not held", () => {
    for (const [verdict, ready] of [
      [UP, true],
      [PRESUMED, true],
      [UNCHECKED, true],
      [DOWN, false],
      [UNKNOWN, false],
    ] as const) {
      assert.equal(isReady(verdict, undefined), ready);
      for (const entry of [{ disabled: DISABLED }, { stateLost: LOST }])
        assert.equal(isReady(verdict, intentFor({ [A]: entry }).servers.get(key(A))), false);
    }
  });
});

function table(...lines: readonly string[]): IpvsTable {
  return parseListing(lines.join("\n")).table;
}

function lines(wanted: IpvsTable): readonly string[] {
  return [...wanted].flatMap(([id, entry]) => [
    ruleLine({ op: "add-service", service: id, entry }),
    ...[...entry.destinations.values()].map((destination) =>
      ruleLine({ op: "add-server", service: id, frontend: entry.frontend, destination }),
    ),
  ]);
}

function wanted(
  services: readonly Service[],
  given: {
    readonly verdicts?: Readonly<Record<string, ServerVerdict>>;
    readonly intent?: ServiceIntent;
    readonly actual?: IpvsTable;
    readonly expire?: boolean;
    readonly now?: MonotonicMs;
    readonly before?: Pick<ServiceDecision, "quorum" | "failOpen">;
  } = {},
): Desired {
  return desired({
    config: { services } as unknown as Config,
    intent: () => given.intent ?? NO_INTENT,
    verdict: (_: Service, s: RealServer) => given.verdicts?.[s.key as string] ?? UP,
    expireQuiescentTemplate: given.expire ?? false,
    actual: given.actual ?? new Map(),
    now: given.now ?? mono(0),
    before: () => given.before,
  });
}

describe("the table that follows", () => {
  test("every frontend has the same pool and the same weights, in its own family and with its own port", () => {
    const pool = service([server("10.0.0.1 100"), server("[2001:db8:1::1]:80 50"), server("10.0.0.2:8080 30")], {
      frontends: [
        frontend("tcp 192.0.2.10:80"),
        frontend("tcp 192.0.2.10:443"),
        frontend("tcp [2001:db8::10]:80"),
        frontend("fwmark 7"),
      ],
    });
    assert.deepEqual(lines(wanted([pool], { verdicts: { "10.0.0.2:8080": DOWN } }).table), [
      "-A -t 192.0.2.10:80 -s wrr",
      "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 100",
      "-a -t 192.0.2.10:80 -r 10.0.0.2:8080 -m -w 0",
      "-A -t 192.0.2.10:443 -s wrr",
      "-a -t 192.0.2.10:443 -r 10.0.0.1:443 -m -w 100",
      "-a -t 192.0.2.10:443 -r 10.0.0.2:8080 -m -w 0",
      "-A -t [2001:db8::10]:80 -s wrr",
      "-a -t [2001:db8::10]:80 -r [2001:db8:1::1]:80 -m -w 50",
      "-A -f 7 -s wrr",
      "-a -f 7 -r 10.0.0.1:0 -m -w 100",
      "-a -f 7 -r 10.0.0.2:8080 -m -w 0",
    ]);
  });

  test("a tunnel crosses families", () => {
    const tunnelled = server("10.0.0.1 100", { forwarding: { kind: "tunnel", encapsulation: "ipip" } });
    const pool = service([tunnelled], { frontends: [frontend("tcp [2001:db8::10]:80")] });
    assert.deepEqual(lines(wanted([pool]).table), [
      "-A -t [2001:db8::10]:80 -s wrr",
      "-a -t [2001:db8::10]:80 -r 10.0.0.1:80 -i -w 100",
    ]);
  });

  test("options of the service: flags sorted, persistence by the family's mask", () => {
    const pool = service([server("10.0.0.1 1")], {
      frontends: [frontend("tcp 192.0.2.10:80"), frontend("fwmark6 9")],
      scheduler: "mh",
      schedulerFlags: ["mh-port", "mh-fallback"],
      persistence: { timeoutSec: 300, prefix: { v4: 24, v6: 64 }, engine: undefined },
    });
    assert.deepEqual(
      lines(wanted([pool]).table).filter((line) => line.startsWith("-A")),
      [
        "-A -t 192.0.2.10:80 -s mh -p 300 -M 255.255.255.0 -b mh-fallback,mh-port",
        "-A -f 9 -6 -s mh -p 300 -M 64 -b mh-fallback,mh-port",
      ],
    );
  });

  test("who must not get another client is named: the dead and the disabled, not the drained and not the unknown", () => {
    const pool = service([server(A), server(B), server(C), server("10.0.0.4:80 0")]);
    const { urgent } = wanted([pool], {
      verdicts: { [A]: DOWN, [C]: UNKNOWN },
      intent: intentFor({ [B]: { disabled: DISABLED } }),
    });
    assert.deepEqual([...urgent], [`tcp:192.0.2.10:80 ${A}`, `tcp:192.0.2.10:80 ${B}`]);
  });
});

describe("taken out, where weight 0 would not keep clients away", () => {
  const persistence = { timeoutSec: 300, prefix: { v4: 32, v6: 128 }, engine: undefined };
  const rows: readonly (readonly [name: string, given: Partial<Service>, expire: boolean, why: RegExp | undefined])[] =
    [
      ["wrr over tcp: weight 0 is enough", {}, false, undefined],
      ["udp", { frontends: [frontend("udp 192.0.2.10:53")] }, true, /^udp flows/],
      ["dh", { scheduler: "dh" }, true, /^scheduler dh/],
      ["mh without fallback", { scheduler: "mh" }, true, /^scheduler mh without mh-fallback/],
      ["mh with fallback", { scheduler: "mh", schedulerFlags: ["mh-fallback"] }, true, undefined],
      ["mh with another's fallback", { scheduler: "mh", schedulerFlags: ["sh-fallback"] }, true, /^scheduler mh/],
      ["sh without fallback", { scheduler: "sh" }, true, /^scheduler sh without sh-fallback/],
      ["sh with fallback", { scheduler: "sh", schedulerFlags: ["sh-fallback", "sh-port"] }, true, undefined],
      ["persistence, templates never expire", { persistence }, false, /^persistent clients/],
      ["persistence, templates expire", { persistence }, true, undefined],
      ["quiesce: never", { scheduler: "dh", onFailure: "quiesce" }, false, undefined],
      ["remove: always", { onFailure: "remove" }, true, /^on_failure: remove/],
    ];
  for (const [name, given, expire, why] of rows)
    test(name, () => {
      const pool = service([server(A), server(B)], given);
      const reason = sticksAtZero(pool, pool.frontends[0]!, expire);
      assert.equal(reason === undefined, why === undefined);
      if (why) assert.match(reason!, why);
      const result = wanted([pool], { verdicts: { [A]: DOWN }, expire });
      const entry = [...result.table.values()][0]!;
      assert.equal(entry.destinations.has(A as never), why === undefined);
      assert.equal(result.takenOut.size, why === undefined ? 0 : 1);
      const decision = [...result.services.values()][0]!.servers.get(key(A))!;
      assert.equal(decision.weight, 0);
      assert.equal(decision.rule, "down");
      assert.equal(decision.takenOut, reason);
    });

  const dh = service([server(A), server(B)], { scheduler: "dh" });
  const standing = table(
    "-A -t 192.0.2.10:80 -s dh",
    `-a -t 192.0.2.10:80 -r ${A} -m -w 0`,
    `-a -t 192.0.2.10:80 -r ${B} -m -w 1`,
  );
  const has = (result: Desired, name: string) => [...result.table.values()][0]!.destinations.has(name as never);

  test("only the dead are at once: who is held or a standby stays at 0 with its connections", () => {
    assert.ok(has(wanted([dh], { intent: intentFor({ [A]: { stateLost: LOST } }), actual: standing }), A));
    const standby = service([server("10.0.0.1:80 0"), server(B)], { scheduler: "dh" });
    const result = wanted([standby], { actual: standing });
    assert.ok(has(result, A));
    assert.equal(result.removed.size, 0);
  });

  test("whom an operator put at 0 where his share is refused goes with his last connection, not before and not later", () => {
    const ordered: readonly (readonly [name: string, intent: ServiceIntent])[] = [
      ["disabled", intentFor({ [A]: { disabled: DISABLED } })],
      ["weight 0", intentFor({ [A]: { weight: { ...said, value: 0, configured: 100 } } })],
    ];
    for (const [name, intent] of ordered) {
      const result = wanted([dh], { intent, actual: standing });
      assert.ok(!has(result, A), name);
      assert.deepEqual([...result.removed], [[`tcp:192.0.2.10:80 ${A}`, Number.POSITIVE_INFINITY]], name);
      assert.equal(result.takenOut.size, 0, "at once: its connections would be lost");
      for (const given of [
        { onFailure: "quiesce", scheduler: "dh" },
        { scheduler: "mh", schedulerFlags: ["mh-fallback"] },
        { scheduler: "wrr" },
      ] as const) {
        const other = wanted([service([server(A), server(B)], given)], { intent, actual: standing });
        assert.ok(has(other, A) && other.removed.size === 0, `${name} ${JSON.stringify(given)}`);
      }
    }
  });

  test("an old of a drain likewise when the drain is done; while it waits for connections it counts them itself", () => {
    const moved = { given: { [key(A)]: 100 }, taken: { [key(B)]: 100 } };
    const mh = service([server(A), server(B)], { scheduler: "mh" });
    const waiting = wanted([mh], { intent: intentFor({}, [moving({ step: 10, phase: draining() })]) });
    assert.ok(has(waiting, A) && waiting.removed.size === 0);
    const done = wanted([mh], { intent: intentFor({}, [moving({ step: 10, phase: ended("done"), result: moved })]) });
    assert.ok(!has(done, A));
    assert.deepEqual([...done.removed], [[`tcp:192.0.2.10:80 ${A}`, Number.POSITIVE_INFINITY]]);
  });

  test("disabling or holding a dead server does not put its entry back", () => {
    for (const entry of [{ disabled: DISABLED }, { stateLost: LOST }]) {
      const result = wanted([dh], { verdicts: { [A]: DOWN }, intent: intentFor({ [A]: entry }), actual: standing });
      assert.ok(!has(result, A));
      assert.ok(result.takenOut.has(`tcp:192.0.2.10:80 ${A}`));
    }
  });

  test("an entry is not made for somebody unknown only to stand at 0; one that stands is left", () => {
    assert.ok(!has(wanted([dh], { verdicts: { [A]: UNKNOWN } }), A));
    assert.ok(has(wanted([dh], { verdicts: { [A]: UNKNOWN }, actual: standing }), A));
    assert.ok(
      !has(wanted([dh], { verdicts: { [A]: UNKNOWN }, intent: intentFor({ [A]: { disabled: DISABLED } }) }), A),
    );
    const wrr = service([server(A), server(B)]);
    assert.ok(has(wanted([wrr], { verdicts: { [A]: UNKNOWN } }), A));
  });

  test("of a service with several frontends only where it is needed", () => {
    const both = service([server("10.0.0.1 100"), server("10.0.0.2 100")], {
      frontends: [frontend("tcp 192.0.2.10:53"), frontend("udp 192.0.2.10:53")],
    });
    const result = wanted([both], { verdicts: { "10.0.0.1": DOWN } });
    assert.deepEqual(lines(result.table), [
      "-A -t 192.0.2.10:53 -s wrr",
      "-a -t 192.0.2.10:53 -r 10.0.0.1:53 -m -w 0",
      "-a -t 192.0.2.10:53 -r 10.0.0.2:53 -m -w 100",
      "-A -u 192.0.2.10:53 -s wrr",
      "-a -u 192.0.2.10:53 -r 10.0.0.2:53 -m -w 100",
    ]);
    assert.deepEqual([...result.takenOut], ["udp:192.0.2.10:53 10.0.0.1:53"]);
  });
});
