import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describe as describeDrain } from "../../src/director/drain-words.ts";
import { advanceAll, type DrainContext, viewFor } from "../../src/director/drains.ts";
import { entriesOf } from "../../src/director/places.ts";
import type { ServerVerdict } from "../../src/health/server.ts";
import type { Config } from "../../src/model/config.ts";
import type { Service } from "../../src/model/service.ts";
import { decide } from "../../src/policy/decide.ts";
import { DEFAULT_DRAIN_POLICY, type Drain } from "../../src/policy/drain.ts";
import { advance } from "../../src/policy/drain-machine.ts";
import { EMPTY_INTENT } from "../../src/policy/intent.ts";
import { at, drain, draining, ended, key, mono, paused, shifting, stand } from "../policy/drains.ts";
import { frontend, server, service } from "../support/services.ts";

const UP: ServerVerdict = { kind: "no-check" };
const DOWN: ServerVerdict = { kind: "down", since: mono(0), reason: "connection refused" };
const BUSY = { connections: 3, lingering: 0, idle: false, empty: false, ramping: false };
const APP1 = "10.0.0.1:80";
const APP2 = "10.0.0.2:80";
const pool = (name: string, vip: string): Service =>
  service([server(APP1), server(APP2)], { name, frontends: [frontend(`tcp ${vip}:80`)] });
const WEB = pool("web", "192.0.2.10");
const API = pool("api", "192.0.2.11");
const config = { services: [WEB, API] } as unknown as Config;

/** Of one machine in both services, unless told otherwise. */
const of = (home: Service, id: string, given: Partial<Drain>): Drain =>
  drain({
    id,
    service: entriesOf(home),
    serviceName: home.name,
    from: [key(APP1)],
    to: [],
    configured: { [key(APP1)]: 100 },
    parent: { id: "h-1", host: "app1" },
    ...given,
  });

/** All drains after one look; `down` names services whose other server is down. */
function looked(
  now: number,
  drains: readonly Drain[],
  down: readonly Service[] = [],
  storable = true,
): readonly Drain[] {
  const context = (home: Service): DrainContext => ({
    service: home,
    intent: { servers: new Map(), drains: drains.filter((d) => d.service.some((id) => entriesOf(home).includes(id))) },
    condition: ({ key: id }) => ({
      ready: id === APP1 || !down.includes(home),
      connections: 0,
      lingering: 0,
      idle: false,
      empty: false,
      ramping: false,
    }),
    now: at(now),
    storable,
  });
  const { moved } = advanceAll(config, { ...EMPTY_INTENT, drains }, context, at(now), storable);
  return drains.map((before) => moved.find((m) => m.before === before)?.after ?? before);
}

const FAILING = paused("new-down", { allDownSince: mono(0), was: "shifting" });
const DONE: Partial<Drain> = { step: 10, phase: ended("done"), result: { given: { [key(APP1)]: 100 }, taken: {} } };

describe("the drains of one machine", () => {
  test("one goes back in the very pass in which the other takes a step: both are back", () => {
    const after = looked(
      60_000,
      [of(WEB, "d-1", { step: 3, phase: shifting(60_000) }), of(API, "d-2", { step: 3, phase: FAILING })],
      [API],
    );
    assert.deepEqual(
      after.map((d) => d.phase.kind),
      ["rolled-back", "rolled-back"],
    );
    assert.match(JSON.stringify(after[0]!.phase), /drain d-2 of the same machine was undone/);
  });

  test("the record of the one came to the disk and that of the other did not: the next look makes up for it", () => {
    const phases = [shifting(9e9), paused("operator"), paused("restart")];
    for (const phase of phases)
      for (const cause of ["rolled-back", "failed"] as const) {
        const after = looked(1, [of(WEB, "d-1", { phase: ended(cause) }), of(API, "d-2", { step: 3, phase })]);
        assert.equal(after[1]!.phase.kind, "rolled-back");
      }
  });

  test("one that is over goes back only together with the cause", () => {
    const fresh = looked(60_000, [of(WEB, "d-1", DONE), of(API, "d-2", { step: 3, phase: FAILING })], [API]);
    assert.deepEqual(
      fresh.map((d) => d.phase.kind),
      ["rolled-back", "rolled-back"],
    );
    // Somebody gave the server back to one service on purpose, a while ago.
    const later = looked(60_000, [of(WEB, "d-1", DONE), of(API, "d-2", { phase: ended("rolled-back") })]);
    assert.equal(stand(later[0]!), "done 10");
  });

  test("not while it cannot be recorded", () => {
    const drains = [of(WEB, "d-1", DONE), of(API, "d-2", { phase: ended("failed") })];
    assert.deepEqual(looked(1, drains, [], false), drains);
  });

  test("others have nothing to do with it: another machine, and drains without one", () => {
    const alone = of(WEB, "d-1", { step: 3, phase: shifting(9e9), parent: undefined });
    const other = of(WEB, "d-1", { step: 3, phase: shifting(9e9), parent: { id: "h-2", host: "app1" } });
    for (const each of [alone, other])
      assert.equal(
        looked(60_000, [each, of(API, "d-2", { step: 3, phase: FAILING })], [API])[0]!.phase.kind,
        "shifting",
      );
  });

  test("one that was aborted, or whose service left the file, takes nobody with it", () => {
    const after = looked(1, [
      of(WEB, "d-1", { step: 3, phase: ended("aborted") }),
      of(API, "d-2", { step: 3, phase: shifting(9e9) }),
    ]);
    assert.equal(stand(after[1]!), "shifting 3");
  });
});

