import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explain, type StatusInput, serviceStatus } from "../../src/director/status.ts";
import type { ProbeOutcome, Report } from "../../src/model/probe.ts";
import { type Daemon, OPS, type World, webConf, world } from "./daemon.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const TWO = webConf([`a ${A}`, `b ${B}`]);
const says = (report: Report): ProbeOutcome => ({ kind: "pass", detail: "said", report });
const AGENT_GONE: ProbeOutcome = {
  kind: "inconclusive",
  harmless: true,
  reason: "agent did not answer: connection refused",
};

function statusInput({ director }: Daemon, machine: World): StatusInput {
  return {
    now: machine.clock.now(),
    reconciler: director.reconciler(),
    services: director.config().services,
    intentOf: (service) => director.intents().of(service),
    record: director.record,
    unproven: director.unprovenOf,
    freezes: [],
    added: [],
  };
}

describe("a server that reports what it wants of its weight", () => {
  test("gets that part; the same again, or what comes to the same weight, writes nothing", async () => {
    const machine = world();
    await machine.start(TWO);
    machine.servers.answer(A, says({ factor: 0.5 }));
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 50, ${B} 100`);
    const { writes } = machine.kernel;
    for (const factor of [0.5, 0.501, 0.499, 0.5]) {
      machine.servers.answer(A, says({ factor }));
      await machine.clock.advance(4_000);
    }
    assert.equal(machine.kernel.writes, writes);
    machine.servers.answer(A, says({ factor: 1.5 }));
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 150, ${B} 100`);
  });

  test("keeps what it reported while nothing is heard of it, and while it is down", async () => {
    const machine = world();
    await machine.start(TWO);
    machine.servers.answer(A, says({ factor: 0.2 }));
    await machine.clock.advance(2_500);
    for (const answer of [AGENT_GONE, "pass"] as const) {
      machine.servers.answer(A, answer);
      await machine.clock.advance(40_000);
      assert.equal(await machine.weights(), `${A} 20, ${B} 100`, JSON.stringify(answer));
    }
    machine.servers.answer(A, "fail");
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(A, "pass");
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${A} 20, ${B} 100`);
  });

  test("a weight counts for the configured one, anew each time: nothing adds up", async () => {
    const machine = world();
    await machine.start(TWO);
    for (const [weight, is] of [
      [50, 50],
      [50, 50],
      [200, 200],
      [1, 1],
      [undefined, 100],
    ] as const) {
      machine.servers.answer(A, says({ weight }));
      await machine.clock.advance(2_500);
      assert.equal(await machine.weights(), `${A} ${is}, ${B} 100`);
    }
  });

  test("a weight set by command comes before a reported one, and gives way to no other", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.servers.answer(A, says({ weight: 50 }));
    await machine.clock.advance(2_500);
    await daemon.wait(daemon.director.setWeight("web", "a", 30, OPS));
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    machine.servers.answer(A, says({ weight: 70 }));
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    await daemon.wait(daemon.director.setWeight("web", "a", undefined, OPS));
    assert.equal(await machine.weights(), `${A} 70, ${B} 100`);
  });

  test("a little of anything is at least 1", async () => {
    const machine = world();
    await machine.start(webConf([`a ${A} 3`, `b ${B} 3`]));
    machine.servers.answer(A, says({ factor: 0.01 }));
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 1, ${B} 3`);
  });

  const zeros: readonly [Report, rule: string][] = [
    [{ hold: "drain" }, "agent-drain"],
    [{ hold: "maint", factor: 0.5 }, "agent-maint"],
    [{ factor: 0 }, "reported-0"],
    [{ weight: 0 }, "reported-0"],
  ];
  for (const [report, rule] of zeros)
    test(`${JSON.stringify(report)} is weight 0 by rule ${rule}, and no failure`, async () => {
      const machine = world();
      const daemon = await machine.start(TWO);
      machine.servers.answer(A, says(report));
      await machine.clock.advance(2_500);
      assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
      const input = statusInput(daemon, machine);
      const [service] = input.services;
      const [a] = serviceStatus(service!, input).servers;
      assert.deepEqual([a!.state, a!.rule, a!.reason], ["up", rule, undefined]);
      assert.ok(a!.reported, "status does not tell what it reports");
      const words = explain(service!, service!.servers[0]!, input)!;
      assert.ok(words.inputs.includes(`reported by the server: ${a!.reported}`), words.inputs.join("\n"));
      assert.equal(daemon.said("server").filter((line) => /down/.test(line)).length, 0);
      machine.servers.answer(A, says({ hold: undefined, factor: 1, weight: undefined }));
      await machine.clock.advance(2_500);
      assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
    });

  test("that it drains is an event, once; that it is ready again too", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    for (const report of [{ hold: "drain" }, { hold: "drain", factor: 0.3 }, { hold: undefined }] as const) {
      machine.servers.answer(A, says(report));
      await machine.clock.advance(4_500);
    }
    assert.deepEqual(
      daemon.said("server").filter((line) => /says/.test(line)),
      ["web a: scripted / says drain, it was ready", "web a: scripted / says ready, it was drain"],
    );
  });

  test("explain has it in the formula", async () => {
    const machine = world();
    const daemon = await machine.start(TWO);
    machine.servers.answer(A, says({ factor: 0.25 }));
    await machine.clock.advance(2_500);
    const input = statusInput(daemon, machine);
    const [service] = input.services;
    const words = explain(service!, service!.servers[0]!, input)!;
    assert.deepEqual([words.rule, words.formula], ["reported", "round(1 x (100 - 0 + 0) x 0.25) = 25"]);
  });

  test("a drain moves what it has, and what it reports later brings nothing back", async () => {
    const machine = world();
    const daemon = await machine.start(webConf([`a ${A}`, `b ${B}`, "c 10.0.0.3:80 0"]));
    machine.servers.answer(A, says({ factor: 0.5 }));
    await machine.clock.advance(2_500);
    const drain = {
      from: ["a"],
      to: ["c"],
      pace: { kind: "now" },
      policy: {},
      add: false,
      force: false,
      reason: undefined,
      requestId: undefined,
    } as const;
    const begun = await daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, drain, OPS, false));
    assert.ok(begun.ok, JSON.stringify(begun));
    await machine.clock.advance(30_000);
    assert.equal((await machine.weights())?.split(", ")[0], `${A} 0`);
    for (const factor of [1, 1.5]) {
      machine.servers.answer(A, says({ factor }));
      await machine.clock.advance(4_500);
      assert.equal((await machine.weights())?.split(", ")[0], `${A} 0`);
    }
  });
});

