// How drains end: after the last connection, at the grace with some left, by cutting them, by silence of UDP, and with persistent clients.
// lab: topology=routed servers=2 timeout=240
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import type { DrainPlan } from "../../../src/director/plan.ts";
import { kernelTable, startActors, startDirector, step, sysctl, until } from "../inside.ts";
import { ask, drainStatus, status } from "../main-job/api.ts";
import { watchTable, weightsOver } from "../main-job/watcher.ts";
import { drain, drainIs, say, weightsOf } from "./drains.ts";

const VIP = "10.100.0.1";
const PORTS = { last: 7001, grace: 7002, cut: 7003, sticky: 7004 } as const;
const UDP_PORT = 5353;
const [OLD, NEW] = ["10.9.1.2", "10.9.2.2"] as const;
const key = (port: number) => `tcp:${VIP}:${port}`;
const pair = (port: number) => [`${OLD}:${port}`, `${NEW}:${port}`];

const [{ rs1, rs2, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "cl"), watchTable(100)]);
await Promise.all(
  (
    [
      [rs1, "old"],
      [rs2, "new"],
    ] as const
  ).flatMap(([actor, name]) => [
    ...Object.values(PORTS).map((port) => actor.listen({ kind: "echo", name, port })),
    actor.listen({ kind: "udp", name: `udp-${name}`, port: UDP_PORT }),
  ]),
);
const servers = `
    servers:
      - { name: old, address: ${OLD}, weight: 100 }
      - { name: new, address: ${NEW}, weight: 0 }
`;
const director = startDirector({
  config: `
defaults: { check: { type: tcp, interval: 2s } }
services:
${Object.entries(PORTS)
  .map(
    ([name, port]) => `  - name: ${name}
    vip: ${VIP}:${port}
${name === "sticky" ? "    persistence: { timeout: 5m }\n" : ""}${servers}`,
  )
  .join("")}
  - name: flows
    vip: ${VIP}:${UDP_PORT}
    protocol: udp
    check: { type: udp, send: "ping", expect: "udp-" }
${servers}`,
});
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });
const hold = (port: number, count: number) =>
  cl.hold({ kind: "echo", target: `${VIP}:${port}`, count, everyMs: 300, timeoutMs: 8000 });

// What waits for silence begins first: two flows that talk on and on, and 30 s without a packet at the end.
const talk = await cl.hold({ kind: "udp", target: `${VIP}:${UDP_PORT}`, count: 2, everyMs: 500, timeoutMs: 8000 });
const flows = await drain(director, { service: "flows", from: ["old"], to: ["new"], now: true, afterwards: "remove" });
const flowsBegan = performance.now();

step(
  "connections on the old outlive every step; it is done, and removed, only after the very last of them",
  async (t) => {
    const [first, second] = [await hold(PORTS.last, 3), await hold(PORTS.last, 3)];
    const { id } = await drain(director, {
      service: "last",
      from: ["old"],
      to: ["new"],
      overMs: 4_000,
      everyMs: 1_000,
      afterwards: "remove",
    });
    const waiting = await drainIs(director, id, "waiting for connections", (d) => d.state === "draining");
    assert.equal(waiting.connections, 6);
    assert.deepEqual([await aliveOf(first), await aliveOf(second)], [{ old: 3 }, { old: 3 }]);
    // New connections are all on the new by now.
    const { counts, errors } = await cl.load({
      kind: "echo",
      target: `${VIP}:${PORTS.last}`,
      count: 30,
      concurrency: 4,
    });
    assert.deepEqual([counts, errors], [{ new: 30 }, {}]);

    const half = await first.release();
    assert.deepEqual([half.alive, half.dead], [{ old: 3 }, []]);
    await drainIs(director, id, "down to 3 connections", (d) => d.connections === 3);
    const before = await second.look();
    await until("they have exchanged some more", async () => (await second.look()).exchanges >= before.exchanges + 20, {
      timeoutMs: 20_000,
    });
    assert.equal((await drainStatus(director, id)).state, "draining");
    assert.equal(weightsOf(key(PORTS.last), pair(PORTS.last)), "0/100");

    const end = await second.release();
    const releasedAt = Date.now();
    assert.deepEqual([end.alive, end.dead], [{ old: 3 }, []]);
    const done = await drainIs(director, id, "done", (d) => d.state === "done");
    assert.equal(done.left, 0);
    await until("the old has left the table", () => weightsOf(key(PORTS.last), pair(PORTS.last)) === "-/100");
    const over = weightsOver(await watcher.look(), key(PORTS.last), `${OLD}:${PORTS.last}`).map((w) => w.weight);
    assert.deepEqual(over.slice(over.indexOf(100)), [100, 75, 50, 25, 0, undefined]);
    const goneAt = weightsOver(await watcher.look(), key(PORTS.last), `${OLD}:${PORTS.last}`).at(-1)!.at;
    assert.ok(goneAt >= releasedAt);
    t.diagnostic(`removed ${goneAt - releasedAt} ms after its last connection`);
  },
);

