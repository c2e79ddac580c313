import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const C = "10.0.0.3:80";
const SORRY = "10.0.0.99:80";
const SORRY_LINE = `sorry_server: { address: "${SORRY}" }`;

const two = (...service: readonly string[]) => webConf([`a ${A}`, `b ${B}`], { service });
const three = (...service: readonly string[]) => webConf([`a ${A}`, `b ${B}`, `c ${C}`], { service });

/** The rule lines written from now on. */
async function writtenWhile(machine: World, work: () => Promise<unknown>): Promise<readonly string[]> {
  const before = machine.kernel.written.length;
  await work();
  return machine.kernel.written.slice(before);
}

const setTo = (server: string, weight: number) => `-e -t 192.0.2.10:80 -r ${server} -m -w ${weight}`;

describe("a sorry server", () => {
  test("serves while quorum is lost: it gets weight before the rest goes to 0, and leaves when they are back and it is idle", async () => {
    const machine = world();
    const daemon = await machine.start(three("quorum: { up: 2, down: 2 }", SORRY_LINE));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 100`, "two of three are enough");

    machine.servers.answer(B, "fail");
    const lost = await writtenWhile(machine, () => machine.clock.advance(10_000));
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
    const raised = lost.indexOf(`-a -t 192.0.2.10:80 -r ${SORRY} -m -w 1`);
    assert.ok(raised >= 0 && raised < lost.indexOf(setTo(C, 0)), lost.join("\n"));

    machine.servers.answer(B, "pass");
    const regained = await writtenWhile(machine, () => machine.clock.advance(30_000));
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 100`);
    const sorryDown = regained.indexOf(setTo(SORRY, 0));
    assert.ok(sorryDown > regained.indexOf(setTo(B, 100)), regained.join("\n"));
    assert.ok(regained.indexOf(`-d -t 192.0.2.10:80 -r ${SORRY}`) > sorryDown, regained.join("\n"));
    assert.deepEqual(daemon.said("service"), [
      "web: quorum lost: 1 of 3 servers healthy",
      "web: sorry server 10.0.0.99:80 serves: everybody else gets weight 0",
      "web: quorum regained: 2 of 3 servers healthy",
      "web: the real servers serve again; sorry server 10.0.0.99:80 leaves when its connections have ended, after 10m at most",
    ]);
  });

  test("with open connections it stays, at weight 0, until they have ended", async () => {
    const machine = world();
    await machine.start(two(SORRY_LINE));
    for (const server of [A, B]) machine.servers.answer(server, "fail");
    await machine.clock.advance(10_000);
    const opened = [machine.kernel.memory.open(WEB), machine.kernel.memory.open(WEB)];
    assert.deepEqual(opened, [SORRY, SORRY]);
    for (const server of [A, B]) machine.servers.answer(server, "pass");
    await machine.clock.advance(120_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${SORRY} 0`);
    for (const connection of opened) machine.kernel.memory.release(WEB, connection!);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("between the marks nothing changes: hysteresis", async () => {
    const machine = world();
    await machine.start(three("quorum: { up: 3, down: 2 }", SORRY_LINE));
    machine.servers.answer(A, "fail");
    machine.servers.answer(B, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`, "two are not yet three");
    machine.servers.answer(B, "pass");
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  });

  test("a restart while it serves goes on so: the kernel tells that the quorum was lost", async () => {
    const machine = world();
    await machine.start(three("quorum: { up: 3, down: 2 }", SORRY_LINE));
    machine.servers.answer(A, "fail");
    machine.servers.answer(B, "fail");
    await machine.clock.advance(10_000);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(20_000);
    const written = await writtenWhile(machine, async () => {
      await machine.start(three("quorum: { up: 3, down: 2 }", SORRY_LINE));
      await machine.clock.advance(60_000);
    });
    assert.deepEqual(written, []);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
  });

  test("disabling everybody loses the quorum as well; enabling one brings them back", async () => {
    const machine = world();
    const daemon = await machine.start(two(SORRY_LINE));
    for (const name of ["a", "b"]) await daemon.wait(daemon.director.disable("web", name, OPS, undefined));
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${SORRY} 1`);
    await daemon.wait(daemon.director.enable("web", "a", OPS));
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 0`);
  });

  test("with a check of its own it does not serve while that says down: the rest keeps what it has", async () => {
    const machine = world();
    const own = `sorry_server: { address: "${SORRY}", check: { type: scripted } }`;
    machine.servers.answer(SORRY, "fail");
    await machine.start(three("quorum: { up: 3, down: 3 }", own));
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100, ${C} 100`);
    machine.servers.answer(SORRY, "pass");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
  });

  test("servers nobody has probed yet lose no quorum", async () => {
    const machine = world();
    for (const server of [A, B]) machine.servers.answer(server, "inconclusive");
    const daemon = await machine.start(two(SORRY_LINE));
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0`);
    assert.deepEqual(daemon.said("service"), []);
  });
});

