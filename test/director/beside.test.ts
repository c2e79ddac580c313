import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseAddress } from "../../src/model/address.ts";
import { EMPTY_INTENT } from "../../src/policy/intent.ts";
import { parseIntent } from "../../src/state/store.ts";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const never = new AbortController().signal;
const VIPS = "vips: { device: ipvs0, withdraw: true }";

const two = (...top: readonly string[]) => webConf([`a ${A}`, `b ${B}`], { top });

/** `web` as in webConf, and a second service of its own address. */
const andMail = (text: string) =>
  `${text}\n  - { name: mail, vips: ["192.0.2.25:25", "[2001:db8::25]:25"], check: { type: scripted }, servers: [{ name: m, address: "10.0.0.25:25" }] }`;

/** `192.0.2.10 ipvs0`, sorted. */
async function addresses({ host }: World): Promise<readonly string[]> {
  const { addresses } = await host.interfaces.read(never);
  return addresses.map(({ device, address }) => `${address.text} ${device}`).sort();
}

async function putBySomebody({ host }: World, device: string, text: string): Promise<void> {
  const address = parseAddress(text)!;
  await host.interfaces.order([{ op: "make-dummy", device }], never);
  assert.equal((await host.interfaces.order([{ op: "add-address", device, address }], never)).size, 0);
}

function kept({ disk }: World): unknown {
  const read = parseIntent(disk.text!, "intent.json");
  assert.ok(read.ok);
  return read.value.kept;
}

const problems = ({ director }: Daemon) => director.besideProblems().map((p) => `${p.severity}: ${p.message}`);
const TWO_OF_THREE = ["192.0.2.10 ipvs0", "192.0.2.25 ipvs0", "2001:db8::25 ipvs0"];

