import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { CheckSpec, ProbeOutcome, Report } from "../../src/model/probe.ts";
import { type Beginning, type CheckTransition, createEngine, UNCHECKED_AFTER_MS } from "../../src/probe/engine.ts";
import { TICK_MS } from "../../src/probe/wheel.ts";
import { checkSpec } from "../support/check-spec.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { type Answer, scripted } from "../support/scripted-probe.ts";

const FRESH: Beginning = { kind: "new", presumedUp: false };
const A = "10.0.0.1:80";
const ROOT = `${A} /`;

function laboratory() {
  const clock = fakeClock();
  const servers = scripted(clock);
  const words: string[] = [];
  const engine = createEngine({
    clock,
    probeTypes: new Map([["scripted", servers.type]]),
    onTransitions: (batch) => words.push(...batch.map(wordsOf)),
    onProbe: undefined,
  });
  const run = (specs: readonly CheckSpec[], begin: Beginning = FRESH) =>
    engine.update(new Map(specs.map((spec) => [spec.key, { spec, begin }])));
  const begun = clock.now().mono;
  /** Milliseconds since the start of the laboratory at which probes of this question began. */
  const starts = (where: string) => servers.starts(where).map((at) => at - begun);
  return { clock, servers, engine, run, starts, words: () => words };
}

function wordsOf({ from, to, firstPass, uncheckedChanged, record }: CheckTransition): string {
  const unchecked = uncheckedChanged ? `, unchecked ${record.unchecked}` : "";
  return `${from.kind} -> ${to.kind}${firstPass ? ", first pass" : ""}${unchecked}`;
}

/** From one start to the next. */
const gaps = (starts: readonly number[]): readonly number[] => starts.slice(1).map((at, i) => at - starts[i]!);
const near = (ms: number, wanted: number, by = TICK_MS + 2) => Math.abs(ms - wanted) <= by;

