import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { entriesOf } from "../../src/director/places.ts";
import { type SettleLine, settleLines } from "../../src/director/settle.ts";
import type { ServerVerdict } from "../../src/health/server.ts";
import type { Config } from "../../src/model/config.ts";
import type { ServerKey, Service } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs } from "../../src/model/time.ts";
import { desired } from "../../src/policy/desired.ts";
import { DEFAULT_DRAIN_POLICY, type Drain } from "../../src/policy/drain.ts";
import { command } from "../../src/policy/drain-machine.ts";
import { EMPTY_INTENT, type Intent, type ServerIntent } from "../../src/policy/intent.ts";
import { positions, type ServiceIntent } from "../../src/policy/moves.ts";
import { withoutOvertaken } from "../../src/policy/overtaken.ts";
import { at, drain, ended, key, shifting, type turns } from "../policy/drains.ts";
import { server, service } from "../support/services.ts";

const UP: ServerVerdict = { kind: "no-check" };
const READY = { ready: true, connections: 0, lingering: 0, idle: true, empty: true, ramping: false };
const NAMES = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"];
const A = key(NAMES[0]!);
const B = key(NAMES[1]!);
const C = key(NAMES[2]!);

const pool = (...weights: readonly number[]): Service => service(weights.map((w, i) => server(`${NAMES[i]} ${w}`)));

/** A drain of this pool that ended at a step: `done` at the last, else `aborted`. */
function settled(
  pool: Service,
  before: readonly Drain[],
  given: Partial<Drain>,
  servers: ServiceIntent["servers"] = new Map(),
): Drain {
  const moving = drain({ phase: shifting(), id: `d-${before.length + 1}`, ...given });
  let seen: Parameters<typeof turns>[1]["servers"] = new Map();
  positions(
    pool,
    { servers, drains: [...before, moving] },
    () => READY,
    (each, participants) => {
      if (each.id === moving.id) seen = participants;
    },
  );
  const view = { now: at(1), servers: seen, serviceExists: true, storable: true };
  const stopped = command(moving, "abort", "", view);
  assert.ok(stopped.ok);
  return moving.step < moving.steps.length ? stopped.value : { ...stopped.value, phase: ended("done") };
}

const said = { by: "ops", at: 0 as EpochMs, reason: undefined };
const override = (of: Service, index: number, value: number): ServerIntent => {
  const { key, weight } = of.servers[index]!;
  return {
    services: entriesOf(of),
    server: key,
    disabled: undefined,
    stateLost: undefined,
    weight: { ...said, value, configured: weight },
  };
};

const short = ({ server, weight, remove }: SettleLine) => `${server} ${remove ? "away" : weight}`;

describe("the lines that make the file agree", () => {
  test("a standby took over: two lines, with what they were and which drain it was", () => {
    const web = pool(100, 0, 70);
    const done = settled(web, [], { from: [A], to: [B], step: 10 });
    assert.deepEqual(settleLines(web, { servers: new Map(), drains: [done] }), [
      { service: "web", server: NAMES[0], address: A, configured: 100, weight: 0, remove: false, because: "drain d-1" },
      { service: "web", server: NAMES[1], address: B, configured: 0, weight: 100, remove: false, because: "drain d-1" },
    ]);
  });

  const rows: readonly (readonly [
    name: string,
    weights: readonly number[],
    drains: readonly Partial<Drain>[],
    lines: readonly string[],
  ])[] = [
    ["nothing stands", [100, 0], [], []],
    [
      "a standby gets the very weight it replaced, however odd",
      [89, 0, 11],
      [{ from: [A], to: [B], step: 10 }],
      [`${A} 0`, `${B} 89`],
    ],
    ["the rest took over: one line", [100, 100, 100], [{ from: [A], to: [], step: 10 }], [`${A} 0`]],
    [
      "stopped at a share that the file can say",
      [100, 0, 70],
      [{ from: [A], to: [B], step: 4 }],
      [`${A} 60`, `${B} 40`],
    ],
    [
      "stopped at a share that it cannot say: the numbers of the table, for everybody",
      [1, 0, 1],
      [{ from: [A], to: [B], step: 4 }],
      [`${A} 3`, `${B} 2`, `${C} 5`],
    ],
    [
      "one drain upon another: where it ended",
      [100, 0, 0],
      [
        { from: [A], to: [B], step: 10 },
        { from: [B], to: [C], step: 10 },
      ],
      [`${A} 0`, `${C} 100`],
    ],
    [
      "there and back: nothing to write",
      [100, 0],
      [
        { from: [A], to: [B], step: 10 },
        { from: [B], to: [A], step: 10 },
      ],
      [],
    ],
    [
      "taken out of the table for good: the line may go",
      [100, 0],
      [{ from: [A], to: [B], step: 10, policy: { ...DEFAULT_DRAIN_POLICY, afterwards: "remove" } }],
      [`${A} away`, `${B} 100`],
    ],
    [
      "meant to be removed, but stopped on the way: it is still there",
      [100, 0],
      [{ from: [A], to: [B], step: 4, policy: { ...DEFAULT_DRAIN_POLICY, afterwards: "remove" } }],
      [`${A} 60`, `${B} 40`],
    ],
    [
      "more than a file may say: the same shares in smaller numbers",
      [65_535, 0, 65_535],
      [{ from: [A], to: [C], step: 10 }],
      [`${A} 0`, `${C} 1`],
    ],
  ];
  for (const [name, weights, given, lines] of rows)
    test(name, () => {
      const web = pool(...weights);
      const drains: Drain[] = [];
      for (const each of given) drains.push(settled(web, drains, each));
      assert.deepEqual(settleLines(web, { servers: new Map(), drains }).map(short), lines);
    });

  test("a weight set by command, and who set it; one that the file overtook is none", () => {
    const web = pool(100, 50);
    const entry = override(web, 0, 30);
    assert.deepEqual(
      settleLines(web, { servers: new Map([[A, entry]]), drains: [] }).map((l) => [short(l), l.because]),
      [[`${A} 30`, "set by ops"]],
    );
    const old = { ...entry, weight: { ...entry.weight!, configured: 99 } };
    assert.deepEqual(settleLines(web, { servers: new Map([[A, old]]), drains: [] }), []);
  });

  test("what is under way is not settled yet", () => {
    const web = pool(100, 0, 50);
    const done = settled(web, [], { from: [C], to: [], step: 10 });
    const moving = drain({ from: [A], to: [B], step: 5, phase: shifting() });
    assert.deepEqual(settleLines(web, { servers: new Map(), drains: [done, moving] }).map(short), [`${C} 0`]);
  });
});

