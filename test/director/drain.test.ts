import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainRequest } from "../../src/director/drain-request.ts";
import type { ServiceKey } from "../../src/model/service.ts";
import type { Drain } from "../../src/policy/drain.ts";
import type { DrainCommand } from "../../src/policy/drain-table.ts";
import { at } from "../support/tables.ts";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const OLD = "10.0.0.1:80";
const NEW = "10.0.0.2:80";
const THIRD = "10.0.0.3:80";
/** The old one serves, the new one stands by. */
const PAIR = webConf([`old ${OLD}`, `new ${NEW} 0`]);
const MINUTE = 60_000;

async function serving(text = PAIR): Promise<{ machine: World; daemon: Daemon }> {
  const machine = world();
  const daemon = await machine.start(text);
  await machine.clock.advance(6_000);
  return { machine, daemon };
}

/** `drain web --from old --to new --over 10m --every 1m`, unless told otherwise. */
async function begin(daemon: Daemon, given: Partial<DrainRequest> = {}): Promise<Drain> {
  const request: DrainRequest = {
    from: ["old"],
    to: ["new"],
    pace: { kind: "over", over: 10 * MINUTE, every: MINUTE },
    policy: {},
    force: false,
    reason: undefined,
    requestId: undefined,
    add: false,
    ...given,
  };
  const begun = await daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, request, OPS, false));
  assert.ok(begun.ok, begun.ok ? "" : begun.error.problem);
  return begun.value[0]!;
}

async function order(daemon: Daemon, word: DrainCommand, id = "d-1"): Promise<void> {
  const done = await daemon.wait(daemon.director.orderDrain(id, word, OPS));
  assert.ok(done.ok, done.ok ? "" : done.error.problem);
}

/** `shifting 3`, `paused new-down 3`. */
function stand(daemon: Daemon, id = "d-1"): string {
  const { phase, step } = daemon.director.intent().drains.find((d) => d.id === id)!;
  return `${phase.kind}${phase.kind === "paused" ? ` ${phase.why}` : ""} ${step}`;
}

/** Shares of the two in percent, as the kernel has them. */
async function shares(machine: World): Promise<string> {
  const weights = new Map((await machine.weights())!.split(", ").map((line) => line.split(" ") as [string, string]));
  const [old, fresh] = [Number(weights.get(OLD) ?? 0), Number(weights.get(NEW) ?? 0)];
  return old + fresh === 0
    ? "nobody"
    : `${Math.round((old / (old + fresh)) * 100)}:${Math.round((fresh / (old + fresh)) * 100)}`;
}

