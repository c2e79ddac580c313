// Consistent hashing over three servers on another port, masqueraded; then direct routing with the VIP on the servers' loopback.
// lab: topology=flat servers=3 timeout=120
import assert from "node:assert/strict";
import { must, shell, startActors, step, sysctl, until, weights } from "../inside.ts";
import { byHand, own } from "./owner.ts";

const { rs1, rs2, rs3, cl } = await startActors("rs1", "rs2", "rs3", "cl");
const b2 = await rs2.listen({ kind: "http", name: "b2", port: 8443 });
await Promise.all([
  rs1.listen({ kind: "http", name: "b1", port: 8443 }),
  rs3.listen({ kind: "http", name: "b3", port: 8443 }),
]);

const ask = (target: string, count: number) =>
  cl.load({ kind: "http", target, count, concurrency: 4, timeoutMs: 1000 });
const config = (flags: string) => `services:
  - name: web
    vip: 10.9.0.1:443
    scheduler: mh
    scheduler_flags: [${flags}]
    check: { type: http, path: / }
    servers:
      - { name: b1, address: "10.9.0.11:8443", weight: 1 }
      - { name: b2, address: "10.9.0.12:8443", weight: 1 }
      - { name: b3, address: "10.9.0.13:8443", weight: 1 }`;
const rules = (flags: string) => `-A -t 10.9.0.1:443 -s mh -b ${flags}
  -a -t 10.9.0.1:443 -r 10.9.0.11:8443 -m -w 1
  -a -t 10.9.0.1:443 -r 10.9.0.12:8443 -m -w 1
  -a -t 10.9.0.1:443 -r 10.9.0.13:8443 -m -w 1`;

step("without net.ipv4.vs.conntrack the masqueraded answers find no way back", async () => {
  await sysctl({ "net.ipv4.ip_forward": 1 });
  await shell("iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE");
  await own(config("mh-port"), rules("mh-port"));
  assert.deepEqual((await ask("10.9.0.1:443", 2)).errors, { timeout: 2 });
});

step("with it all three servers get their share, and see the director", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 1 });
  const { counts, errors, seenFrom } = await ask("10.9.0.1:443", 60);
  assert.deepEqual([Object.keys(counts).sort(), errors, seenFrom], [["b1", "b2", "b3"], {}, ["10.9.0.1"]]);
});

step("b2 is dead, without mh-fallback: at weight 0 its share is refused, so director takes the entry out", async () => {
  if (byHand) await must(["ipvsadm", "-e", "-t", "10.9.0.1:443", "-r", "10.9.0.12:8443", "-m", "-w", "0"]);
  else {
    await b2.behave("refuse");
    await until("b2 is out", () => !("10.9.0.12:8443" in (weights("tcp:10.9.0.1:443") ?? {})), { timeoutMs: 20_000 });
  }
  const { counts, errors } = await ask("10.9.0.1:443", 40);
  assert.deepEqual(Object.keys(counts).sort(), ["b1", "b3"]);
  // Few of the refusals are heard, the rest time out: the kernel limits the rate of its ICMP errors.
  if (byHand) assert.ok((errors.ECONNREFUSED ?? 0) > 0, JSON.stringify(errors));
  else assert.deepEqual(errors, {});
});

step("with mh-fallback its share goes to the others", async () => {
  const atRest = rules("mh-fallback,mh-port").replace("10.9.0.12:8443 -m -w 1", "10.9.0.12:8443 -m -w 0");
  await own(config("mh-port, mh-fallback"), atRest);
  const { counts, errors } = await ask("10.9.0.1:443", 40);
  assert.deepEqual([Object.keys(counts).sort(), errors], [["b1", "b3"], {}]);
});

step("direct routing: the VIP on every server's loopback, ARP quiet there; clients keep their address", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 0 });
  await shell("iptables -t nat -F; ip addr add 10.9.0.100/32 dev eth0");
  for (const rs of ["rs1", "rs2", "rs3"]) {
    await sysctl({ "net.ipv4.conf.eth0.arp_ignore": 1, "net.ipv4.conf.eth0.arp_announce": 2 }, rs);
    await must(["ip", "-n", rs, "addr", "add", "10.9.0.100/32", "dev", "lo"]);
  }
  await b2.behave("ok");
  await own(
    `${config("mh-port, mh-fallback")}
  - name: direct
    vip: 10.9.0.100:8443
    scheduler: mh
    scheduler_flags: [mh-port, mh-fallback]
    forward: direct
    check: { type: http, path: /, port: 8443 }
    servers: [ { address: 10.9.0.11, weight: 1 }, { address: 10.9.0.12, weight: 1 }, { address: 10.9.0.13, weight: 1 } ]`,
    `-A -t 10.9.0.100:8443 -s mh -b mh-fallback,mh-port
     -a -t 10.9.0.100:8443 -r 10.9.0.11:8443 -g -w 1
     -a -t 10.9.0.100:8443 -r 10.9.0.12:8443 -g -w 1
     -a -t 10.9.0.100:8443 -r 10.9.0.13:8443 -g -w 1
     ${rules("mh-fallback,mh-port")}`,
  );
  const { counts, errors, seenFrom } = await ask("10.9.0.100:8443", 40);
  assert.deepEqual([Object.keys(counts).sort(), errors, seenFrom], [["b1", "b2", "b3"], {}, ["10.9.0.200"]]);
});