describe("without a sorry server", () => {
  test("a lost quorum is told, and no weight changes for it", async () => {
    const machine = world();
    const daemon = await machine.start(three("quorum: { up: 3, down: 2 }"));
    machine.servers.answer(A, "fail");
    machine.servers.answer(B, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 100`);
    assert.deepEqual(daemon.said("service"), ["web: quorum lost: 1 of 3 servers healthy"]);
  });
});

describe("fail_open: all-down", () => {
  const OPEN = ["fail_open: all-down", "quorum: { up: 2, down: 1 }"];
  const fail = async (machine: World, ...servers: readonly string[]) => {
    for (const server of servers) machine.servers.answer(server, "fail");
    await machine.clock.advance(20_000);
  };
  const told = (daemon: Daemon) => daemon.said("service").filter((line) => /FAIL OPEN|failing open/.test(line)).length;

  test("when everybody is down everybody gets clients, until quorum.up is reached", async () => {
    const machine = world();
    const daemon = await machine.start(three(...OPEN));
    await fail(machine, A, B);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 100`);
    await fail(machine, C);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`, "one is not quorum.up");
    machine.servers.answer(B, "pass");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 0`);
    assert.equal(told(daemon), 2);
  });

  test("a reload that changes the check takes nobody's clients away, and ends it by what the new check says", async () => {
    const machine = world();
    const daemon = await machine.start(three(...OPEN));
    await fail(machine, A, B, C);
    const changed = webConf([`a ${A}`, `b ${B}`, `c ${C}`], { service: OPEN, check: "path: /other" });
    const written = await writtenWhile(machine, () => daemon.reload(changed));
    assert.deepEqual(written, []);
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`, "still failing everywhere");
    for (const server of [A, B]) machine.servers.answer(server, "pass");
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 0`);
    assert.equal(told(daemon), 2);
  });

  test("never the disabled or drained", async () => {
    const machine = world();
    const daemon = await machine.start(three(...OPEN));
    await daemon.wait(daemon.director.disable("web", "c", OPS, undefined));
    await fail(machine, A, B, C);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 0`);
  });

  test("an entry that was taken out comes back with it", async () => {
    const machine = world();
    await machine.start(three(...OPEN, "on_failure: remove"));
    await fail(machine, A);
    assert.equal(await machine.weights(), `${B} 100, ${C} 100`);
    await fail(machine, B, C);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  });

  test("a sorry server that is well comes first; when it dies too, everybody serves", async () => {
    const machine = world();
    const own = `sorry_server: { address: "${SORRY}", check: { type: scripted } }`;
    await machine.start(three(...OPEN, own));
    await fail(machine, A, B, C);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
    await fail(machine, SORRY);
    await machine.clock.advance(30_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  });

  test("is off unless asked for", async () => {
    const machine = world();
    await machine.start(three());
    await fail(machine, A, B, C);
    assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0`);
  });
});