describe("the rest of the pool takes over, and a later drain has moved its weight on", () => {
  const APP3 = "10.0.0.3:80";
  const web = service([server(APP1), server(APP2), server(`${APP3} 0`)]);
  /** app1 -> the rest waits for connections; app2 -> app3 is done. */
  const drains: readonly Drain[] = [
    drain({ id: "d-1", from: [key(APP1)], to: [], step: 10, phase: draining(), configured: { [key(APP1)]: 100 } }),
    drain({
      id: "d-2",
      from: [key(APP2)],
      to: [key(APP3)],
      step: 10,
      phase: ended("done"),
      configured: { [key(APP2)]: 100, [key(APP3)]: 0 },
      result: { given: { [key(APP2)]: 100 }, taken: { [key(APP3)]: 100 } },
    }),
  ];
  const seen = (down: readonly string[]) => {
    const intent = { servers: new Map(), drains };
    const context = {
      service: web,
      intent,
      condition: ({ name }: { readonly name: string }) => ({ ...BUSY, ready: !down.includes(name) }),
      now: at(1),
      storable: true,
    };
    const weights = [...decide(web, intent, ({ name }) => (down.includes(name) ? DOWN : UP)).values()].map(
      (d) => d.weight,
    );
    const { drain: next } = advance(drains[0]!, viewFor(drains[0], context));
    return { weights, next };
  };

  test("that one is up: all is well", () => {
    assert.deepEqual(seen([]).weights, [0, 0, 100]);
    assert.equal(seen([]).next, drains[0]);
  });

  test("that one dies: nobody would serve, so the old has its weight back at once, and its drain is paused", () => {
    const { weights, next } = seen([APP3]);
    assert.deepEqual(weights, [100, 0, 0]);
    assert.equal(stand(next), "paused new-down 10");
  });
});

test("where a drain stands, in one line", () => {
  const names: Readonly<Record<string, string>> = { [APP1]: "app1", [APP2]: "app2" };
  const line = (given: Partial<Drain>) => describeDrain(of(WEB, "d-1", { step: 5, ...given }), (id) => names[id] ?? id);
  const rows: readonly (readonly [Partial<Drain>, string])[] = [
    [{ step: 0 }, "drain d-1 app1 -> the rest: waiting for the new to be healthy"],
    [{ phase: shifting(), to: [key(APP2)] }, "drain d-1 app1 -> app2: step 5/10, 50% moved"],
    [
      { phase: paused("capacity", { text: "too little" }) },
      "drain d-1 app1 -> the rest: paused at 50% (capacity: too little)",
    ],
    [{ phase: draining() }, "drain d-1 app1 -> the rest: all moved, waiting up to 10m for open connections"],
    [{ phase: ended("done") }, "drain d-1 app1 -> the rest: done, no connection left"],
    [
      { phase: { kind: "done", at: at(0).epoch, left: 3 } },
      "drain d-1 app1 -> the rest: done, its grace is over with 3 connections left",
    ],
    [
      { phase: ended("done"), policy: { ...DEFAULT_DRAIN_POLICY, idle: "none" } },
      "drain d-1 app1 -> the rest: done, open connections were not waited for",
    ],
    [{ phase: ended("rolled-back") }, "drain d-1 app1 -> the rest: rolled back (text)"],
    [{ phase: ended("aborted") }, "drain d-1 app1 -> the rest: aborted at 50% (text)"],
    [{ phase: ended("failed") }, "drain d-1 app1 -> the rest: failed (text)"],
  ];
  for (const [given, expected] of rows) assert.equal(line(given), expected);
});
