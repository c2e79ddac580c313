import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Daemon, OPS, type World, webConf, world } from "../director/daemon.ts";
import { stall, tcpServer } from "../support/nasty-server.ts";
import { bench, linesIn, lives, scriptHook, until, webhook } from "./support.ts";

const SERVERS = Array.from({ length: 100 }, (_, i) => `s${i} 10.0.0.${i + 1}:80`);
const ADDRESSES = SERVERS.map((line) => line.split(" ")[1]!);

/** Five times everybody fails and comes back: 1,000 transitions. When the kernel had what it should, on the machine's clock. */
async function fiveOutages(machine: World): Promise<readonly number[]> {
  const times: number[] = [];
  const change = async (answer: "fail" | "pass", weight: number): Promise<void> => {
    for (const address of ADDRESSES) machine.servers.answer(address, answer);
    const wanted = ADDRESSES.map((address) => `${address} ${weight}`)
      .sort()
      .join(", ");
    while ((await machine.weights()) !== wanted) {
      assert.ok(machine.clock.elapsed() < 3_600_000, "it never comes");
      await machine.clock.advance(250);
    }
    times.push(machine.clock.elapsed());
  };
  for (let i = 0; i < 5; i++) {
    await change("fail", 0);
    await change("pass", 100);
  }
  return times;
}

const transitions = (daemon: Daemon) => daemon.events.filter((event) => event.kind === "server").length;

