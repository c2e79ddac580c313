import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ServerVerdict } from "../../src/health/server.ts";
import type { ServerKey } from "../../src/model/service.ts";
import { decide, isReady } from "../../src/policy/decide.ts";
import { type Drain, type DrainView, isActive } from "../../src/policy/drain.ts";
import { command } from "../../src/policy/drain-machine.ts";
import { shift } from "../../src/policy/drain-shift.ts";
import type { DrainCommand } from "../../src/policy/drain-table.ts";
import { NO_INTENT, positions } from "../../src/policy/moves.ts";
import { server, service } from "../support/services.ts";
import { at, drain, mono, turns } from "./drains.ts";

const NAMES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] as const;
const key = (i: number) => NAMES[i]! as string as ServerKey;

/** A pool of five: two olds, two news, one that stands aside. */
interface World {
  readonly weights: readonly number[];
  readonly ready: readonly boolean[];
  readonly storable: boolean;
  readonly idle: boolean;
}

type Deed =
  | { readonly do: "health"; readonly server: number; readonly ready: boolean }
  | { readonly do: "weight"; readonly server: number; readonly weight: number }
  | { readonly do: "time"; readonly ms: number }
  | { readonly do: "store"; readonly storable: boolean }
  | { readonly do: "idle"; readonly idle: boolean }
  | { readonly do: "order"; readonly word: DrainCommand };

const weight = fc.oneof(fc.constantFrom(0, 1, 50, 100), fc.nat(300));
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("health" as const), server: fc.nat(4), ready: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("weight" as const), server: fc.nat(4), weight }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("time" as const),
      ms: fc.constantFrom(1, 1_000, 5_000, 10_000, 61_000, 700_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("store" as const), storable: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("idle" as const), idle: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("order" as const),
      word: fc.constantFrom<DrainCommand>("pause", "resume", "rollback", "abort"),
    }),
  },
);

const plan = fc.record({
  from: fc.constantFrom<readonly number[]>([0], [0, 1]),
  to: fc.constantFrom<readonly number[]>([2], [2, 3], []),
  count: fc.integer({ min: 1, max: 12 }),
  weights: fc.tuple(fc.integer({ min: 1, max: 200 }), weight, weight, weight, weight),
});

const EVERY = 10_000;

function seenBy(
  present: Drain,
  world: World,
  now: number,
): { readonly view: DrainView; readonly decided: ReturnType<typeof decide> } {
  const pool = service(NAMES.map((name, i) => server(`${name} ${world.weights[i]}`)));
  const intent = { ...NO_INTENT, drains: [present] };
  const verdict = (name: string): ServerVerdict =>
    world.ready[NAMES.indexOf(name as (typeof NAMES)[number])]
      ? { kind: "up", since: mono(0), recoveredAt: undefined }
      : { kind: "down", since: mono(0), reason: "x" };
  let servers: DrainView["servers"] = new Map();
  positions(
    pool,
    intent,
    (each) => ({
      ready: isReady(verdict(each.name), undefined),
      connections: 3,
      lingering: 0,
      idle: world.idle,
      empty: world.idle,
      ramping: false,
    }),
    (_, participants) => {
      servers = participants;
    },
  );
  return {
    view: { now: at(now), servers, serviceExists: true, storable: world.storable },
    decided: decide(pool, intent, (each) => verdict(each.name)),
  };
}

const sum = (amounts: Readonly<Record<string, number>>) => Object.values(amounts).reduce((a, b) => a + b, 0);

