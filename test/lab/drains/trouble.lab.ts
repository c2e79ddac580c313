// Servers that fail in the midst of a drain: the new, one of two news, the old, a third; and a reload that changes a participant's weight.
// lab: topology=routed servers=3 timeout=240
import assert from "node:assert/strict";
import type { ReloadReply } from "../../../src/control/shapes.ts";
import { startActors, startDirector, step, until } from "../inside.ts";
import { ask, drainStatus, serverStatus, status } from "../main-job/api.ts";
import { probesOf, turnsOf } from "../main-job/probes.ts";
import { soonMs } from "../main-job/soon.ts";
import { longestStall, watchTable, weightsOver } from "../main-job/watcher.ts";
import { drain, drainIs, weightsOf } from "./drains.ts";

const VIP = "10.100.0.1";
const HOSTS = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;
const RULES = { fall: 2, rise: 2 };

interface Pool {
  readonly name: string;
  readonly port: number;
  readonly servers: readonly (readonly [name: string, weight: number])[];
}
const pools = {
  fails: {
    name: "fails",
    port: 7001,
    servers: [
      ["old", 100],
      ["new", 0],
      ["third", 50],
    ],
  },
  partly: {
    name: "partly",
    port: 7002,
    servers: [
      ["old", 100],
      ["n1", 0],
      ["n2", 0],
    ],
  },
  aged: {
    name: "aged",
    port: 7003,
    servers: [
      ["old", 100],
      ["new", 0],
      ["third", 50],
    ],
  },
  scant: {
    name: "scant",
    port: 7004,
    servers: [
      ["a", 100],
      ["b", 100],
      ["c", 100],
    ],
  },
  edited: {
    name: "edited",
    port: 7005,
    servers: [
      ["old", 100],
      ["new", 0],
      ["third", 50],
    ],
  },
} as const satisfies Record<string, Pool>;

const key = ({ port }: Pool) => `tcp:${VIP}:${port}`;
const addresses = ({ port }: Pool) => HOSTS.map((host) => `${host}:${port}`);
const now = (pool: Pool) => weightsOf(key(pool), addresses(pool));
const text = (all: readonly Pool[]) => `
defaults:
  check: { type: http, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 500ms, timeout: 1s, fall: ${RULES.fall}, rise: ${RULES.rise} }
services:
${all
  .map(
    (pool) => `  - name: ${pool.name}
    vip: ${VIP}:${pool.port}
    servers:
${pool.servers.map(([name, weight], i) => `      - { name: ${name}, address: ${HOSTS[i]}, weight: ${weight} }\n`).join("")}`,
  )
  .join("")}`;

const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(50)]);
const listening = await Promise.all(
  Object.values(pools).map((pool) =>
    Promise.all(
      [rs1, rs2, rs3].map((actor, i) => actor.listen({ kind: "http", name: pool.servers[i]![0], port: pool.port })),
    ),
  ),
);
const serverOf = (pool: Pool, name: string) =>
  listening[(Object.values(pools) as readonly Pool[]).indexOf(pool)]![pool.servers.findIndex(([n]) => n === name)]!;
const director = startDirector({ config: text(Object.values(pools)) });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });
const load = (pool: Pool) =>
  cl.startLoad({ kind: "http", target: `${VIP}:${pool.port}`, perSecond: 20, timeoutMs: 8000 });
const sick = { kind: "status", status: 503 } as const;

step(
  "the new fails: what it took is back with the old at once; well again it goes on one step back; dead for good it is undone",
  async (t) => {
    const pool = pools.fails;
    const clients = await load(pool);
    const { id } = await drain(director, {
      service: pool.name,
      from: ["old"],
      to: ["new"],
      overMs: 10_000,
      everyMs: 2_000,
      newDownTimeoutMs: 4_000,
    });
    await drainIs(director, id, "at step 3", (d) => d.step === 3);
    await until("step 3 is in the kernel", () => now(pool) === "40/60/50");
    await serverOf(pool, "new").behave(sick, "/healthz");
    const paused = await drainIs(director, id, "paused", (d) => d.state === "paused");
    assert.deepEqual([paused.pausedBy, paused.step], ["new-down", 3]);
    const backMs = await followed(pool, "new", "down", 1, 0);
    assert.equal(now(pool), "100/0/50", "the third has what it had, too");
    const first = await clients.look();
    assert.deepEqual(first.errors, {}, "it failed its check, not its clients");

    await serverOf(pool, "new").behave("ok", "/healthz");
    const resumed = await drainIs(director, id, "shifting again", (d) => d.state === "shifting");
    assert.equal(resumed.step, 2);
    await until("step 2 is in the kernel", () => now(pool) === "60/40/50");
    await drainIs(director, id, "at step 3 again", (d) => d.step === 3);
    await until("step 3 is in the kernel again", () => now(pool) === "40/60/50");

    // This time it really dies, and its clients with it, until it is at weight 0.
    await serverOf(pool, "new").behave("refuse");
    await drainIs(director, id, "paused again", (d) => d.state === "paused");
    const pausedAt = performance.now();
    const diedMs = await followed(pool, "new", "down", 1, 0);
    assert.equal(now(pool), "100/0/50");
    const atZero = await clients.look();
    const undone = await drainIs(director, id, "rolled back", (d) => d.state === "rolled-back");
    const undoneMs = Math.round(performance.now() - pausedAt);
    assert.match(undone.message, /rolled back \(new down for 4s\)/);
    assert.ok(undoneMs >= 3_500, `undone after ${undoneMs} ms`);
    assert.equal(now(pool), "100/0/50");
    await until("more clients have come", async () => served(await clients.look()) > served(atZero) + 40);
    const { errors } = await clients.stop();
    assert.deepEqual(Object.keys(errors), ["ECONNREFUSED"], JSON.stringify(errors));
    assert.ok(errors.ECONNREFUSED! <= atZero.errors.ECONNREFUSED! + 1, "nobody was sent there any more");
    t.diagnostic(
      `sick: its share back ${backMs} ms after the verdict; dead: ${diedMs} ms, ${errors.ECONNREFUSED} clients met it before; undone ${undoneMs} ms after the pause; ${served(await clients.look())} connections`,
    );
  },
);

