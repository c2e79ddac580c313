import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OPS, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const WEB_LINES = [
  "-A -t 192.0.2.10:80 -s wrr",
  `-a -t 192.0.2.10:80 -r ${A} -m -w 100`,
  `-a -t 192.0.2.10:80 -r ${B} -m -w 100`,
];

describe("a start", () => {
  test("into an empty kernel: servers get weight when they have passed, the dead never, not for a moment", async () => {
    const machine = world();
    machine.servers.answer(B, "fail");
    const daemon = await machine.start(TWO);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    assert.deepEqual([...daemon.said("server")].sort(), [
      "web a: scripted / unknown -> up",
      "web b: scripted / unknown -> down: connection refused",
    ]);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    assert.deepEqual(machine.kernel.written, [
      "-A -t 192.0.2.10:80 -s wrr",
      `-a -t 192.0.2.10:80 -r ${A} -m -w 0`,
      `-a -t 192.0.2.10:80 -r ${B} -m -w 0`,
      `-e -t 192.0.2.10:80 -r ${A} -m -w 100`,
    ]);
    assert.equal(daemon.director.reconciler().inSync, true);
  });

  test("into a table that is as wanted writes nothing at all: no rewrite disturbs wrr", async () => {
    const machine = world();
    await machine.ipvsadm(...WEB_LINES);
    await machine.start(TWO);
    await machine.clock.advance(300_000);
    assert.deepEqual(machine.kernel.written, []);
  });

  test("adopts who serves: presumed up, it takes the whole row of failures to lose its weight", async () => {
    const machine = world();
    await machine.ipvsadm(...WEB_LINES);
    machine.servers.answer(A, "fail");
    const daemon = await machine.start(TWO);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`, "one failure took it down");
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.match(daemon.said("weight").join("\n"), /web a: weight 100 -> 0 \(down: connection refused\)/);
  });

  test("who stands at weight 0 waits for a pass, though nobody meant it: a crashed drain must not keep it there for ever", async () => {
    const machine = world();
    await machine.ipvsadm(...WEB_LINES);
    await machine.start(TWO);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 0`);
    machine.servers.answer(A, "silent");
    await machine.start(TWO);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("without any state of our own: whoever the kernel has at 0 is held there until somebody says that it may serve", async () => {
    const machine = world();
    await machine.ipvsadm(WEB_LINES[0]!, `-a -t 192.0.2.10:80 -r ${A} -m -w 0`, WEB_LINES[2]!);
    const daemon = await machine.start(TWO);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.match(daemon.said("admin").join("\n"), /web a: held at weight 0/);
    const again = await machine.start(TWO);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`, "a restart forgot that it is held");
    assert.deepEqual(await again.wait(again.director.enable("web", "a", OPS)), { ok: true, value: undefined });
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("initial: up and down overrule what the kernel shows", async () => {
    const up = world();
    up.servers.answer(A, "inconclusive");
    up.servers.answer(B, "inconclusive");
    await up.start(webConf([`a ${A}`, `b ${B}`], { service: ["initial: up"] }));
    assert.equal(await up.weights(), `${A} 100, ${B} 100`);

    const down = world();
    await down.ipvsadm(...WEB_LINES);
    down.servers.answer(A, "inconclusive");
    await down.start(webConf([`a ${A}`, `b ${B}`], { service: ["initial: down"] }));
    assert.equal(await down.weights(), `${A} 0, ${B} 100`);
  });

  test("waits ten seconds at most for servers that do not answer, and says whom it did not hear", async () => {
    const machine = world();
    machine.servers.answer(A, "inconclusive");
    const daemon = await machine.start(TWO);
    const took = machine.clock.elapsed();
    assert.ok(took >= 10_000 && took < 11_000, `${took} ms`);
    assert.equal(daemon.director.reconciler().inSync, true);

    const quick = world();
    await quick.start(TWO);
    assert.ok(quick.clock.elapsed() < 200, `${quick.clock.elapsed()} ms`);
  });

  test("while the table cannot be read nobody is taken for dead by a single failure, and whoever serves is adopted afterwards", async () => {
    const machine = world();
    await machine.ipvsadm(...WEB_LINES);
    machine.kernel.trouble = { kind: "rejects" };
    machine.servers.answer(A, "fail");
    machine.servers.answer(B, "inconclusive");
    const starting = machine.start(TWO);
    await machine.clock.advance(1_500);
    machine.kernel.trouble = undefined;
    machine.servers.answer(A, "pass");
    const daemon = await starting;
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    assert.deepEqual(machine.kernel.written, []);
    assert.equal(daemon.director.reconciler().inSync, true);
  });
});

describe("failure and recovery", () => {
  test("weight 0 after `fall` failures, back after `rise` passes", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(10_000);
    machine.servers.answer(A, "fail");
    let failedAt = 0;
    for (const before = machine.servers.starts(`${A} /`).length; machine.servers.starts(`${A} /`).length === before; ) {
      await machine.clock.advance(10);
      failedAt = machine.clock.elapsed();
    }
    while ((await machine.weights())!.startsWith(`${A} 100`)) await machine.clock.advance(10);
    const took = machine.clock.elapsed() - failedAt;
    assert.ok(took > 1_900 && took < 2_200, `down ${took} ms after the first failure`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(5_200);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`, "a single pass brought it back");
    await machine.clock.advance(5_200);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    assert.deepEqual(daemon.said("server").slice(2), [
      "web a: scripted / up -> down: connection refused",
      "web a: scripted / down -> up",
    ]);
  });

  test("a server that fails two of three probes again and again keeps its weight: failures count in a row", async () => {
    const machine = world();
    await machine.start(TWO);
    for (let i = 0; i < 20; i++) {
      machine.servers.answer(A, "fail");
      for (
        const before = machine.servers.starts(`${A} /`).length;
        machine.servers.starts(`${A} /`).length < before + 2;
      )
        await machine.clock.advance(50);
      machine.servers.answer(A, "pass");
      await machine.clock.advance(3_000);
    }
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("what is our own trouble moves no weight: unchecked is told, and told again when it is over", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await machine.clock.advance(5_000);
    const { writes } = machine.kernel;
    for (const server of [A, B]) machine.servers.answer(server, "inconclusive");
    await machine.clock.advance(120_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    for (const server of [A, B]) machine.servers.answer(server, "pass");
    await machine.clock.advance(5_000);
    assert.equal(machine.kernel.writes, writes);
    const said = daemon.said("check");
    assert.deepEqual(said.map((line) => line.replace(/ \(.*/, "")).sort(), [
      "web a: checked again",
      "web a: unchecked: no probe could be made for 30s",
      "web b: checked again",
      "web b: unchecked: no probe could be made for 30s",
    ]);
    assert.match(said[0]!, /EMFILE/);
  });

  test("every server down: weight 0 for all, and every one back by itself", async () => {
    const machine = world();
    await machine.start(TWO);
    await machine.clock.advance(5_000);
    for (const server of [A, B]) machine.servers.answer(server, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0`);
    for (const server of [A, B]) machine.servers.answer(server, "pass");
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("a machine that stood still for minutes blames no server for it", async () => {
    const machine = world();
    await machine.start(webConf([`a ${A}`, `b ${B}`], { check: "fall: 1, timeout: 1s, interval: 2s" }));
    await machine.clock.advance(9_000);
    for (const server of [A, B]) machine.servers.answer(server, "pass", 900);
    const { writes } = machine.kernel;
    for (let i = 0; i < 5; i++) {
      await machine.clock.advance(1_300);
      await machine.clock.block(180_000);
    }
    await machine.clock.advance(10_000);
    assert.equal(machine.kernel.writes, writes);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("of a udp service a dead server is taken out, and put back when it is up", async () => {
    const machine = world();
    const text = TWO.replace("vip: 192.0.2.10:80", "vip: 192.0.2.10:80\n    protocol: udp");
    const daemon = await machine.start(text);
    const UDP = "udp:192.0.2.10:80";
    assert.equal(await machine.weights(UDP), `${A} 100, ${B} 100`);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(UDP), `${B} 100`);
    assert.equal(daemon.director.reconciler().inSync, true);
    await machine.clock.advance(60_000);
    assert.deepEqual(daemon.said("drift"), [], "our own doing was taken for somebody else's");
    machine.servers.answer(A, "pass");
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(UDP), `${A} 100, ${B} 100`);
  });

  test("persistent clients stay with a server at weight 0 unless the kernel says otherwise: then it is taken out", async () => {
    for (const [expire, expected] of [
      [0, `${B} 100`],
      [1, `${A} 0, ${B} 100`],
    ] as const) {
      const machine = world();
      machine.sysctls.set("expire_quiescent_template", expire);
      await machine.start(webConf([`a ${A}`, `b ${B}`], { service: ["persistence: { timeout: 5m }"] }));
      machine.servers.answer(A, "fail");
      await machine.clock.advance(10_000);
      assert.equal(await machine.weights(), expected);
    }
  });

  test("one server below many services is probed once, and all follow", async () => {
    const machine = world();
    const services = Array.from({ length: 5 }, (_, i) =>
      webConf([`a ${A}`, `b ${B}`])
        .replace("services:\n", "")
        .replace("name: web", `name: web${i}`)
        .replace("192.0.2.10", `192.0.2.1${i}`),
    );
    await machine.start(["services:", ...services].join("\n"));
    const before = machine.servers.startCount();
    await machine.clock.advance(20_000);
    assert.ok(
      machine.servers.startCount() - before <= 22,
      `${machine.servers.startCount() - before} probes in 20s of two servers`,
    );
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    for (let i = 0; i < 5; i++) assert.equal(await machine.weights(`tcp:192.0.2.1${i}:80`), `${A} 0, ${B} 100`);
  });
});

test("stop ends everything and leaves the table as it is", async () => {
  const machine = world();
  const daemon = await machine.start(TWO);
  await machine.clock.advance(10_000);
  await daemon.stop();
  const { writes } = machine.kernel;
  const probes = machine.servers.startCount();
  machine.servers.answer(A, "fail");
  await machine.clock.advance(120_000);
  assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  assert.equal(machine.kernel.writes, writes);
  assert.equal(machine.servers.startCount(), probes);
  assert.deepEqual(machine.servers.open(), []);
  assert.deepEqual(machine.servers.misuse, []);
  assert.equal(machine.clock.armed(), 0, "a timer is still armed");
  await daemon.wait(daemon.director.settled());
});

test("the loop is alive: a pass ends at least as often as the watchdog wants", async () => {
  const machine = world();
  const daemon = await machine.start(TWO);
  const before = daemon.passes();
  await machine.clock.advance(60_000);
  assert.ok(daemon.passes() - before >= 12, `${daemon.passes() - before} passes a minute`);
  assert.ok(daemon.passes() - before <= 40, `${daemon.passes() - before} passes a minute with nothing to do`);
});
