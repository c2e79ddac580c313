import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Counted, measureDrains, measureServices, measureTable } from "../../src/director/measure.ts";
import type { Stats } from "../../src/ipvs/table.ts";
import type { ServerMetrics } from "../../src/model/metrics.ts";
import { inForce } from "../../src/policy/freeze.ts";
import { type Daemon, OPS, type World, webConf, world } from "./daemon.ts";

const never = new AbortController().signal;

function services(w: World, { director }: Daemon, stats?: Stats) {
  const now = w.clock.now();
  const counted: Counted = { stats, checks: () => undefined, transitions: () => ({ ups: 0, downs: 0 }) };
  return measureServices(
    {
      now,
      reconciler: director.reconciler(),
      services: director.config().services,
      intentOf: (service) => director.intents().of(service),
      record: director.record,
      unproven: director.unprovenOf,
      freezes: inForce(director.intent(), now.epoch),
      added: director.intent().added,
    },
    counted,
  );
}

const REQUEST = {
  from: ["a"],
  to: ["c"],
  pace: { kind: "over", over: 40_000, every: 10_000 },
  policy: { idle: "none" },
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
} as const;

const of = <K extends keyof ServerMetrics>(servers: readonly ServerMetrics[], key: K) => servers.map((s) => s[key]);

describe("what is measured", () => {
  test("servers that are up, down and unheard of", async () => {
    const w = world();
    w.servers.answer("10.0.0.2:80", "fail");
    w.servers.answer("10.0.0.3:80", "inconclusive");
    const daemon = await w.start(webConf(["a 10.0.0.1:80", "b 10.0.0.2:80", "c 10.0.0.3:80 50"]));
    const [web] = services(w, daemon);
    assert.deepEqual(of(web!.servers, "state"), ["up", "down", "unknown"]);
    assert.deepEqual(of(web!.servers, "weight"), [100, 0, 0]);
    assert.deepEqual(of(web!.servers, "kernelWeight"), [100, 0, 0]);
    assert.equal(web!.decided!.capacity, 0.4);
    const [a, b, c] = web!.servers;
    const { epoch } = w.clock.now();
    assert.ok(a!.conclusiveAt! <= epoch && epoch - a!.conclusiveAt! < 15_000 && b!.conclusiveAt !== undefined);
    assert.equal(c!.conclusiveAt, undefined, "it was never known how it is");
    assert.equal(web!.unchecked, 0);
    await w.clock.advance(35_000);
    assert.equal(services(w, daemon)[0]!.unchecked, 1);
    await daemon.stop();
  });

  test("before the table could be read nothing of it is known, and nothing is 0", async () => {
    const w = world();
    w.kernel.trouble = { kind: "rejects" };
    const daemon = await w.start(webConf(["a 10.0.0.1:80"]));
    const [web] = services(w, daemon);
    const [a] = web!.servers;
    assert.deepEqual(
      [web!.decided, a!.state, a!.weight, a!.kernelWeight, a!.active, a!.changedAt],
      [undefined, undefined, undefined, undefined, undefined, undefined],
    );
    assert.equal(a!.configuredWeight, 100);
    const table = measureTable(daemon.director.reconciler(), w.clock.now());
    assert.deepEqual([table.inSync, table.lastSuccessAt], [false, undefined]);
    await daemon.stop();
  });

  test("weights are in the file's units while a drain has others in the kernel; afterwards it holds its old", async () => {
    const w = world();
    const daemon = await w.start(webConf(["a 10.0.0.1:80 70", "b 10.0.0.2:80 30", "c 10.0.0.3:80 0"]));
    const begun = await daemon.wait(daemon.director.startDrain({ kind: "service", name: "web" }, REQUEST, OPS, false));
    assert.ok(begun.ok);
    await w.clock.advance(1_000);
    const [web] = services(w, daemon);
    const weights = of(web!.servers, "weight") as readonly number[];
    assert.ok(Math.abs(weights[0]! + weights[1]! + weights[2]! - 100) < 5, `${weights}`);
    assert.notDeepEqual(of(web!.servers, "kernelWeight"), weights);
    const { drains } = daemon.director.intent();
    const [drain] = measureDrains(drains, daemon.director.config());
    assert.deepEqual([drain!.service, drain!.state, drain!.progress], ["web", "shifting", 0.25]);
    assert.deepEqual(web!.servers[0]!.overrides, [], "under way it is told as a drain");
    await w.clock.advance(120_000);
    const [after] = services(w, daemon);
    assert.deepEqual(of(after!.servers, "weight"), [0, 30, 70]);
    assert.deepEqual(
      after!.servers.map((s) => s.overrides.map((o) => o.kind)),
      [["drained"], [], []],
    );
    await daemon.stop();
  });

  test("several addresses of a service: connections are added up, the weight is that of the first", async () => {
    const w = world();
    const text = webConf(["a 10.0.0.1:80"]).replace("vip: 192.0.2.10:80", 'vips: ["192.0.2.10:80", "192.0.2.11:80"]');
    const daemon = await w.start(text);
    const entries = daemon.director.config().services[0]!.frontends.length;
    assert.equal(entries, 2);
    for (const entry of ["tcp:192.0.2.10:80", "tcp:192.0.2.11:80", "tcp:192.0.2.11:80"])
      w.kernel.memory.open(entry as never);
    await w.clock.advance(10_000);
    const stats = await w.kernel.memory.stats(never);
    const [a] = services(w, daemon, stats)[0]!.servers;
    assert.deepEqual([a!.kernelWeight, a!.active, a!.inactive, a!.connections], [100, 3, 0, 3]);
    assert.equal(services(w, daemon)[0]!.servers[0]!.connections, undefined);
    await daemon.stop();
  });
});
