import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { type ReadFamily, readExposition } from "../observe/exposition.ts";
import { type Bench, bench, type Played } from "./support.ts";

const PATIENCE_MS = 30_000;

describe("a daemon's metrics", () => {
  let b: Bench;
  let daemon: Played;
  let port: number;
  let good: string;
  before(async () => {
    b = await bench();
    const free = createServer();
    port = await new Promise<number>((resolve) =>
      free.listen(0, "127.0.0.1", () => resolve((free.address() as { port: number }).port)),
    );
    await new Promise((resolve) => free.close(resolve));
    good = `http: { listen: ["127.0.0.1:${port}"] }\n${readFileSync(b.conf, "utf8")}`;
    writeFileSync(b.conf, good);
    daemon = await b.daemonWithClients();
  });
  after(() => b.close());

  function get(
    path: string,
  ): Promise<{ readonly status: number; readonly type: string | undefined; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, path, agent: false, headers: { host: "localhost" } }, (reply) => {
        let body = "";
        reply.setEncoding("utf8");
        reply.on("data", (chunk: string) => {
          body += chunk;
        });
        reply.on("end", () => resolve({ status: reply.statusCode!, type: reply.headers["content-type"], body }));
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  const scrape = async () => readExposition((await get("/metrics")).body);
  type Read = ReadonlyMap<string, ReadFamily>;

  /** The value of the series that has these labels among its own; undefined: there is none. */
  function value(read: Read, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = Object.entries(labels);
    return read.get(name)?.samples.find((s) => wanted.every(([k, v]) => s.labels[k] === v))?.value;
  }

  async function until(what: (read: Read) => boolean): Promise<Read> {
    const begun = performance.now();
    for (;;) {
      const read = await scrape();
      if (what(read)) return read;
      if (performance.now() - begun > PATIENCE_MS) assert.fail(`not seen: ${what}\n${(await get("/metrics")).body}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test("the answer is in Prometheus' format, and says how all of it is", async () => {
    const { status, type, body } = await get("/metrics");
    assert.deepEqual([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"]);
    const read = readExposition(body);
    assert.equal(value(read, "director_ready"), 1);
    assert.equal(value(read, "director_table_in_sync"), 1);
    assert.equal(value(read, "director_service_up", { service: "web" }), 1);
    assert.equal(value(read, "director_service_capacity_ratio", { service: "web" }), 0.5);
    assert.equal(value(read, "director_server_up", { service: "web", server: "dead" }), 0);
    assert.equal(value(read, "director_server_state", { service: "web", server: "dead", state: "down" }), 1);
    assert.equal(value(read, "director_server_kernel_weight", { service: "web", server: "old" }), 100);
    assert.ok(value(read, "director_checks_total", { service: "web", result: "fail" })! >= 1);
    const checks = read.get("director_check_duration_seconds")!.samples;
    assert.ok(checks.some((s) => s.name.endsWith("_count") && s.labels.service === "list" && s.value >= 2));
    assert.ok(Math.abs(value(read, "director_reconcile_last_success_timestamp_seconds")! * 1000 - Date.now()) < 60_000);
    assert.ok(value(read, "process_resident_memory_bytes")! > 1e7);
    assert.ok(value(read, "process_open_fds")! > 5);
    // Nothing was run: the table is in memory.
    assert.equal(read.has("director_ipvs_commands_total"), false);
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  test("promtool finds nothing", {
    skip: !promtool && "promtool is not in PATH (apt-get install prometheus)",
  }, async () => {
    const { body } = await get("/metrics");
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: body, encoding: "utf8" });
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  });

  test("connections are counted, the open ones and all there were", async () => {
    for (let i = 0; i < 3; i++) daemon.connect("tcp:192.0.2.10:80");
    daemon.leave();
    const old = { service: "web", server: "old" };
    // Open ones are known after the next look at the table, all of them when they are asked for anew.
    const read = await until(
      (r) =>
        value(r, "director_server_active_connections", old) === 2 &&
        value(r, "director_server_connections_total", old) === 3,
    );
    assert.equal(value(read, "director_server_connections_total", { service: "web", server: "new" }), 0);
    daemon.leave();
    daemon.leave();
  });

  test("what operators do is seen: disabled since when, frozen, drained, and that intent is another", async () => {
    const before = await scrape();
    await b.cli("disable", "list", "a");
    await b.cli("freeze", "api", "--for", "10m");
    const read = await scrape();
    const a = { service: "list", server: "a" };
    assert.equal(value(read, "director_server_override_info", { ...a, kind: "disabled" }), 1);
    const since = value(read, "director_server_override_since_timestamp_seconds", { ...a, kind: "disabled" })!;
    assert.ok(Math.abs(since * 1000 - Date.now()) < 60_000);
    assert.equal(value(read, "director_server_weight", a), 0);
    assert.deepEqual(
      [value(read, "director_frozen", { service: "api" }), value(read, "director_frozen", { service: "web" })],
      [1, 0],
    );
    assert.notEqual(value(read, "director_intent_hash"), value(before, "director_intent_hash"));
    await b.cli("enable", "list", "a");
    await b.cli("thaw", "api");
    const after = await scrape();
    assert.equal(after.has("director_server_override_info"), false);
    assert.equal(value(after, "director_intent_hash"), value(before, "director_intent_hash"));
  });

  test("a drain is there with its progress, counts when it ends, and stays as long as it holds its server", async () => {
    const drained = await b.cli("drain", "web", "--from", "old", "--to", "new", "--now");
    assert.equal(drained.code, 0, drained.stderr);
    const read = await until((r) => value(r, "director_drains_total", { result: "done" }) === 1);
    const id = read.get("director_drain_state")!.samples[0]!.labels.id!;
    assert.equal(value(read, "director_drain_progress_ratio", { service: "web", id }), 1);
    assert.equal(value(read, "director_drain_state", { id, state: "done" }), 1);
    assert.equal(value(read, "director_server_override_info", { service: "web", server: "old", kind: "drained" }), 1);
    assert.deepEqual(
      ["old", "new"].map((server) => value(read, "director_server_weight", { service: "web", server })),
      [0, 100],
    );
    await b.cli("drain", "rollback", id);
    const after = await scrape();
    assert.equal(after.has("director_drain_state"), false);
    assert.equal(value(after, "director_drains_total", { result: "rolled-back" }), 1);
    assert.equal(after.has("director_server_override_info"), false);
  });

  test("reloads are counted; a refused one is seen; the series of removed servers and services end", async () => {
    writeFileSync(b.conf, good.replace("vip: 192.0.2.10:80", "vpi: 192.0.2.10:80"));
    await b.cli("reload");
    const refused = await scrape();
    assert.equal(value(refused, "director_config_last_reload_successful"), 0);
    assert.equal(value(refused, "director_config_reloads_total", { result: "refused" }), 1);
    const checks = value(refused, "director_checks_total", { service: "web", result: "pass" })!;
    writeFileSync(b.conf, good.replace(/^.*name: dead.*\n/m, "").replace(/^ {2}- name: api\n(?: {4}.*\n)*/m, ""));
    await b.cli("reload", "--force");
    const read = await scrape();
    assert.equal(value(read, "director_config_last_reload_successful"), 1);
    assert.ok(value(read, "director_config_last_reload_success_timestamp_seconds")! * 1000 > Date.now() - 60_000);
    for (const [name, { samples }] of read)
      for (const { labels } of samples) assert.ok(labels.server !== "dead" && labels.service !== "api", name);
    assert.ok(value(read, "director_checks_total", { service: "web", result: "pass" })! >= checks, "counting goes on");
    writeFileSync(b.conf, good);
    await b.cli("reload", "--force");
    assert.equal(value(await scrape(), "director_server_configured_weight", { service: "web", server: "dead" }), 100);
  });

  test("a server that dies and comes back has changed twice", async () => {
    const servers = { service: "flip", server: "s" };
    let target = createServer((socket) => socket.on("error", () => {}).end());
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const { port: at } = target.address() as { port: number };
    const flip = `  - name: flip\n    vip: 192.0.2.13:80\n    check: { fast_interval: 100ms, down_interval: 100ms, interval: 200ms }\n    servers: [{ name: s, address: "127.0.0.1:${at}" }]\n`;
    try {
      writeFileSync(b.conf, good + flip);
      assert.equal((await b.cli("reload", "--wait", "30s")).code, 0);
      await until((r) => value(r, "director_server_up", servers) === 1);
      await new Promise((resolve) => target.close(resolve));
      const down = await until((r) => value(r, "director_service_up", { service: "flip" }) === 0);
      assert.equal(value(down, "director_server_transitions_total", { ...servers, to: "down" }), 1);
      assert.equal(value(down, "director_server_transitions_total", { ...servers, to: "up" }), 0);
      target = createServer((socket) => socket.on("error", () => {}).end());
      await new Promise<void>((resolve) => target.listen(at, "127.0.0.1", resolve));
      const up = await until((r) => value(r, "director_service_up", { service: "flip" }) === 1);
      assert.equal(value(up, "director_server_transitions_total", { ...servers, to: "up" }), 1);
    } finally {
      target.close();
    }
  });

  test("/readyz of a service, and healthz, beside it", async () => {
    assert.equal((await get("/readyz?service=list")).status, 200);
    assert.equal((await get("/readyz?service=nope")).status, 404);
    assert.equal((await get("/healthz")).status, 200);
  });
});
