// What kube-proxy does: a service address on a dummy interface, servers in namespaces on a bridge, clients among them, the server itself
// included (hairpin); a second server joins while it runs.
// lab: topology=none timeout=120
import assert from "node:assert/strict";
import { type Actor, shell, startActor, startActors, step, sysctl } from "../inside.ts";
import { own } from "./owner.ts";

const target = "10.100.100.100:8080";
await shell(`
  modprobe -a xt_set ip_set ip_set_hash_ipportip br_netfilter iptable_nat
  sysctl -qw net.ipv4.ip_forward=1
  ip link add bridge_home type bridge
  ip addr add 10.0.0.1/24 dev bridge_home
  ip link set bridge_home up
  for pod in dustin:11 leah:21; do
    name=\${pod%:*}
    ip netns add $name
    ip -n $name link set lo up
    ip link add veth_$name type veth peer name eth0 netns $name
    ip link set veth_$name master bridge_home up
    ip -n $name addr add 10.0.0.\${pod#*:}/24 dev eth0
    ip -n $name link set eth0 up
    ip -n $name route add default via 10.0.0.1
  done
  ip link add ipvs0 type dummy
  ip addr add 10.100.100.100/32 dev ipvs0`);
const [host, { dustin, leah }] = await Promise.all([startActor(undefined), startActors("dustin", "leah")]);
await dustin.listen({ kind: "http", name: "dustin", port: 8080 });
await leah.listen({ kind: "http", name: "leah", port: 8080 });

const ask = async (from: Actor, count = 2) => {
  const { counts, errors } = await from.load({ kind: "http", target, count, timeoutMs: 800 });
  return { counts, errors };
};
const answered = { counts: { dustin: 2 }, errors: {} };
const silence = { counts: {}, errors: { timeout: 2 } };
const config = (...servers: readonly string[]) => `services:
  - name: service
    vip: ${target}
    scheduler: rr
    check: { type: http, path: / }
    servers:
${servers.map((address) => `      - { address: "${address}:8080", weight: 1 }`).join("\n")}`;
const rules = (...servers: readonly string[]) =>
  [`-A -t ${target} -s rr`, ...servers.map((address) => `-a -t ${target} -r ${address}:8080 -m -w 1`)].join("\n");

step("the host and the other pod reach it; the dummy interface may even be down", async () => {
  await own(config("10.0.0.11"), rules("10.0.0.11"));
  assert.deepEqual(await ask(host), answered);
  await sysctl({ "net.bridge.bridge-nf-call-iptables": 1 });
  assert.deepEqual(await ask(leah), answered);
});

step("hairpin: the server as its own client needs vs.conntrack and a promiscuous bridge, both", async () => {
  await shell(`
    ipset create LOOP hash:ip,port,ip
    ipset add LOOP 10.0.0.11,tcp:8080,10.0.0.11
    ipset add LOOP 10.0.0.21,tcp:8080,10.0.0.21
    iptables -t nat -A POSTROUTING -m set --match-set LOOP dst,dst,src -j MASQUERADE`);
  assert.deepEqual(await ask(dustin), silence, "neither");
  await shell("ip link set bridge_home promisc on");
  assert.deepEqual(await ask(dustin), silence, "only the bridge");
  await sysctl({ "net.ipv4.vs.conntrack": 1 });
  await shell("ip link set bridge_home promisc off");
  assert.deepEqual(await ask(dustin), silence, "only vs.conntrack");
  await shell("ip link set bridge_home promisc on");
  assert.deepEqual(await dustin.load({ kind: "http", target, count: 2 }), { ...answered, seenFrom: ["10.0.0.1"] });
});

step("hairpin mode of its port does in place of the promiscuous bridge", async () => {
  await shell("ip link set bridge_home promisc off; bridge link set dev veth_dustin hairpin on");
  assert.deepEqual(await ask(dustin), answered);
  await shell("ip link set bridge_home promisc on");
});

step("a second server joins while it runs: host and pods get both by turns", async () => {
  await own(config("10.0.0.11", "10.0.0.21"), rules("10.0.0.11", "10.0.0.21"));
  for (const from of [host, leah, dustin]) {
    assert.deepEqual(await ask(from, 10), { counts: { dustin: 5, leah: 5 }, errors: {} });
  }
});