describe("a sorry server where weight 0 is not enough", () => {
  const OWN = `sorry_server: { address: "${SORRY}", check: { type: scripted } }`;
  const fail = async (machine: World, ...servers: readonly string[]) => {
    for (const server of servers) machine.servers.answer(server, "fail");
    await machine.clock.advance(20_000);
  };

  for (const scheduler of ["mh", "sh", "dh"])
    test(`${scheduler} refuses the share of those who give way: their entries go with their last connections`, async () => {
      const machine = world();
      await machine.start(three(`scheduler: ${scheduler}`, "quorum: { up: 3, down: 3 }", OWN));
      await fail(machine, A);
      assert.equal(await machine.weights(), `${SORRY} 1`);
      machine.servers.answer(A, "pass");
      await machine.clock.advance(30_000);
      assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
    });

  test("a share that is at 0 by the server's own word is refused as well", async () => {
    const machine = world();
    await machine.start(two("scheduler: mh"));
    machine.servers.answer(A, { kind: "pass", detail: "", report: { hold: "drain" } });
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${B} 100`);
  });

  test("a dead one is taken out like any other dead server: its persistent clients must not stay with it", async () => {
    const machine = world();
    await machine.start(two("persistence: { timeout: 5m }", OWN));
    await fail(machine, A, B);
    assert.equal(await machine.weights(), `${SORRY} 1`);
    machine.kernel.memory.open(WEB);
    await fail(machine, SORRY);
    assert.equal(await machine.weights(), "");
  });

  test("where it cannot stand (IPv6 clients, and it is IPv4) nobody gives way to it", async () => {
    const machine = world();
    const both = [
      "services:",
      "  - name: web",
      '    vips: ["192.0.2.10:80", "[2001:db8::10]:80"]',
      "    forward: tunnel",
      "    check: { type: scripted, port: 80 }",
      "    quorum: { up: 2, down: 2 }",
      '    sorry_server: { address: "10.0.0.99", forward: direct }',
      "    servers:",
      '      - { name: a, address: "10.0.0.1" }',
      '      - { name: b, address: "10.0.0.2" }',
    ].join("\n");
    await machine.start(both);
    await fail(machine, "10.0.0.1:80");
    assert.equal(await machine.weights(), "10.0.0.1:80 0, 10.0.0.2:80 0, 10.0.0.99:80 1");
    assert.equal(await machine.weights("tcp:[2001:db8::10]:80"), "10.0.0.1:80 0, 10.0.0.2:80 100");
  });
});

test("marks of different kinds: a quorum that is below `down` is not regained at `up`, it does not come and go", async () => {
  const machine = world();
  const daemon = await machine.start(three('quorum: { up: 1, down: "50%" }', SORRY_LINE));
  for (const server of [A, B]) machine.servers.answer(server, "fail");
  await machine.clock.advance(10_000);
  const before = machine.kernel.writes;
  machine.servers.answer(A, "fail");
  await daemon.wait(daemon.director.disable("web", "a", OPS, undefined));
  await machine.clock.advance(60_000);
  assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
  assert.equal(machine.kernel.writes, before);
});

test("a reload that puts another vip first keeps what the quorum was", async () => {
  const machine = world();
  const conf = (vips: string) =>
    three("quorum: { up: 3, down: 2 }", SORRY_LINE).replace("vip: 192.0.2.10:80", `vips: [${vips}]`);
  const daemon = await machine.start(conf("192.0.2.10:80, 192.0.2.11:80"));
  for (const server of [A, B]) machine.servers.answer(server, "fail");
  await machine.clock.advance(10_000);
  machine.servers.answer(A, "pass");
  await machine.clock.advance(20_000);
  const said = daemon.said("service").length;
  await daemon.reload(conf("192.0.2.12:80, 192.0.2.10:80"));
  await machine.clock.advance(20_000);
  assert.equal(await machine.weights(), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
  assert.equal(await machine.weights("tcp:192.0.2.12:80"), `${A} 0, ${B} 0, ${C} 0, ${SORRY} 1`);
  assert.equal(daemon.said("service").length, said, "nothing new to tell");
});

test("fail_open, too, outlives a reload that puts another vip first", async () => {
  const machine = world();
  const conf = (vips: string) =>
    three("quorum: { up: 2, down: 1 }", "fail_open: all-down").replace("vip: 192.0.2.10:80", `vips: [${vips}]`);
  const daemon = await machine.start(conf("192.0.2.10:80, 192.0.2.11:80"));
  for (const server of [A, B, C]) machine.servers.answer(server, "fail");
  await machine.clock.advance(20_000);
  machine.servers.answer(A, "pass");
  await machine.clock.advance(20_000);
  assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
  await daemon.reload(conf("192.0.2.11:80, 192.0.2.10:80"));
  await machine.clock.advance(5_000);
  assert.equal(await machine.weights(), `${A} 100, ${B} 100, ${C} 100`);
});
