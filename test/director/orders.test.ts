import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { EpochMs } from "../../src/model/time.ts";
import { EMPTY_INTENT } from "../../src/policy/intent.ts";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const BOTH_UP = `${A} 100, ${B} 100`;

async function serving(): Promise<{ machine: World; daemon: Daemon }> {
  const machine = world();
  const daemon = await machine.start(TWO);
  await machine.clock.advance(6_000);
  return { machine, daemon };
}

describe("disable and enable", () => {
  test("is in the kernel when the order is answered, and survives restart, crash and reboot", async () => {
    const { machine, daemon } = await serving();
    const done = await daemon.wait(
      daemon.director.disable("web", "a", { actor: "ops", reason: "kernel update" }, undefined),
    );
    assert.deepEqual(done, { ok: true, value: undefined });
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.match(daemon.said("admin").at(-1)!, /^web a: disabled by ops: kernel update$/);
    await daemon.stop();
    await machine.start(TWO);
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.bootId = "boot-2";
    await machine.ipvsadm("-D -t 192.0.2.10:80");
    const rebooted = await machine.start(TWO);
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await rebooted.wait(rebooted.director.enable("web", A, OPS));
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("where the scheduler refuses the share of weight 0, the entry goes with its last connection; the answer says so", async () => {
    const machine = world();
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`], { service: ["scheduler: dh"] }));
    await machine.clock.advance(6_000);
    const { memory } = machine.kernel;
    const opened = Array.from({ length: 40 }, () => memory.open(WEB as never)!);
    assert.ok(opened.includes(A as never));
    const done = await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    assert.deepEqual(done, {
      ok: true,
      value: "scheduler dh refuses its share of new clients until its last connection has ended",
    });
    await machine.clock.advance(1_800_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`, "for as long as somebody is connected");
    for (const destination of opened) memory.release(WEB as never, destination);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${B} 100`);
    assert.deepEqual(daemon.said("drift"), []);
    await daemon.wait(daemon.director.enable("web", "a", OPS));
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("reload does not forget it, nor does a new weight in the file", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    await daemon.reload(webConf([`a ${A} 50`, `b ${B}`]));
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("clearing one reason never clears another", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.setWeight("web", "a", 30, OPS));
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.deepEqual(await daemon.wait(daemon.director.enable("web", "a", OPS)), {
      ok: true,
      value: "still at weight 0: down",
    });
    machine.servers.answer(A, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
  });

  test("until a time: enabled again by itself, also if that time came while nobody ran", async () => {
    const { machine, daemon } = await serving();
    const inSeconds = (seconds: number) => (machine.clock.now().epoch + seconds * 1_000) as EpochMs;
    await daemon.wait(daemon.director.disable("web", "a", OPS, inSeconds(30)));
    await machine.clock.advance(29_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await machine.clock.advance(2_000);
    assert.equal(await machine.weights(), BOTH_UP);
    await daemon.wait(daemon.director.disable("web", "a", OPS, inSeconds(30)));
    await daemon.stop();
    await machine.clock.advance(60_000);
    await machine.start(TWO);
    await machine.clock.advance(12_000);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("an order given anew just as the old one runs out stands", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.disable("web", "a", OPS, (machine.clock.now().epoch + 10_000) as EpochMs));
    machine.disk.slowMs = 500;
    await machine.clock.advance(9_700);
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });

  test("the last server: done, and said that nobody serves", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    assert.deepEqual(await daemon.wait(daemon.director.disable("web", "b", OPS, undefined)), {
      ok: true,
      value: "web has no server left that gets clients",
    });
    assert.equal(await machine.weights(), `${A} 0, ${B} 0`);
  });
});

describe("a weight by command", () => {
  test("stands over restarts until the file's own weight changes, and does not come back with the old one", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.setWeight("web", "a", 30, OPS));
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    const again = await machine.start(TWO);
    await machine.clock.advance(6_000);
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    await again.reload(webConf([`a ${A} 80`, `b ${B}`]));
    assert.equal(await machine.weights(), `${A} 80, ${B} 100`);
    await again.reload(TWO);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("the file changes while nobody runs: the file counts", async () => {
    const { machine, daemon } = await serving();
    await daemon.wait(daemon.director.setWeight("web", "a", 30, OPS));
    await machine.start(webConf([`a ${A} 80`, `b ${B}`]));
    await machine.start(TWO);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("back to what the file says; weight 0 is a word of its own", async () => {
    const { machine, daemon } = await serving();
    assert.deepEqual(await daemon.wait(daemon.director.setWeight("web", "a", 0, OPS)), { ok: true, value: undefined });
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    await daemon.wait(daemon.director.setWeight("web", "a", undefined, OPS));
    assert.equal(await machine.weights(), BOTH_UP);
  });
});

test("orders to what is not there say what there is", async () => {
  const { daemon } = await serving();
  const service = await daemon.director.enable("shop", "a", OPS);
  assert.deepEqual(service, { ok: false, error: { kind: "not-found", problem: 'no service "shop"; there are: web' } });
  const server = await daemon.director.enable("web", "c", OPS);
  assert.deepEqual(server, {
    ok: false,
    error: { kind: "not-found", problem: 'no server "c" in web; there are: a, b' },
  });
});

describe("the whole intent replaced", () => {
  test("only upon the revision that was seen", async () => {
    const { machine, daemon } = await serving();
    const seen = daemon.director.intent();
    await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
    const stale = await daemon.wait(daemon.director.putIntent(seen, seen.revision, OPS));
    assert.ok(!stale.ok);
    assert.equal(stale.error.kind, "conflict");
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.ok((await daemon.wait(daemon.director.putIntent(seen, daemon.director.intent().revision, OPS))).ok);
    assert.equal(await machine.weights(), BOTH_UP);
  });

  test("from another machine: what is ours to delete is told by what we declared", async () => {
    const { machine, daemon } = await serving();
    await machine.ipvsadm("-A -t 192.0.2.99:80 -s wrr");
    const foreign = { ...EMPTY_INTENT, bootId: "elsewhere", owned: ["tcp:192.0.2.99:80" as never] };
    assert.ok((await daemon.wait(daemon.director.putIntent(foreign, daemon.director.intent().revision, OPS))).ok);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights("tcp:192.0.2.99:80"), "");
    assert.equal(await machine.weights(), BOTH_UP);
  });
});
