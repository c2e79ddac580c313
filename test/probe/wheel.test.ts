import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Millis, MonotonicMs } from "../../src/model/time.ts";
import { createWheel, NOWHERE, TICK_MS, type Wheel, type WheelItem } from "../../src/probe/wheel.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";

interface Item extends WheelItem {
  readonly name: string;
}

/** A wheel whose items write down when they are called, in milliseconds since the start. */
function recorded(clock: FakeClock): {
  readonly wheel: Wheel<Item>;
  readonly calls: [name: string, at: Millis][];
  readonly ticks: Millis[];
  item(name: string): Item;
  schedule(item: Item, inMs: Millis): void;
} {
  const calls: [string, Millis][] = [];
  const ticks: Millis[] = [];
  const wheel = createWheel<Item>(
    clock,
    ({ name }) => calls.push([name, clock.elapsed()]),
    () => ticks.push(clock.elapsed()),
  );
  return {
    wheel,
    calls,
    ticks,
    item: (name) => ({ name, tick: -1, previous: NOWHERE, next: NOWHERE }),
    schedule: (item, inMs) => wheel.schedule(item, (clock.now().mono + inMs) as MonotonicMs),
  };
}

const names = (calls: readonly (readonly [string, Millis])[]): string => calls.map(([name]) => name).join(" ");

describe("the timing wheel", () => {
  test("calls an item once, at the first tick that is not before its time", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    schedule(item("a"), 25);
    await clock.advance(24);
    assert.deepEqual(calls, []);
    await clock.advance(20_000);
    assert.equal(names(calls), "a");
    assert.ok(calls[0]![1] >= 25 && calls[0]![1] <= 25 + TICK_MS + 1, `called at ${calls[0]![1]}`);
  });

  test("a time that is past means the next tick", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    schedule(item("a"), -5_000);
    await clock.advance(2 * TICK_MS);
    assert.equal(names(calls), "a");
  });

  test("moving an item forgets its former time, earlier or later", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    const [sooner, later] = [item("sooner"), item("later")];
    schedule(sooner, 500);
    schedule(sooner, 100);
    schedule(later, 100);
    schedule(later, 500);
    await clock.advance(300);
    assert.equal(names(calls), "sooner");
    await clock.advance(10_000);
    assert.equal(names(calls), "sooner later");
  });

  test("moving there and back again calls once", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    const a = item("a");
    for (const inMs of [100, 300, 100, 300, 100]) schedule(a, inMs);
    await clock.advance(30_000);
    assert.equal(names(calls), "a");
  });

  test("a cancelled item is never called, one scheduled again after that is", async () => {
    const clock = fakeClock();
    const { wheel, calls, schedule, item } = recorded(clock);
    const [gone, back] = [item("gone"), item("back")];
    for (const each of [gone, back]) schedule(each, 100);
    for (const each of [gone, back]) wheel.cancel(each);
    schedule(back, 100);
    await clock.advance(30_000);
    assert.equal(names(calls), "back");
  });

  test("more than one turn of the wheel ahead", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    schedule(item("a"), 35_000);
    schedule(item("b"), 35_000 - 10_240);
    await clock.advance(34_999);
    assert.equal(names(calls), "b");
    await clock.advance(TICK_MS + 2);
    assert.equal(names(calls), "b a");
  });

  test("what is due within a tick is called together, in one turn", async () => {
    const clock = fakeClock();
    const { calls, ticks, schedule, item } = recorded(clock);
    for (let i = 0; i < 50; i++) schedule(item(`${i}`), 40);
    await clock.advance(1_000);
    assert.equal(calls.length, 50);
    assert.equal(new Set(calls.map(([, at]) => at)).size, 1);
    assert.equal(ticks.length, 1);
  });

  test("an idle wheel sleeps: it turns a few times a minute, not a hundred times a second", async () => {
    const clock = fakeClock();
    const { ticks, schedule, item } = recorded(clock);
    schedule(item("a"), 600_000);
    await clock.advance(599_000);
    assert.ok(ticks.length <= 60, `${ticks.length} turns`);
  });

  test("with nothing to wait for no timer is armed", async () => {
    const clock = fakeClock();
    const { wheel, schedule, item } = recorded(clock);
    assert.equal(clock.armed(), 0);
    schedule(item("a"), 50);
    await clock.advance(100);
    assert.equal(clock.armed(), 0);
    schedule(item("b"), 50);
    wheel.stop();
    assert.equal(clock.armed(), 0);
    schedule(item("c"), 50);
    assert.equal(clock.armed(), 0, "a stopped wheel was set going");
  });

  test("after a hold-up what is due comes in portions, each thing once, and others have their turn between them", async () => {
    const clock = fakeClock();
    const { calls, ticks, schedule, item } = recorded(clock);
    for (let i = 0; i < 1_000; i++) schedule(item(`${i}`), (i % 50) * TICK_MS);
    await clock.block(1_000);
    await clock.advance(TICK_MS);
    assert.equal(calls.length, 1_000);
    assert.equal(new Set(calls.map(([name]) => name)).size, 1_000);
    // 200 in each.
    assert.equal(ticks.length, 5);
  });

  test("an item that waits for its portion can be taken back, or be put off", async () => {
    const clock = fakeClock();
    const { wheel, calls, schedule, item } = recorded(clock);
    const late = [item("cancelled"), item("moved")] as const;
    for (let i = 0; i < 300; i++) schedule(item(`${i}`), 10);
    for (const each of late) schedule(each, 10);
    await clock.block(20);
    assert.ok(calls.length < 300, "all at once");
    wheel.cancel(late[0]);
    schedule(late[1], 500);
    await clock.advance(400);
    assert.equal(calls.length, 300);
    await clock.advance(200);
    assert.equal(calls.at(-1)![0], "moved");
    assert.equal(calls.length, 301);
  });

  test("after a block of half a minute each item is called once, none twice", async () => {
    const clock = fakeClock();
    const { calls, schedule, item } = recorded(clock);
    for (let i = 0; i < 400; i++) schedule(item(`${i}`), i * 100);
    await clock.block(29_950);
    await clock.advance(TICK_MS);
    assert.equal(calls.length, 300);
    assert.equal(new Set(calls.map(([name]) => name)).size, 300);
    await clock.advance(10_000);
    assert.equal(calls.length, 400);
  });

  test("what is scheduled from within a call comes with a later tick, also into the slot that is being emptied", async () => {
    const clock = fakeClock();
    const calls: Millis[] = [];
    const item: WheelItem = { tick: -1, previous: NOWHERE, next: NOWHERE };
    const wheel = createWheel<WheelItem>(
      clock,
      (each, now) => {
        calls.push(clock.elapsed());
        if (calls.length < 4) wheel.schedule(each, (now + (calls.length === 1 ? 0 : 1024 * TICK_MS)) as MonotonicMs);
      },
      () => {},
    );
    wheel.schedule(item, clock.now().mono);
    await clock.advance(60_000);
    assert.equal(calls.length, 4);
    for (let i = 1; i < calls.length; i++) assert.ok(calls[i]! - calls[i - 1]! >= TICK_MS - 1);
  });

  test("nothing is called after stop, not even what the same turn was about to call", async () => {
    const clock = fakeClock();
    const calls: string[] = [];
    const items = ["a", "b", "c"].map((name) => ({ name, tick: -1, previous: NOWHERE, next: NOWHERE }));
    const wheel: Wheel<Item> = createWheel<Item>(
      clock,
      ({ name }) => {
        calls.push(name);
        for (const other of items) wheel.cancel(other);
        wheel.stop();
      },
      () => {},
    );
    for (const item of items) wheel.schedule(item, clock.now().mono);
    await clock.advance(60_000);
    assert.deepEqual(calls, ["a"]);
  });
});