describe("a drain through to its end", () => {
  test("step by step, then the connections, then done at weight 0: the new has what it replaced", async () => {
    const { machine, daemon } = await serving();
    const connection = machine.kernel.memory.open(WEB)!;
    await begin(daemon);
    for (const expected of ["90:10", "80:20", "70:30", "60:40", "50:50", "40:60", "30:70", "20:80", "10:90", "0:100"]) {
      await machine.clock.advance(500);
      assert.equal(await shares(machine), expected);
      await machine.clock.advance(MINUTE - 500);
    }
    assert.equal(stand(daemon), "draining 10");
    await machine.clock.advance(2 * MINUTE);
    assert.equal(stand(daemon), "draining 10", "it did not wait for the connection");
    machine.kernel.memory.release(WEB, connection);
    await machine.clock.advance(5_000);
    assert.equal(stand(daemon), "done 10");
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    await machine.clock.advance(15 * MINUTE);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    assert.equal(daemon.director.reconciler().inSync, true);
  });

  test("each step is one write of what changes, and nothing is written in between", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD}`, `new ${NEW} 0`, `third ${THIRD}`]));
    const { writes } = machine.kernel;
    const lines = machine.kernel.written.length;
    await begin(daemon, { pace: { kind: "over", over: 4 * MINUTE, every: MINUTE } });
    await machine.clock.advance(3.5 * MINUTE);
    assert.equal(machine.kernel.writes - writes, 4);
    for (const line of machine.kernel.written.slice(lines))
      assert.ok(!line.includes(THIRD), `the third server was rewritten: ${line}`);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100, ${THIRD} 100`);
  });

  test("the step is on the disk before it is in the kernel", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    const { apply } = machine.kernel;
    const seen: string[] = [];
    machine.kernel.apply = (changes, signal) => {
      const stored = JSON.parse(machine.disk.text!) as { drains: readonly Drain[] };
      const share = stored.drains[0]!.step / 10;
      for (const change of changes)
        if (change.op === "edit-server" && change.destination.address.text === "10.0.0.1") seen.push(`${share}`);
      return apply(changes, signal);
    };
    await machine.clock.advance(3.5 * MINUTE);
    assert.deepEqual(seen, ["0.2", "0.3", "0.4"]);
  });

  test("raised before lowered, within the step", async () => {
    const { machine, daemon } = await serving();
    const lines = machine.kernel.written.length;
    await begin(daemon);
    await machine.clock.advance(1_000);
    const [first, second] = machine.kernel.written.slice(lines);
    assert.match(first!, new RegExp(`-r ${NEW} `));
    assert.match(second!, new RegExp(`-r ${OLD} `));
  });

  test("grace over with connections left: done with their number, weight 0 stands", async () => {
    const { machine, daemon } = await serving();
    for (let i = 0; i < 3; i++) machine.kernel.memory.open(WEB);
    await begin(daemon, { pace: { kind: "now" } });
    await machine.clock.advance(10 * MINUTE - 5_000);
    assert.equal(stand(daemon), "draining 1");
    await machine.clock.advance(10_000);
    const { phase } = daemon.director.intent().drains[0]!;
    assert.deepEqual(phase.kind === "done" && phase.left, 3);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
  });

  test("udp: ends when no packet has come for 30s, and counts what is left at the end of its grace", async () => {
    const UDP = "udp:192.0.2.10:80" as ServiceKey;
    const { machine, daemon } = await serving(
      PAIR.replace("vip: 192.0.2.10:80", "vip: 192.0.2.10:80\n    protocol: udp"),
    );
    const flow = machine.kernel.memory.open(UDP)!;
    await begin(daemon, { pace: { kind: "now" }, policy: { grace: 3 * MINUTE } });
    for (let i = 0; i < 10; i++) {
      machine.kernel.memory.packet(UDP, flow);
      await machine.clock.advance(20_000);
    }
    const { phase } = daemon.director.intent().drains[0]!;
    assert.deepEqual(phase.kind === "done" && phase.left, 1);

    await order(daemon, "rollback");
    await begin(daemon, { pace: { kind: "now" }, policy: { afterwards: "remove" } });
    await machine.clock.advance(25_000);
    assert.equal(stand(daemon, "d-2"), "draining 1");
    await machine.clock.advance(20_000);
    assert.equal(stand(daemon, "d-2"), "done 1");
    // The silence that ended the drain is enough for leaving the table.
    assert.equal(await machine.weights(UDP), `${NEW} 100`);
  });

  test("the rest of the pool takes over when nobody is named", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD}`, `a ${NEW}`, `b ${THIRD} 50`]));
    await begin(daemon, { to: [], pace: { kind: "over", over: 2 * MINUTE, every: MINUTE } });
    await machine.clock.advance(1_000);
    assert.equal(await machine.weights(), `${OLD} 50, ${NEW} 100, ${THIRD} 50`);
    await machine.clock.advance(2 * MINUTE);
    assert.equal(stand(daemon), "done 2");
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100, ${THIRD} 50`);
  });

  test("the result stands over restarts and reloads, until that server's own weight changes", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, { pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    assert.equal(stand(daemon), "done 1");
    const again = await machine.start(PAIR);
    await machine.clock.advance(20_000);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    await again.reload(webConf([`old ${OLD} 60`, `new ${NEW} 0`]));
    assert.equal(await machine.weights(), `${OLD} 60, ${NEW} 100`);
    await again.reload(PAIR);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 100`, "the old result came back with the old number");
  });
});

describe("commands on the way", () => {
  test("pause holds the shares, resume goes on where it stood, rollback gives everything back at once", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    assert.equal(await shares(machine), "70:30");
    await order(daemon, "pause");
    await machine.clock.advance(10 * MINUTE);
    assert.equal(await shares(machine), "70:30");
    await order(daemon, "resume");
    await machine.clock.advance(0.4 * MINUTE);
    assert.equal(await shares(machine), "70:30");
    await machine.clock.advance(0.2 * MINUTE);
    assert.equal(await shares(machine), "60:40");
    await order(daemon, "rollback");
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
    assert.equal(stand(daemon), "rolled-back 4");
  });

  test("undone after its end, all of it is in the kernel when the order is answered: raised and lowered", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, { pace: { kind: "now" } });
    await machine.clock.advance(MINUTE);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    // In the very moment of the answer: the lowering waits for the pass after the raise.
    const answered = daemon.director.orderDrain("d-1", "rollback", OPS).then(() => machine.weights());
    assert.equal(await daemon.wait(answered), `${OLD} 100, ${NEW} 0`);
  });

  test("abort leaves what is moved, rollback undoes it later", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await order(daemon, "abort");
    await machine.clock.advance(10 * MINUTE);
    assert.equal(await shares(machine), "70:30");
    await order(daemon, "rollback");
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
  });

  test("health acts while an operator holds it: the dead get nobody, and a failure that lasts rolls it back", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await order(daemon, "pause");
    machine.servers.answer(NEW, "fail");
    await machine.clock.advance(6_000);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
    assert.equal(stand(daemon), "paused operator 3");
    await machine.clock.advance(MINUTE);
    assert.equal(stand(daemon), "rolled-back 3");
  });

  test("rollback and abort need neither health nor a disk", async () => {
    for (const word of ["rollback", "abort"] as const) {
      const { machine, daemon } = await serving();
      await begin(daemon);
      await machine.clock.advance(2.5 * MINUTE);
      for (const server of [OLD, NEW]) machine.servers.answer(server, "fail");
      machine.disk.broken = "cannot write: ENOSPC";
      await machine.clock.advance(6_000);
      await order(daemon, word);
      for (const server of [OLD, NEW]) machine.servers.answer(server, "pass");
      await machine.clock.advance(15_000);
      assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
      machine.disk.broken = undefined;
      await machine.clock.advance(10_000);
      assert.match(machine.disk.text!, word === "rollback" ? /rolled-back/ : /aborted/);
    }
  });

  test("what it cannot do is refused with the reason, and changes nothing", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD}`, `new ${NEW} 0`, `third ${THIRD} 0`]));
    const base: DrainRequest = {
      from: ["old"],
      to: ["new"],
      pace: { kind: "now" },
      policy: {},
      force: false,
      reason: undefined,
      requestId: undefined,
      add: false,
    };
    const rows: readonly (readonly [Partial<DrainRequest>, RegExp])[] = [
      [{ from: ["nobody"] }, /nobody/],
      [{ to: ["old"] }, /old stands in --from and in --to/],
      [{ from: ["third"], to: ["new"] }, /third: weight is 0 already/],
      [{ to: [] }, /--to|--allow-empty/],
    ];
    for (const [given, problem] of rows) {
      const refused = await daemon.wait(
        daemon.director.startDrain({ kind: "service", name: "web" }, { ...base, ...given }, OPS, false),
      );
      assert.ok(!refused.ok, JSON.stringify(given));
      assert.match(refused.error.problem, problem);
    }
    assert.deepEqual(daemon.director.intent().drains, []);
    await begin(daemon);
    const second = await daemon.wait(
      daemon.director.startDrain({ kind: "service", name: "web" }, { ...base, to: ["third"] }, OPS, false),
    );
    assert.ok(!second.ok);
    assert.match(second.error.problem, /drain d-\d/, "it does not say which drain is in the way");
    assert.equal(await shares(machine), "90:10");
  });

  test("two requests that are one, given at once, are one drain", async () => {
    const { daemon } = await serving();
    const [first, second] = await Promise.all([
      begin(daemon, { requestId: "ci-1" }),
      begin(daemon, { requestId: "ci-1" }),
    ]);
    assert.equal(first.id, second.id);
    assert.equal(daemon.director.intent().drains.length, 1);
  });
});