describe("when probes start", () => {
  test("at a fixed rate that does not drift, however long the answers take", async () => {
    const { clock, servers, run, starts } = laboratory();
    servers.answer(A, "pass", 700);
    run([checkSpec({ interval: 2_000 })]);
    await clock.advance(600_000);
    const all = starts(ROOT);
    // The first comes at once, the second wherever the check's own place in the interval is; from there on it is a grid.
    const steady = all.slice(1);
    for (const gap of gaps(steady)) assert.ok(near(gap, 2_000), `gap of ${gap} ms`);
    const expected = steady[0]! + (steady.length - 1) * 2_000;
    assert.ok(near(steady.at(-1)!, expected), `after ${steady.length} probes ${steady.at(-1)! - expected} ms off`);
    assert.ok(steady.length >= 298);
  });

  test("the interval follows the state: 2s while up, 1s from the first failure, 5s while down", async () => {
    const { clock, servers, run, starts, engine } = laboratory();
    const spec = checkSpec();
    run([spec]);
    await clock.advance(10_000);
    servers.answer(A, "fail");
    while (engine.get(spec.key)!.failures === 0) await clock.advance(10);
    const first = starts(ROOT).length - 1;
    await clock.advance(30_000);
    const after = gaps(starts(ROOT).slice(first));
    assert.deepEqual(
      after.map((gap) => Math.round(gap / 100) / 10),
      [1, 1, 5, 5, 5, 5, 5],
    );
    servers.answer(A, "pass");
    await clock.advance(10_000);
    assert.equal(engine.get(spec.key)!.state.kind, "up");
  });

  test("a probe never overlaps itself, though it takes longer than the interval", async () => {
    const { clock, servers, run, starts } = laboratory();
    servers.answer(A, "pass", 2_500);
    run([checkSpec({ interval: 1_000, timeout: 3_000 })]);
    await clock.advance(60_000);
    assert.deepEqual(servers.misuse, []);
    for (const gap of gaps(starts(ROOT))) assert.ok(gap >= 2_500, `gap of ${gap} ms`);
    assert.ok(starts(ROOT).length >= 19, `${starts(ROOT).length} probes`);
  });

  test("a slow server delays nobody else", async () => {
    const { clock, servers, run, starts } = laboratory();
    servers.answer("10.0.0.2:80", "silent");
    run([checkSpec({ endpoint: A }), checkSpec({ endpoint: "10.0.0.2:80" })]);
    await clock.advance(60_000);
    for (const gap of gaps(starts(ROOT).slice(1))) assert.ok(near(gap, 2_000));
  });

  test("first probes of many checks come within a second, of a few at once", async () => {
    const { clock, run, starts } = laboratory();
    const endpoints = Array.from({ length: 2_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}:80`);
    run(endpoints.map((endpoint) => checkSpec({ endpoint })));
    await clock.advance(1_500);
    const first = endpoints.map((endpoint) => starts(`${endpoint} /`)[0]!);
    assert.ok(Math.max(...first) <= 1_000 + 2 * TICK_MS, `the last came after ${Math.max(...first)} ms`);
    const tenths = new Set(first.map((at) => Math.floor(at / 100)));
    assert.ok(tenths.size >= 10, "they came in bunches");

    const few = laboratory();
    few.run(endpoints.slice(0, 5).map((endpoint) => checkSpec({ endpoint })));
    await few.clock.advance(100);
    for (const endpoint of endpoints.slice(0, 5)) assert.ok(few.starts(`${endpoint} /`)[0]! <= 2 * TICK_MS + 5);
  });

  test("later probes are spread over the whole interval", async () => {
    const { clock, run, starts } = laboratory();
    const endpoints = Array.from({ length: 500 }, (_, i) => `10.1.${i >> 8}.${i & 255}:80`);
    run(endpoints.map((endpoint) => checkSpec({ endpoint, interval: 10_000 })));
    await clock.advance(60_000);
    const counts = new Array<number>(10).fill(0);
    for (const endpoint of endpoints) counts[Math.floor((starts(`${endpoint} /`).at(-1)! % 10_000) / 1_000)]!++;
    assert.ok(Math.min(...counts) >= 25 && Math.max(...counts) <= 80, `per second: ${counts}`);
  });

  for (const { count, bunches } of [
    { count: 40, bunches: 10 },
    { count: 1_000, bunches: 10 },
    { count: 1_900, bunches: 20 },
    { count: 4_500, bunches: 50 },
    { count: 11_000, bunches: 100 },
  ])
    test(`${count} checks a second start in ${bunches} bunches, each check exactly at its interval`, async () => {
      const { clock, run, starts } = laboratory();
      const endpoints = Array.from({ length: count }, (_, i) => `10.1.${i >> 8}.${i & 255}:80`);
      run(endpoints.map((endpoint) => checkSpec({ endpoint, interval: 1_000 })));
      await clock.advance(3_500);
      const places = new Map<number, number>();
      for (const endpoint of endpoints) {
        const last = starts(`${endpoint} /`).slice(-2);
        for (const gap of gaps(last)) assert.ok(Math.abs(gap - 1_000) < 0.001, `${endpoint}: a gap of ${gap} ms`);
        const place = Math.round(last[0]! % 1_000);
        places.set(place, (places.get(place) ?? 0) + 1);
      }
      assert.ok(places.size <= bunches, `${places.size} bunches`);
      assert.ok(Math.max(...places.values()) <= (2 * count) / bunches + 10, `${Math.max(...places.values())} at once`);
    });
});

describe("deadlines", () => {
  test("a probe without an answer is cancelled at its timeout, and counts as failed with the prober's words", async () => {
    const { clock, servers, run, engine } = laboratory();
    servers.answer(A, "silent");
    const spec = checkSpec({ timeout: 500 });
    run([spec]);
    await clock.advance(490);
    assert.equal(engine.get(spec.key)!.failures, 0);
    await clock.advance(50);
    const { failures, lastOutcome, lastTookMs } = engine.get(spec.key)!;
    assert.equal(failures, 1);
    assert.deepEqual(lastOutcome, { kind: "fail", reason: "timed out after 500ms" });
    assert.ok(near(lastTookMs, 500, 2 * TICK_MS));
  });

  test("a second word on the same probe is ignored", async () => {
    const { clock, servers, run, engine } = laboratory();
    const spec = checkSpec();
    run([spec]);
    await clock.advance(10_100);
    const { passes } = engine.get(spec.key)!;
    servers.lastDone(ROOT)({ kind: "fail", reason: "late" });
    servers.lastDone(ROOT)({ kind: "pass", detail: "later still" });
    assert.equal(engine.get(spec.key)!.passes, passes);
    assert.equal(engine.get(spec.key)!.failures, 0);
  });

  test("a word on a check that is gone is ignored, and starts nothing", async () => {
    const { clock, servers, run, engine, words } = laboratory();
    servers.answer(A, "silent");
    run([checkSpec()]);
    await clock.advance(100);
    const late = servers.lastDone(ROOT);
    run([]);
    late({ kind: "pass", detail: "too late" });
    await clock.advance(20_000);
    assert.deepEqual(words(), []);
    assert.equal(servers.starts(ROOT).length, 1);
    assert.equal([...engine.records()].length, 0);
  });

  test("after a block of the event loop answers that are already there count, before any deadline does", async () => {
    const { clock, servers, run, engine } = laboratory();
    const spec = checkSpec({ fall: 1, timeout: 1_000 });
    run([spec]);
    await clock.advance(10_000);
    // The answer comes while nobody can look: its event and the deadline are both due afterwards, the deadline first.
    servers.answer(A, "pass", 1_500);
    for (const before = servers.startCount(); servers.startCount() === before; ) await clock.advance(10);
    await clock.block(30_000);
    await clock.advance(1);
    assert.equal(engine.get(spec.key)!.failures, 0, "a server was blamed for our own pause");
    assert.equal(engine.get(spec.key)!.state.kind, "up");
  });

  test("after a block a server that stays silent is still found out", async () => {
    const { clock, servers, run, engine } = laboratory();
    const spec = checkSpec({ fall: 1, timeout: 1_000 });
    run([spec]);
    await clock.advance(10_000);
    servers.answer(A, "silent");
    for (const before = servers.startCount(); servers.startCount() === before; ) await clock.advance(10);
    await clock.block(30_000);
    await clock.advance(500);
    assert.equal(engine.get(spec.key)!.state.kind, "down");
  });
});

test("a block of half a minute does not pile up starts, and the rate is right again at once", async () => {
  const { clock, servers, run, starts, engine } = laboratory();
  const endpoints = Array.from({ length: 100 }, (_, i) => `10.0.1.${i}:80`);
  run(endpoints.map((endpoint) => checkSpec({ endpoint })));
  await clock.advance(20_000);
  const before = servers.startCount();
  const blocked = clock.elapsed();
  await clock.block(30_000);
  assert.ok(servers.startCount() - before <= 100, `${servers.startCount() - before} starts`);
  assert.ok(engine.lagMs() > 25_000 && engine.lagMs() <= 30_100, `a lag of ${engine.lagMs()} ms is reported`);
  await clock.advance(20_000);
  assert.ok(engine.lagMs() <= 2 * TICK_MS, `still a lag of ${engine.lagMs()} ms`);
  for (const endpoint of endpoints) {
    const later = starts(`${endpoint} /`).filter((at) => at > blocked + 30_000);
    assert.ok(later.length >= 9 && later.length <= 12, `${later.length} probes in the 20s after it`);
  }
  assert.deepEqual(servers.misuse, []);
});

test("the lag is that of the start that waited longest, not of the one that came last", async () => {
  const { clock, run, engine } = laboratory();
  run(Array.from({ length: 50 }, (_, i) => checkSpec({ endpoint: `10.0.1.${i}:80`, interval: 1_000 })));
  await clock.advance(10_000);
  await clock.block(5_000);
  assert.ok(engine.lagMs() > 4_900, `${engine.lagMs()} ms, though the first start had waited nearly 5s`);
});

describe("what the engine reports", () => {
  test("transitions only, in batches; steady results are counted in place", async () => {
    const { clock, servers, run, engine, words } = laboratory();
    const spec = checkSpec();
    run([spec]);
    await clock.advance(60_000);
    assert.deepEqual(words(), ["unknown -> up, first pass"]);
    assert.ok(engine.get(spec.key)!.passes >= 29);
    servers.answer(A, "fail");
    await clock.advance(60_000);
    assert.deepEqual(words().slice(1), ["up -> down"]);
    servers.answer(A, "pass");
    await clock.advance(60_000);
    assert.deepEqual(words().slice(2), ["down -> up"]);
  });

  test("unchecked after 30s of inconclusive probes, checked again with the first conclusive one, a failure too", async () => {
    for (const [answer, expected] of [
      ["pass", "up -> up, unchecked false"],
      ["fail", "up -> up, unchecked false"],
    ] as const) {
      const { clock, servers, run, engine, words } = laboratory();
      const spec = checkSpec();
      run([spec]);
      await clock.advance(10_000);
      servers.answer(A, "inconclusive");
      await clock.advance(UNCHECKED_AFTER_MS - 3_000);
      assert.equal(engine.get(spec.key)!.unchecked, false);
      await clock.advance(6_000);
      assert.equal(engine.get(spec.key)!.unchecked, true);
      assert.equal(engine.get(spec.key)!.state.kind, "up");
      await clock.advance(60_000);
      servers.answer(A, answer);
      await clock.advance(3_000);
      assert.deepEqual(words(), ["unknown -> up, first pass", "up -> up, unchecked true", expected]);
    }
  });

  test("a prober that throws is no verdict on the server, and stops nobody else", async () => {
    const { clock, servers, run, engine } = laboratory();
    servers.answer(A, "broken");
    const broken = checkSpec();
    const fine = checkSpec({ endpoint: "10.0.0.2:80" });
    run([broken, fine]);
    await clock.advance(20_000);
    const record = engine.get(broken.key)!;
    assert.equal(record.state.kind, "unknown");
    assert.deepEqual(record.lastOutcome, { kind: "inconclusive", reason: "probe could not start: prober is broken" });
    assert.ok(record.inconclusive >= 9 && record.inconclusive <= 12);
    assert.equal(engine.get(fine.key)!.state.kind, "up");
  });
});

describe("update", () => {
  test("leaves an unchanged check alone: state, connection and schedule", async () => {
    const { clock, servers, run, starts, engine } = laboratory();
    const spec = checkSpec();
    run([spec]);
    await clock.advance(20_500);
    const record = engine.get(spec.key)!;
    const [passes, before] = [record.passes, starts(ROOT).length];
    for (let i = 0; i < 50; i++) {
      run([checkSpec()]);
      await clock.advance(100);
    }
    assert.equal(engine.get(spec.key), record);
    assert.equal(servers.opened(ROOT), 1);
    assert.ok(record.passes > passes);
    for (const gap of gaps(starts(ROOT).slice(before - 1))) assert.ok(near(gap, 2_000), `gap of ${gap} ms`);
  });

  test("an equal check asked by many services is probed once", async () => {
    const { clock, servers, run } = laboratory();
    run([checkSpec(), checkSpec(), checkSpec()]);
    await clock.advance(20_000);
    assert.deepEqual(servers.open(), [ROOT]);
    assert.ok(servers.startCount() <= 12);
  });

  test("only timings changed: state, counters and the row of failures stay", async () => {
    const { clock, servers, run, engine, words } = laboratory();
    run([checkSpec({ fall: 5 })]);
    await clock.advance(10_000);
    servers.answer(A, "fail");
    while (engine.get(checkSpec({ fall: 5 }).key)!.failures < 2) await clock.advance(100);
    const { passes } = engine.get(checkSpec({ fall: 5 }).key)!;
    const other = checkSpec({ fall: 5, interval: 4_000 });
    run([other]);
    assert.equal(engine.get(checkSpec({ fall: 5 }).key), undefined);
    const record = engine.get(other.key)!;
    assert.equal(record.passes, passes);
    assert.equal(record.state.kind === "up" && record.state.failures, 2);
    assert.equal(servers.opened(ROOT), 1, "the connection stays as well");
    await clock.advance(4_000);
    assert.equal(record.state.kind, "down");
    assert.deepEqual(words(), ["unknown -> up, first pass", "up -> down"]);
  });

  test("another timeout keeps the state and opens a prober that says the new limit; the old one is closed once", async () => {
    const { clock, servers, run, engine } = laboratory();
    run([checkSpec()]);
    await clock.advance(10_000);
    servers.answer(A, "silent");
    await clock.advance(1_500);
    const other = checkSpec({ timeout: 300 });
    run([other]);
    assert.equal(engine.get(other.key)!.state.kind, "up");
    assert.equal(servers.opened(ROOT), 2);
    assert.deepEqual(servers.open(), [ROOT]);
    await clock.advance(3_000);
    assert.deepEqual(engine.get(other.key)!.lastOutcome, { kind: "fail", reason: "timed out after 300ms" });
    assert.deepEqual(servers.misuse, []);
  });

  test("two checks of one question with other timings each keep their own state when both change", async () => {
    const { clock, servers, run, engine } = laboratory();
    run([checkSpec({ interval: 1_000 }), checkSpec({ interval: 3_000 })]);
    await clock.advance(10_000);
    const next = [checkSpec({ interval: 1_100 }), checkSpec({ interval: 3_100 })];
    run(next);
    for (const spec of next) assert.equal(engine.get(spec.key)!.state.kind, "up", spec.key);
    assert.equal(servers.opened(ROOT), 2);
  });

  test("a shorter interval takes effect at once, not after the long one that was under way", async () => {
    const { clock, run, starts } = laboratory();
    run([checkSpec({ interval: 600_000 })]);
    await clock.advance(700_000);
    const before = starts(ROOT).length;
    run([checkSpec({ interval: 1_000 })]);
    await clock.advance(5_000);
    assert.ok(starts(ROOT).length - before >= 4, `${starts(ROOT).length - before} probes in 5s`);
  });

  test("what is gone is closed, what is new begins as it is told", async () => {
    const { clock, servers, run, engine } = laboratory();
    const [one, two] = [checkSpec(), checkSpec({ endpoint: "10.0.0.2:80" })];
    run([one]);
    await clock.advance(5_000);
    run([two], { kind: "down", reason: "status 503" });
    assert.deepEqual(servers.open(), ["10.0.0.2:80 /"]);
    assert.equal(engine.get(one.key), undefined);
    assert.deepEqual(engine.get(two.key)!.state.kind, "down");
    await clock.advance(100);
    assert.equal(engine.get(two.key)!.state.kind, "down", "one pass is not enough for what was down");
    await clock.advance(6_000);
    assert.equal(engine.get(two.key)!.state.kind, "up");
  });

  test("stop closes every prober once, and nothing starts or is reported after it", async () => {
    const { clock, servers, run, engine, words } = laboratory();
    servers.answer(A, "silent");
    run([checkSpec(), checkSpec({ endpoint: "10.0.0.2:80" })]);
    await clock.advance(1);
    engine.stop();
    const count = servers.startCount();
    await clock.advance(60_000);
    assert.deepEqual(servers.open(), []);
    assert.deepEqual(servers.misuse, []);
    assert.equal(servers.startCount(), count);
    assert.deepEqual(words(), []);
    assert.equal(clock.armed(), 0);
  });
});

test("law: whatever is updated, answered and blocked, probers are opened and closed in pairs, never overlap, and nobody is forgotten", async () => {
  const endpoint = fc.constantFrom("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80");
  const spec = fc
    .record({
      endpoint,
      path: fc.constantFrom("/", "/x"),
      interval: fc.constantFrom(500, 2_000, 5_000),
      timeout: fc.constantFrom(200, 2_000),
      downInterval: fc.constantFrom(500, 5_000),
    })
    .map((given) => checkSpec(given));
  const deed = fc.oneof(
    fc.record({ do: fc.constant("update" as const), specs: fc.array(spec, { maxLength: 5 }) }),
    fc.record({
      do: fc.constant("answer" as const),
      endpoint,
      answer: fc.constantFrom<Answer>("pass", "fail", "decisive", "inconclusive", "silent", "broken"),
      afterMs: fc.constantFrom(0, 2, 150, 2_500),
    }),
    fc.record({ do: fc.constant("advance" as const), ms: fc.nat(4_000) }),
    fc.record({ do: fc.constant("block" as const), ms: fc.nat(20_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 30 }), async (deeds) => {
      const { clock, servers, run, engine } = laboratory();
      let wanted: readonly CheckSpec[] = [];
      for (const each of deeds) {
        if (each.do === "update") {
          wanted = each.specs;
          run(wanted);
        } else if (each.do === "answer") servers.answer(each.endpoint, each.answer, each.afterMs);
        else if (each.do === "advance") await clock.advance(each.ms);
        else await clock.block(each.ms);
        const questions = [...new Map(wanted.map((s) => [s.key, s.probe])).values()].sort();
        assert.deepEqual(servers.open(), questions);
        assert.deepEqual(
          [...engine.records()].map((record) => record.spec.key).sort(),
          [...new Set(wanted.map((s) => s.key))].sort(),
        );
      }
      const before = new Map(wanted.map((s) => [s.probe, servers.starts(s.probe).length]));
      await clock.advance(12_000);
      for (const { probe } of wanted)
        assert.ok(servers.starts(probe).length > before.get(probe)!, `${probe} was forgotten`);
      assert.deepEqual(servers.misuse, []);
      engine.stop();
      assert.deepEqual(servers.open(), []);
    }),
    { numRuns: 60 },
  );
});

describe("what servers report of their weight", () => {
  const says = (report: Report): ProbeOutcome => ({ kind: "pass", detail: "said", report });

  test("is told when it changes, and only then; what is not mentioned stays", async () => {
    const { clock, servers, engine, run, words } = laboratory();
    const spec = checkSpec({ interval: 1_000 });
    run([spec]);
    await clock.advance(1_500);
    const before = words().length;
    for (const report of [{ factor: 0.5 }, { factor: 0.5 }, {}, { hold: "drain" }, { factor: 0.5 }] as const) {
      servers.answer(A, says(report));
      await clock.advance(3_000);
    }
    servers.answer(A, "pass");
    await clock.advance(3_000);
    assert.deepEqual(words().slice(before), ["up -> up", "up -> up"]);
    assert.deepEqual(engine.get(spec.key)!.reported, { factor: 0.5, hold: "drain" });
  });

  test("has a version that stands still while nothing changes, and moves with every state, row of failures, report and update", async () => {
    const { clock, servers, engine, run } = laboratory();
    const spec = checkSpec({ interval: 1_000 });
    run([spec]);
    await clock.advance(1_500);
    let last = engine.version();
    const moved = async (ms: number): Promise<boolean> => {
      await clock.advance(ms);
      const before = last;
      last = engine.version();
      return last !== before;
    };
    assert.equal(await moved(30_000), false, "only passes");
    servers.answer(A, "fail");
    const state = engine.get(spec.key)!.state;
    assert.equal(await moved(1_100), true, "a first failure");
    assert.notEqual(engine.get(spec.key)!.state, state);
    assert.equal(await moved(10_000), true, "down");
    assert.equal(await moved(30_000), false, "down for the same reason");
    servers.answer(A, "pass");
    assert.equal(await moved(30_000), true, "up again");
    servers.answer(A, says({ factor: 0.5 }));
    assert.equal(await moved(3_000), true, "a report");
    assert.equal(await moved(30_000), false, "the same report");
    run([spec]);
    assert.equal(await moved(0), true, "an update");
  });

  test("survives what cannot be asked, being down, and other timings; not another question", async () => {
    const { clock, servers, engine, run } = laboratory();
    run([checkSpec()]);
    servers.answer(A, says({ factor: 0.5 }));
    await clock.advance(3_000);
    for (const answer of ["inconclusive", "fail"] as const) {
      servers.answer(A, answer);
      await clock.advance(10_000);
    }
    const slower = checkSpec({ timeout: 3_000, interval: 4_000 });
    run([slower]);
    assert.deepEqual(engine.get(slower.key)!.reported, { factor: 0.5 });
    const other = checkSpec({ path: "/other" });
    run([other]);
    assert.equal(engine.get(other.key)!.reported, undefined);
  });
});

test("what is harmlessly inconclusive makes a new check up, and unchecked after a while", async () => {
  const { clock, servers, engine, run, words } = laboratory();
  servers.answer(A, { kind: "inconclusive", reason: "agent did not answer", harmless: true });
  const spec = checkSpec();
  run([spec]);
  await clock.advance(100);
  assert.deepEqual(words(), ["unknown -> up"]);
  await clock.advance(UNCHECKED_AFTER_MS + 3_000);
  assert.deepEqual(words(), ["unknown -> up", "up -> up, unchecked true"]);
  const { passes, failures, everPassed } = engine.get(spec.key)!;
  assert.deepEqual([passes, failures, everPassed], [0, 0, false]);
});
