import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "../support/tables.ts";
import { WEB, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const BOTH_UP = `${A} 100, ${B} 100`;

describe("a reload keeps what is known", () => {
  test("nothing changed: no probe more, no write, every verdict as it was", async () => {
    const machine = world();
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(TWO);
    await machine.clock.advance(20_000);
    const { writes } = machine.kernel;
    const probes = machine.servers.startCount();
    for (let i = 0; i < 50; i++) await daemon.reload(TWO);
    assert.ok(machine.servers.startCount() - probes <= 3, "reloads started probes");
    assert.equal(machine.kernel.writes, writes);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    for (const where of [A, B]) assert.equal(machine.servers.opened(`${where} /`), 1);
  });

  test("timings changed: a dead server stays dead, a living one alive, with the row it had", async () => {
    const machine = world();
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(TWO);
    await machine.clock.advance(20_000);
    await daemon.reload(webConf([`a ${A}`, `b ${B}`], { check: "interval: 7s, timeout: 1s, fall: 5" }));
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    machine.servers.answer(B, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("weights and names change: verdicts stay, a dead server does not come back with its new weight", async () => {
    const machine = world();
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(TWO);
    await machine.clock.advance(20_000);
    await daemon.reload(webConf([`one ${A} 30`, `two ${B} 70`]).replace("name: web", "name: shop"));
    assert.equal(await machine.weights(), `${A} 30, ${B} 0`);
    machine.servers.answer(B, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), `${A} 30, ${B} 70`);
  });

  test("a service that gets a second vip gives it the verdicts it has", async () => {
    const machine = world();
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(TWO);
    await machine.clock.advance(20_000);
    await daemon.reload(TWO.replace("vip: 192.0.2.10:80", 'vips: ["192.0.2.11:80", "192.0.2.10:80"]'));
    for (const vip of ["192.0.2.10", "192.0.2.11"])
      assert.equal(await machine.weights(`tcp:${vip}:80`), `${A} 100, ${B} 0`);
    assert.equal(machine.servers.opened(`${B} /`), 1);
  });
});

describe("a check that has proved nothing yet", () => {
  const wrong = webConf([`a ${A}`, `b ${B}`], { check: "path: /wrong" });

  /** Everybody serves at `/` and nobody knows `/wrong`. */
  async function serving(): Promise<{ machine: World; daemon: Awaited<ReturnType<World["start"]>> }> {
    const machine = world();
    for (const server of [A, B, C]) machine.servers.answer(`${server} /wrong`, "fail");
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    return { machine, daemon };
  }

  test("a wrong path for all moves no weight, however long it fails", async () => {
    const { machine, daemon } = await serving();
    await daemon.reload(wrong);
    const { writes } = machine.kernel;
    await machine.clock.advance(600_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(machine.kernel.writes, writes);
    assert.equal(daemon.director.unproven().size, 1);
  });

  test("once it has passed on any server it counts on all: from then on who fails it goes down, after its whole row", async () => {
    const { machine, daemon } = await serving();
    await daemon.reload(wrong);
    await machine.clock.advance(20_000);
    machine.servers.answer(`${A} /wrong`, "pass");
    while (daemon.director.unproven().size > 0) await machine.clock.advance(50);
    await machine.clock.advance(1_500);
    assert.equal(await machine.weights(), BOTH_UP, "what failed before it was proven was held against somebody");
    await machine.clock.advance(6_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    assert.equal(daemon.director.unproven().size, 0);
    assert.match(daemon.said("check").join("\n"), /web: check scripted \/wrong is proven/);
  });

  test("the right path again: proven at once by what was known, and nobody had lost anything", async () => {
    const { machine, daemon } = await serving();
    await daemon.reload(wrong);
    await machine.clock.advance(20_000);
    await daemon.reload(TWO);
    assert.equal(await machine.weights(), BOTH_UP);
    await machine.clock.advance(5_000);
    assert.equal(daemon.director.unproven().size, 0);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("a second reload of the wrong path does not make it proven", async () => {
    const { machine, daemon } = await serving();
    await daemon.reload(wrong);
    await machine.clock.advance(20_000);
    await daemon.reload(wrong);
    await daemon.reload(webConf([`a ${A}`, `b ${B}`], { check: "path: /wrong, interval: 3s" }));
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(daemon.director.unproven().size, 1);
  });

  test("a server that was down stays down, and comes back by the new check in `rise` passes", async () => {
    const { machine, daemon } = await serving();
    machine.servers.answer(`${B} /`, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    await daemon.reload(wrong);
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    for (const server of [A, B]) machine.servers.answer(`${server} /wrong`, "pass");
    while (daemon.director.unproven().size > 0) await machine.clock.advance(50);
    await machine.clock.advance(1_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`, "one pass brought it back, or took the other away");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("a second check beside the old one: the old one still takes servers down", async () => {
    const { machine, daemon } = await serving();
    const both = TWO.replace(
      "check: { type: scripted }",
      "checks: [{ type: scripted }, { type: scripted, path: /wrong }]",
    );
    assert.notEqual(both, TWO);
    await daemon.reload(both);
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), BOTH_UP);
    machine.servers.answer(`${A} /`, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("a new server under a proven check has to pass it; nobody waits for it", async () => {
    const { machine, daemon } = await serving();
    machine.servers.answer(C, "fail");
    await daemon.reload(webConf([`a ${A}`, `b ${B}`, `c ${C}`]));
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 0`);
    machine.servers.answer(C, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  });

  test("a new service whose check nobody passes stays at 0 and is named; the others notice nothing", async () => {
    const { machine, daemon } = await serving();
    const other = webConf([`c ${C}`], { check: "path: /wrong" })
      .replace("services:\n", "")
      .replace("name: web", "name: other")
      .replace("192.0.2.10", "192.0.2.20");
    await daemon.reload(`${TWO}\n${other}`);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights("tcp:192.0.2.20:80"), `${C} 0`);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.deepEqual([...daemon.director.unproven().keys()], ["tcp:192.0.2.20:80"]);
  });
});

describe("what leaves the file", () => {
  test("a server with connections stays at weight 0 until they end, then goes", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    const opened = [machine.kernel.memory.open(WEB), machine.kernel.memory.open(WEB)];
    assert.ok(opened.includes(at(A)) && opened.includes(at(B)));
    await daemon.reload(webConf([`b ${B}`]));
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(120_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.kernel.memory.release(WEB, at(A));
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${B} 100`);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("connections that never end: at the end of removal_grace it goes, and that is told with their number", async () => {
    const machine = world();
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`], { service: ["removal_grace: 90s"] }));
    machine.kernel.memory.open(WEB);
    machine.kernel.memory.open(WEB);
    await daemon.reload(webConf([`b ${B}`], { service: ["removal_grace: 90s"] }));
    await machine.clock.advance(89_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(3_000);
    assert.equal(await machine.weights(), `${B} 100`);
    assert.match(daemon.said("weight").join("\n"), new RegExp(`${A}: removed with 1 open connection`));
  });

  test("a server that comes back takes over its entry", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.kernel.memory.open(WEB);
    machine.kernel.memory.open(WEB);
    await daemon.reload(webConf([`b ${B}`]));
    await machine.clock.advance(5_000);
    await daemon.reload(TWO);
    await machine.clock.advance(3_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.ok(!machine.kernel.written.some((line) => line.startsWith("-d")), "it was deleted in between");
  });

  test("a whole service goes in the same way, with the grace it had", async () => {
    const machine = world();
    const keep = webConf([`c ${C}`])
      .replace("name: web", "name: keep")
      .replace("192.0.2.10", "192.0.2.20");
    const daemon = await machine.start(
      `${keep}\n${webConf([`a ${A}`], { service: ["removal_grace: 30s"] }).replace("services:\n", "")}`,
    );
    machine.kernel.memory.open(WEB);
    await daemon.reload(keep);
    assert.equal(await machine.weights(), `${A} 0`);
    await machine.clock.advance(29_000);
    assert.equal(await machine.weights(), `${A} 0`);
    await machine.clock.advance(3_000);
    assert.equal(await machine.weights(), undefined);
    assert.deepEqual(daemon.director.intent().owned, ["tcp:192.0.2.20:80"]);
  });

  test("one vip of several goes with the service's own grace", async () => {
    const machine = world();
    const vips = (list: string) =>
      webConf([`a ${A}`], { service: ["removal_grace: 30s"] }).replace("vip: 192.0.2.10:80", `vips: [${list}]`);
    const daemon = await machine.start(vips('"192.0.2.10:80", "192.0.2.11:80"'));
    machine.kernel.memory.open(WEB);
    await daemon.reload(vips('"192.0.2.11:80"'));
    await machine.clock.advance(33_000);
    assert.equal(await machine.weights(), undefined);
    assert.equal(await machine.weights("tcp:192.0.2.11:80"), `${A} 100`);
  });

  test("it goes on leaving over a restart", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.kernel.memory.open(WEB);
    machine.kernel.memory.open(WEB);
    await daemon.reload(webConf([`b ${B}`]));
    const again = await machine.start(webConf([`b ${B}`]));
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.kernel.memory.release(WEB, at(A));
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${B} 100`);
    assert.deepEqual(again.said("drift"), []);
  });

  test("a service that left the file while director did not run is still ours to remove", async () => {
    const machine = world();
    const keep = webConf([`c ${C}`])
      .replace("name: web", "name: keep")
      .replace("192.0.2.10", "192.0.2.20");
    await machine.start(`${keep}\n${TWO.replace("services:\n", "")}`);
    await machine.start(keep);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), undefined);
    assert.equal(await machine.weights("tcp:192.0.2.20:80"), `${C} 100`);
  });

  test("an empty file, if it is meant, empties our part and nothing else", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.ipvsadm("-A -t 192.0.2.99:80 -s wlc", `-a -t 192.0.2.99:80 -r ${A} -m -w 3`);
    await daemon.reload("allow_empty: true\nservices: []");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), undefined);
    assert.equal(await machine.weights("tcp:192.0.2.99:80"), `${A} 3`);
  });
});

test("scheduler, persistence, weight and forwarding are edited in place: no entry is ever away", async () => {
  const machine = world();
  const check = "port: 80";
  const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`], { check }));
  const before = machine.kernel.written.length;
  const service = ["scheduler: wlc", "persistence: { timeout: 60s }"];
  await daemon.reload(webConf([`a ${A} 50`, `b ${B}`], { check, service }));
  await daemon.reload(webConf(["a 10.0.0.1 50", "b 10.0.0.2"], { check, service: [...service, "forward: direct"] }));
  assert.equal(await machine.weights(), `${A} 50, ${B} 100`);
  assert.deepEqual(machine.kernel.written.slice(before), [
    "-E -t 192.0.2.10:80 -s wlc -p 60",
    `-e -t 192.0.2.10:80 -r ${A} -m -w 50`,
    `-e -t 192.0.2.10:80 -r ${A} -g -w 50`,
    `-e -t 192.0.2.10:80 -r ${B} -g -w 100`,
  ]);
  assert.deepEqual(daemon.said("reconcile"), [], "what was written was not seen to be there");
  assert.deepEqual(daemon.said("drift"), []);
});

test("a reload that replaces the only server by one that the kernel refuses leaves the old one serving", async () => {
  const machine = world();
  const daemon = await machine.start(webConf([`a ${A}`]));
  machine.kernel.trouble = { kind: "refuses", text: `-r ${B}` };
  await daemon.reload(webConf([`b ${B}`], { service: ["initial: up"] }));
  for (let i = 0; i < 60; i++) {
    assert.equal(await machine.weights(), `${A} 100`, `after ${i} s`);
    await machine.clock.advance(1_000);
  }
  assert.equal(daemon.director.reconciler().inSync, false);
  assert.equal(daemon.said("reconcile").length, 1, "it was told again and again");
  machine.kernel.trouble = undefined;
  await machine.clock.advance(70_000);
  assert.equal(await machine.weights(), `${B} 100`);
  assert.equal(daemon.director.reconciler().inSync, true);
});
