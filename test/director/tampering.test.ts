import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { at } from "../support/tables.ts";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const BOTH_UP = `${A} 100, ${B} 100`;
const conf = (drift: "repair" | "report" = "repair", mode = "manage") =>
  webConf([`a ${A}`, `b ${B}`], { top: [`ipvs: { drift: ${drift}, mode: ${mode} }`] });

async function serving(drift: "repair" | "report" = "repair"): Promise<{ machine: World; daemon: Daemon }> {
  const machine = world();
  const daemon = await machine.start(conf(drift));
  await machine.clock.advance(6_000);
  return { machine, daemon };
}

describe("somebody else writes into our services", () => {
  const deeds: readonly (readonly [name: string, lines: readonly string[], told: RegExp])[] = [
    [
      "another weight",
      [`-e -t 192.0.2.10:80 -r ${A} -m -w 7`],
      /web a: .* set its weight to 7 \(ours: 100\); put back\. Use `director weight web a 7` instead/,
    ],
    [
      "weight 0",
      [`-e -t 192.0.2.10:80 -r ${A} -m -w 0`],
      /web a: .* set its weight to 0 .* Use `director disable web a` instead/,
    ],
    ["a server deleted", [`-d -t 192.0.2.10:80 -r ${A}`], /web a: .* deleted it; put back/],
    [
      "another scheduler",
      ["-E -t 192.0.2.10:80 -s rr"],
      /web: .* changed the options of tcp:192\.0\.2\.10:80 \(scheduler rr\); put back/,
    ],
    [
      "another forwarding method",
      [`-e -t 192.0.2.10:80 -r ${A} -i -w 100`],
      /web a: .* set its forwarding to tunnel; put back/,
    ],
    [
      "the service deleted",
      ["-D -t 192.0.2.10:80"],
      /web: .* deleted the virtual service tcp:192\.0\.2\.10:80; put back/,
    ],
  ];
  for (const [name, lines, told] of deeds)
    test(`${name}: put back within a glance, and told once`, async () => {
      const { machine, daemon } = await serving();
      const writes = machine.kernel.writes;
      await machine.ipvsadm(...lines);
      await machine.clock.advance(5_100);
      assert.equal(await machine.weights(), BOTH_UP);
      await machine.clock.advance(60_000);
      assert.equal(machine.kernel.writes, writes + 1);
      assert.equal(daemon.said("drift").length, 1);
      assert.match(daemon.said("drift")[0]!, told);
      assert.equal(daemon.director.reconciler().inSync, true);
    });

  test("a server added by somebody else gets no more clients, and goes when its connections have ended", async () => {
    const { machine, daemon } = await serving();
    await machine.ipvsadm("-a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 1000");
    const opened = Array.from({ length: 20 }, () => machine.kernel.memory.open(WEB));
    const theirs = opened.filter((where) => where === at("10.0.0.9:80"));
    assert.ok(theirs.length > 0);
    await machine.clock.advance(5_100);
    assert.equal(await machine.weights(), `${BOTH_UP}, 10.0.0.9:80 0`);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${BOTH_UP}, 10.0.0.9:80 0`);
    for (const where of theirs) machine.kernel.memory.release(WEB, where!);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(daemon.said("drift").length, 1);
    assert.match(daemon.said("drift")[0]!, /added it with weight 1000/);
  });

  test("what only a full reading shows is found within the resync", async () => {
    const { machine, daemon } = await serving();
    await machine.ipvsadm("-E -t 192.0.2.10:80 -s wrr -p 300");
    await machine.clock.advance(30_100);
    assert.equal(daemon.said("drift").length, 1);
    await machine.clock.advance(60_000);
    assert.equal(daemon.said("drift").length, 1);
  });

  test("a weight-0 deed in the moment of a real failure is ours to make anyway: no drift", async () => {
    const { machine, daemon } = await serving();
    machine.servers.answer(A, "decisive");
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 0`);
    const { writes } = machine.kernel;
    await machine.clock.advance(3_000);
    assert.equal(machine.kernel.writes, writes);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("two writers: repaired three times, then left alone for five minutes and told once; a death is written all the same", async () => {
    const { machine, daemon } = await serving();
    const meddle = async () => {
      await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 7`);
      await machine.clock.advance(6_000);
    };
    for (let i = 0; i < 3; i++) {
      await meddle();
      assert.equal(await machine.weights(), BOTH_UP);
    }
    const fought = machine.clock.elapsed();
    for (let i = 0; i < 10; i++) {
      await meddle();
      assert.equal(await machine.weights(), `${A} 7, ${B} 100`);
    }
    assert.deepEqual(
      daemon.said("drift").map((line) => /drift-fight/.test(line)),
      [false, false, false, true],
    );
    assert.equal(daemon.director.reconciler().tolerated.length, 1);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(400_000 - (machine.clock.elapsed() - fought));
    assert.equal(await machine.weights(), BOTH_UP);
    assert.equal(daemon.director.reconciler().tolerated.length, 0);
  });

  test("ipvsadm -C: everything that is ours is back within a glance, one line a service", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.setWeight("web", "b", 30, OPS));
    await machine.ipvsadm("-D -t 192.0.2.10:80");
    await machine.clock.advance(5_100);
    assert.equal(await machine.weights(), `${A} 100, ${B} 30`);
    assert.equal(daemon.said("drift").length, 1);
  });
});

test("services of others are neither read as ours nor touched, whatever happens to them", async () => {
  const machine = world();
  const theirs = ["-A -t 192.0.2.99:80 -s wlc -p 60", `-a -t 192.0.2.99:80 -r ${A} -m -w 3`, "-A -f 9 -s rr"];
  await machine.ipvsadm(...theirs);
  const daemon = await machine.start(conf());
  await machine.clock.advance(10_000);
  await machine.ipvsadm(`-e -t 192.0.2.99:80 -r ${A} -m -w 9`, "-a -f 9 -r 10.9.9.9:0 -g -w 1");
  await machine.clock.advance(60_000);
  await daemon.reload(conf());
  await machine.clock.advance(60_000);
  assert.equal(await machine.weights("tcp:192.0.2.99:80"), `${A} 9`);
  assert.equal(await machine.weights("fwmark4:9"), "10.9.9.9:0 1");
  assert.ok(machine.kernel.written.every((line) => line.includes("192.0.2.10:80")));
  assert.deepEqual(daemon.said("drift"), []);
});

describe("drift: report", () => {
  test("nothing is put back, each deed is told, with the command that should have been used", async () => {
    const { machine, daemon } = await serving("report");
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 7`, "-a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 5");
    await machine.clock.advance(700_000);
    assert.equal(await machine.weights(), `${A} 7, ${B} 100, 10.0.0.9:80 5`);
    assert.equal(daemon.said("drift").length, 2);
    for (const line of daemon.said("drift")) assert.match(line, /left so \(ipvs\.drift: report\)/);
    assert.equal(daemon.director.reconciler().tolerated.length, 2);
  });

  test("our own changes go on: a failure, a recovery, an order", async () => {
    const { machine, daemon } = await serving("report");
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 7`);
    await machine.clock.advance(6_000);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), BOTH_UP);
    await daemon.wait(daemon.director.setWeight("web", "b", 30, OPS));
    assert.equal(await machine.weights(), `${A} 100, ${B} 30`);
  });

  test("a service that somebody deleted stays away, and is not declared again and again", async () => {
    const { machine, daemon } = await serving("report");
    await machine.ipvsadm("-D -t 192.0.2.10:80");
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), undefined);
    const { saves } = machine.disk;
    await machine.clock.advance(60_000);
    assert.equal(machine.disk.saves, saves);
    assert.equal(daemon.said("drift").length, 1);
  });
});

describe("mode: observe", () => {
  test("probes, decides and shows the difference; writes nothing, claims nothing, calls nothing drift", async () => {
    const machine = world();
    await machine.ipvsadm(
      "-A -t 192.0.2.10:80 -s rr",
      `-a -t 192.0.2.10:80 -r ${A} -m -w 5`,
      "-a -t 192.0.2.10:80 -r 10.0.0.9:80 -m -w 5",
    );
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(conf("repair", "observe"));
    await machine.clock.advance(20_000);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 9`);
    await machine.clock.advance(700_000);
    assert.equal(await machine.weights(), `${A} 9, 10.0.0.9:80 5`);
    assert.deepEqual(machine.kernel.written, []);
    assert.deepEqual(daemon.director.intent().owned, []);
    assert.deepEqual(daemon.said("drift"), []);
    assert.deepEqual(daemon.said("weight"), [], "it tells of deeds it has not done");
    const view = daemon.director.reconciler();
    assert.equal(view.inSync, false);
    assert.ok(view.differences.length >= 3);
    assert.deepEqual(daemon.said("server"), [
      "web a: scripted / unknown -> up",
      "web b: scripted / unknown -> down: connection refused",
    ]);
  });

  test("no drain begins where nothing is written", async () => {
    const machine = world();
    const daemon = await machine.start(conf("repair", "observe"));
    await machine.clock.advance(5_000);
    const request = {
      from: ["a"],
      to: [],
      pace: { kind: "now" },
      policy: {},
      add: false,
      force: false,
      reason: undefined,
      requestId: undefined,
    } as const;
    const begun = await daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, request, OPS, false));
    assert.ok(!begun.ok);
    assert.match(begun.error.problem, /mode is observe/);
    assert.deepEqual(daemon.director.intent().drains, []);
  });

  test("a reload to manage takes over, one to observe lets go", async () => {
    const machine = world();
    const daemon = await machine.start(conf("repair", "observe"));
    await machine.clock.advance(10_000);
    await daemon.reload(conf());
    assert.equal(await machine.weights(), BOTH_UP);
    await daemon.reload(conf("repair", "observe"));
    machine.servers.answer(A, "fail");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), BOTH_UP);
    await daemon.reload(conf());
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });
});