function lawsOfTheMoment(present: Drain, world: World, now: number): void {
  const { view, decided } = seenBy(present, world, now);
  const all = [...decided.values()].map((d) => d.weight);
  const { given, taken } = shift(present, view.servers);

  assert.ok(present.step >= 0 && present.step <= present.steps.length, "progress is never beyond the plan");
  if (isActive(present)) {
    if (present.to.length > 0)
      assert.ok(Math.abs(sum(given) - sum(taken)) < 1e-6, `given ${sum(given)}, taken ${sum(taken)}`);
    if (world.ready.some((ready, i) => ready && world.weights[i]! > 0))
      assert.ok(
        all.some((w) => w > 0),
        `nobody serves, though somebody could: ${JSON.stringify(world)}`,
      );
    const newsUp = present.to.some((id) => view.servers.get(id)!.ready);
    if (present.to.length > 0 && !newsUp) assert.equal(sum(given), 0, "no new is up, and yet the olds give");
  }
  for (const [id, { weight, verdict, base }] of decided) {
    if (verdict.kind === "down") assert.equal(weight, 0, "the dead get nobody");
    if (![...present.from, ...present.to].includes(id) && verdict.kind === "up")
      assert.equal(weight > 0, base > 0, "who stands aside keeps serving");
  }

  // Rollback is possible wherever there is something to go back from, and gives exactly the weights of before.
  const back = command(present, "rollback", "", { ...view, storable: false });
  assert.equal(back.ok, present.phase.kind !== "failed");
  if (!back.ok) return;
  const before = seenBy(
    { ...present, phase: { kind: "failed", at: at(0).epoch, text: "" }, step: 0, result: undefined },
    world,
    now,
  ).decided;
  assert.deepEqual(seenBy(back.value, world, now).decided, before);
}

test("laws of a drain over random histories of health, time, reloads, commands and full disks", () => {
  fc.assert(
    fc.property(plan, fc.array(deed, { maxLength: 60 }), ({ from, to, count, weights }, deeds) => {
      let world: World = { weights, ready: [true, true, true, true, true], storable: true, idle: false };
      let present = drain({
        from: from.map(key),
        to: to.map(key),
        steps: Array.from({ length: count }, (_, k) => (k + 1) / count),
        every: EVERY,
        phase: { kind: "pending", since: mono(0) },
        configured: Object.fromEntries([...from, ...to].map((i) => [key(i), weights[i]!])),
      });
      let now = 0;
      let steppedAt = Number.NEGATIVE_INFINITY;
      for (const each of deeds) {
        const before = present;
        switch (each.do) {
          case "health":
            world = { ...world, ready: world.ready.with(each.server, each.ready) };
            break;
          case "weight":
            world = { ...world, weights: world.weights.with(each.server, each.weight) };
            break;
          case "time":
            now += each.ms;
            break;
          case "store":
            world = { ...world, storable: each.storable };
            break;
          case "idle":
            world = { ...world, idle: each.idle };
            break;
          case "order": {
            const ordered = command(present, each.word, "", seenBy(present, world, now).view);
            if (ordered.ok) present = ordered.value;
            // An operator may hurry it on.
            if (each.word === "resume") steppedAt = Number.NEGATIVE_INFINITY;
            break;
          }
        }
        lawsOfTheMoment(present, world, now);
        present = turns(present, seenBy(present, world, now).view);
        lawsOfTheMoment(present, world, now);
        assert.ok(present.step - before.step <= 1, "one step at most");
        assert.ok(before.step - present.step <= 1, "one step back at most");
        if (!world.storable && isActive(before)) assert.equal(present.step, before.step);
        if (present.step > before.step) {
          assert.ok(now - steppedAt >= EVERY / 2, `two steps within ${now - steppedAt} ms`);
          steppedAt = now;
        }
        if (!isActive(before) && each.do !== "order") assert.equal(present, before, "what has ended stays ended");
      }
    }),
    { numRuns: 300 },
  );
});

test("an undisturbed drain takes its time: step k at (k - 1) x every, however irregularly somebody looks", () => {
  const looks = fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 40 });
  const world: World = { weights: [100, 0, 0, 0, 0], ready: NAMES.map(() => true), storable: true, idle: false };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), looks, (count, gaps) => {
      let present = drain({
        from: [key(0)],
        to: [key(2)],
        steps: Array.from({ length: count }, (_, k) => (k + 1) / count),
        every: EVERY,
        configured: { [key(0)]: 100, [key(2)]: 0 },
      });
      const took: number[] = [];
      for (let now = 0, i = 0; took.length < count; now += gaps[i++ % gaps.length]!) {
        const { step } = present;
        present = turns(present, seenBy(present, world, now).view);
        if (present.step > step) took.push(now);
        assert.ok(now < count * EVERY, "it takes too long");
      }
      for (const [k, now] of took.entries())
        assert.ok(now >= k * EVERY && now <= k * EVERY + 4_000, `step ${k + 1} of ${count} at ${now} ms`);
    }),
    { numRuns: 50 },
  );
});