/** The file as somebody leaves it who has done what the lines say. */
function edited(web: Service, lines: readonly SettleLine[]): Service {
  const servers = web.servers.flatMap((each) => {
    const line = lines.find((l) => l.address === each.key);
    if (line?.remove) return [];
    return [line ? { ...each, weight: line.weight } : each];
  });
  return { ...web, servers };
}

function weightsOf(web: Service, { drains, servers }: Intent): ReadonlyMap<ServerKey, number> {
  const said = { drains, servers: new Map(servers.map((s) => [s.server, s])) };
  const { table } = desired({
    config: { services: [web] } as unknown as Config,
    intent: () => said,
    verdict: () => UP,
    expireQuiescentTemplate: true,
    actual: new Map(),
    now: 0 as MonotonicMs,
    before: () => undefined,
  });
  return new Map([...[...table.values()][0]!.destinations].map(([id, d]) => [id as string as ServerKey, d.weight]));
}

const weight = fc.oneof(fc.constantFrom(0, 1, 50, 100, 100), fc.nat(300), fc.nat(65_535));
const story = fc.record({
  weights: fc.array(weight, { minLength: 2, maxLength: 4 }),
  set: fc.option(fc.record({ index: fc.nat(3), value: weight })),
  drains: fc.array(
    fc.record({
      from: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 2 }),
      to: fc.uniqueArray(fc.nat(3), { maxLength: 2 }),
      count: fc.integer({ min: 1, max: 7 }),
      step: fc.integer({ min: 1, max: 7 }),
      remove: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
});

test("law: with the lines written the table stays as it is, and nothing is left to settle or to undo", () => {
  let exact = 0;
  let runs = 0;
  fc.assert(
    fc.property(story, ({ weights, set, drains: planned }) => {
      const web = pool(...weights);
      const size = weights.length;
      const servers = set && set.index < size ? [override(web, set.index, set.value)] : [];
      const byKey = new Map(servers.map((s) => [s.server, s]));
      let drains: readonly Drain[] = [];
      for (const { from, to, count, step, remove } of planned) {
        const olds = from.filter((i) => i < size);
        const news = to.filter((i) => i < size && !olds.includes(i));
        if (olds.length === 0 || (to.length > 0 && news.length === 0)) continue;
        const given: Partial<Drain> = {
          from: olds.map((i) => web.servers[i]!.key),
          to: news.map((i) => web.servers[i]!.key),
          steps: Array.from({ length: count }, (_, k) => (k + 1) / count),
          step: Math.min(step, count),
          policy: { ...DEFAULT_DRAIN_POLICY, allowEmpty: true, afterwards: remove ? "remove" : "keep" },
        };
        drains = [...drains, settled(web, drains, given, byKey)];
      }
      const intent: Intent = { ...EMPTY_INTENT, servers, drains };
      const lines = settleLines(web, { servers: byKey, drains });
      for (const line of lines) assert.ok(Number.isInteger(line.weight) && line.weight >= 0 && line.weight <= 65_535);

      const file = edited(web, lines);
      const after = withoutOvertaken(intent, { services: [file] } as unknown as Config);
      const [was, is] = [weightsOf(web, intent), weightsOf(file, after)];
      assert.deepEqual([...is.keys()], [...was.keys()], "somebody came or went");
      // The same numbers, or all of them times the same one: where the file cannot say them, or would seem unchanged.
      const sum = (all: ReadonlyMap<ServerKey, number>) => [...all.values()].reduce((a, b) => a + b, 0);
      const factor = sum(was) === 0 ? 1 : sum(is) / sum(was);
      for (const [id, w] of was)
        assert.ok(Math.abs(is.get(id)! - w * factor) < 1e-6, `${id}: ${w} x ${factor} is not ${is.get(id)}`);
      runs++;
      if (factor === 1) exact++;
      const left = { drains: after.drains, servers: new Map(after.servers.map((s) => [s.server, s])) };
      assert.deepEqual(settleLines(file, left), [], "something is left to settle");
    }),
    { numRuns: 2_000, seed: 1 },
  );
  assert.ok(exact / runs > 0.9, `the very same weights in only ${exact} of ${runs}`);
});