step(
  "at the grace it is done with their number; removal still waits for the last; with at-grace remove they are cut",
  async (t) => {
    // A reset at the next packet, rather than silence.
    await sysctl({ "net.ipv4.vs.expire_nodest_conn": 1 });
    const [kept, cut] = [await hold(PORTS.grace, 2), await hold(PORTS.cut, 2)];
    const order = { from: ["old"], to: ["new"], now: true, graceMs: 3_000, afterwards: "remove" } as const;
    const [a, b] = [
      await drain(director, { ...order, service: "grace" }),
      await drain(director, { ...order, service: "cut", atGrace: "remove" }),
    ];
    for (const { id } of [a, b]) {
      const waiting = await drainIs(director, id, "waiting for connections", (d) => d.state === "draining");
      assert.equal(waiting.connections, 2);
      assert.ok(waiting.nextInMs! > 0 && waiting.nextInMs! <= 3_000, `${waiting.nextInMs} ms of its grace are left`);
    }
    for (const { id } of [a, b]) {
      const done = await drainIs(director, id, "done at its grace", (d) => d.state === "done");
      assert.equal(done.left, 2);
      assert.match(done.message, /done, its grace is over with 2 connections left/);
    }
    await until("the one is cut out", () => weightsOf(key(PORTS.cut), pair(PORTS.cut)) === "-/100");
    const { alive, dead } = await until("its clients know", async () => {
      const now = await cut.look();
      return now.dead.length === 2 ? now : undefined;
    });
    assert.deepEqual([alive, dead.map(({ server }) => server)], [{}, ["old", "old"]]);
    await cut.release();

    const before = await kept.look();
    await until("the other's connections go on", async () => (await kept.look()).exchanges >= before.exchanges + 20);
    assert.equal(weightsOf(key(PORTS.grace), pair(PORTS.grace)), "0/100");
    const fresh = await cl.load({ kind: "echo", target: `${VIP}:${PORTS.grace}`, count: 10 });
    assert.deepEqual([fresh.counts, fresh.errors], [{ new: 10 }, {}]);
    const end = await kept.release();
    assert.deepEqual([end.alive, end.dead], [{ old: 2 }, []]);
    await until("it leaves the table after its last", () => weightsOf(key(PORTS.grace), pair(PORTS.grace)) === "-/100");
    t.diagnostic(`kept: 2 left and none lost; cut: ${dead.map(({ reason }) => reason).join(", ")}`);
  },
);

let silentSince = 0;
step("UDP flows that talk on hold their drain, however long that takes", async (t) => {
  await until("they have talked for 35 s", () => performance.now() - flowsBegan > 35_000, {
    timeoutMs: 40_000,
    everyMs: 500,
  });
  const now = await drainStatus(director, flows.id);
  assert.equal(now.state, "draining");
  assert.equal(now.connections, 2);
  const entry = kernelTable()[`udp:${VIP}:${UDP_PORT}`]!.servers[`${OLD}:${UDP_PORT}`]!;
  assert.deepEqual([entry.weight, entry.active, entry.inactive], [0, 0, 2]);
  const { alive, dead, exchanges } = await talk.release();
  silentSince = performance.now();
  assert.deepEqual([alive, dead], [{ "udp-old": 2 }, []]);
  t.diagnostic(
    `${exchanges} answers over ${Math.round((silentSince - flowsBegan) / 1000)} s at weight 0, none missing`,
  );
});

