import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Daemon, OPS, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
const CHECK = "interval: 1s, fast_interval: 1s, down_interval: 1s, fall: 1, rise: 1";
const FLAP = "flap: { count: 3, within: 2m, hold: 1m, max: 3m }";
const conf = (servers: readonly string[], ...service: readonly string[]) =>
  webConf(servers, { check: CHECK, service: [FLAP, ...service] });
const TWO = conf([`a ${A}`, `b ${B}`]);

/** Down and up again, so many times, in two seconds and a bit each. */
async function flap(machine: World, where: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    machine.servers.answer(where, "fail");
    await machine.clock.advance(1_200);
    machine.servers.answer(where, "pass");
    await machine.clock.advance(1_200);
  }
}

async function started(text = TWO): Promise<{ machine: World; daemon: Daemon }> {
  const machine = world();
  const daemon = await machine.start(text);
  await machine.clock.advance(3_000);
  return { machine, daemon };
}

describe("a server that comes and goes", () => {
  test("is held down after the third time, says so, and comes back when that is over", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 2);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`, "held too soon");
    await flap(machine, A, 1);
    const heldAt = machine.clock.elapsed();
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    const decision = daemon.director
      .reconciler()
      .desired?.services.get("tcp:192.0.2.10:80" as never)
      ?.servers.get(A as never);
    const { verdict, rule } = decision!;
    assert.equal(rule, "down");
    assert.match(
      verdict.kind === "down" ? verdict.reason : "",
      /^flapping: down 3 times in 2m, held until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
    assert.deepEqual(
      daemon
        .said("server")
        .filter((line) => line.includes("flapping"))
        .map((line) => line.replace(/until .*Z/, "until T")),
      ["web a: flapping: down 3 times in 2m, held until T; `director enable web a` ends that"],
    );
    await machine.clock.advance(50_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(11_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`, `after ${machine.clock.elapsed() - heldAt} ms`);
    assert.ok(daemon.said("server").includes("web a: up: no longer held for flapping"));
  });

  test("is held twice as long when it does so again", async () => {
    const { machine } = await started();
    await flap(machine, A, 3);
    await machine.clock.advance(60_000);
    await flap(machine, A, 3);
    await machine.clock.advance(110_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("is let go at once by enable, and not held for what was before that", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 3);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.deepEqual(await daemon.wait(daemon.director.enable("web", "a", OPS)), { ok: true, value: undefined });
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await flap(machine, A, 2);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("that is really down has its own reason first", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 3);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(2_500);
    const decision = daemon.director
      .reconciler()
      .desired?.services.get("tcp:192.0.2.10:80" as never)
      ?.servers.get(A as never);
    const { verdict } = decision!;
    assert.match(verdict.kind === "down" ? verdict.reason : "", /^connection refused; flapping: /);
  });

  test("begins its slow start when it is let go", async () => {
    const { machine } = await started(conf([`a ${A}`, `b ${B}`], "slow_start: 100s"));
    await flap(machine, A, 3);
    await machine.clock.advance(59_000);
    assert.equal(await machine.weights(), `${A} 10, ${B} 100`);
  });

  test("without `flap` comes and goes", async () => {
    const { machine } = await started(webConf([`a ${A}`, `b ${B}`], { check: CHECK }));
    await flap(machine, A, 10);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });
});

describe("a hold takes nobody away whom the service needs", () => {
  test("alone it is not held, nor when the last other one goes; it is again when that is back", async () => {
    const { machine } = await started();
    await flap(machine, A, 3);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(B, "fail");
    await machine.clock.advance(1_200);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
    machine.servers.answer(B, "pass");
    await machine.clock.advance(1_200);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("two that flap and nobody else: both serve", async () => {
    const { machine } = await started();
    await flap(machine, A, 3);
    await flap(machine, B, 3);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("a standby, a disabled and a drained server are nobody else", async () => {
    const { machine, daemon } = await started(conf([`a ${A}`, `b ${B}`, `c ${C} 0`]));
    await flap(machine, A, 3);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 0`);
    await daemon.wait(daemon.director.disable("web", "b", OPS, undefined));
    assert.equal(await machine.weights(), `${A} 100, ${B} 0, ${C} 0`);
  });

  test("nor is the quorum lost by it", async () => {
    const { machine } = await started(conf([`a ${A}`, `b ${B}`, `c ${C}`], "quorum: { up: 2, down: 2 }"));
    await flap(machine, A, 3);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 100`);
    await flap(machine, B, 3);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  });

  test("served through its hold by that, it keeps its weight when the hold ends", async () => {
    const { machine } = await started(conf([`a ${A}`, `b ${B}`], "slow_start: 100s"));
    await flap(machine, A, 3);
    machine.servers.answer(B, "fail");
    await machine.clock.advance(50_000);
    const before = await machine.weights();
    await machine.clock.advance(10_000);
    const [weight, later] = [before, await machine.weights()].map((text) => Number(/80 (\d+),/.exec(text!)![1]));
    assert.ok(weight! > 10 && later! >= weight!, `${before}, then ${later}`);
  });
});

describe("a reload", () => {
  test("keeps holds, and without `flap` ends them", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 3);
    await daemon.reload(TWO.replace("hold: 1m", "hold: 2m"));
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await daemon.reload(TWO.replace(FLAP, ""));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("of a server that is down counts nothing", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 1);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(1_200);
    for (const grace of ["1m", "2m", "3m"]) await daemon.reload(conf([`a ${A}`, `b ${B}`], `removal_grace: ${grace}`));
    machine.servers.answer(A, "pass");
    await machine.clock.advance(1_200);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await flap(machine, A, 1);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`, "what was counted before the reload is lost");
  });

  test("is planned with its holds", async () => {
    const { machine, daemon } = await started();
    await flap(machine, A, 3);
    const next = machine.config(conf([`a ${A}`, `b ${B} 50`]));
    const { changes, standing } = await daemon.wait(daemon.director.plan(next));
    assert.deepEqual([changes.length, standing], [1, []], JSON.stringify(changes));
  });
});
