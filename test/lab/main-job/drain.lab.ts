// Old to new in ten steps, counted at each; then the way back with a third server that dies and a director that is killed in the midst of it.
// lab: topology=routed servers=3 timeout=200
import assert from "node:assert/strict";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import { kernelTable, startActors, startDirector, step, until, weights } from "../inside.ts";
import { ask, drainStatus, serverStatus } from "./api.ts";
import { longestStall, watchTable } from "./watcher.ts";

const web = "tcp:10.100.0.1:80";
const chat = "tcp:10.100.0.1:7000";
const STEPS = 10;
const [OLD, NEW, THIRD] = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;

const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(100)]);
const [, , third] = await Promise.all([
  rs1.listen({ kind: "http", name: "old", port: 80 }),
  rs2.listen({ kind: "http", name: "new", port: 80 }),
  rs3.listen({ kind: "http", name: "third", port: 80 }),
  rs1.listen({ kind: "echo", name: "old", port: 7000 }),
  rs2.listen({ kind: "echo", name: "new", port: 7000 }),
  rs3.listen({ kind: "echo", name: "third", port: 7000 }),
]);
// One pool behind two ports: one verdict, one drain for both.
const config = `
services:
  - name: web
    vips: [ "10.100.0.1:80", "10.100.0.1:7000" ]
    check: { type: http, port: 80, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 1s, timeout: 2s, fall: 3, rise: 2 }
    servers:
      - { name: old, address: ${OLD}, weight: 100 }
      - { name: new, address: ${NEW}, weight: 0 }
      - { name: third, address: ${THIRD}, weight: 50 }
`;
let director = startDirector({ config });
await director.ready();
await until("everybody serves", () => Object.values(weights(chat) ?? {}).join() === "100,0,50");
const lasting = await cl.hold({ kind: "echo", target: "10.100.0.1:7000", count: 9, everyMs: 300, timeoutMs: 8000 });

let first: DrainStatus;
step(
  "over ten steps each carries the share it was asked, within 5 % of its connections, and no client has an error",
  async (t) => {
    assert.deepEqual((await lasting.look()).alive, { old: 6, third: 3 });
    const count = 45;
    first = await ask(director, "POST", "drains", {
      service: "web",
      from: ["old"],
      to: ["new"],
      overMs: 30_000,
      everyMs: 3000,
    });
    assert.equal(first.steps, STEPS);
    const shown: string[] = [];
    let longest = 0;
    for (let k = 1; k <= STEPS; k++) {
      const asked = { old: (count * (100 - 10 * k)) / 150, new: (count * 10 * k) / 150, third: count / 3 };
      const inForce = await until(`step ${k} is in the kernel`, () => {
        const now = weights(web)!;
        return isNear(now, asked, count) ? now : undefined;
      });
      const { asked: share, given, step } = await drainStatus(director, first.id);
      assert.deepEqual([step, share], [k, k / STEPS]);
      assert.ok(Math.abs(given! - k / STEPS) <= 0.03, `given ${given}`);
      const startedAt = performance.now();
      const { counts, errors } = await cl.load({ kind: "http", target: "10.100.0.1:80", count, concurrency: 4 });
      longest = Math.max(longest, performance.now() - startedAt);
      assert.deepEqual(errors, {});
      assert.deepEqual(weights(web), inForce, `step ${k} ended before its ${count} connections were through`);
      assert.deepEqual(Object.values(weights(chat)!), Object.values(inForce), "the second port has the same weights");
      for (const [name, due] of Object.entries(asked))
        assert.ok(
          Math.abs((counts[name] ?? 0) - due) <= count * 0.05,
          `step ${k}: ${name} had ${counts[name] ?? 0} of ${count} connections, due are ${due}`,
        );
      shown.push(
        `${k}: weights ${Object.values(inForce).join("/")}, got ${counts.old ?? 0}/${counts.new ?? 0}/${counts.third ?? 0}, due ${Object.values(asked).map(Math.round).join("/")}`,
      );
    }
    t.diagnostic(
      `old/new/third of ${count} connections a step (in ${Math.round(longest)} ms at most): ${shown.join("; ")}`,
    );
  },
);

step("long-lived connections on the old live to their end, and the drain ends with the last of them", async (t) => {
  await until("it waits for connections", async () => (await drainStatus(director, first.id)).state === "draining");
  const { connections } = await drainStatus(director, first.id);
  assert.equal(connections, 6);
  const before = await lasting.look();
  await until("they have exchanged some more", async () => (await lasting.look()).exchanges >= before.exchanges + 40);
  const { state } = await drainStatus(director, first.id);
  const { alive, dead, exchanges } = await lasting.release();
  assert.deepEqual([state, alive, dead], ["draining", { old: 6, third: 3 }, []]);
  const done = await until("the drain is done", async () => {
    const now = await drainStatus(director, first.id);
    return now.state === "done" ? now : undefined;
  });
  assert.equal(done.left, 0);
  const old = (await serverStatus(director, "web", "old"))!;
  assert.deepEqual([old.weight, old.kernelWeight, old.rule], [0, 0, "drained"]);
  t.diagnostic(`9 connections over the whole drain, ${exchanges} exchanges, none lost; done with 0 left`);
});

