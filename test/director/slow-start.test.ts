import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainRequest } from "../../src/director/drain-request.ts";
import { OPS, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const SLOW = webConf([`a ${A}`, `b ${B}`], {
  service: ["slow_start: 30s"],
  check: "interval: 1s, rise: 1, down_interval: 1s",
});
const setsA = (line: string) => line.startsWith(`-e -t 192.0.2.10:80 -r ${A} `);

describe("slow start", () => {
  test("after an outage the weight comes back in ten writes over the time, nobody else is touched", async () => {
    const machine = world();
    await machine.start(SLOW);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    const before = machine.kernel.written.length;
    machine.servers.answer(A, "pass");
    const began = machine.clock.elapsed();
    const seen = new Map<string, number>();
    for (let tick = 0; tick < 450; tick++) {
      await machine.clock.advance(100);
      const now = (await machine.weights())!;
      if (!seen.has(now)) seen.set(now, machine.clock.elapsed() - began);
    }
    const weights = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
    const written = machine.kernel.written.slice(before);
    assert.deepEqual(
      written,
      weights.map((weight) => `-e -t 192.0.2.10:80 -r ${A} -m -w ${weight}`),
    );
    const [first, second] = [seen.get(`${A} 10, ${B} 100`)!, seen.get(`${A} 20, ${B} 100`)!];
    const whole = seen.get(`${A} 100, ${B} 100`)!;
    assert.ok(Math.abs(second - first - 3_000) <= 200, `${second - first} ms for a tenth`);
    assert.ok(Math.abs(whole - first - 27_000) <= 200, `${whole - first} ms for all of it`);
  });

  test("not at the start of the process, and not for a server that has just been added", async () => {
    const machine = world();
    const daemon = await machine.start(SLOW);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await daemon.reload(SLOW.replace(`{ name: b,`, `{ name: c, address: "10.0.0.3:80" }\n      - { name: b,`));
    await machine.clock.advance(2_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, 10.0.0.3:80 100`);
  });

  test("small weights are scaled while it lasts: a tenth of 1 is not 1", async () => {
    const machine = world();
    const small = webConf([`a ${A} 1`, `b ${B} 1`], {
      service: ["slow_start: 30s"],
      check: "interval: 1s, rise: 1, down_interval: 1s",
    });
    await machine.start(small);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(2_000);
    assert.equal(await machine.weights(), `${A} 1, ${B} 10`);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 1, ${B} 1`);
  });

  test("failing again in the midst of it, and coming back, begins anew", async () => {
    const machine = world();
    await machine.start(SLOW);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(15_000);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    const before = machine.kernel.written.length;
    machine.servers.answer(A, "pass");
    await machine.clock.advance(2_000);
    assert.deepEqual(machine.kernel.written.slice(before).filter(setsA), [`-e -t 192.0.2.10:80 -r ${A} -m -w 10`]);
  });

  test("failure table, slow start: factors multiply with a drain's shares, and the drain's end waits for the whole", async () => {
    const machine = world();
    const pool = webConf([`old ${A}`, `new ${B} 0`], {
      service: ["slow_start: 60s"],
      check: "interval: 1s, rise: 1, down_interval: 1s",
    });
    const daemon = await machine.start(pool);
    const { director } = daemon;
    const request: DrainRequest = {
      from: ["old"],
      to: ["new"],
      pace: { kind: "steps", shares: [0.5, 1], every: 20_000 },
      policy: { idle: "none", newDownTimeout: 120_000 },
      add: false,
      force: false,
      reason: undefined,
      requestId: undefined,
    };
    const started = await daemon.wait(director.startDrain({ kind: "service", name: "web" }, request, OPS, false));
    assert.ok(started.ok, JSON.stringify(started));
    await machine.clock.advance(5_000);
    assert.equal(await machine.weights(), `${A} 50, ${B} 50`, "half and half");
    machine.servers.answer(B, "fail");
    await machine.clock.advance(10_000);
    assert.match((await machine.weights())!, new RegExp(`^${A} [1-9]\\d*, ${B} 0$`), "the old has it all again");
    machine.servers.answer(B, "pass");
    const shares: number[] = [];
    const ends: string[] = [];
    for (let s = 0; s < 150; s++) {
      await machine.clock.advance(1_000);
      const [old, young] = [...(await machine.weights())!.matchAll(/ (\d+)(?:,|$)/g)].map((m) => Number(m[1]));
      shares.push(young! / (old! + young!));
      ends.push(director.intent().drains[0]!.phase.kind);
    }
    const ramped = shares.filter((share) => share > 0 && share < 0.45);
    assert.ok(ramped.length > 5, `resumes by and by: ${shares.map((x) => x.toFixed(2)).join(" ")}`);
    const done = ends.indexOf("done");
    assert.ok(done >= 50, `done ${done} s after the recovery, not before the slow start of 60 s is over`);
    assert.equal(ends.at(-1), "done");
  });
});

test("a server that is disabled in the midst of its slow start leaves nobody with the finer weights it needed", async () => {
  const machine = world();
  const small = webConf([`a ${A} 1`, `b ${B} 1`], {
    service: ["slow_start: 30s"],
    check: "interval: 1s, rise: 1, down_interval: 1s",
  });
  const daemon = await machine.start(small);
  machine.servers.answer(A, "fail");
  await machine.clock.advance(10_000);
  machine.servers.answer(A, "pass");
  await machine.clock.advance(2_000);
  assert.equal(await machine.weights(), `${A} 1, ${B} 10`);
  await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
  await machine.clock.advance(60_000);
  assert.equal(await machine.weights(), `${A} 0, ${B} 1`);
});