step("the plan names the kernel settings that decide over its end, with their values", async (t) => {
  const told: string[] = [];
  for (const [setting, value, consequence] of [
    ["expire_quiescent_template", 0, /stay with the old at weight 0.*set it to 1/],
    ["expire_quiescent_template", 1, /freed when the old reaches weight 0/],
    ["conn_reuse_mode", 0, /uses its source port again stays with the old.*set it to 1/],
    ["conn_reuse_mode", 1, /scheduled anew/],
    ["expire_nodest_conn", 0, /hangs without an answer: set it to 1/],
    ["expire_nodest_conn", 1, /is reset/],
  ] as const) {
    await sysctl({ [`net.ipv4.vs.${setting}`]: value });
    const { sysctls, warnings } = await ask<DrainPlan>(director, "POST", "drains", {
      service: "sticky",
      from: ["old"],
      to: ["new"],
      now: true,
      afterwards: "remove",
      dryRun: true,
    });
    const note = sysctls.find(({ name }) => name === `net.ipv4.vs.${setting}`)!;
    assert.equal(note.value, value);
    assert.match(note.consequence, consequence);
    assert.ok(
      warnings.some((line) => line.startsWith("persistence: ")),
      warnings.join(),
    );
    told.push(`${setting}=${value}: ${note.consequence}`);
  }
  await sysctl({ "net.ipv4.vs.expire_quiescent_template": 0 });
  t.diagnostic(told.join(" | "));
});

step(
  "a persistent client stays with the old at weight 0 by its template, which the status counts, and is freed by the setting",
  async (t) => {
    const visit = async (count: number) => {
      const { counts, errors } = await cl.load({ kind: "echo", target: `${VIP}:${PORTS.sticky}`, count });
      assert.deepEqual(errors, {});
      return counts;
    };
    assert.deepEqual(await visit(5), { old: 5 });
    const { id } = await drain(director, {
      service: "sticky",
      from: ["old"],
      to: ["new"],
      now: true,
      idle: "all",
      graceMs: 120_000,
    });
    const counted = await drainIs(
      director,
      id,
      "waiting, with its template counted",
      (d) => d.state === "draining" && d.templates === 1,
    );
    assert.equal(counted.connections, 0);
    await until("the old stands at 0", () => weightsOf(key(PORTS.sticky), pair(PORTS.sticky)) === "0/100");
    assert.deepEqual(await visit(5), { old: 5 }, "expire_quiescent_template=0");
    // Without a single active connection it waits on: somebody would come back.
    await sleep(3_000);
    const still: DrainStatus = await drainStatus(director, id);
    assert.deepEqual([still.state, still.connections, still.templates], ["draining", 0, 1]);
    await sysctl({ "net.ipv4.vs.expire_quiescent_template": 1 });
    assert.deepEqual(await visit(5), { new: 5 }, "expire_quiescent_template=1");
    await say(director, id, "rollback");
    await until("the weights of before", () => weightsOf(key(PORTS.sticky), pair(PORTS.sticky)) === "100/0");
    t.diagnostic(
      `of 5 each: before 5 old; at weight 0 5 old, ${still.templates} template, ${still.inactive} closing; with the setting 5 new`,
    );
  },
);

step("a UDP drain is done 30 s after the last packet, and then the old leaves the table", async (t) => {
  assert.equal((await drainStatus(director, flows.id)).state, "draining");
  const done = await drainIs(director, flows.id, "done", (d) => d.state === "done", 60_000);
  const silentMs = performance.now() - silentSince;
  assert.equal(done.left, 0);
  // Counters move every 2 s in the kernel and are asked for every 5 s.
  assert.ok(silentMs >= 30_000 && silentMs <= 45_000, `done ${Math.round(silentMs)} ms after the last packet`);
  const udp = () => weightsOf(`udp:${VIP}:${UDP_PORT}`, pair(UDP_PORT));
  await until("the old has left the table", () => udp() === "-/100", { timeoutMs: 30_000 });
  const { counts, errors } = await cl.load({ kind: "udp", target: `${VIP}:${UDP_PORT}`, count: 20 });
  assert.deepEqual([counts, errors], [{ "udp-new": 20 }, {}]);
  t.diagnostic(
    `done ${Math.round(silentMs)} ms after the last packet, out of the table after ${Math.round(performance.now() - silentSince)} ms`,
  );
});

async function aliveOf(held: Awaited<ReturnType<typeof hold>>) {
  const { alive, dead } = await held.look();
  assert.deepEqual(dead, []);
  return alive;
}
