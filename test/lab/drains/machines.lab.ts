// A whole machine out of three services, all or nothing; and a server that the file does not have, brought in by a drain.
// lab: topology=routed servers=3 timeout=240
import assert from "node:assert/strict";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import { startActors, startDirector, step, until, weights } from "../inside.ts";
import { ask, serverStatus, status } from "../main-job/api.ts";
import { longestStall, watchTable, weightsOver } from "../main-job/watcher.ts";
import { drain, drainIs, refusedWith, say, weightsOf } from "./drains.ts";

const VIP = "10.100.0.1";
const HOSTS = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;
const PORTS = { web: 7001, api: 7002, solo: 7003 } as const;
type Service = keyof typeof PORTS;
const SERVICES = Object.keys(PORTS) as readonly Service[];
/** Of app1, app2 and app3; `-` for one that is not in it. */
type Weights = Readonly<Record<Service, string>>;
const FILE: Weights = { web: "100/100/100", api: "100/60/-", solo: "100/-/0" };

const now = (service: Service) =>
  weightsOf(
    `tcp:${VIP}:${PORTS[service]}`,
    HOSTS.map((host) => `${host}:${PORTS[service]}`),
  );
const all = (): Weights => ({ web: now("web"), api: now("api"), solo: now("solo") });
const text = (weights: Weights) => `
defaults:
  check: { type: http, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 500ms, timeout: 1s, fall: 2, rise: 2 }
services:
${SERVICES.map((name) => {
  const servers = weights[name].split("/").flatMap((weight, i) => (weight === "-" ? [] : [[i, weight] as const]));
  return `  - name: ${name}
    vip: ${VIP}:${PORTS[name]}
    servers:
${servers.map(([i, weight]) => `      - { name: app${i + 1}, address: ${HOSTS[i]}, weight: ${weight} }\n`).join("")}`;
}).join("")}`;

const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(50)]);
const [, , , , api2] = await Promise.all([
  rs1.listen({ kind: "http", name: "app1", port: PORTS.web }),
  rs2.listen({ kind: "http", name: "app2", port: PORTS.web }),
  rs3.listen({ kind: "http", name: "app3", port: PORTS.web }),
  rs1.listen({ kind: "http", name: "app1", port: PORTS.api }),
  rs2.listen({ kind: "http", name: "app2", port: PORTS.api }),
  rs1.listen({ kind: "http", name: "app1", port: PORTS.solo }),
  rs3.listen({ kind: "http", name: "app3", port: PORTS.solo }),
]);
const director = startDirector({ config: text(FILE) });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });
const loads = await Promise.all(
  SERVICES.map((name) =>
    cl.startLoad({ kind: "http", target: `${VIP}:${PORTS[name]}`, perSecond: 15, timeoutMs: 8000 }),
  ),
);

/** The answer for a machine: its drains below their parent. */
interface Machine {
  readonly parent: { readonly id: string; readonly host: string };
  readonly drains: readonly DrainStatus[];
}
const machine = (id: string) => ask<Machine>(director, "GET", `drains/${id}`);

step(
  "--host over three services, where one cannot do without it: refused with the reason, and not one begins",
  async (t) => {
    const why = await refusedWith(director, { host: "app1", overMs: 8_000, everyMs: 2_000, minCapacity: 0.1 });
    assert.match(why, /solo/);
    assert.doesNotMatch(why, /web|api/);
    assert.deepEqual((await ask<{ drains: readonly unknown[] }>(director, "GET", "drains")).drains, []);
    assert.deepEqual(all(), FILE);
    t.diagnostic(why);
  },
);

const ROOMY: Weights = { ...FILE, solo: "100/-/80" };
step(
  "once each can: one parent, three drains; one of them has to go back, and the others go back with it",
  async (t) => {
    director.configure(text(ROOMY));
    await ask(director, "POST", "reload", {});
    const { parent, drains } = await ask<Machine>(director, "POST", "drains", {
      host: "app1",
      overMs: 12_000,
      everyMs: 3_000,
      minCapacity: 0.1,
      newDownTimeoutMs: 3_000,
    });
    assert.deepEqual(
      drains.map((d) => d.service),
      SERVICES,
    );
    await until("every one is at step 1", async () => (await machine(parent.id)).drains.every((d) => d.step === 1));
    await until(
      "step 1 is in the kernel",
      () => shares().every((share, i) => Math.abs(share - [27.3, 55.6, 48.4][i]!) <= 1),
      { everyMs: 20 },
    );
    // Nobody but app1 is well in api from now on: what it gave is back with it.
    await api2.behave({ kind: "status", status: 503 }, "/healthz");
    await until("api's drain stands still", async () => (await machine(parent.id)).drains[1]!.state === "paused");
    assert.equal(now("api"), "100/0/-");
    const others = (await machine(parent.id)).drains.filter((d) => d.service !== "api").map((d) => d.state);
    assert.deepEqual(others, ["shifting", "shifting"]);
    await until("every one is undone", async () =>
      (await machine(parent.id)).drains.every((d) => d.state === "rolled-back"),
    );
    const ended = await machine(parent.id);
    await until("the weights of before", () => same(all(), { ...ROOMY, api: "100/0/-" }), { timeoutMs: 3_000 });
    assert.match(ended.drains[0]!.message, /rolled back \(drain .* of the same machine was undone\)/);
    await api2.behave("ok", "/healthz");
    await until("api is whole again", () => same(all(), ROOMY));
    t.diagnostic(ended.drains.map((d) => d.message).join(" | "));
  },
);