describe("a daemon with hooks", () => {
  test("a script that hangs and a server that stalls delay no weight by anything, through a thousand transitions", async () => {
    const quiet = world();
    await quiet.start(webConf(SERVERS));
    const began = performance.now();
    const expected = await fiveOutages(quiet);
    const took = performance.now() - began;

    await using stalled = await tcpServer(stall);
    await using b = bench();
    const hang = b.script("hang", 'echo $$ >> "$DIR/pids"; sleep 1000');
    const machine = world();
    const daemon = await machine.start(webConf(SERVERS));
    b.hooks.use([
      ...["a", "b", "c", "d", "e"].map((name) => scriptHook(name, hang, { timeout: 600_000, queue: 100 })),
      webhook("stalled", `http://127.0.0.1:${stalled.port}/`, { timeout: 600_000, queue: 100 }),
    ]);
    daemon.director.events.follow(b.hooks.offer);
    const before = transitions(daemon);
    const beganAgain = performance.now();
    assert.deepEqual(await fiveOutages(machine), expected);
    const tookAgain = performance.now() - beganAgain;
    assert.ok(tookAgain < 5 * took + 5_000, `the process was busy with hooks: ${tookAgain} ms instead of ${took}`);
    assert.equal(transitions(daemon) - before, 1_000);
    await until("they hang", () => linesIn(join(b.dir, "pids")).length === 4 && stalled.held() === 1);
    for (const { queued, dropped, delivered, failed } of b.hooks.status()) {
      assert.equal(queued, 100);
      assert.ok(dropped > 800);
      assert.deepEqual([delivered, failed], [0, 0]);
    }
    await daemon.stop();
    await b.hooks.stop();
    await until("nobody is left", () => !linesIn(join(b.dir, "pids")).map(Number).some(lives));
  });

  test("tells of a server's own ups and downs: with several checks, not of each of them; of who served all along, nothing", async () => {
    await using b = bench();
    const conf = `services:
  - name: web
    vip: 192.0.2.10:80
    checks: [{ type: scripted }, { type: scripted, path: /b }]
    servers: [{ name: a, address: "10.0.0.1:80" }]`;
    b.hooks.use([
      scriptHook("keep", b.script("keep", 'cat >> "$DIR/told"'), { on: ["server"] }),
      scriptHook("checks", b.script("checks", 'cat >> "$DIR/checks.told"'), { on: ["check"] }),
    ]);
    const machine = world();
    await machine.ipvsadm("-A -t 192.0.2.10:80 -s wrr", "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 100");
    const daemon = await machine.start(conf);
    daemon.director.events.follow(b.hooks.offer);
    machine.servers.answer("10.0.0.1:80 /", "fail");
    await machine.clock.advance(10_000);
    machine.servers.answer("10.0.0.1:80 /b", "fail");
    await machine.clock.advance(10_000);
    machine.servers.answer("10.0.0.1:80 /", "pass");
    await machine.clock.advance(20_000);
    machine.servers.answer("10.0.0.1:80 /b", "pass");
    await machine.clock.advance(20_000);
    await until("told", () => b.status("keep").delivered === 2 && b.status("checks").delivered === 4);
    assert.deepEqual(
      b.told("told").map(({ from, to, reason, address, message }) => [from, to, reason, address, message]),
      [
        [
          "up",
          "down",
          "scripted /: connection refused",
          "10.0.0.1:80",
          "web a: up -> down: scripted /: connection refused",
        ],
        ["down", "up", undefined, "10.0.0.1:80", "web a: down -> up: every check passes"],
      ],
    );
    assert.deepEqual(
      b.told("checks.told").map(({ kind, to }) => [kind, to]),
      [
        ["check", "down"],
        ["check", "down"],
        ["check", "up"],
        ["check", "up"],
      ],
    );
  });

  test("a restart tells nothing of servers that serve as before, and of one that comes back meanwhile", async () => {
    await using b = bench();
    b.hooks.use([scriptHook("keep", b.script("keep", 'cat >> "$DIR/told"'), { on: ["server"] })]);
    const machine = world();
    machine.servers.answer("10.0.0.2:80", "fail");
    await machine.start(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80", "c 10.0.0.3:80"]));
    machine.servers.answer("10.0.0.2:80", "pass");
    machine.servers.answer("10.0.0.3:80", "fail");
    const daemon = await machine.start(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80", "c 10.0.0.3:80"]));
    for (const event of daemon.events) b.hooks.offer(event);
    daemon.director.events.follow(b.hooks.offer);
    await machine.clock.advance(20_000);
    await until("told", () => b.status("keep").delivered === 2);
    assert.deepEqual(
      b
        .told("told")
        .map(({ server, from, to }) => [server, from, to])
        .sort(),
      [
        ["b", "unknown", "up"],
        ["c", "presumed-up", "down"],
      ],
    );
  });

  test("tells of weights, orders, quorum and drains with everything a program needs", async () => {
    await using b = bench();
    b.hooks.use([
      scriptHook("keep", b.script("keep", 'cat >> "$DIR/told"'), { on: ["weight.7", "admin", "service", "drain"] }),
    ]);
    const machine = world();
    const daemon = await machine.start(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80"]));
    daemon.director.events.follow(b.hooks.offer);
    await daemon.wait(daemon.director.setWeight("web", "a", 7, { actor: "ops", reason: "canary" }));
    await daemon.wait(daemon.director.setWeight("web", "a", undefined, OPS));
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
    await daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, request, OPS, false));
    await machine.clock.advance(20_000);
    machine.servers.answer("10.0.0.1:80", "fail");
    machine.servers.answer("10.0.0.2:80", "fail");
    await machine.clock.advance(20_000);
    machine.servers.answer("10.0.0.2:80", "pass");
    await machine.clock.advance(20_000);
    await until("the last", () => b.told("told").some(({ to }) => to === "quorum-regained"));
    const told = b
      .told("told")
      .map(({ kind, service, server, address, from, to, weight, actor, drain, reason }) =>
        JSON.parse(JSON.stringify({ kind, service, server, address, from, to, weight, actor, drain, reason })),
      );
    const a = { service: "web", server: "a", address: "10.0.0.1:80" };
    assert.deepEqual(told.slice(0, 3), [
      { kind: "admin", ...a, to: "weight", actor: "ops", reason: "canary" },
      { kind: "weight", ...a, from: "100", to: "7", weight: 7, actor: "ops", reason: "set-by-command" },
      { kind: "admin", ...a, to: "weight", actor: "ops" },
    ]);
    const drains = told.filter(({ kind }) => kind === "drain");
    assert.deepEqual(drains[0], { kind: "drain", service: "web", to: "pending", actor: "ops", drain: "d-1" });
    assert.deepEqual(drains.at(-1), { kind: "drain", service: "web", to: "done", drain: "d-1" });
    assert.deepEqual(
      told.filter(({ kind }) => kind === "service"),
      [
        { kind: "service", service: "web", from: "quorum-held", to: "quorum-lost", reason: "0 of 2 servers healthy" },
        { kind: "service", service: "web", from: "quorum-lost", to: "quorum-regained" },
      ],
    );
  });
});