describe("a restart", () => {
  const REPORTING = webConf([`a ${A}`, `b ${B}`], { check: "path: /reports" });

  test("gives nobody all of a weight of which he wanted a part: the kernel's holds until he is heard", async () => {
    const machine = world();
    await machine.start(REPORTING);
    machine.servers.answer(A, says({ factor: 0.25 }), 1_500);
    await machine.clock.advance(6_000);
    assert.equal(await machine.weights(), `${A} 25, ${B} 100`);
    const before = machine.kernel.written.length;
    await machine.start(REPORTING);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${A} 25, ${B} 100`);
    assert.deepEqual(machine.kernel.written.slice(before), []);
    machine.servers.answer(A, says({ factor: 1 }));
    await machine.clock.advance(6_000);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("nor while his agent is away", async () => {
    const machine = world();
    await machine.start(REPORTING);
    machine.servers.answer(A, says({ factor: 0.25 }));
    await machine.clock.advance(3_000);
    machine.servers.answer(A, AGENT_GONE);
    await machine.start(REPORTING);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 25, ${B} 100`);
    machine.servers.answer(A, says({ factor: 0.5 }));
    await machine.clock.advance(3_000);
    assert.equal(await machine.weights(), `${A} 50, ${B} 100`);
  });

  test("corrects the weight of servers that report nothing, by checks that do not", async () => {
    const machine = world();
    await machine.start(TWO);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${A} -m -w 25`);
    await machine.start(TWO);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("does not take a weight set by command, or moved by a drain, for a report", async () => {
    const machine = world();
    const first = await machine.start(REPORTING);
    await first.wait(first.director.setWeight("web", "a", 30, OPS));
    assert.equal(await machine.weights(), `${A} 30, ${B} 100`);
    const second = await machine.start(REPORTING);
    await second.wait(second.director.setWeight("web", "a", undefined, OPS));
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });
});

describe("an agent that nobody reaches", () => {
  test("holds up neither the start nor its server", async () => {
    const machine = world();
    machine.servers.answer(A, AGENT_GONE);
    await machine.start(TWO);
    assert.ok(machine.clock.elapsed() < 1_000, `${machine.clock.elapsed()} ms`);
    assert.equal(await machine.weights(), `${A} 100, ${B} 100`);
  });

  test("does not lift what it said before", async () => {
    const machine = world();
    await machine.start(TWO);
    machine.servers.answer(A, { kind: "fail", reason: "agent says down", decisive: true });
    await machine.clock.advance(2_500);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
    machine.servers.answer(A, AGENT_GONE);
    await machine.clock.advance(60_000);
    assert.equal(await machine.weights(), `${A} 0, ${B} 100`);
  });
});