describe("health on the way", () => {
  test("the new must be healthy first: pending, then failed without having touched anything", async () => {
    const { machine, daemon } = await serving();
    machine.servers.answer(NEW, "fail");
    await machine.clock.advance(10_000);
    const { writes } = machine.kernel;
    await begin(daemon);
    await machine.clock.advance(59_000);
    assert.equal(stand(daemon), "pending 0");
    await machine.clock.advance(2_000);
    assert.equal(stand(daemon), "failed 0");
    assert.equal(machine.kernel.writes, writes);
  });

  test("the new dies: its share is back with the old at once; up again it resumes one step back", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    assert.equal(await shares(machine), "50:50");
    machine.servers.answer(NEW, "decisive");
    await machine.clock.advance(3_000);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
    assert.equal(stand(daemon), "paused new-down 5");
    machine.servers.answer(NEW, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await shares(machine), "60:40");
    assert.equal(stand(daemon), "shifting 4");
  });

  test("the new stays dead: rolled back after the time for it", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    machine.servers.answer(NEW, "decisive");
    await machine.clock.advance(MINUTE + 4_000);
    assert.equal(stand(daemon), "rolled-back 5");
    machine.servers.answer(NEW, "pass");
    await machine.clock.advance(MINUTE);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
  });

  test("the old dies: the drain goes on, and back up the old has its present share", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    machine.servers.answer(OLD, "decisive");
    await machine.clock.advance(2 * MINUTE);
    assert.equal(await shares(machine), "0:100");
    assert.equal(stand(daemon), "shifting 5");
    machine.servers.answer(OLD, "pass");
    await machine.clock.advance(12_000);
    assert.equal(await shares(machine), "50:50");
  });

  test("disabling the new is like its death, disabling the old does not stop the drain", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await daemon.wait(daemon.director.disable("web", "new", OPS, undefined));
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
    await daemon.wait(daemon.director.enable("web", "new", OPS));
    await machine.clock.advance(1_000);
    assert.equal(stand(daemon), "shifting 2");
    await daemon.wait(daemon.director.disable("web", "old", OPS, undefined));
    await machine.clock.advance(2 * MINUTE);
    assert.equal(stand(daemon), "shifting 4");
    assert.equal(await shares(machine), "0:100");
  });
});

