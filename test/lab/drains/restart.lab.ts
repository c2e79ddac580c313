// A director that is killed, stopped for longer than a minute, and restarted with its machine, each time in the midst of three drains with different orders for it.
// lab: topology=routed servers=2 timeout=300
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import { must, startActors, startDirector, step, until } from "../inside.ts";
import { drainStatus, status } from "../main-job/api.ts";
import { longestStall, type Seen, watchTable } from "../main-job/watcher.ts";
import { drain, drainIs, say, weightsOf } from "./drains.ts";

const VIP = "10.100.0.1";
const [OLD, NEW] = ["10.9.1.2", "10.9.2.2"] as const;
/** What each drain is to do after a long gap; also the name of its service. */
const PORTS = { pause: 7001, resume: 7002, rollback: 7003 } as const;
type Order = keyof typeof PORTS;
const ORDERS = Object.keys(PORTS) as readonly Order[];
const key = (order: Order) => `tcp:${VIP}:${PORTS[order]}`;
const now = (order: Order) => weightsOf(key(order), [`${OLD}:${PORTS[order]}`, `${NEW}:${PORTS[order]}`]);
const all = () => ORDERS.map(now).join(" ");
const EVERY_MS = 3_000;

const [{ rs1, rs2, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "cl"), watchTable(50)]);
await Promise.all(
  ORDERS.flatMap((order) => [
    rs1.listen({ kind: "http", name: "old", port: PORTS[order] }),
    rs2.listen({ kind: "http", name: "new", port: PORTS[order] }),
  ]),
);
const config = `
defaults: { check: { type: http, path: /healthz, interval: 1s, timeout: 1s } }
services:
${ORDERS.map(
  (order) => `  - name: ${order}
    vip: ${VIP}:${PORTS[order]}
    servers: [ { name: old, address: ${OLD}, weight: 100 }, { name: new, address: ${NEW}, weight: 0 } ]
`,
).join("")}`;
let director = startDirector({ config });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });

const loads = () =>
  Promise.all(
    ORDERS.map((order) =>
      cl.startLoad({ kind: "http", target: `${VIP}:${PORTS[order]}`, perSecond: 10, timeoutMs: 8000 }),
    ),
  );
type Loads = Awaited<ReturnType<typeof loads>>;
/** How many connections there were; none of them may have failed. */
async function withoutError(running: Loads): Promise<number> {
  let count = 0;
  for (const load of running) {
    const { counts, errors } = await load.stop();
    assert.deepEqual(errors, {});
    count += Object.values(counts).reduce((a, b) => a + b, 0);
  }
  return count;
}

/** One drain in each service, on its way to step 20. */
const begin = () =>
  Promise.all(
    ORDERS.map((order) =>
      drain(director, {
        service: order,
        from: ["old"],
        to: ["new"],
        overMs: 20 * EVERY_MS,
        everyMs: EVERY_MS,
        onRestart: order,
      }),
    ),
  );
const each = (drains: readonly DrainStatus[]) => Promise.all(drains.map(({ id }) => drainStatus(director, id)));

async function restart(): Promise<void> {
  director = startDirector({ config, folder: director.folder });
  await director.ready(40_000);
}

let drains: readonly DrainStatus[];
step("kill -9 and a short gap: every drain goes on from its step, and not a weight flashes", async (t) => {
  const clients = await loads();
  drains = await begin();
  await until("every one is at step 2", async () => (await each(drains)).every((d) => d.step >= 2), {
    timeoutMs: 30_000,
  });
  await sleep(EVERY_MS / 3);
  await director.kill();
  const killedAt = Date.now();
  const left = all();
  await sleep(2_000);
  assert.equal(all(), left, "nobody touches it while nobody runs");
  await restart();
  const awayMs = Date.now() - killedAt;
  const resumed = await each(drains);
  assert.deepEqual(
    resumed.map((d) => d.state),
    ["shifting", "shifting", "shifting"],
  );
  for (const d of resumed) assert.ok(d.step >= 2 && d.step <= 4, d.message);
  await until(
    "every one is two steps on",
    async () => (await each(drains)).every((d, i) => d.step >= resumed[i]!.step + 2),
    { timeoutMs: 30_000 },
  );
  assert.deepEqual(
    director.log.filter(({ kind }) => kind === "drift"),
    [],
  );
  onlyForward(await watcher.look(), killedAt);
  const count = await withoutError(clients);
  t.diagnostic(
    `away for ${awayMs} ms; at steps ${resumed.map((d) => d.step)} when it answered; ${count} connections, no error`,
  );
});

