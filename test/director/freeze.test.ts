import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainRequest } from "../../src/director/drain-request.ts";
import { type Daemon, OPS, WEB, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const MINUTE = 60_000;

async function frozen(service: string | undefined = undefined, length = 30 * MINUTE) {
  const machine = world();
  const daemon = await machine.start(TWO);
  const done = await daemon.wait(daemon.director.freeze(service, length, { actor: "ops", reason: "kernel bug" }));
  assert.deepEqual(done, { ok: true, value: undefined });
  machine.kernel.written.length = 0;
  return { machine, daemon };
}

const DRAIN: DrainRequest = {
  from: ["a"],
  to: [],
  pace: { kind: "over", over: 10 * MINUTE, every: MINUTE },
  policy: {},
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
};
const startDrain = (daemon: Daemon) =>
  daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, DRAIN, OPS, false));

describe("freeze", () => {
  for (const service of [undefined, "web"])
    test(`${service ?? "everything"}: health goes on, nothing is written; the thaw writes what was decided meanwhile`, async () => {
      const { machine, daemon } = await frozen(service);
      machine.servers.answer(A, "fail");
      await machine.clock.advance(MINUTE);
      assert.match(daemon.said("server").join("\n"), /web a: scripted \/ up -> down/);
      assert.deepEqual(machine.kernel.written, []);
      assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
      assert.deepEqual(
        daemon.director.reconciler().differences.map(({ op }) => op),
        ["edit-server"],
        "what waits is shown",
      );
      assert.deepEqual(await daemon.wait(daemon.director.thaw(service, OPS)), { ok: true, value: undefined });
      assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
      assert.deepEqual(daemon.director.reconciler().differences, []);
      assert.deepEqual(
        daemon.said("admin").map((line) => line.replace(/^\w+/, "X")),
        ["X: frozen for 30m: nothing is written by ops: kernel bug", "X: thawed by ops"],
      );
    });

  test("it ends by itself when its time is over, once", async () => {
    const { machine, daemon } = await frozen("web", MINUTE);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(59_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await machine.clock.advance(2_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(MINUTE);
    assert.deepEqual(daemon.said("admin").slice(1), ["web: thawed, its time is over"]);
    assert.deepEqual(daemon.director.intent().freezes, []);
  });

  test("a restart and a crash do not end it", async () => {
    const { machine } = await frozen();
    machine.servers.answer(A, "fail");
    await machine.start(TWO);
    await machine.clock.advance(MINUTE);
    assert.deepEqual(machine.kernel.written, []);
  });

  test("what somebody does by hand meanwhile is no drift, and is put right by the thaw", async () => {
    const { machine, daemon } = await frozen();
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 7`);
    await machine.clock.advance(MINUTE);
    assert.equal(await machine.weights(), `${A} 7, ${B} 100`);
    await daemon.wait(daemon.director.thaw(undefined, OPS));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("nor what somebody did just before the thaw, between two looks", async () => {
    const { machine, daemon } = await frozen();
    await machine.clock.advance(MINUTE);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 7`);
    await daemon.wait(daemon.director.thaw(undefined, OPS));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("a freeze of one service holds up no other", async () => {
    const machine = world();
    const both = `${TWO}\n${webConf([`c 10.0.0.3:80`], {}).replace("services:\n", "").replace("name: web", "name: api").replace("192.0.2.10", "192.0.2.11")}`;
    const daemon = await machine.start(both);
    await daemon.wait(daemon.director.freeze("web", MINUTE, OPS));
    machine.servers.answer(A, "fail");
    machine.servers.answer("10.0.0.3:80", "fail");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    assert.equal(await machine.weights("tcp:192.0.2.11:80"), "10.0.0.3:80 0");
  });

  test("what operators say is remembered and says that it waits", async () => {
    const { machine, daemon } = await frozen();
    const done = await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    assert.match(
      done.ok ? (done.value ?? "") : "",
      /^not written yet: everything is frozen by ops for another 30m: thaw it first$/,
    );
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await daemon.wait(daemon.director.thaw(undefined, OPS));
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("a drain that shifts is paused until somebody resumes it; none can be begun or resumed while it lasts", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    assert.ok((await startDrain(daemon)).ok);
    await machine.clock.advance(90_000);
    const done = await daemon.wait(daemon.director.freeze("web", 5 * MINUTE, OPS));
    assert.deepEqual(done, { ok: true, value: "drain d-1 paused: resume after the thaw" });
    const before = await machine.weights();
    const phase = () => daemon.director.intent().drains[0]!.phase;
    assert.equal(phase().kind, "paused");
    const resumed = await daemon.wait(daemon.director.orderDrain("d-1", "resume", OPS));
    assert.match(resumed.ok ? "" : resumed.error.problem, /web is frozen by ops/);
    const second = await startDrain(daemon);
    assert.match(second.ok ? "" : second.error.problem, /web is frozen by ops/);
    await machine.clock.advance(6 * MINUTE);
    assert.equal(await machine.weights(), before, "not by itself after the thaw");
    assert.ok((await daemon.wait(daemon.director.orderDrain("d-1", "resume", OPS))).ok);
    await machine.clock.advance(2 * MINUTE);
    assert.notEqual(await machine.weights(), before);
  });

  test("a rollback works all the same, and is written by the thaw", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    await startDrain(daemon);
    await machine.clock.advance(90_000);
    await daemon.wait(daemon.director.freeze(undefined, 5 * MINUTE, OPS));
    assert.ok((await daemon.wait(daemon.director.orderDrain("d-1", "rollback", OPS))).ok);
    assert.notEqual(await machine.weights(), `${A} 100, ${B} 100`);
    await daemon.wait(daemon.director.thaw(undefined, OPS));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("what makes no sense is refused with the remedy", async () => {
    const { daemon } = await frozen("web");
    const problem = async (name: string | undefined) => {
      const done = await daemon.wait(daemon.director.thaw(name, OPS));
      return done.ok ? "" : done.error.problem;
    };
    assert.match(await problem("nope"), /no service "nope"/);
    assert.equal(await problem("web"), "");
    assert.equal(await problem("web"), "web is not frozen");
    assert.equal(await problem(undefined), "nothing is frozen");
    await daemon.wait(daemon.director.freeze(undefined, MINUTE, OPS));
    assert.match(await problem("web"), /everything is frozen: `director thaw` without a service ends that/);
  });
});

describe("a freeze and a reload", () => {
  test("the service has another name by now: it is thawed, and frozen anew, by that", async () => {
    const { machine, daemon } = await frozen("web");
    await daemon.reload(TWO.replace("name: web", "name: shop"));
    machine.servers.answer(A, "fail");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    await daemon.wait(daemon.director.freeze("shop", 5 * MINUTE, OPS));
    assert.equal(daemon.director.intent().freezes.length, 1);
    assert.deepEqual(await daemon.wait(daemon.director.thaw("shop", OPS)), { ok: true, value: undefined });
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("a vip that the service gets meanwhile is not written before the thaw either", async () => {
    const { machine, daemon } = await frozen("web");
    await daemon.reload(TWO.replace("vip: 192.0.2.10:80", "vips: [192.0.2.10:80, 192.0.2.11:80]"));
    await machine.clock.advance(20_000);
    assert.deepEqual(machine.kernel.written, []);
    await daemon.wait(daemon.director.thaw("web", OPS));
    assert.equal(await machine.weights("tcp:192.0.2.11:80"), `${A} 100, ${B} 100`);
  });

  for (const frozenFor of [1_000, 3_000, 6_000, 11_000])
    test(`who left the file meanwhile has the whole of its grace from the thaw on (after ${frozenFor} ms)`, async () => {
      const machine = world();
      const conf = (...servers: readonly string[]) => webConf(servers, { service: ["removal_grace: 4s"] });
      const daemon = await machine.start(conf(`a ${A}`, `b ${B}`));
      for (let i = 0; i < 2; i++) machine.kernel.memory.open(WEB);
      await daemon.wait(daemon.director.freeze("web", frozenFor, OPS));
      const began = machine.clock.elapsed();
      machine.kernel.written.length = 0;
      await daemon.reload(conf(`a ${A}`));
      await machine.clock.advance(began + frozenFor + 3_500 - machine.clock.elapsed());
      assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
      await machine.clock.advance(2_000);
      assert.equal(await machine.weights(), `${A} 100`);
      assert.deepEqual(machine.kernel.written, [`-e -t 192.0.2.10:80 -r ${B} -m -w 0`, `-d -t 192.0.2.10:80 -r ${B}`]);
    });
});

test("a drain that waits for a new server makes no step while frozen when that comes back", async () => {
  const machine = world();
  const daemon = await machine.start(webConf([`a ${A}`, `b ${B} 0`]));
  const begun = await daemon.wait(
    daemon.director.startDrain(
      { kind: "service", name: "web" },
      { ...DRAIN, to: ["b"], policy: { newDownTimeout: 30 * MINUTE } },
      OPS,
      false,
    ),
  );
  assert.ok(begun.ok);
  await machine.clock.advance(150_000);
  machine.servers.answer(B, "fail");
  await machine.clock.advance(20_000);
  const drain = () => daemon.director.intent().drains[0]!;
  const why = () => {
    const { phase } = drain();
    return phase.kind === "paused" ? phase.why : phase.kind;
  };
  assert.equal(why(), "new-down");
  const { step } = drain();
  await daemon.wait(daemon.director.freeze("web", 20 * MINUTE, OPS));
  machine.servers.answer(B, "pass");
  await machine.clock.advance(10 * MINUTE);
  assert.equal(why(), "operator");
  assert.ok(drain().step <= step, `${drain().step} after ${step}`);
  await daemon.wait(daemon.director.thaw("web", OPS));
  assert.ok((await daemon.wait(daemon.director.orderDrain(drain().id, "resume", OPS))).ok);
  await machine.clock.advance(90_000);
  assert.equal(drain().phase.kind, "shifting");
});
