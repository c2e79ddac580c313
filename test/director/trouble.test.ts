import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OPS, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const BOTH_UP = `${A} 100, ${B} 100`;

describe("ipvsadm that does not do its work", () => {
  test("fails: retried ever more slowly, and everything is there when it works again; none of it is called drift", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    machine.kernel.trouble = { kind: "rejects" };
    machine.servers.answer(A, "fail");
    await machine.clock.advance(300_000);
    const tries = daemon.said("reconcile");
    assert.deepEqual(
      tries.slice(0, 4).map((line) => /next try in (\w+)$/.exec(line)?.[1]),
      ["1s", "2s", "5s", "10s"],
    );
    assert.ok(tries.length <= 30, `${tries.length} tries in 5 minutes`);
    assert.equal(daemon.director.reconciler().inSync, false);
    assert.match(daemon.director.reconciler().lastError ?? "", /timed out after 10s/);
    machine.kernel.trouble = undefined;
    await machine.clock.advance(16_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.equal(daemon.director.reconciler().inSync, true);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("is killed half way through a write: what it did is no drift, the rest is written", async () => {
    const machine = world();
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`, `c ${C}`]));
    await machine.clock.advance(10_000);
    for (const server of [A, B, C]) machine.servers.answer(server, "decisive");
    let cut = false;
    const { apply } = machine.kernel;
    machine.kernel.apply = (changes, signal) => {
      if (!cut) machine.kernel.trouble = { kind: "rejects" };
      cut = true;
      return apply(changes, signal).finally(() => {
        machine.kernel.trouble = undefined;
      });
    };
    await machine.clock.advance(10_000);
    assert.ok(cut);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0`);
    assert.deepEqual(daemon.said("drift"), []);
    assert.equal(daemon.director.reconciler().inSync, true);
  });

  test("the belief of what is in the kernel does not change with a write that failed", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    machine.kernel.trouble = { kind: "refuses", text: `-r ${A} -m -w 0`, silently: true };
    machine.servers.answer(A, "fail");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(
      daemon.director
        .reconciler()
        .actual.get("tcp:192.0.2.10:80" as never)!
        .destinations.get(A as never)!.weight,
      100,
    );
    assert.equal(daemon.director.reconciler().inSync, false);
    assert.ok(
      !daemon.said("weight").some((line) => line.includes("100 -> 0")),
      "it tells of a write that did not happen",
    );
    machine.kernel.trouble = undefined;
    await machine.clock.advance(61_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("a pass that hangs holds up the table, not the probes, the orders' record or the next pass", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    machine.kernel.trouble = { kind: "hangs" };
    machine.servers.answer(A, "fail");
    await machine.clock.advance(5_000);
    machine.servers.answer(B, "fail");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(daemon.said("server").length, 4);
    machine.kernel.trouble = undefined;
    await machine.clock.advance(1_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0`);
    assert.deepEqual(daemon.said("drift"), []);
  });
});

describe("entries that the kernel refuses", () => {
  test("are isolated: everybody else is served, probed and repaired, and it is told once", async () => {
    const machine = world();
    machine.kernel.trouble = { kind: "refuses", text: `-r ${C}` };
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`, `c ${C}`]));
    assert.equal(await machine.weights(), BOTH_UP);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(600_000);
    const told = daemon.said("reconcile").filter((line) => line.includes("-w 100"));
    assert.equal(told.length, 1);
    assert.match(told[0]!, /refused by the kernel: -a .*Memory allocation problem; tried again with growing pauses/);
    assert.equal(daemon.director.reconciler().refused.length, 1);
    const tries = machine.kernel.written.filter((line) => line.includes(C)).length;
    assert.ok(tries <= 25, `${tries} tries in ten minutes`);
    machine.kernel.trouble = undefined;
    await machine.clock.advance(61_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 100`);
    assert.deepEqual(daemon.director.reconciler().refused, []);
  });

  test("do not make the loop spin: passes stay rare while something is refused, for as long as it is", async () => {
    const machine = world();
    machine.kernel.trouble = { kind: "refuses", text: "10.0.0." };
    const daemon = await machine.start(TWO);
    await machine.clock.advance(120_000);
    const before = daemon.passes();
    await machine.clock.advance(120_000);
    assert.ok(daemon.passes() - before <= 80, `${daemon.passes() - before} passes in two minutes`);
    // One of the two is not wanted any more; its turn comes and goes without anything to do.
    await daemon.reload(webConf([`b ${B}`]));
    const after = daemon.passes();
    await machine.clock.advance(120_000);
    assert.ok(daemon.passes() - after <= 80, `${daemon.passes() - after} passes in two minutes`);
  });

  test("a whole service: its servers wait with it and are no troubles of their own", async () => {
    const machine = world();
    machine.kernel.trouble = { kind: "refuses", text: "-A -t 192.0.2.10:80" };
    const other = webConf([`c ${C}`])
      .replace("services:\n", "")
      .replace("name: web", "name: other")
      .replace("192.0.2.10", "192.0.2.20");
    const daemon = await machine.start(`${TWO}\n${other}`);
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), undefined);
    assert.equal(await machine.weights("tcp:192.0.2.20:80"), `${C} 100`);
    assert.equal(daemon.director.reconciler().refused.length, 1);
    machine.kernel.trouble = undefined;
    await machine.clock.advance(61_000);
    assert.equal(await machine.weights(), BOTH_UP);
  });
});

describe("a state directory that cannot be written", () => {
  test("orders are refused with its words; health goes on", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    machine.disk.broken = "cannot write /var/lib/director/intent.json: ENOSPC";
    for (const order of [
      daemon.director.disable("web", "a", OPS, undefined),
      daemon.director.setWeight("web", "a", 30, OPS),
      daemon.director.enable("web", "a", OPS),
    ]) {
      const refused = await daemon.wait(order);
      assert.ok(!refused.ok);
      assert.equal(refused.error.kind, "unwritable");
      assert.match(refused.error.problem, /ENOSPC/);
    }
    assert.equal(await machine.weights(), BOTH_UP);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.disk.broken = undefined;
    await machine.clock.advance(6_000);
    assert.equal(daemon.director.intents().problem(), undefined);
    assert.ok((await daemon.wait(daemon.director.setWeight("web", "b", 30, OPS))).ok);
    assert.equal(await machine.weights(), `${A} 0, ${B} 30`);
  });

  test("from the start: it serves all the same, and says so", async () => {
    const machine = world();
    machine.disk.broken = "cannot write /var/lib/director/intent.json: EROFS";
    const daemon = await machine.start(TWO);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.match(daemon.director.intents().problem() ?? "", /EROFS/);
    const before = daemon.passes();
    await machine.clock.advance(60_000);
    assert.ok(daemon.passes() - before <= 40, `${daemon.passes() - before} passes a minute`);
    machine.disk.broken = undefined;
    await machine.clock.advance(10_000);
    assert.match(
      machine.disk.text ?? "",
      /tcp:192\.0\.2\.10:80/,
      "what was declared in memory is stored once it can be",
    );
  });

  test("a time that ends meanwhile ends all the same, once", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    const until = (machine.clock.now().epoch + 20_000) as never;
    assert.ok((await daemon.wait(daemon.director.disable("web", "a", OPS, until))).ok);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.disk.broken = "cannot write: ENOSPC";
    const before = daemon.passes();
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.ok(daemon.passes() - before <= 40, `${daemon.passes() - before} passes a minute`);
    assert.equal(daemon.said("admin").filter((line) => line.includes("enabled again")).length, 1);
  });

  test("a slow disk: an order is in force only when it is stored, and orders keep their order", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.disk.slowMs = 3_000;
    const first = daemon.director.setWeight("web", "a", 30, OPS);
    const second = daemon.director.setWeight("web", "a", 60, OPS);
    await machine.clock.advance(2_000);
    assert.equal(await machine.weights(), BOTH_UP);
    await machine.clock.advance(1_500);
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    await daemon.wait(Promise.all([first, second]));
    assert.equal(await machine.weights(), `${A} 60, ${B} 100`);
  });
});
