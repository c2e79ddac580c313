// The doctor where servers are behind the director, for IPv4, IPv6 and a firewall mark: no full NAT is asked for, and of what is needed exactly the
// missing one is named.
// lab: topology=routed servers=2 timeout=150
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { must, setTable, shell, startActors, step, sysctl, until } from "../inside.ts";
import { flows, healthy, mend, mendServer, missing } from "./examination.ts";

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
for (const [rs, name] of [
  [rs1, "a"],
  [rs2, "b"],
] as const) {
  for (const port of [80, 81]) await rs.listen({ kind: "http", name, port });
}
await shell(`modprobe -a iptable_mangle xt_mark xt_multiport
  iptables -t mangle -A PREROUTING -d 10.100.0.1 -p tcp -m multiport --dports 81 -j MARK --set-mark 7`);

const config = `services:
  - name: web
    vip: 10.100.0.1:80
    scheduler: rr
    check: { type: http, path: / }
    servers: [ { name: a, address: "10.9.1.2:80" }, { name: b, address: "10.9.2.2:80" } ]
  - name: six
    vip: "[fd00:100::1]:80"
    scheduler: rr
    check: { type: http, path: / }
    servers: [ { name: a, address: "[fd00:9:1::2]:80" }, { name: b, address: "[fd00:9:2::2]:80" } ]
  - name: marked
    fwmark: 7
    scheduler: rr
    check: { type: http, path: /, port: 80 }
    servers: [ { name: a, address: 10.9.1.2 }, { name: b, address: 10.9.2.2 } ]`;
const targets = { web: "10.100.0.1:80", six: "[fd00:100::1]:80", marked: "10.100.0.1:81" } as const;
/** One for each way to a server. */
const HINTS = Array.from({ length: 4 }, () => "server-return-path");

const counts = async (service: keyof typeof targets) =>
  (await cl.load({ kind: "http", target: targets[service], count: 4, concurrency: 4, timeoutMs: 1000 })).counts;
const whole = async (service: keyof typeof targets) => {
  const { a, b } = await counts(service);
  return a === 2 && b === 2;
};
const answered = async () => (await whole("web")) && (await whole("six")) && (await whole("marked"));

step("without the kernel's IPVS", async () => {
  await must(["modprobe", "-r", "ip_vs"]);
  await mend(await missing(config, "ip-vs-module", HINTS));
  await healthy(config, HINTS);
});

step("all set: clients are answered, and no address rewriting is asked for", async () => {
  await setTable(`-A -t 10.100.0.1:80 -s rr
    -a -t 10.100.0.1:80 -r 10.9.1.2:80 -m
    -a -t 10.100.0.1:80 -r 10.9.2.2:80 -m
    -A -t [fd00:100::1]:80 -s rr
    -a -t [fd00:100::1]:80 -r [fd00:9:1::2]:80 -m
    -a -t [fd00:100::1]:80 -r [fd00:9:2::2]:80 -m
    -A -f 7 -s rr
    -a -f 7 -r 10.9.1.2:0 -m
    -a -f 7 -r 10.9.2.2:0 -m`);
  await flows("all three answer", answered);
  const hints = await healthy(config, HINTS);
  assert.deepEqual(
    hints.map(({ services }) => services),
    [["web", "marked"], ["web", "marked"], ["six"], ["six"]],
  );
});

for (const [name, service, take] of [
  ["net.ipv4.ip_forward", "web", () => sysctl({ "net.ipv4.ip_forward": 0 })],
  ["net.ipv6.conf.all.forwarding", "six", () => sysctl({ "net.ipv6.conf.all.forwarding": 0 })],
] as const)
  step(`without ${name}`, async () => {
    await take();
    const found = await missing(config, "ip-forward", HINTS);
    assert.equal(found.seen, `${name} is 0`);
    assert.deepEqual(await counts(service), {});
    await mend(found);
    await flows("all three answer", answered);
  });

step("forwarding switched off for one interface alone", async () => {
  await sysctl({ "net.ipv4.conf.vrs1.forwarding": 0 });
  const found = await missing(config, "ip-forward", HINTS);
  assert.equal(found.seen, "net.ipv4.conf.vrs1.forwarding is 0");
  assert.deepEqual(await counts("web"), { b: 2 });
  await mend(found);
  await flows("all three answer", answered);
});

step("a mark that nobody sets: what the doctor says, with address and ports filled in, sets it", async () => {
  await must(["iptables", "-t", "mangle", "-F", "PREROUTING"]);
  const { fix } = await missing(config, "fwmark-unset", HINTS);
  assert.deepEqual(await counts("marked"), {});
  await shell(fix.text!.replace("VIP", "10.100.0.1").replace("PORTS", "81"));
  await flows("all three answer", answered);
});

