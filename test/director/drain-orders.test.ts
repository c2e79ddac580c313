import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrainScope } from "../../src/director/drain-orders.ts";
import type { DrainRequest } from "../../src/director/drain-request.ts";
import { settleLines } from "../../src/director/settle.ts";
import type { ServiceKey } from "../../src/model/service.ts";
import type { Drain } from "../../src/policy/drain.ts";
import type { DrainCommand } from "../../src/policy/drain-table.ts";
import { type Daemon, OPS, WEB, type World, webConf, world } from "./daemon.ts";

const MINUTE = 60_000;
const OLD = "10.0.0.1:80";
const OLD2 = "10.0.0.2:80";
const NEW = "10.0.0.3:80";
const POOL = webConf([`old ${OLD}`, `old2 ${OLD2}`, `new ${NEW} 0`]);

async function serving(text = POOL): Promise<{ machine: World; daemon: Daemon }> {
  const machine = world();
  const daemon = await machine.start(text);
  await machine.clock.advance(6_000);
  return { machine, daemon };
}

const request = (given: Partial<DrainRequest> = {}): DrainRequest => ({
  from: [],
  to: [],
  pace: { kind: "over", over: 10 * MINUTE, every: MINUTE },
  policy: {},
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
  ...given,
});

const ask = (daemon: Daemon, scope: DrainScope, given: Partial<DrainRequest>) =>
  daemon.wait(daemon.director.startDrain(scope, request(given), OPS, false));

async function begin(
  daemon: Daemon,
  scope: DrainScope | string,
  given: Partial<DrainRequest> = {},
): Promise<readonly Drain[]> {
  const begun = await ask(daemon, typeof scope === "string" ? { kind: "service", name: scope } : scope, given);
  assert.ok(begun.ok, begun.ok ? "" : begun.error.problem);
  return begun.value;
}

const say = (daemon: Daemon, word: DrainCommand, id: string) => daemon.wait(daemon.director.orderDrain(id, word, OPS));

async function order(daemon: Daemon, word: DrainCommand, id: string): Promise<void> {
  const done = await say(daemon, word, id);
  assert.ok(done.ok, done.ok ? "" : done.error.problem);
}

async function undrain(daemon: Daemon, name: string, serviceName = "web"): Promise<string | undefined> {
  const place = daemon.director.locate(serviceName, name);
  assert.ok(place.ok);
  const done = await daemon.wait(daemon.director.undrain(place.value.service, place.value.server.key, OPS));
  return done.ok ? done.value.note : done.error.problem;
}

/** `web shifting 3, api paused new-down 3`. */
function stands(daemon: Daemon): string {
  return daemon.director
    .intent()
    .drains.map(
      ({ serviceName, phase, step }) =>
        `${serviceName} ${phase.kind}${phase.kind === "paused" ? ` ${phase.why}` : ""} ${step}`,
    )
    .join(", ");
}