step(
  "stopped for 65 s: clients are served as before; then the first waits at its share, the second goes on, the third is undone",
  async (t) => {
    const clients = await loads();
    const before = await each(drains);
    assert.deepEqual(await director.stop(), { code: 0, signal: null });
    const [stoppedAt, left] = [performance.now(), all()];
    // Counted from the last sign of life, which may be 5 s old.
    await until("65 s have passed", () => performance.now() - stoppedAt > 65_000, { timeoutMs: 70_000, everyMs: 500 });
    assert.equal(all(), left);
    await restart();
    const [paused, resumed, undone] = await each(drains);
    assert.deepEqual(
      [paused!.state, paused!.pausedBy, resumed!.state, undone!.state],
      ["paused", "restart", "shifting", "rolled-back"],
    );
    assert.match(paused!.message, /director did not run for 1m/);
    for (const [i, d] of [paused!, resumed!].entries())
      assert.ok(d.step - before[i]!.step <= 1 && d.step >= before[i]!.step, d.message);
    assert.equal(now("pause"), left.split(" ")[0]);
    await until("the third has the weights of before", () => now("rollback") === "100/0");
    await drainIs(director, resumed!.id, "a step further", (d) => d.step > resumed!.step);
    assert.equal(now("pause"), left.split(" ")[0], "it waits");
    assert.ok(
      director.log.some(({ kind, level, drain: id }) => kind === "drain" && level === "warn" && id === paused!.id),
    );
    await say(director, paused!.id, "resume");
    await drainIs(director, paused!.id, "a step further", (d) => d.state === "shifting" && d.step > paused!.step);
    const count = await withoutError(clients);
    t.diagnostic(`${paused!.message} | ${resumed!.message} | ${undone!.message}; ${count} connections in it, no error`);
  },
);

step(
  "the machine was restarted: each service is built anew at the stored share, neither at none nor at all of it",
  async (t) => {
    for (const { id, state } of await each(drains)) if (state === "shifting") await say(director, id, "rollback");
    drains = await begin();
    await until("every one is at step 3", async () => (await each(drains)).every((d) => d.step >= 3), {
      timeoutMs: 30_000,
    });
    await until("step 3 is in the kernel", () => ORDERS.every((order) => relative(order) >= 0.15));
    await director.kill();
    const rebootAt = Date.now();
    const stored = JSON.parse(await must(["cat", `${director.folder}/state/intent.json`])) as {
      drains: { id: string; step: number }[];
    };
    const steps = drains.map(({ id }) => stored.drains.find((d) => d.id === id)!.step);
    // What is left after a restart of the machine: nothing in the kernel, and another name for this boot.
    await must(["/usr/sbin/ipvsadm", "-C"]);
    writeFileSync("/run/lab/boot-id", "11111111-2222-4333-8444-555555555555\n");
    await must(["mount", "--bind", "/run/lab/boot-id", "/proc/sys/kernel/random/boot_id"]);
    await restart();
    const [paused, resumed, undone] = await each(drains);
    assert.deepEqual(
      [paused!.state, paused!.pausedBy, resumed!.state, undone!.state],
      ["paused", "restart", "shifting", "rolled-back"],
    );
    assert.match(paused!.message, /the machine was restarted/);
    assert.equal(paused!.step, steps[0]);
    await until("the first stands at its share", () => relative("pause") === steps[0]! / 20);
    await until("the third has the weights of before", () => now("rollback") === "100/0");
    const clients = await loads();
    await drainIs(director, resumed!.id, "a step further", (d) => d.step > steps[1]!);
    assert.equal(relative("pause"), steps[0]! / 20);
    await say(director, paused!.id, "finish");
    await drainIs(director, paused!.id, "done", (d) => d.state === "done");
    assert.equal(now("pause"), "0/100");
    const count = await withoutError(clients);
    const seen = (await watcher.look()).changes
      .filter(({ at }) => at >= rebootAt)
      .map(({ table }) => [OLD, NEW].map((host) => table[key("pause")]?.[`${host}:${PORTS.pause}`] ?? "-").join("/"))
      .filter((weights, i, before) => weights !== before[i - 1]);
    t.diagnostic(
      `${paused!.message}; old/new of the first from the restart on: ${seen.join(", ")}; ${count} connections, no error`,
    );
  },
);

step("all the looks at the table", async (t) => {
  const seen = await watcher.look();
  t.diagnostic(`${seen.looks}, at most ${longestStall(seen)} ms apart`);
});

/** The new's part of the weight. */
function relative(order: Order): number {
  const [old, fresh] = now(order).split("/").map(Number);
  return Math.round((fresh! / (old! + fresh!)) * 1000) / 1000;
}

/** Asserts that from then on the new's part only grew, and nobody was ever without a server. */
function onlyForward(seen: Seen, from: number): void {
  for (const order of ORDERS) {
    let last = 0;
    for (const { at, table } of seen.changes) {
      if (at < from) continue;
      const [old = 0, fresh = 0] = [
        table[key(order)]?.[`${OLD}:${PORTS[order]}`],
        table[key(order)]?.[`${NEW}:${PORTS[order]}`],
      ];
      assert.ok(old + fresh > 0, `${order}: nobody: ${JSON.stringify(table)}`);
      assert.ok(fresh / (old + fresh) >= last, `${order}: it went back: ${JSON.stringify(table)}`);
      last = fresh / (old + fresh);
    }
  }
}
