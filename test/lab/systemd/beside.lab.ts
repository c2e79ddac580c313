// As a service, in its sandbox and with CAP_NET_ADMIN alone: addresses on a dummy interface, timeouts and the sync daemon.
// lab: topology=routed servers=1 systemd timeout=300
import assert from "node:assert/strict";
import { must, shell, startActors, until } from "../inside.ts";
import { bringCheckout, configure, install, mainPid, order, processStatus, step } from "./unit.ts";

const config = (ipvs: string) => `
ipvs: { resync: 2s, ${ipvs} }
vips: { device: ipvs0 }
services:
  - name: web
    vips: ["10.200.0.1:80", "[fd00:200::1]:80"]
    check: { type: http, path: /healthz, interval: 1s, timeout: 3s }
    servers: [ { name: a, address: 10.9.1.2, max_connections: 50 }, { name: six, address: "fd00:9:1::2" } ]
`;

await bringCheckout();
const { rs1, cl } = await startActors("rs1", "cl");
await rs1.listen({ kind: "http", name: "a", port: 80 });
await shell("ip link add sync0 type dummy; ip addr add 10.99.0.1/24 dev sync0; ip link set sync0 up");
configure(config("timeouts: { udp: 40s }, sync: { role: both, interface: sync0, id: 7 }"));
const timeoutMs = 60_000;

step("it makes the interface, puts the addresses there, and clients are answered at them", async () => {
  const { code, stdout, stderr } = await install();
  assert.equal(code, 0, stdout + stderr);
  await until(
    "the addresses are there",
    async () => {
      const list = await must(["ip", "address", "show", "dev", "ipvs0"]);
      return list.includes("10.200.0.1/32") && list.includes("fd00:200::1/128") && /[<,]UP[,>]/.test(list);
    },
    { timeoutMs },
  );
  for (const target of ["10.200.0.1:80", "[fd00:200::1]:80"])
    await until(
      `${target} answers`,
      async () => (await cl.load({ kind: "http", target, count: 1, timeoutMs: 5_000 })).counts.a === 1,
      { timeoutMs },
    );
  const { CapEff, Seccomp } = processStatus(await mainPid());
  assert.deepEqual([CapEff, Seccomp], ["0000000000001000", "2"]);
});

step("it sets the timeouts, starts the sync daemons, and stops them when the file has them no more", async () => {
  const daemons = async () => (await must(["/usr/sbin/ipvsadm", "-Ln", "--daemon"])).trim().split("\n").length;
  await until("both run", async () => (await daemons()) === 2, { timeoutMs });
  await until(
    "the timeout is set",
    async () => (await must(["/usr/sbin/ipvsadm", "-Ln", "--timeout"])).includes(" 40\n"),
    { timeoutMs },
  );
  assert.match(await must(["/usr/sbin/ipvsadm", "-Ln", "--thresholds"]), /10\.9\.1\.2:80 +50 +0 /);
  configure(config("mode: manage"));
  await order("reload", "director");
  await until("none runs", async () => (await must(["/usr/sbin/ipvsadm", "-Ln", "--daemon"])) === "", { timeoutMs });
});

step("stopped, it leaves the addresses with the table", async () => {
  await order("stop", "director");
  assert.match(await must(["ip", "address", "show", "dev", "ipvs0"]), /10\.200\.0\.1\/32[\s\S]*fd00:200::1\/128/);
});
