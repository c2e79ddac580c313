import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isChosen } from "../../src/hooks/choice.ts";
import { stall, tcpServer } from "../support/nasty-server.ts";
import { type Bench, bench, down, linesIn, lives, scriptHook, until, webhook } from "./support.ts";

/** Appends what it is told, and ends only once the file `go` is there. */
const GATED = 'cat >> "$DIR/told"; while [ ! -e "$DIR/go" ]; do sleep 0.01; done';
const open = (b: Bench) => writeFileSync(join(b.dir, "go"), "");
const sequences = (b: Bench, name = "told") => b.told(name).map(({ sequence }) => sequence);

describe("which events a hook is told of", () => {
  const event = { kind: "server", from: "up", to: "down", service: "web" };
  const first = { kind: "server", from: "presumed-up", to: "up", service: "web" };
  const cases: readonly (readonly [on: string, services: readonly string[] | undefined, event: object, is: boolean])[] =
    [
      ["all", undefined, event, true],
      ["server", undefined, event, true],
      ["server.down", undefined, event, true],
      ["server.up", undefined, event, false],
      ["service", undefined, event, false],
      ["all", ["web", "api"], event, true],
      ["all", ["api"], event, false],
      ["all", undefined, { kind: "reload", to: "done" }, true],
      ["all", ["web"], { kind: "reload", to: "done" }, false],
      ["process", undefined, { kind: "process" }, true],
      ["weight.0", undefined, { kind: "weight", from: "100", to: "0" }, true],
      ["weight.0", undefined, { kind: "weight", from: "0", to: "100" }, false],
      ["something.new", undefined, { kind: "something", to: "new" }, true],
      ["server", undefined, first, false],
      ["server", undefined, { ...first, from: "unknown" }, true],
      ["server", undefined, { ...first, to: "down" }, true],
    ];
  for (const [on, services, about, is] of cases)
    test(`${on}${services ? ` of ${services}` : ""}: ${JSON.stringify(about)} ${is ? "yes" : "no"}`, () => {
      assert.equal(isChosen({ on: [on], services }, about as typeof event), is);
    });
});

describe("a hook that is too slow", () => {
  test("loses the oldest, which is said once, counted, and told to the next that comes through", async () => {
    await using b = bench();
    b.hooks.use([scriptHook("slow", b.script("slow", GATED), { queue: 3 })]);
    b.hooks.offer(down(1));
    await until("it runs", () => b.status("slow").running && sequences(b).length === 1);
    for (let i = 2; i <= 11; i++) b.hooks.offer(down(i));
    assert.deepEqual([b.status("slow").queued, b.status("slow").dropped], [3, 7]);
    assert.deepEqual(b.log, ["warning hook slow: it is too slow: 3 events wait, from now on the oldest are dropped"]);
    open(b);
    await until("all", () => b.status("slow").delivered === 4);
    assert.deepEqual(
      b.told("told").map(({ sequence, missed }) => [sequence, missed]),
      [
        [1, undefined],
        [9, 7],
        [10, undefined],
        [11, undefined],
      ],
    );
    assert.deepEqual(b.log.slice(1), ["info hook slow: it has caught up; 7 events were dropped"]);
  });

  test("what was missed is told until somebody hears it: a run that fails does not count", async () => {
    await using b = bench();
    const path = b.script("deaf", `${GATED}; [ -e "$DIR/hears" ]`);
    b.hooks.use([scriptHook("deaf", path, { queue: 1 })]);
    b.hooks.offer(down(1));
    await until("it runs", () => sequences(b).length === 1);
    for (let i = 2; i <= 5; i++) b.hooks.offer(down(i));
    open(b);
    await until("both failed", () => b.status("deaf").failed === 2);
    writeFileSync(join(b.dir, "hears"), "");
    b.hooks.offer(down(6));
    await until("delivered", () => b.status("deaf").delivered === 1);
    b.hooks.offer(down(7));
    await until("delivered", () => b.status("deaf").delivered === 2);
    assert.deepEqual(
      b.told("told").map(({ sequence, missed }) => [sequence, missed]),
      [
        [1, undefined],
        [5, 3],
        [6, 3],
        [7, undefined],
      ],
    );
  });

  test("holds up no other hook", async () => {
    await using stalled = await tcpServer(stall);
    await using b = bench();
    b.hooks.use([
      scriptHook("slow", b.script("slow", GATED)),
      webhook("stalled", `http://127.0.0.1:${stalled.port}/`),
      scriptHook("quick", b.script("quick", 'cat >> "$DIR/quick.told"')),
    ]);
    for (let i = 1; i <= 20; i++) b.hooks.offer(down(i));
    await until("quick has them all", () => b.status("quick").delivered === 20);
    assert.deepEqual([b.status("slow").queued, b.status("stalled").queued], [19, 19]);
    open(b);
  });

  test("costs whoever records events next to nothing: ten thousand in a few milliseconds", async () => {
    await using b = bench();
    b.hooks.use(["a", "b", "c"].map((name) => scriptHook(name, b.script("slow", GATED))));
    const began = performance.now();
    for (let i = 1; i <= 10_000; i++) b.hooks.offer(down(i));
    const took = performance.now() - began;
    assert.ok(took < 500, `${took} ms`);
    assert.deepEqual(
      b.hooks.status().map(({ queued, dropped }) => [queued, dropped]),
      Array(3).fill([1_000, 9_000]),
    );
    assert.equal(b.log.length, 3);
  });
});