describe("a whole machine out of all its services", () => {
  const API = "tcp:192.0.2.11:80";
  /** app1 and app2 in `web` and `api`, app1 as a standby in `mail`, and another machine alone in `dns`. */
  const conf = (given: { readonly apiOther?: string } = {}) =>
    [
      "defaults: { check: { type: scripted } }",
      "services:",
      "  - name: web",
      "    vip: 192.0.2.10:80",
      "    servers: [{ name: app1, address: 10.0.0.1 }, { name: app2, address: 10.0.0.2 }]",
      "  - name: api",
      "    vip: 192.0.2.11:80",
      `    servers: [{ name: app1, address: "10.0.0.1:8081" }, { address: "10.0.0.1:8082" }${given.apiOther ?? ', { name: app2, address: "10.0.0.2:8081", weight: 200 }'}]`,
      "  - name: mail",
      "    vip: 192.0.2.12:25",
      "    servers: [{ name: app1, address: 10.0.0.1, weight: 0 }, { name: app2, address: 10.0.0.2 }]",
      "  - name: dns",
      "    vip: 192.0.2.13:53",
      "    servers: [{ name: app9, address: 10.0.0.9 }]",
    ].join("\n");
  const HOST: DrainScope = { kind: "host", host: "app1" };

  test("one parent, one drain in each service where it serves, with everything it has there; a standby is left alone", async () => {
    const { machine, daemon } = await serving(conf());
    const begun = await begin(daemon, HOST, { pace: { kind: "now" } });
    assert.deepEqual(
      begun.map((d) => [d.serviceName, d.from, d.parent?.host]),
      [
        ["web", ["10.0.0.1"], "app1"],
        ["api", ["10.0.0.1:8081", "10.0.0.1:8082"], "app1"],
      ],
    );
    assert.equal(new Set(begun.map((d) => d.parent!.id)).size, 1);
    await machine.clock.advance(10_000);
    assert.equal(stands(daemon), "web done 1, api done 1");
    assert.equal(await machine.weights(), "10.0.0.1:80 0, 10.0.0.2:80 100");
    assert.equal(await machine.weights(API), "10.0.0.1:8081 0, 10.0.0.1:8082 0, 10.0.0.2:8081 200");
  });

  test("all or nothing: where one service cannot do without it, nothing begins, and every reason is told", async () => {
    const { machine, daemon } = await serving(conf({ apiOther: "" }));
    const refused = await ask(daemon, { kind: "host", host: "10.0.0.1" }, { pace: { kind: "now" } });
    assert.match(refused.ok ? "" : refused.error.problem, /^api: nobody else has weight/);
    const nine = await ask(daemon, { kind: "host", host: "app9" }, {});
    assert.match(nine.ok ? "" : nine.error.problem, /^dns: nobody else/);
    assert.deepEqual(daemon.director.intent().drains, []);
    assert.equal(await machine.weights(), "10.0.0.1:80 100, 10.0.0.2:80 100");
  });

  test("a machine that is nowhere, and one that serves nowhere", async () => {
    const { machine, daemon } = await serving(conf());
    const nobody = await ask(daemon, { kind: "host", host: "app7" }, {});
    assert.match(nobody.ok ? "" : nobody.error.problem, /no service has a server app7/);
    await begin(daemon, HOST, { pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    const again = await ask(daemon, HOST, {});
    assert.match(again.ok ? "" : again.error.problem, /app1 has weight 0 in every service already/);
  });

  test("where one service has to go back the others do as well, those that are over included", async () => {
    const { machine, daemon } = await serving(conf());
    const connection = Array.from({ length: 8 }, () => machine.kernel.memory.open(API as ServiceKey)!);
    assert.ok(connection.some((where) => where.startsWith("10.0.0.1:")));
    await begin(daemon, HOST, { pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    assert.equal(stands(daemon), "web done 1, api draining 1");
    machine.servers.answer("10.0.0.2:8081", "fail");
    await machine.clock.advance(6_000);
    assert.equal(stands(daemon), "web done 1, api paused new-down 1");
    await machine.clock.advance(MINUTE);
    assert.equal(stands(daemon), "web rolled-back 1, api rolled-back 1");
    assert.equal(await machine.weights(), "10.0.0.1:80 100, 10.0.0.2:80 100");
    const undone = daemon.said("drain").filter((line) => line.includes("rolled back"));
    assert.equal(undone.length, 2);
    assert.ok(
      undone.some((line) => /^web: .*\(drain d-3 of the same machine was undone\)$/.test(line)),
      undone.join("; "),
    );
  });

  test("an operator's word to the machine is a word to all; to one of its drains: the others under way go back with it", async () => {
    for (const whole of [true, false]) {
      const { machine, daemon } = await serving(conf());
      const [web] = await begin(daemon, HOST);
      await machine.clock.advance(2.5 * MINUTE);
      await order(daemon, "pause", web!.parent!.id);
      assert.equal(stands(daemon), "web paused operator 3, api paused operator 3");
      await order(daemon, "resume", web!.parent!.id);
      await order(daemon, "rollback", whole ? web!.parent!.id : web!.id);
      await machine.clock.advance(1_000);
      assert.equal(stands(daemon), "web rolled-back 3, api rolled-back 3");
      assert.equal(await machine.weights(), "10.0.0.1:80 100, 10.0.0.2:80 100");
    }
  });

  test("it is one machine after a restart as well", async () => {
    const { machine, daemon } = await serving(conf());
    const [web] = await begin(daemon, HOST);
    await machine.clock.advance(2.5 * MINUTE);
    const again = await machine.start(conf());
    await machine.clock.advance(MINUTE);
    assert.equal(stands(again), "web shifting 4, api shifting 4");
    await order(again, "rollback", web!.parent!.id);
    assert.equal(stands(again), "web rolled-back 4, api rolled-back 4");
  });

  test("once it is over each service gets the machine back by itself", async () => {
    const { machine, daemon } = await serving(conf());
    await begin(daemon, HOST, { pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    assert.equal(await undrain(daemon, "app1"), undefined);
    await machine.clock.advance(MINUTE);
    assert.equal(stands(daemon), "web rolled-back 1, api done 1");
  });

  test("aborting one of its drains stops that one only", async () => {
    const { machine, daemon } = await serving(conf());
    const [web] = await begin(daemon, HOST);
    await machine.clock.advance(2.5 * MINUTE);
    await order(daemon, "abort", web!.id);
    await machine.clock.advance(MINUTE);
    assert.equal(stands(daemon), "web aborted 3, api shifting 4");
  });

  test("a later drain stands upon one of them: the machine is not rolled back in part", async () => {
    const { machine, daemon } = await serving(conf());
    const [web] = await begin(daemon, HOST, { pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    await begin(daemon, "web", { from: ["app2"], to: ["app1"], pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    const refused = await say(daemon, "rollback", web!.parent!.id);
    assert.match(
      refused.ok ? "" : refused.error.problem,
      /moved weight of the same servers afterwards: roll that back first/,
    );
    assert.equal(stands(daemon), "web done 1, api done 1, web done 1");
  });

  test("a retry with its request id gets the same drains, also when they are over", async () => {
    const { machine, daemon } = await serving(conf());
    const given = { pace: { kind: "now" } as const, requestId: "ci-7" };
    const first = await begin(daemon, HOST, given);
    assert.deepEqual(
      (await begin(daemon, HOST, given)).map((d) => d.id),
      first.map((d) => d.id),
    );
    await machine.clock.advance(10_000);
    assert.deepEqual(
      (await begin(daemon, HOST, given)).map((d) => d.phase.kind),
      ["done", "done"],
    );
    assert.equal(daemon.director.intent().drains.length, 2);
    const again = await machine.start(conf());
    assert.deepEqual(
      (await begin(again, HOST, given)).map((d) => d.id),
      first.map((d) => d.id),
    );
  });
});

describe("undrain", () => {
  test("of the only old is a rollback, whatever the drain has become", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, "web", { from: ["old"], to: ["new"] });
    await machine.clock.advance(2.5 * MINUTE);
    assert.equal(await undrain(daemon, "old"), undefined);
    assert.equal(stands(daemon), "web rolled-back 3");
    assert.equal(await machine.weights(), `${OLD} 100, ${OLD2} 100, ${NEW} 0`);
  });

  test("of one of two olds of a finished drain: the other's share stays exactly, the new gives back just its part", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD} 70`, `old2 ${OLD2} 30`, `new ${NEW} 0`]));
    await begin(daemon, "web", { from: ["old", "old2"], to: ["new"], pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    assert.equal(await machine.weights(), `${OLD} 0, ${OLD2} 0, ${NEW} 100`);
    assert.equal(await undrain(daemon, "old"), undefined);
    assert.equal(await machine.weights(), `${OLD} 70, ${OLD2} 0, ${NEW} 30`);
    assert.equal(stands(daemon), "web done 1");
    assert.equal(await undrain(daemon, "old"), "old is not drained");
    assert.equal(await undrain(daemon, "old2"), undefined);
    assert.equal(await machine.weights(), `${OLD} 70, ${OLD2} 30, ${NEW} 0`);
    assert.equal(stands(daemon), "web rolled-back 1");
  });

  test("of one of two olds where the other has left the file: the new keeps what that one had", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, "web", { from: ["old", "old2"], to: ["new"] });
    await machine.clock.advance(2.5 * MINUTE);
    await daemon.reload(webConf([`old ${OLD}`, `new ${NEW} 0`]));
    await machine.clock.advance(20 * MINUTE);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 200`);
    assert.equal(await undrain(daemon, "old"), undefined);
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 100`);
  });

  test("while it runs a drain of two olds is one thing", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, "web", { from: ["old", "old2"], to: ["new"] });
    await machine.clock.advance(2.5 * MINUTE);
    assert.match((await undrain(daemon, "old")) ?? "", /also moves 10\.0\.0\.2:80: roll it back as a whole/);
    assert.equal(stands(daemon), "web shifting 3");
  });

  test("what still holds it at 0 is told", async () => {
    const { machine, daemon } = await serving();
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    await daemon.wait(daemon.director.disable("web", "old", OPS, undefined));
    assert.equal(await undrain(daemon, "old"), "still at weight 0: disabled");
    assert.equal(stands(daemon), "web rolled-back 1");
  });

  test("a later drain moved on what it gave: that one first, then this", async () => {
    const { machine, daemon } = await serving(webConf([`a ${OLD}`, `b ${OLD2} 0`, `c ${NEW} 0`]));
    await begin(daemon, "web", { from: ["a"], to: ["b"], pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    await begin(daemon, "web", { from: ["b"], to: ["c"], pace: { kind: "now" } });
    await machine.clock.advance(10_000);
    assert.match((await undrain(daemon, "a")) ?? "", /drain d-2 moved weight of the same servers afterwards/);
    assert.equal(await undrain(daemon, "b"), undefined);
    assert.equal(await machine.weights(), `${OLD} 0, ${OLD2} 100, ${NEW} 0`);
    assert.equal(await undrain(daemon, "a"), undefined);
    assert.equal(await machine.weights(), `${OLD} 100, ${OLD2} 0, ${NEW} 0`);
  });
});

describe("--then remove", () => {
  const THEN = { afterwards: "remove" } as const;
  const PAIR = webConf([`old ${OLD}`, `new ${NEW} 0`]);
  const opened = async (count: number) => {
    const { machine, daemon } = await serving(PAIR);
    const { memory } = machine.kernel;
    return { machine, daemon, where: Array.from({ length: count }, () => memory.open(WEB)!) };
  };

  test("nothing is open: the entry leaves the table after the drain's end", async () => {
    const { machine, daemon } = await opened(0);
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy: THEN });
    await machine.clock.advance(15_000);
    assert.equal(stands(daemon), "web done 1");
    assert.equal(await machine.weights(), `${NEW} 100`);
    assert.ok(!daemon.events.some((e) => e.severity !== "info"), "somebody warned");
  });

  test("a connection outlives the grace: done with it, and the entry leaves only after its last connection", async () => {
    const { machine, daemon, where } = await opened(2);
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy: THEN });
    await machine.clock.advance(30 * MINUTE);
    assert.equal(stands(daemon), "web done 1");
    for (const each of where) {
      assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
      machine.kernel.memory.release(WEB, each);
      await machine.clock.advance(200);
    }
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${NEW} 100`);
  });

  test("--at-grace remove cuts what is open when the grace is over, and not before", async () => {
    const { machine, daemon } = await opened(2);
    const policy = { ...THEN, atGrace: "remove", grace: 5 * MINUTE } as const;
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy });
    await machine.clock.advance(5 * MINUTE - 5_000);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${NEW} 100`);
    const { phase } = daemon.director.intent().drains[0]!;
    assert.equal(phase.kind === "done" && phase.left, 2);
  });

  test("--at-grace remove does not hurry who was idle before", async () => {
    const { machine, daemon } = await opened(0);
    const policy = { ...THEN, atGrace: "remove" } as const;
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy });
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${NEW} 100`);
    assert.ok(!daemon.said("weight").some((line) => line.includes("open connections")), "it was called cut");
  });

  test("--at-grace remove is no word to those who were never waited for: with --idle none the last connection counts", async () => {
    const { machine, daemon, where } = await opened(1);
    const policy = { ...THEN, atGrace: "remove", idle: "none" } as const;
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy });
    await machine.clock.advance(30 * MINUTE);
    assert.equal(stands(daemon), "web done 1");
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    machine.kernel.memory.release(WEB, where[0]!);
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${NEW} 100`);
  });

  test("stopped on the way it stays in the table", async () => {
    const { machine, daemon } = await opened(0);
    await begin(daemon, "web", { from: ["old"], to: ["new"], policy: THEN });
    await machine.clock.advance(2.5 * MINUTE);
    await order(daemon, "abort", "d-1");
    await machine.clock.advance(MINUTE);
    assert.equal(await machine.weights(), `${OLD} 70, ${NEW} 30`);
  });

  test("it comes back by undrain, rollback, and as the new of another drain", async () => {
    for (const how of ["undrain", "rollback", "drain"] as const) {
      const { machine, daemon } = await opened(0);
      await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy: THEN });
      await machine.clock.advance(15_000);
      assert.equal(await machine.weights(), `${NEW} 100`);
      if (how === "undrain") await undrain(daemon, "old");
      else if (how === "rollback") await order(daemon, "rollback", "d-1");
      else await begin(daemon, "web", { from: ["new"], to: ["old"], pace: { kind: "now" } });
      await machine.clock.advance(15_000);
      assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`, how);
    }
  });

  test("it stays away over restarts and reboots, and returns when its own weight in the file changes", async () => {
    const { machine, daemon } = await opened(0);
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy: THEN });
    await machine.clock.advance(15_000);
    machine.bootId = "boot-2";
    await machine.ipvsadm("-D -t 192.0.2.10:80");
    const again = await machine.start(PAIR);
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${NEW} 100`);
    await again.reload(webConf([`old ${OLD} 50`, `new ${NEW} 0`]));
    await machine.clock.advance(15_000);
    assert.equal(await machine.weights(), `${OLD} 50, ${NEW} 100`);
  });
});

describe("pace and policy on the whole daemon", () => {
  test("--steps 5,10,25,50,100: each held for --every", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD}`, `new ${NEW} 0`]));
    await begin(daemon, "web", {
      from: ["old"],
      to: ["new"],
      pace: { kind: "steps", shares: [0.05, 0.1, 0.25, 0.5, 1], every: MINUTE },
    });
    const seen: string[] = [];
    for (let step = 0; step < 5; step++) {
      await machine.clock.advance(1_000);
      const [old = 0, fresh = 0] = ((await machine.weights()) ?? "")
        .split(", ")
        .map((line) => Number(line.split(" ")[1]));
      seen.push(`${(fresh / (old + fresh)) * 100}`);
      await machine.clock.advance(MINUTE - 1_000);
    }
    assert.deepEqual(seen, ["5", "10", "25", "50", "100"]);
  });

  test("--pause-at 50 waits there, also over a restart, until somebody resumes", async () => {
    const text = webConf([`old ${OLD}`, `new ${NEW} 0`]);
    const { machine, daemon } = await serving(text);
    await begin(daemon, "web", { from: ["old"], to: ["new"], policy: { pauseAt: [0.5] } });
    await machine.clock.advance(20 * MINUTE);
    assert.equal(stands(daemon), "web paused pause-at 5");
    const again = await machine.start(text);
    await machine.clock.advance(20 * MINUTE);
    assert.equal(stands(again), "web paused pause-at 5");
    await order(again, "resume", "d-1");
    await machine.clock.advance(6 * MINUTE);
    assert.equal(stands(again), "web done 10");
  });

  test("finish takes all that is left in one step", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD}`, `new ${NEW} 0`]));
    await begin(daemon, "web", { from: ["old"], to: ["new"] });
    await machine.clock.advance(1_000);
    await order(daemon, "finish", "d-1");
    await machine.clock.advance(1_000);
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    await machine.clock.advance(10_000);
    assert.equal(stands(daemon), "web done 10");
  });

  test("--ttl undoes it after its end, over a crash, a reboot and a wall clock that was set", async () => {
    const text = webConf([`old ${OLD}`, `new ${NEW} 0`]);
    const { machine, daemon } = await serving(text);
    await begin(daemon, "web", { from: ["old"], to: ["new"], pace: { kind: "now" }, policy: { ttl: 30 * MINUTE } });
    await machine.clock.advance(10 * MINUTE);
    daemon.kill();
    machine.clock.setWallClock(100 * MINUTE);
    const second = await machine.start(text);
    await machine.clock.advance(5 * MINUTE);
    assert.equal(stands(second), "web done 1", "the wall clock counted within the same boot");
    machine.clock.setWallClock(-100 * MINUTE);
    machine.bootId = "boot-2";
    const third = await machine.start(text);
    await machine.clock.advance(14 * MINUTE);
    assert.equal(stands(third), "web done 1");
    assert.equal(await machine.weights(), `${OLD} 0, ${NEW} 100`);
    await machine.clock.advance(2 * MINUTE);
    assert.equal(stands(third), "web rolled-back 1");
    assert.equal(await machine.weights(), `${OLD} 100, ${NEW} 0`);
  });

  test("settled: the file as settle says, then a reload: not one line is written to the kernel", async () => {
    const { machine, daemon } = await serving(webConf([`old ${OLD} 89`, `old2 ${OLD2} 11`, `new ${NEW} 0`]));
    await begin(daemon, "web", { from: ["old"], to: ["new"] });
    await machine.clock.advance(15 * MINUTE);
    assert.equal(stands(daemon), "web done 10");
    const web = daemon.director.config().services[0]!;
    const lines = settleLines(web, daemon.director.intents().of(web));
    assert.deepEqual(
      lines.map((l) => [l.server, l.weight]),
      [
        ["old", 0],
        ["new", 89],
      ],
    );
    const { writes } = machine.kernel;
    await daemon.reload(webConf([`old ${OLD} 0`, `old2 ${OLD2} 11`, `new ${NEW} 89`]));
    await machine.clock.advance(MINUTE);
    assert.equal(await machine.weights(), `${OLD} 0, ${OLD2} 11, ${NEW} 89`);
    assert.equal(machine.kernel.writes, writes);
    assert.deepEqual(settleLines(daemon.director.config().services[0]!, daemon.director.intents().of(web)), []);
    assert.equal(daemon.director.intent().drains[0]!.result, undefined);
    assert.equal(await undrain(daemon, "old"), "old is not drained");
  });
});