step(
  "by its address, to the end: it carries nothing any more, in any of them; a word to the parent gives it all back",
  async (t) => {
    const { parent } = await ask<Machine>(director, "POST", "drains", {
      host: HOSTS[0],
      overMs: 4_000,
      everyMs: 2_000,
      minCapacity: 0.1,
    });
    await until("every one is done", async () => (await machine(parent.id)).drains.every((d) => d.state === "done"), {
      timeoutMs: 40_000,
      everyMs: 200,
    });
    assert.deepEqual(shares(), [0, 0, 0]);
    const before = await Promise.all(loads.map(async (load) => (await load.look()).counts));
    await until("more have come", async () => total((await loads[1]!.look()).counts) > total(before[1]!) + 20);
    const after = await Promise.all(loads.map(async (load) => (await load.look()).counts));
    assert.deepEqual(
      after.map((counts) => counts.app1),
      before.map((counts) => counts.app1),
    );
    await ask(director, "POST", `drains/${parent.id}/rollback`, {});
    assert.deepEqual(all(), ROOMY);
    t.diagnostic(`shares of app1 in percent 33/63/56 -> 0/0/0 -> ${shares().join("/")}`);
  },
);

step(
  "--add: a server that the file does not have is at weight 0 until it has passed, and carries its share then",
  async (t) => {
    const added = await rs3.listen({ kind: "http", name: "fresh", port: 8090 });
    await added.behave({ kind: "status", status: 503 }, "/healthz");
    const fresh = `${HOSTS[2]}:8090`;
    const web = `tcp:${VIP}:${PORTS.web}`;
    assert.match(
      await refusedWith(director, { service: "web", from: ["app3"], to: [fresh], now: true }),
      /web has app1/,
    );
    const { id } = await drain(director, {
      service: "web",
      from: ["app3"],
      to: [fresh],
      add: true,
      overMs: 4_000,
      everyMs: 2_000,
      newDownTimeoutMs: 30_000,
    });
    await until("it is in the table", () => weights(web)![fresh] === 0);
    await until("it has been asked three times", async () => (await added.seen("/healthz")) >= 3);
    assert.equal((await ask<DrainStatus>(director, "GET", `drains/${id}`)).state, "pending");
    assert.equal(weights(web)![fresh], 0);
    assert.equal(now("web"), ROOMY.web);
    assert.equal(await added.seen("/"), 0);

    await added.behave("ok", "/healthz");
    await drainIs(director, id, "at step 1", (d) => d.step === 1);
    const passed = await added.seen("/healthz");
    await until(
      "it has half of what app3 had",
      () => weights(web)![fresh] === 50 && weights(web)![`${HOSTS[2]}:${PORTS.web}`] === 50,
    );
    await until("clients have come to it", async () => (await added.seen("/")) > 5);
    await drainIs(director, id, "done", (d) => d.state === "done");
    assert.equal(weights(web)![fresh], 100);
    assert.equal(weights(web)![`${HOSTS[2]}:${PORTS.web}`], 0);

    // A reload of a file that still does not have it leaves it there.
    await ask(director, "POST", "reload", {});
    assert.equal(weights(web)![fresh], 100);
    assert.equal((await serverStatus(director, "web", fresh))?.rule, "drain");
    await say(director, id, "rollback");
    await until("it has left", () => !(fresh in weights(web)!));
    assert.equal(now("web"), ROOMY.web);
    const over = weightsOver(await watcher.look(), web, fresh).map((w) => w.weight);
    assert.deepEqual(over, [undefined, 0, 50, 100, 0, undefined]);
    t.diagnostic(
      `${passed} checks before its first step; ${await added.seen("/")} clients came to it; gone after the rollback`,
    );
  },
);

step("in all of it no client had an error, and no service was without a server", async (t) => {
  const results = await Promise.all(loads.map((load) => load.stop()));
  for (const { errors } of results) assert.deepEqual(errors, {});
  const seen = await watcher.look();
  for (const name of SERVICES) {
    const tables = seen.changes.map(({ table }) => Object.values(table[`tcp:${VIP}:${PORTS[name]}`] ?? {}));
    const first = tables.findIndex((of) => of.some((weight) => weight > 0));
    for (const of of tables.slice(first))
      assert.ok(
        of.some((weight) => weight > 0),
        `${name}: ${of}`,
      );
  }
  t.diagnostic(
    `${results.map(({ counts }) => total(counts)).join(" + ")} connections; ${seen.looks} looks, at most ${longestStall(seen)} ms apart`,
  );
});

/** Of app1, in percent. */
function shares(): readonly number[] {
  return SERVICES.map((name) => {
    const each = now(name)
      .split("/")
      .filter((weight) => weight !== "-")
      .map(Number);
    return Math.round((each[0]! / each.reduce((a, b) => a + b, 0)) * 100);
  });
}

function same(one: Weights, other: Weights): boolean {
  return SERVICES.every((name) => one[name] === other[name]);
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