type Deed =
  | { readonly do: "schedule"; readonly item: number; readonly inMs: Millis }
  | { readonly do: "cancel"; readonly item: number }
  | { readonly do: "advance"; readonly ms: Millis }
  | { readonly do: "block"; readonly ms: Millis };

const ITEMS = 6;
const item = fc.nat(ITEMS - 1);
const span = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -50, max: 400 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 12_000 }) },
  // Whole turns of the wheel and their neighbours.
  { weight: 2, arbitrary: fc.constantFrom(10_230, 10_239, 10_240, 10_241, 10_250, 20_480, 30_720) },
);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("schedule" as const), item, inMs: span }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), item }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("block" as const), ms: span.map((ms) => Math.abs(ms)) }) },
);

test("law: every schedule is called exactly once, on time; what was cancelled or moved is not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(deed, { maxLength: 60 }),
      fc.double({ min: 0, max: 20_000, noNaN: true }),
      async (deeds, boot) => {
        const clock = fakeClock(boot);
        /** When each item is due, by the model; and since when it could be called at all. */
        const due = new Map<number, { at: Millis; from: Millis }>();
        let blockedUntil = 0;
        const items = Array.from({ length: ITEMS }, (_, id) => ({ id, tick: -1, previous: NOWHERE, next: NOWHERE }));
        const wheel = createWheel<WheelItem & { id: number }>(
          clock,
          ({ id }, now) => {
            const expected = due.get(id);
            assert.ok(expected, `item ${id} was called though it was not due at all`);
            due.delete(id);
            assert.equal(now, clock.now().mono);
            assert.ok(now >= expected.at, `item ${id} came ${expected.at - now} ms early`);
            const late = now - Math.max(expected.at, expected.from, blockedUntil);
            assert.ok(late <= 2 * TICK_MS, `item ${id} came ${late} ms late`);
          },
          () => {},
        );
        for (const each of deeds) {
          const now = clock.now().mono;
          switch (each.do) {
            case "schedule":
              due.set(each.item, { at: now + each.inMs, from: now });
              wheel.schedule(items[each.item]!, (now + each.inMs) as MonotonicMs);
              break;
            case "cancel":
              due.delete(each.item);
              wheel.cancel(items[each.item]!);
              break;
            case "advance":
              await clock.advance(each.ms);
              break;
            case "block":
              blockedUntil = now + each.ms;
              await clock.block(each.ms);
              break;
          }
        }
        await clock.advance(45_000);
        assert.equal(due.size, 0, `never called: ${[...due.keys()]}`);
        assert.equal(clock.armed(), 0);
      },
    ),
    { numRuns: 150 },
  );
});
