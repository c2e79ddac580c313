// In the midst of a drain somebody else types ipvsadm commands, and the disk fills up.
// lab: topology=routed servers=3 timeout=240
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { DrainPlan } from "../../../src/director/plan.ts";
import { type LogLine, must, run, setTable, startActors, startDirector, step, until } from "../inside.ts";
import { ask, call, drainStatus, status } from "../main-job/api.ts";
import { drain, drainIs, refusedWith, say, weightsOf } from "./drains.ts";

const VIP = "10.100.0.1";
const HOSTS = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;
const PORT = 7001;
const WEB = `tcp:${VIP}:${PORT}`;
const [OLD, NEW] = HOSTS.map((host) => `${host}:${PORT}`) as [string, string, string];
const now = () =>
  weightsOf(
    WEB,
    HOSTS.map((host) => `${host}:${PORT}`),
  );
/** The table is compared every 5 s; reading and writing it take up to a second here, and more while the host is busy. */
const WITHIN_MS = 10_000;
const STATE = "/run/lab/small";
const FILLER = `${STATE}/filler`;

// A disk of 128 kB, for what director has to remember.
await must(["mkdir", STATE]);
await must(["mount", "-t", "tmpfs", "-o", "size=128k", "small", STATE]);
const { rs1, rs2, rs3, cl } = await startActors("rs1", "rs2", "rs3", "cl");
const [, , third] = await Promise.all(
  [rs1, rs2, rs3].map((actor, i) => actor.listen({ kind: "http", name: ["old", "new", "third"][i]!, port: PORT })),
);
const config = `
state: { directory: ${STATE} }
services:
  - name: web
    vip: ${VIP}:${PORT}
    check: { type: http, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 500ms, timeout: 1s, fall: 2, rise: 2 }
    servers:
      - { name: old, address: "${OLD}", weight: 100 }
      - { name: new, address: "${NEW}", weight: 0 }
      - { name: third, address: "${HOSTS[2]}:${PORT}", weight: 50 }
`;
let director = startDirector({ config });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });
const load = () => cl.startLoad({ kind: "http", target: `${VIP}:${PORT}`, perSecond: 15, timeoutMs: 8000 });
const driftLines = (after: number): readonly LogLine[] =>
  director.log.slice(after).filter(({ kind }) => kind === "drift");

step(
  "somebody else's ipvsadm in the midst of a drain: put back to the present share, and the drain goes on",
  async (t) => {
    const order = { service: "web", from: ["old"], to: ["new"], overMs: 36_000, everyMs: 3_000, graceMs: 1_000 };
    const { plan } = await ask<DrainPlan>(director, "POST", "drains", { ...order, dryRun: true });
    const due = (of: number) => ["old", "new", "third"].map((name) => plan[of - 1]!.weights[name]).join("/");
    const clients = await load();
    const { id } = await drain(director, order);
    const shown: string[] = [];
    for (const { at, rules, says } of [
      {
        at: 2,
        rules: `-e -t ${VIP}:${PORT} -r ${OLD} -m -w 7`,
        says: /^web old: drift: somebody else set its weight to 7/,
      },
      {
        at: 5,
        rules: `-e -t ${VIP}:${PORT} -r ${NEW} -m -w 0`,
        says: /^web new: drift: somebody else set its weight to 0/,
      },
      { at: 8, rules: `-d -t ${VIP}:${PORT} -r ${NEW}`, says: /^web new: drift: somebody else deleted it/ },
    ]) {
      // On a slow host it may be further than that by now.
      const { step: from } = await drainIs(director, id, `at step ${at}`, (d) => d.step >= at && now() === due(d.step));
      const [after, typed] = [director.log.length, performance.now()];
      await setTable(rules);
      // It may have gone a step further meanwhile: what counts is the share of the step that is in force.
      const { step: present } = await until(
        "it stands at the share of its step",
        async () => {
          const d = await drainStatus(director, id);
          return now() === due(d.step) && driftLines(after).length > 0 ? d : undefined;
        },
        { timeoutMs: WITHIN_MS },
      );
      const tookMs = Math.round(performance.now() - typed);
      const told = driftLines(after);
      assert.equal(told.length, 1, JSON.stringify(told));
      assert.match(String(told[0]!.msg), says);
      assert.ok(present >= from && present <= from + Math.ceil(WITHIN_MS / order.everyMs), `at step ${present}`);
      shown.push(`${rules.split(" ")[0]}: ${now()} after ${tookMs} ms at step ${present}`);
    }
    assert.deepEqual((await clients.stop()).errors, {}, "none of it took all servers away");
    // This one takes everything away: clients of that moment find nobody.
    await drainIs(director, id, "at step 11", (d) => d.step >= 11);
    const typed = performance.now();
    await must(["/usr/sbin/ipvsadm", "-C"]);
    await until(
      "it stands at the share of its step",
      async () => now() === due((await drainStatus(director, id)).step),
      { timeoutMs: WITHIN_MS },
    );
    shown.push(`-C: ${now()} after ${Math.round(performance.now() - typed)} ms`);
    await drainIs(director, id, "done", (d) => d.state === "done", 40_000);
    assert.equal(now(), "0/100/50");
    await say(director, id, "rollback");
    assert.equal(now(), "100/0/50");
    t.diagnostic(shown.join("; "));
  },
);