step(
  "one of two news fails: the other carries on at its share, the old has the rest back; it ends when both are well",
  async (t) => {
    const pool = pools.partly;
    const clients = await load(pool);
    const { id } = await drain(director, {
      service: pool.name,
      from: ["old"],
      to: ["n1", "n2"],
      overMs: 8_000,
      everyMs: 2_000,
      graceMs: 2_000,
      newDownTimeoutMs: 1_000,
    });
    await drainIs(director, id, "at step 2", (d) => d.step === 2);
    await until("step 2 is in the kernel", () => shares(pool).join() === "50,25,25");
    await serverOf(pool, "n2").behave(sick, "/healthz");
    const paused = await drainIs(director, id, "paused", (d) => d.state === "paused");
    assert.deepEqual([paused.pausedBy, paused.step], ["new-down", 2]);
    const backMs = await followed(pool, "n2", "down", 2, 0);
    assert.deepEqual(shares(pool), [75, 25, 0]);
    // Longer than the time after which all news down would undo it.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.equal((await drainStatus(director, id)).state, "paused");
    await serverOf(pool, "n2").behave("ok", "/healthz");
    const resumed = await drainIs(director, id, "shifting again", (d) => d.state === "shifting");
    assert.equal(resumed.step, 1);
    const done = await drainIs(director, id, "done", (d) => d.state === "done");
    assert.equal(done.left, 0);
    assert.deepEqual(shares(pool), [0, 50, 50]);
    assert.deepEqual((await clients.stop()).errors, {});
    t.diagnostic(
      `its part back ${backMs} ms after the verdict: 50/25/25 -> 75/25/0 -> ... -> 0/50/50, no client error`,
    );
  },
);

step("the old fails: the drain goes on; well again the old has its present share, not more", async (t) => {
  const pool = pools.aged;
  const clients = await load(pool);
  const { id } = await drain(director, {
    service: pool.name,
    from: ["old"],
    to: ["new"],
    overMs: 10_000,
    everyMs: 2_000,
  });
  await drainIs(director, id, "at step 1", (d) => d.step === 1);
  await until("step 1 is in the kernel", () => now(pool) === "80/20/50");
  await serverOf(pool, "old").behave(sick, "/healthz");
  const zeroMs = await followed(pool, "old", "down", 0, 0);
  await drainIs(director, id, "at step 3 all the same", (d) => d.step === 3 && d.state === "shifting");
  await until("the old is at 0, the new at its share", () => now(pool) === "0/60/50");
  await serverOf(pool, "old").behave("ok", "/healthz");
  await until("the old has its present share", () => /^(40|20)\/(60|80)\/50$/.test(now(pool)), { timeoutMs: 5_000 });
  const back = now(pool);
  await drainIs(director, id, "over", (d) => d.state === "done");
  assert.equal(now(pool), "0/100/50");
  const over = weightsOver(await watcher.look(), key(pool), addresses(pool)[0]!).map((w) => w.weight);
  assert.match(over.slice(over.indexOf(100)).join(), /^100,80,(60,)?0,(40,)?(20,)?0$/);
  assert.deepEqual((await clients.stop()).errors, {});
  t.diagnostic(`weight 0 ${zeroMs} ms after the verdict; back it had ${back}; weights of the old ${over.join(", ")}`);
});