describe("the services' addresses", () => {
  test("stand on the interface after the start, and it is told once", async () => {
    const machine = world();
    const daemon = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(60_000);
    assert.deepEqual(await addresses(machine), TWO_OF_THREE);
    const told = daemon.said("reconcile").filter((line) => line.startsWith("vips:"));
    assert.deepEqual(told, [
      "vips: interface ipvs0: missing -> up",
      "vips: 192.0.2.10 on ipvs0: not there -> there (web)",
      "vips: 192.0.2.25 on ipvs0: not there -> there (mail)",
      "vips: 2001:db8::25 on ipvs0: not there -> there (mail)",
    ]);
    assert.deepEqual(problems(daemon), []);
  });

  test("go when the service has lost its quorum, and come back with it; those of others stay", async () => {
    const machine = world();
    const daemon = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(1_000);
    for (const server of [A, B]) machine.servers.answer(server, "fail");
    await machine.clock.advance(10_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.25 ipvs0", "2001:db8::25 ipvs0"]);
    assert.match(
      daemon.said("reconcile").join("\n"),
      /192\.0\.2\.10 on ipvs0: there -> not there \(quorum lost: web\)/,
    );
    machine.servers.answer(B, "pass");
    await machine.clock.advance(15_000);
    assert.deepEqual(await addresses(machine), TWO_OF_THREE);
    assert.deepEqual(daemon.said("drift"), []);
  });

  test("stay through a lost quorum unless withdrawing is asked for", async () => {
    const machine = world();
    await machine.start(two("vips: { device: ipvs0 }"));
    for (const server of [A, B]) machine.servers.answer(server, "fail");
    await machine.clock.advance(20_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
  });

  test("after a crash, with another file: what we left there goes, what somebody else put there stays", async () => {
    const machine = world();
    await putBySomebody(machine, "ipvs0", "198.51.100.7");
    const first = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(1_000);
    first.kill();
    const second = await machine.start(two(VIPS));
    await machine.clock.advance(40_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0", "198.51.100.7 ipvs0"]);
    second.kill();
    await machine.start(two("vips: { device: other0 }"));
    await machine.clock.advance(40_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 other0", "198.51.100.7 ipvs0"]);
    assert.deepEqual(kept(machine), { sync: [], addresses: [{ device: "other0", address: "192.0.2.10" }] });
  });

  test("wait for the last connection of a service that left the file", async () => {
    const machine = world();
    const daemon = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(1_000);
    const mail = "tcp:192.0.2.25:25" as typeof WEB;
    const connection = machine.kernel.memory.open(mail)!;
    await daemon.reload(two(VIPS));
    await machine.clock.advance(60_000);
    assert.deepEqual(
      await addresses(machine),
      ["192.0.2.10 ipvs0", "192.0.2.25 ipvs0"],
      "of IPv6 nobody was connected",
    );
    machine.kernel.memory.release(mail, connection);
    await machine.clock.advance(20_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
  });

  test("that live elsewhere are refused, loudly, and put where they belong when they are gone from there", async () => {
    const machine = world();
    await putBySomebody(machine, "eth7", "192.0.2.10");
    const daemon = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(1_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 eth7", "192.0.2.25 ipvs0", "2001:db8::25 ipvs0"]);
    assert.deepEqual(problems(daemon), [
      "error: vips: 192.0.2.10 is on eth7 as /32: not put on ipvs0, and left alone there; take it off, or leave vips out",
    ]);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`, "which holds up nothing");
    await machine.host.interfaces.order(
      [{ op: "remove-address", device: "eth7", address: parseAddress("192.0.2.10")! }],
      never,
    );
    await machine.clock.advance(30_000);
    assert.deepEqual(await addresses(machine), TWO_OF_THREE);
    assert.deepEqual(problems(daemon), []);
  });

  test("taken off by somebody else come back at the next look, with a word about drift", async () => {
    const machine = world();
    const daemon = await machine.start(two(VIPS));
    await machine.clock.advance(1_000);
    await machine.host.interfaces.order(
      [{ op: "remove-address", device: "ipvs0", address: parseAddress("192.0.2.10")! }],
      never,
    );
    await machine.clock.advance(31_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
    assert.match(daemon.said("drift").join(), /192\.0\.2\.10 on ipvs0: drift: somebody else made it not there/);
  });

  test("are nobody of ours without `vips`, stay when it leaves the file, and when the daemon ends", async () => {
    const machine = world();
    const daemon = await machine.start(two());
    await machine.clock.advance(60_000);
    assert.deepEqual(await addresses(machine), []);
    await daemon.reload(two(VIPS));
    await machine.clock.advance(100);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
    await daemon.reload(two());
    for (const server of [A, B]) machine.servers.answer(server, "fail");
    await machine.clock.advance(60_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
    await daemon.stop();
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
  });

  test("and everything else beside the table are only shown in observe mode", async () => {
    const machine = world();
    const daemon = await machine.start(two(VIPS, "ipvs: { mode: observe, timeouts: { tcp: 1h } }"));
    await machine.clock.advance(60_000);
    assert.deepEqual(await addresses(machine), []);
    assert.equal((await machine.host.settings.timeouts(never)).tcp, 900);
    assert.deepEqual(problems(daemon), [
      "warning: ipvs.timeouts: observe mode: tcp is 900s, should be 3600s",
      "warning: vips: observe mode: interface ipvs0 is missing, should be up",
      "warning: vips: observe mode: 192.0.2.10 on ipvs0 is not there, should be there",
    ]);
  });

  test("stand still while everything is frozen, and those of a frozen service while it is", async () => {
    const machine = world();
    const daemon = await machine.start(andMail(two(VIPS)));
    await machine.clock.advance(1_000);
    assert.ok((await daemon.wait(daemon.director.freeze("web", 60_000, OPS))).ok);
    for (const server of [A, B, "10.0.0.25:25"]) machine.servers.answer(server, "fail");
    await machine.clock.advance(30_000);
    assert.deepEqual(await addresses(machine), ["192.0.2.10 ipvs0"]);
    await machine.clock.advance(60_000);
    assert.deepEqual(await addresses(machine), []);
  });
});

describe("the sync daemon", () => {
  const running = async ({ host }: World) =>
    (await host.settings.daemons(never)).map((d) => `${d.role} ${d.interface} ${d.id}`).sort();

  test("is started, started anew by a reload, remembered through a crash, and stopped when the file has it no more", async () => {
    const machine = world();
    const daemon = await machine.start(two("ipvs: { sync: { role: master, interface: eth1, id: 7 } }"));
    await machine.clock.advance(100);
    assert.deepEqual(await running(machine), ["master eth1 7"]);
    await daemon.reload(two("ipvs: { sync: { role: both, interface: eth1, id: 8 } }"));
    await machine.clock.advance(100);
    assert.deepEqual(await running(machine), ["backup eth1 8", "master eth1 8"]);
    daemon.kill();
    await machine.start(two());
    await machine.clock.advance(100);
    assert.deepEqual(await running(machine), []);
    assert.deepEqual(kept(machine), { sync: [], addresses: [] });
  });

  test("that somebody else started is left as it is", async () => {
    const machine = world();
    await machine.host.settings.startDaemon({ role: "backup", interface: "eth9", id: 1 }, never);
    await machine.start(two());
    await machine.clock.advance(60_000);
    assert.deepEqual(await running(machine), ["backup eth9 1"]);
  });

  test("that cannot be started is a problem that holds up nothing, and is tried again", async () => {
    const machine = world();
    const broken = { ...machine.host.settings, startDaemon: () => Promise.reject(new Error("No such device")) };
    const healthy = machine.host.settings;
    Object.assign(machine.host, { settings: broken });
    const daemon = await machine.start(two("ipvs: { sync: { role: master, interface: eth1, id: 7 } }"));
    await machine.clock.advance(5_000);
    assert.deepEqual(problems(daemon), ["error: ipvs.sync: master cannot be made on eth1 with id 7: No such device"]);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    Object.assign(broken, healthy);
    await machine.clock.advance(60_000);
    assert.deepEqual(await running(machine), ["master eth1 7"]);
    assert.deepEqual(problems(daemon), []);
  });
});

test("timeouts are set where the file gives them, drift is repaired, and they stay when the file has them no more", async () => {
  const machine = world();
  const daemon = await machine.start(two("ipvs: { timeouts: { tcp_fin: 30s } }"));
  await machine.clock.advance(100);
  assert.deepEqual(await machine.host.settings.timeouts(never), { tcp: 900, tcpFin: 30, udp: 300 });
  await machine.host.settings.setTimeouts({ tcp: 77, tcpFin: 77 }, never);
  await machine.clock.advance(30_000);
  assert.deepEqual(await machine.host.settings.timeouts(never), { tcp: 77, tcpFin: 30, udp: 300 });
  assert.match(
    daemon.said("drift").join(),
    /ipvs\.timeouts: tcp_fin: drift: somebody else made it 77s \(ours: 30s\); put back/,
  );
  await daemon.reload(two());
  await machine.clock.advance(60_000);
  assert.equal((await machine.host.settings.timeouts(never)).tcpFin, 30);
});

test("a stored intent from before director kept anything beside the table is read", () => {
  const { kept: _, ...older } = EMPTY_INTENT;
  const read = parseIntent(JSON.stringify(older), "intent.json");
  assert.deepEqual(read, { ok: true, value: EMPTY_INTENT });
});

test("an imported intent leaves what is ours beside the table as it is", async () => {
  const machine = world();
  const daemon = await machine.start(two(VIPS));
  await machine.clock.advance(1_000);
  const present = daemon.director.intent();
  const other = { ...present, kept: { sync: ["master" as const], addresses: [] } };
  const done = await daemon.wait(daemon.director.putIntent(other, present.revision, OPS));
  assert.ok(done.ok);
  assert.deepEqual(kept(machine), { sync: [], addresses: [{ device: "ipvs0", address: "192.0.2.10" }] });
});

describe("limits on connections", () => {
  const limited = (words: string) => webConf([`a ${A}`, `b ${B}`], { service: [words] });
  const limits = async ({ kernel }: World) =>
    [...(await kernel.memory.read(never)).get(WEB)!.destinations].map(
      ([at, d]) => `${at} ${d.limits?.upper ?? 0}-${d.limits?.lower ?? 0}`,
    );

  test("are written, kept through every change of weight, and changed and ended by a reload", async () => {
    const machine = world();
    const daemon = await machine.start(limited("max_connections: 10\n    min_connections: 5"));
    assert.deepEqual(await limits(machine), [`${A} 10-5`, `${B} 10-5`]);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    assert.deepEqual(await limits(machine), [`${A} 10-5`, `${B} 10-5`]);
    await daemon.reload(limited("max_connections: 20"));
    assert.deepEqual(await limits(machine), [`${A} 20-0`, `${B} 20-0`]);
    await daemon.reload(limited(""));
    assert.deepEqual(await limits(machine), [`${A} 0-0`, `${B} 0-0`]);
  });

  test("that somebody changed or lost are put back by the next full reading", async () => {
    const machine = world();
    const daemon = await machine.start(limited("max_connections: 10"));
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 100`, `-e -t 192.0.2.10:80 -r ${B} -m -w 100 -x 3`);
    await machine.clock.advance(31_000);
    assert.deepEqual(await limits(machine), [`${A} 10-0`, `${B} 10-0`]);
    assert.match(daemon.said("drift").join("\n"), /web a: drift: somebody else set its limits on connections to none/);
    assert.match(
      daemon.said("drift").join("\n"),
      /web b: drift: somebody else set its limits on connections to 3 at most/,
    );
  });
});