step("a server without a route to it", async () => {
  await must(["ip", "route", "add", "unreachable", "10.9.2.2/32"]);
  const found = await missing(config, "server-unroutable", HINTS.slice(1));
  assert.deepEqual(
    [found.services, found.seen],
    [["web", "marked"], "no route to b, 10.9.2.2 (ip route get 10.9.2.2)"],
  );
  assert.deepEqual(await counts("web"), { a: 2 });
  await must(["ip", "route", "del", "unreachable", "10.9.2.2/32"]);
});

step("a server whose way back leads elsewhere is a hint, and what it says mends it there", async () => {
  await must(["ip", "-n", "rs1", "route", "del", "default"]);
  const [hint] = await healthy(config, HINTS);
  assert.deepEqual(await counts("web"), { b: 2 });
  await mendServer(hint!, "rs1");
  await flows("all three answer", answered);
});

step("keepalived with a service of ours", async () => {
  const file = "/run/lab/keepalived.conf";
  writeFileSync(file, "virtual_server 10.100.0.1 80 {\n  real_server 10.9.1.2 80 { }\n}\n");
  const run = () => spawn("/bin/bash", ["-c", `exec -a keepalived tail -f ${file}`], { stdio: "ignore" });
  const keepalived = run();
  await until("it runs", async () =>
    (await shell(`cat /proc/${keepalived.pid}/cmdline | tr '\\0' ' '`)).startsWith("keepalived -f"),
  );
  const found = await missing(config, "other-writer", HINTS);
  assert.match(found.seen, /^keepalived \(pid \d+\) has 10\.100\.0\.1 port 80 in its configuration$/);
  // One for VRRP alone is welcome.
  writeFileSync(file, "vrrp_instance A { virtual_ipaddress { 10.100.0.1 } }\n");
  await healthy(config, HINTS);
  keepalived.kill();
  await until("it is gone", () => keepalived.exitCode !== null || keepalived.signalCode !== null);
});

step("Debian's ipvsadm service with rules of its own", async () => {
  await shell(`mkdir -p /etc/init.d /etc/default; touch /etc/init.d/ipvsadm; echo 'AUTO="true"' >/etc/default/ipvsadm`);
  await mend(await missing(config, "ipvsadm-service", HINTS));
  await healthy(config, HINTS);
});

step("direct routing to a server behind a gateway: it has the VIP, and still gets nothing", async () => {
  await shell(`
    ip link add g1 netns rs1 type veth peer name g2 netns rs2
    ip -n rs1 addr add 10.50.0.1/24 dev g1
    ip -n rs1 link set g1 up
    ip -n rs2 addr add 10.50.0.2/24 dev g2
    ip -n rs2 link set g2 up
    ip -n rs2 addr add 10.100.0.1/32 dev lo
    ip route add 10.50.0.0/24 via 10.9.1.2`);
  await sysctl({ "net.ipv4.ip_forward": 1 }, "rs1");
  await setTable(
    "-E -t 10.100.0.1:80 -s rr\n-d -t 10.100.0.1:80 -r 10.9.1.2:80\n-d -t 10.100.0.1:80 -r 10.9.2.2:80\n-a -t 10.100.0.1:80 -r 10.50.0.2:80 -g",
  );
  const direct = `services:
  - name: web
    vip: 10.100.0.1:80
    forward: direct
    check: { type: tcp, port: 80 }
    servers: [ { address: 10.50.0.2 } ]`;
  const { seen } = await missing(direct, "direct-gateway", ["server-arp"]);
  assert.equal(seen, "10.50.0.2 is reached through 10.9.1.2 (vrs1)");
  assert.deepEqual(await counts("web"), {});
});

step("strict reverse paths, for clients from outside whose answers leave by another interface", async () => {
  await shell(`
    ip link add vout type veth peer name eth1 netns cl
    ip addr add 10.7.0.1/24 dev vout
    ip link set vout up
    ip -n cl addr add 10.7.0.2/24 dev eth1
    ip -n cl link set eth1 up
    ip route add default via 10.7.0.2
    ip -n cl addr add 198.51.100.7/32 dev lo
    ip addr add 203.0.113.1/32 dev vcl
    ip -n cl route add 203.0.113.1/32 via 10.8.0.1 src 198.51.100.7`);
  await setTable("-A -t 203.0.113.1:80 -s rr\n-a -t 203.0.113.1:80 -r 10.9.1.2:80 -m");
  const outside = config
    .split("  - name: six")[0]!
    .replace("10.100.0.1:80", "203.0.113.1:80")
    .replace(/, \{ name: b.*?\}/, "");
  const asked = async () =>
    (await cl.load({ kind: "http", target: "203.0.113.1:80", count: 1, timeoutMs: 1000 })).counts.a === 1;
  await flows("a client from outside is answered", asked);
  await healthy(outside, HINTS.slice(0, 1));
  await sysctl({ "net.ipv4.conf.vcl.rp_filter": 1 });
  const found = await missing(outside, "rp-filter", HINTS.slice(0, 1));
  assert.equal(await asked(), false);
  await mend(found);
  await flows("a client from outside is answered", asked);
  await healthy(outside, HINTS.slice(0, 1));
});