describe("reloads on the way", () => {
  test("nothing of it changed: not even a second is lost", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    for (let i = 0; i < 10; i++) {
      await machine.clock.advance(0.25 * MINUTE);
      await daemon.reload(PAIR);
    }
    assert.equal(stand(daemon), "shifting 3");
    await machine.clock.advance(0.6 * MINUTE);
    assert.equal(stand(daemon), "shifting 4");
  });

  test("the old one leaves the file in the middle: the new one has everything, nobody is left without", async () => {
    const { machine, daemon } = await serving();
    machine.kernel.memory.open(WEB);
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await daemon.reload(webConf([`new ${NEW} 0`]));
    assert.equal(await shares(machine), "0:100");
    await machine.clock.advance(20 * MINUTE);
    assert.match(stand(daemon), /^done/);
    assert.equal(await machine.weights(), `${NEW} 100`);
  });

  test("the new one leaves the file: rolled back", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await daemon.reload(webConf([`old ${OLD}`]));
    await machine.clock.advance(5_000);
    assert.match(stand(daemon), /^rolled-back/);
    assert.equal(await machine.weights(), `${OLD} 100`);
  });

  test("the service leaves the file: aborted, and when it comes back it begins anew", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await daemon.reload("allow_empty: true\nservices: []");
    await machine.clock.advance(10_000);
    assert.match(stand(daemon), /^aborted/);
    await daemon.reload(PAIR);
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
  });
});