step(
  "the disk is full: the drain stands still, health goes on, nothing new begins; there is room again: it goes on by itself",
  async (t) => {
    const clients = await load();
    const { id } = await drain(director, {
      service: "web",
      from: ["old"],
      to: ["new"],
      overMs: 20_000,
      everyMs: 2_000,
    });
    await drainIs(director, id, "at step 2", (d) => d.step === 2);
    await until("step 2 is in the kernel", () => now() === "80/20/50");
    await fill();
    const paused = await drainIs(director, id, "paused", (d) => d.state === "paused");
    assert.deepEqual([paused.pausedBy, paused.step], ["state-unwritable", 2]);
    const { state, problems } = await status(director);
    assert.equal(state.writable, false);
    assert.match(state.problem!, /cannot write .*ENOSPC/);
    assert.ok(
      problems.some(({ severity, message }) => severity === "error" && /cannot write/.test(message)),
      JSON.stringify(problems),
    );
    const refusal = await call(director, "POST", "services/web/servers/third/disable", {});
    assert.equal(refusal.status, 503);
    assert.match(JSON.stringify(refusal.body), /cannot write .*ENOSPC/);
    assert.match(
      await refusedWith(director, { service: "web", from: ["third"], now: true }),
      /is paused in this service/,
    );
    await third!.behave({ kind: "status", status: 503 }, "/healthz");
    await until("the third is at weight 0", () => now() === "80/20/0");
    await third!.behave("ok", "/healthz");
    await until("the third is back", () => now() === "80/20/50");
    await sleep(2_500);
    assert.equal((await drainStatus(director, id)).step, 2, "more than a step's time has gone by");
    assert.equal(now(), "80/20/50");

    rmSync(FILLER);
    await drainIs(director, id, "shifting again", (d) => d.state === "shifting");
    await drainIs(director, id, "at step 3", (d) => d.step === 3);
    await until("step 3 is in the kernel", () => now() === "70/30/50");
    assert.equal((await status(director)).state.writable, true);

    // Full again: going back needs no disk.
    await fill();
    await drainIs(director, id, "paused again", (d) => d.pausedBy === "state-unwritable");
    await say(director, id, "rollback");
    assert.equal(now(), "100/0/50", "once the order is answered");
    assert.equal((await drainStatus(director, id)).state, "rolled-back");
    assert.equal((await status(director)).state.writable, false);
    rmSync(FILLER);
    await until("it is recorded", async () => (await status(director)).state.writable);
    await director.kill();
    director = startDirector({ config, folder: director.folder });
    await director.ready(40_000);
    assert.equal((await drainStatus(director, id)).state, "rolled-back");
    assert.equal(now(), "100/0/50");
    const { counts, errors } = await clients.stop();
    assert.deepEqual(errors, {});
    t.diagnostic(`${paused.message} | ${state.problem} | ${JSON.stringify(counts)}, no error`);
  },
);

/** Until not a byte more goes onto it. */
async function fill(): Promise<void> {
  const { code, stderr } = await run(["/bin/dd", "if=/dev/zero", `of=${FILLER}`, "bs=1k"]);
  assert.ok(code !== 0 && /No space left/.test(stderr), stderr);
}