step("a third fails: no step that would leave less than --min-capacity; well again it goes on by itself", async (t) => {
  const pool = pools.scant;
  const clients = await load(pool);
  const { id } = await drain(director, {
    service: pool.name,
    from: ["a"],
    overMs: 7_500,
    everyMs: 1_500,
    minCapacity: 0.6,
  });
  await drainIs(director, id, "at step 2", (d) => d.step === 2);
  await serverOf(pool, "c").behave(sick, "/healthz");
  const paused = await drainIs(director, id, "paused", (d) => d.state === "paused");
  assert.deepEqual([paused.pausedBy, paused.step], ["capacity", 4]);
  assert.match(paused.message, /only 50% of the healthy weight would be left, below 60%/);
  assert.deepEqual(relative(pool), [0.2, 1, 0]);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.equal((await drainStatus(director, id)).step, 4);
  await serverOf(pool, "c").behave("ok", "/healthz");
  await drainIs(director, id, "done", (d) => d.state === "done");
  assert.deepEqual(relative(pool), [0, 1, 1]);
  assert.deepEqual((await clients.stop()).errors, {});
  t.diagnostic(paused.message);
});

step("a reload that changes a participant's weight keeps the progress: the same step of the new weights", async (t) => {
  const pool = pools.edited;
  const clients = await load(pool);
  const { id } = await drain(director, {
    service: pool.name,
    from: ["old"],
    to: ["new"],
    overMs: 15_000,
    everyMs: 3_000,
    pauseAt: [0.4],
  });
  await drainIs(director, id, "waiting at step 2", (d) => d.state === "paused" && d.step === 2);
  await until("step 2 is in the kernel", () => now(pool) === "60/40/50");
  const changed: Pool = {
    ...pool,
    servers: [
      ["old", 200],
      ["new", 0],
      ["third", 50],
    ],
  };
  director.configure(text(Object.values(pools).map((p) => (p === pool ? changed : p))));
  await ask<ReloadReply>(director, "POST", "reload", {});
  assert.equal(now(pool), "120/80/50", "once the reload is answered");
  const after = await drainStatus(director, id);
  assert.deepEqual([after.state, after.step, after.asked], ["paused", 2, 0.4]);
  assert.equal((await serverStatus(director, pool.name, "old"))!.configuredWeight, 200);
  await ask(director, "POST", `drains/${id}/resume`, {});
  await drainIs(director, id, "at step 3", (d) => d.step === 3);
  await until("step 3 is in the kernel", () => relative(pool).join() === "1.6,2.4,1");
  await ask(director, "POST", `drains/${id}/rollback`, {});
  assert.equal(now(pool), "200/0/50");
  assert.deepEqual((await clients.stop()).errors, {});
  t.diagnostic("60/40/50 of 100, after the reload 120/80/50 of 200, then step 3, then 200/0/50");
});

step("in all of it no service was ever without a server", async (t) => {
  const seen = await watcher.look();
  for (const pool of Object.values(pools)) {
    const first = seen.changes.findIndex(({ table }) => Object.values(table[key(pool)] ?? {}).some((w) => w > 0));
    for (const { table } of seen.changes.slice(first))
      assert.ok(
        Object.values(table[key(pool)]!).some((w) => w > 0),
        `${pool.name}: ${JSON.stringify(table)}`,
      );
  }
  assert.equal(director.log.filter(({ kind }) => kind === "drift").length, 0);
  t.diagnostic(`${seen.looks} looks, at most ${longestStall(seen)} ms apart`);
});

/** Waits until a verdict's weight is in the kernel; how many ms after the end of the probe that settled it.
 *  @param index of the server whose weight is looked at */
async function followed(pool: Pool, name: string, to: "up" | "down", index: number, weight: number): Promise<number> {
  const address = addresses(pool)[index]!;
  await until(`${name} is at weight ${weight}`, () => now(pool).split("/")[index] === String(weight));
  const seen = await watcher.look();
  const { at } = weightsOver(seen, key(pool), address).findLast((w) => w.weight === weight)!;
  const turn = turnsOf(probesOf(director.log, address.replace(":", " ")), RULES).findLast(
    (x) => x.to === to && x.at <= at + 50,
  )!;
  const tookMs = Math.round(at - turn.at);
  const soon = await soonMs();
  assert.ok(
    tookMs <= soon,
    `${pool.name} ${name}: weight ${weight} came ${tookMs} ms after the verdict ${turn.words}, at most ${soon} were to be expected`,
  );
  return Math.max(0, tookMs);
}

/** Weights in percent of their sum. */
function shares(pool: Pool): readonly number[] {
  const all = now(pool).split("/").map(Number);
  const sum = all.reduce((a, b) => a + b, 0);
  return all.map((weight) => Math.round((weight / sum) * 100));
}

/** Weights against that of the server that takes no part in what is moved: the last one that serves. */
function relative(pool: Pool): readonly number[] {
  const all = now(pool).split("/").map(Number);
  const one = pool === pools.scant ? all[1]! : all[2]!;
  return all.map((weight) => Math.round((weight / one) * 100) / 100);
}

function served({ counts }: { readonly counts: Readonly<Record<string, number>> }): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