describe("kill -9 in the middle", () => {
  test("a new director on the same disk and kernel goes on at its step, without a write of its own", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    daemon.kill();
    await machine.clock.advance(20_000);
    const { writes } = machine.kernel;
    const again = await machine.start(PAIR);
    assert.equal(stand(again), "shifting 5");
    assert.equal(await shares(machine), "50:50");
    assert.equal(machine.kernel.writes, writes);
    await machine.clock.advance(0.3 * MINUTE);
    assert.equal(await shares(machine), "40:60");
    await machine.clock.advance(5 * MINUTE);
    assert.match(stand(again), /^done/);
  });

  test("at whatever moment: no step is lost or doubled, nobody flashes, and it comes to the same end", async () => {
    // Moments around the second step, some of them while the disk is being written.
    for (let i = 0; i < 30; i++) {
      const { machine, daemon } = await serving();
      machine.disk.slowMs = 30;
      await begin(daemon);
      await machine.clock.advance(MINUTE - 20 + i * 3);
      const before = stand(daemon);
      daemon.kill();
      machine.disk.slowMs = 0;
      await machine.clock.advance(5_000);
      const again = await machine.start(PAIR);
      const after = stand(again);
      assert.match(after, /^shifting [12]$/, `killed at ${i}: ${before}, then ${after}`);
      assert.equal(await shares(machine), after === "shifting 1" ? "90:10" : "80:20");
      if (i % 6 !== 0) continue;
      await machine.clock.advance(11 * MINUTE);
      assert.match(stand(again), /^done/);
      assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    }
  });

  test("while the new was down: it is still paused for that, and resumes one step back", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    machine.servers.answer(NEW, "decisive");
    await machine.clock.advance(3_000);
    daemon.kill();
    const again = await machine.start(PAIR);
    assert.equal(stand(again), "paused new-down 5");
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
    machine.servers.answer(NEW, "pass");
    await machine.clock.advance(12_000);
    assert.equal(stand(again), "shifting 4");
  });

  test("a long gap: paused at its share until somebody has looked, also over the next restart", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    daemon.kill();
    await machine.clock.advance(5 * MINUTE);
    const second = await machine.start(PAIR);
    assert.equal(stand(second), "paused restart 5");
    assert.equal(await shares(machine), "50:50");
    await machine.clock.advance(20_000);
    const third = await machine.start(PAIR);
    await machine.clock.advance(10 * MINUTE);
    assert.equal(stand(third), "paused restart 5", "the second restart forgot that nobody has looked");
    // The time of the step that was under way is over long since: the next one comes with the word, the one after that a minute later.
    await order(third, "resume");
    await machine.clock.advance(MINUTE - 5_000);
    assert.equal(await shares(machine), "40:60");
  });

  test("the machine was restarted: the table is built at the share that was reached, paused", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    daemon.kill();
    machine.bootId = "boot-2";
    await machine.ipvsadm("-D -t 192.0.2.10:80");
    await machine.clock.advance(10_000);
    const again = await machine.start(PAIR);
    assert.equal(stand(again), "paused restart 5");
    await machine.clock.advance(5_000);
    assert.equal(await shares(machine), "50:50");
  });

  test("somebody changed the weights while nobody ran: back to the share of the step", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(4.5 * MINUTE);
    daemon.kill();
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${OLD} -m -w 0`);
    await machine.start(PAIR);
    await machine.clock.advance(3_000);
    assert.equal(await shares(machine), "50:50");
  });
});

describe("trouble on the way", () => {
  test("the disk is full: it stands still, loudly and without spinning, and goes on when there is room", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    machine.disk.broken = "cannot write: ENOSPC";
    const before = daemon.passes();
    await machine.clock.advance(5 * MINUTE);
    assert.equal(stand(daemon), "paused state-unwritable 3");
    assert.equal(await shares(machine), "70:30");
    // An order that would be refused with any disk is refused for what it asks.
    const refused = await daemon.wait(daemon.director.orderDrain("d-1", "finish", OPS));
    assert.deepEqual(refused.ok || refused.error.kind, "unwritable");
    const wrong = await daemon.wait(daemon.director.orderDrain("d-9", "finish", OPS));
    assert.deepEqual(wrong.ok || wrong.error.kind, "conflict");
    assert.ok(daemon.passes() - before <= 80, `${daemon.passes() - before} passes in five minutes`);
    assert.ok(daemon.said("drain").length <= 10, `${daemon.said("drain").length} lines`);
    machine.disk.broken = undefined;
    await machine.clock.advance(1.1 * MINUTE);
    assert.equal(stand(daemon), "shifting 4");
  });

  test("the disk is full and the new dies and comes back: nothing spins, shares follow health", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    machine.servers.answer(NEW, "decisive");
    await machine.clock.advance(5_000);
    assert.equal(stand(daemon), "paused new-down 3");
    machine.disk.broken = "cannot write: ENOSPC";
    await machine.clock.advance(10_000);
    machine.servers.answer(NEW, "pass");
    const before = daemon.passes();
    await machine.clock.advance(5 * MINUTE);
    assert.ok(daemon.passes() - before <= 80, `${daemon.passes() - before} passes in five minutes`);
    assert.equal(await shares(machine), "70:30");
    machine.disk.broken = undefined;
    await machine.clock.advance(10_000);
    assert.match(stand(daemon), /^shifting 2$/);
  });

  test("ipvsadm fails: no step is taken that the kernel would not see", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    machine.kernel.trouble = { kind: "rejects" };
    await machine.clock.advance(5 * MINUTE);
    assert.equal(stand(daemon), "shifting 3");
    machine.kernel.trouble = undefined;
    await machine.clock.advance(16_000);
    assert.equal(stand(daemon), "shifting 4", "missed steps are not made up for");
    assert.equal(await shares(machine), "60:40");
  });

  test("the kernel refuses the new one: the old one keeps what it has at the end, nobody is left without", async () => {
    const { machine, daemon } = await serving();
    machine.kernel.trouble = { kind: "refuses", text: `-r ${NEW} -m -w` };
    await begin(daemon, { pace: { kind: "over", over: 2 * MINUTE, every: MINUTE } });
    for (let i = 0; i < 200; i++) {
      await machine.clock.advance(1_000);
      assert.notEqual(await shares(machine), "nobody", `after ${i} s`);
    }
    machine.kernel.trouble = undefined;
    await machine.clock.advance(MINUTE + 5_000);
    assert.equal(await shares(machine), "0:100");
  });

  test("somebody meddles: back to the share of the step", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon);
    await machine.clock.advance(2.5 * MINUTE);
    await machine.ipvsadm(`-e -t 192.0.2.10:80 -r ${OLD} -m -w 100`, `-d -t 192.0.2.10:80 -r ${NEW}`);
    await machine.clock.advance(5_100);
    assert.equal(await shares(machine), "70:30");
    assert.equal(daemon.said("drift").length, 2);
  });

  test("a slow disk: each step is told once and taken once", async () => {
    const { machine, daemon } = await serving();
    machine.disk.slowMs = 7_000;
    await begin(daemon);
    await machine.clock.advance(3.5 * MINUTE);
    const steps = daemon
      .said("drain")
      .filter((line) => /step \d/.test(line))
      .map((line) => /step (\d+)/.exec(line)![1]);
    assert.deepEqual(steps, [...new Set(steps)]);
    assert.ok(steps.length >= 3);
  });
});

test("one drain upon another: the second moves what the first left, each goes back by itself", async () => {
  const { machine, daemon } = await serving(webConf([`old ${OLD}`, `new ${NEW} 0`, `third ${THIRD} 0`]));
  await begin(daemon, { pace: { kind: "now" } });
  await machine.clock.advance(10_000);
  await begin(daemon, { from: ["new"], to: ["third"], pace: { kind: "now" } });
  await machine.clock.advance(10_000);
  assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 0, ${THIRD} 100`);
  const first = await daemon.wait(daemon.director.orderDrain("d-1", "rollback", OPS));
  assert.ok(!first.ok);
  assert.match(first.error.problem, /d-2/);
  await order(daemon, "rollback", "d-2");
  assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100, ${THIRD} 0`);
  await order(daemon, "rollback", "d-1");
  assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0, ${THIRD} 0`);
});

test("clients see it: of 200 new connections in each step the asked share goes to the new one", async () => {
  const { machine, daemon } = await serving();
  await begin(daemon);
  for (let step = 1; step <= 10; step++) {
    await machine.clock.advance(1_000);
    const picks = Array.from({ length: 200 }, () => machine.kernel.memory.pick(WEB));
    const fresh = picks.filter((where) => where === at(NEW)).length / 2;
    assert.ok(Math.abs(fresh - step * 10) <= 1, `step ${step}: ${fresh}%`);
    await machine.clock.advance(MINUTE - 1_000);
  }
});
