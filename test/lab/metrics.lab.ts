// Metrics over the kernel's own table: its counters, other writers, and what ipvsadm took.
// lab: topology=routed servers=2 timeout=180
import assert from "node:assert/strict";
import { type ReadFamily, readExposition } from "../observe/exposition.ts";
import { must, shell, startActors, startDirector, step, until } from "./inside.ts";
import { soonMs } from "./main-job/soon.ts";

const VIP = "10.100.0.1:7001";
const DOOR = "http://127.0.0.1:9180";
const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await rs1.listen({ kind: "echo", name: "a", port: 7001 });
const b = await rs2.listen({ kind: "echo", name: "b", port: 7001 });
await shell("ip link set lo up");
const director = startDirector({
  config: `
http: { listen: ["127.0.0.1:9180"] }
defaults: { check: { type: tcp, interval: 500ms, timeout: 2s } }
services:
  - name: web
    vip: ${VIP}
    servers: [{ name: a, address: 10.9.1.2 }, { name: b, address: 10.9.2.2 }]`,
});
await director.ready();
const timeoutMs = 20_000 + 10 * (await soonMs());

type Read = ReadonlyMap<string, ReadFamily>;
const scrape = async (): Promise<Read> => readExposition(await (await fetch(`${DOOR}/metrics`)).text());
const value = (read: Read, name: string, labels: Readonly<Record<string, string>> = {}) =>
  read.get(name)?.samples.find((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value;
const server = (name: string) => ({ service: "web", server: name });
const seen = (what: string, is: (read: Read) => boolean) =>
  until(
    what,
    async () => {
      const read = await scrape();
      return is(read) ? read : undefined;
    },
    { timeoutMs },
  );

step("connections that the kernel has seen are counted, the open ones and all", async (t) => {
  await seen(
    "both serve",
    (r) => value(r, "director_server_kernel_weight", server("b")) === 100 && value(r, "director_ready") === 1,
  );
  const held = await cl.hold({ kind: "echo", target: VIP, count: 6, everyMs: 300, timeoutMs: 8000 });
  const both = (name: string) => (r: Read) => (value(r, name, server("a")) ?? 0) + (value(r, name, server("b")) ?? 0);
  await seen("six open", (r) => both("director_server_active_connections")(r) === 6);
  await seen("six since the entry is there", (r) => both("director_server_connections_total")(r) === 6);
  await held.release();
  await seen("none open", (r) => both("director_server_active_connections")(r) === 0);
  const after = await scrape();
  assert.equal(both("director_server_connections_total")(after), 6);
  t.diagnostic(`${value(after, "director_server_connections_total", server("a"))} to a`);
});

step("runs of ipvsadm are counted with their time, and who else writes", async () => {
  const before = await scrape();
  assert.ok(value(before, "director_ipvs_commands_total", { result: "ok" })! >= 3);
  const duration = before.get("director_ipvs_command_duration_seconds")!.samples;
  const sum = duration.find((s) => s.name.endsWith("_sum"))!.value;
  const count = duration.find((s) => s.name.endsWith("_count"))!.value;
  assert.ok(sum > 0 && sum / count < 10, `${sum} s in ${count} runs`);
  assert.equal(value(before, "director_ipvs_drift_total"), 0);
  await must(["/usr/sbin/ipvsadm", "-e", "-t", VIP, "-r", "10.9.1.2:7001", "-m", "-w", "7"]);
  const after = await seen(
    "put back",
    (r) => value(r, "director_ipvs_drift_total") === 1 && value(r, "director_table_in_sync") === 1,
  );
  assert.equal(value(after, "director_server_kernel_weight", server("a")), 100);
});

step("a server that dies is down in every number, and check says so", async () => {
  await b.behave("refuse");
  const down = await seen(
    "b is down",
    (r) =>
      value(r, "director_server_up", server("b")) === 0 && value(r, "director_server_kernel_weight", server("b")) === 0,
  );
  assert.equal(value(down, "director_service_capacity_ratio", { service: "web" }), 0.5);
  assert.equal(value(down, "director_server_transitions_total", { ...server("b"), to: "down" }), 1);
  assert.equal((await fetch(`${DOOR}/readyz?service=web`)).status, 200);
  const checked = await director.cli("check");
  assert.equal(checked.code, 1, checked.stdout);
  assert.match(checked.stdout, /^DIRECTOR WARNING - web: 50% of its weight is healthy \| /);
});