describe("a reload", () => {
  test("keeps the queue of a hook that goes on under its name, as it is or changed", async () => {
    await using b = bench();
    const before = scriptHook("page", b.script("before", GATED));
    b.hooks.use([before]);
    for (let i = 1; i <= 3; i++) b.hooks.offer(down(i));
    await until("it runs", () => sequences(b).length === 1);
    b.hooks.use([before]);
    b.hooks.offer(down(4));
    b.hooks.use([scriptHook("page", b.script("after", 'cat >> "$DIR/after.told"'), { on: ["drain"] })]);
    b.hooks.offer(down(5));
    open(b);
    await until("all", () => b.status("page").delivered === 4);
    assert.deepEqual([sequences(b), sequences(b, "after.told")], [[1], [2, 3, 4]]);
    assert.deepEqual(b.log, []);
  });

  test("drops what waits for a hook that is gone, in one line; what runs may end", async () => {
    await using b = bench();
    b.hooks.use([scriptHook("old", b.script("old", `${GATED}; echo end >> "$DIR/ends"`))]);
    for (let i = 1; i <= 4; i++) b.hooks.offer(down(i));
    await until("it runs", () => sequences(b).length === 1);
    b.hooks.use([scriptHook("new", b.script("new", 'cat >> "$DIR/new.told"'))]);
    assert.deepEqual(b.log, ["warning hook old: removed by the reload; 3 events that waited were dropped"]);
    assert.deepEqual(
      b.hooks.status().map(({ name }) => name),
      ["new"],
    );
    b.hooks.offer(down(5));
    await until("new has it", () => b.status("new").delivered === 1);
    open(b);
    await until("the end", () => linesIn(join(b.dir, "ends")).length === 1);
    assert.deepEqual(sequences(b), [1]);
  });
});

describe("a stop", () => {
  test("lets what runs end, begins nothing more, and says in one line what was not delivered", async () => {
    await using b = bench();
    b.hooks.use([
      scriptHook("a", b.script("a", `${GATED}; echo end >> "$DIR/ends"`)),
      scriptHook("b", b.script("b", 'sleep 0.2; cat >> "$DIR/b.told"')),
    ]);
    for (let i = 1; i <= 3; i++) b.hooks.offer(down(i));
    await until("both run", () => sequences(b).length === 1 && b.status("b").running);
    const stopped = b.hooks.stop();
    b.hooks.offer(down(4));
    await sleep(50);
    open(b);
    await stopped;
    assert.deepEqual([linesIn(join(b.dir, "ends")), sequences(b), sequences(b, "b.told")], [["end"], [1], [1]]);
    assert.deepEqual(b.log, ["warning hooks end with director; not delivered: a 2, b 2"]);
  });

  test("waits two seconds at most: then scripts are killed with their children, requests and retries given up", async () => {
    await using stalled = await tcpServer(stall);
    await using b = bench([], { retryAfter: [60_000] });
    const hang = b.script("hang", 'trap "" TERM; sleep 1000 & echo $! > "$DIR/pid"; wait; wait; sleep 1000');
    b.hooks.use([
      scriptHook("hang", hang, { timeout: 600_000 }),
      webhook("stalled", `http://127.0.0.1:${stalled.port}/`, { timeout: 600_000 }),
      webhook("retries", "http://127.0.0.1:1/"),
    ]);
    b.hooks.offer(down(1));
    const [pid] = await until(
      "it hangs",
      () => existsSync(join(b.dir, "pid")) && linesIn(join(b.dir, "pid")).map(Number),
    );
    const began = performance.now();
    await b.hooks.stop();
    const took = performance.now() - began;
    assert.ok(took > 1_500 && took < 10_000, `${took} ms`);
    await until("its child is gone", () => !lives(pid!));
    assert.deepEqual(b.log, ["warning hooks end with director; not delivered: hang 1, stalled 1, retries 1"]);
  });

  test("with nothing under way ends at once", async () => {
    await using b = bench([scriptHook("a", "/bin/true")]);
    b.hooks.offer(down(1));
    await until("done", () => b.status("a").delivered === 1);
    const began = performance.now();
    await b.hooks.stop();
    assert.ok(performance.now() - began < 1_500);
    assert.deepEqual(b.log, []);
  });
});