step(
  "killed in the midst of a drain while a third server is dead: it goes on from its step, and never is nobody there or a dead one chosen",
  async (t) => {
    const begun = Date.now();
    const load = await cl.startLoad({ kind: "http", target: "10.100.0.1:80", perSecond: 10 });
    // The way back, as a drain of its own on top of what the first one left.
    const { id } = await ask<DrainStatus>(director, "POST", "drains", {
      service: "web",
      from: ["new"],
      to: ["old"],
      overMs: 20_000,
      everyMs: 2000,
    });
    await until("step 2", async () => (await drainStatus(director, id)).step === 2, { timeoutMs: 20_000 });
    await third.behave({ kind: "status", status: 503 }, "/healthz");
    await until(
      "the third is at weight 0",
      () => weights(web)![`${THIRD}:80`] === 0 && weights(chat)![`${THIRD}:7000`] === 0,
    );
    const deadAt = Date.now();
    await until("step 4", async () => (await drainStatus(director, id)).step === 4, { timeoutMs: 20_000 });
    await until("step 4 is in the kernel", () => movedBack() === 0.4);
    const logs = [...director.log];
    const [resumed, awayMs] = await killAndRestart(id);
    assert.ok(resumed.step === 4 || resumed.step === 5, `it went on from step ${resumed.step}`);
    assert.equal(resumed.state, "shifting");
    // Once more, in the moment between the record of a step and its weights.
    await director.logged("step 7/10", { timeoutMs: 20_000 });
    logs.push(...director.log);
    const [again, awayAgainMs] = await killAndRestart(id);
    assert.ok(again.step === 7 || again.step === 8, `it went on from step ${again.step}`);
    assert.equal(again.state, "shifting");
    const done = await until(
      "the drain is done",
      async () => {
        const now = await drainStatus(director, id);
        return now.state === "done" ? now : undefined;
      },
      { timeoutMs: 40_000, everyMs: 200 },
    );
    assert.deepEqual([done.step, done.left], [STEPS, 0]);
    const clients = await load.stop();
    assert.deepEqual(clients.errors, {});

    const seen = await watcher.look();
    const during = seen.changes.filter(({ at }) => at >= begun);
    const shares: number[] = [];
    for (const { at, table } of during)
      for (const [service, port] of [
        [web, 80],
        [chat, 7000],
      ] as const) {
        const of = (address: string) => table[service]?.[`${address}:${port}`] ?? 0;
        assert.ok(
          of(OLD) + of(NEW) + of(THIRD) > 0,
          `${at - begun} ms: nobody in ${service}: ${JSON.stringify(table)}`,
        );
        if (at >= deadAt) assert.equal(of(THIRD), 0, `${at - begun} ms: the dead third has weight in ${service}`);
        if (service === web) shares.push(of(OLD) / (of(OLD) + of(NEW)));
      }
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
      "the old's share only ever grows",
    );
    // In between stands what a look saw while the lines of one step were being written.
    for (let k = 1; k <= STEPS; k++)
      assert.ok(
        shares.some((share) => Math.abs(share - k / STEPS) < 0.001),
        `step ${k} was left out: ${shares}`,
      );
    logs.push(...director.log);
    assert.equal(logs.filter((line) => line.kind === "drift").length, 0);
    const total = Object.values(clients.counts).reduce((a, b) => a + b, 0);
    t.diagnostic(
      `killed at step 4, after ${awayMs} ms it answered at step ${resumed.step}; killed at step 7, after ${awayAgainMs} ms it answered at step ${again.step}; ${seen.looks} looks, at most ${longestStall(seen)} ms apart: never nobody, the dead third always at 0; ${total} connections without an error`,
    );
  },
);

/** SIGKILL, a second and a half without any director, and a new one with the same state; how long nobody answered. */
async function killAndRestart(id: string): Promise<readonly [DrainStatus, number]> {
  await director.kill();
  const killedAt = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  director = startDirector({ config, folder: director.folder });
  await director.ready();
  return [await drainStatus(director, id), Date.now() - killedAt];
}

/** The part of old's and new's weight that old has, in the kernel. */
function movedBack(): number {
  const now = kernelTable()[web]!.servers;
  const [a, b] = [now[`${OLD}:80`]!.weight, now[`${NEW}:80`]!.weight];
  return a / (a + b);
}

/** Whether these weights are those of the step that asks for this; half a step away is another step. */
function isNear(
  now: Readonly<Record<string, number>>,
  asked: Readonly<Record<string, number>>,
  count: number,
): boolean {
  const sum = Object.values(now).reduce((a, b) => a + b, 0);
  const due = Object.values(asked);
  return Object.values(now).every((weight, i) => Math.abs(weight / sum - due[i]! / count) < 1 / STEPS / 4);
}
