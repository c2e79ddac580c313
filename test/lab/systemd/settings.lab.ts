// The kernel settings that the service brings: they exist only once ip_vs is loaded, which the service itself sees to.
// lab: topology=routed servers=1 systemd timeout=300
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { must, run, startActors, sysctl, until, weights } from "../inside.ts";
import { bringCheckout, configure, install, journal, order, step } from "./unit.ts";

const NAMES = ["expire_nodest_conn", "expire_quiescent_template", "conn_reuse_mode"] as const;
const file = (name: string) => `/proc/sys/net/ipv4/vs/${name}`;
const values = () => NAMES.map((name) => Number(readFileSync(file(name), "utf8")));

await bringCheckout();
const { rs1 } = await startActors("rs1");
await rs1.listen({ kind: "http", name: "a", port: 80 });
configure(`
services:
  - name: web
    vip: 10.100.0.1:80
    persistence: { timeout: 5m }
    check: { type: http, path: /healthz, timeout: 3s }
    servers: [ { name: a, address: "10.9.1.2:80" } ]
`);

step("installed on a machine that has not loaded ip_vs, the service loads it and sets what it needs", async () => {
  await must(["modprobe", "-r", "ip_vs"]);
  assert.equal(existsSync(file("conntrack")), false);
  const { code, stdout, stderr } = await install();
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(values(), [1, 1, 1]);
  const status = await must(["systemctl", "show", "director.service", "--property=ExecStartPre"]);
  assert.match(status, /systemd-sysctl.* status=0 /);
  await until("the server serves", () => weights("tcp:10.100.0.1:80")?.["10.9.1.2:80"] === 100);
});

step("the doctor has nothing to find on such a machine, beside its running daemon", async () => {
  const { code, stdout, stderr } = await run(["/usr/bin/director", "doctor"]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^\/etc\/director\/director\.conf: nothing wrong; 1 hint\n\nhint server-return-path {2}web\n/);
});

step("what others set meanwhile is set right by a restart; an administrator's own file has the last word", async () => {
  await sysctl({ "net.ipv4.vs.conn_reuse_mode": 0 });
  writeFileSync("/etc/sysctl.d/90-director.conf", "net.ipv4.vs.expire_nodest_conn = 0\nnet.ipv4.vs.conntrack = 1\n");
  await order("restart", "director");
  assert.deepEqual(values(), [0, 1, 1]);
  assert.equal(readFileSync(file("conntrack"), "utf8"), "1\n");
});

step("a boot that comes before ip_vs is not held up, nor complained about", async () => {
  await order("stop", "director");
  // Templates of persistent clients would keep it in use.
  await must(["ipvsadm", "-C"]);
  await until("ip_vs is gone", async () => (await run(["modprobe", "-r", "ip_vs_wrr", "ip_vs"])).code === 0, {
    timeoutMs: 30_000,
  });
  assert.equal(existsSync(file("conntrack")), false);
  writeFileSync("/etc/sysctl.d/90-director.conf", "");
  const from = Date.now();
  assert.equal((await run(["/usr/lib/systemd/systemd-sysctl"])).code, 0);
  assert.deepEqual(
    (await journal(from)).filter(({ message }) => /net.ipv4.vs/.test(message)),
    [],
  );
  await order("start", "director");
  assert.deepEqual(values(), [1, 1, 1]);
});
