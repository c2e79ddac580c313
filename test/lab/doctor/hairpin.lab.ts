// The doctor on servers in namespaces on a bridge of this machine, clients among them: what each of the settings is for, one missing at a time.
// lab: topology=none timeout=150
import assert from "node:assert/strict";
import { type Actor, must, setTable, shell, startActor, startActors, step, sysctl } from "../inside.ts";
import { examined, flows, healthy, mend, missing } from "./examination.ts";

const target = "10.100.100.100:8080";
await shell(`
  modprobe -a xt_set ip_set ip_set_hash_ipportip br_netfilter iptable_nat
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1 net.bridge.bridge-nf-call-iptables=1
  ip link add bridge_home type bridge
  ip addr add 10.0.0.1/24 dev bridge_home
  ip link set bridge_home up promisc on
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
  ip addr add 10.100.100.100/32 dev ipvs0
  ipset create LOOP hash:ip,port,ip
  ipset add LOOP 10.0.0.11,tcp:8080,10.0.0.11
  iptables -t nat -A POSTROUTING -m set --match-set LOOP dst,dst,src -j MASQUERADE`);
const [host, { dustin, leah }] = await Promise.all([startActor(undefined), startActors("dustin", "leah")]);
await dustin.listen({ kind: "http", name: "dustin", port: 8080 });
await leah.listen({ kind: "http", name: "leah", port: 8080 });

const config = (...servers: readonly string[]) => `services:
  - name: service
    vip: ${target}
    scheduler: rr
    check: { type: http, path: / }
    servers:
${servers.map((address) => `      - { address: "${address}:8080", weight: 1 }`).join("\n")}`;
const one = config("10.0.0.11");
/** That the pods' default route is this machine cannot be seen from here. */
const HINTS = ["server-return-path"];

const answered = async (from: Actor) =>
  (await from.load({ kind: "http", target, count: 1, timeoutMs: 800 })).counts.dustin === 1;
const everyone = async () => (await answered(host)) && (await answered(leah)) && (await answered(dustin));

async function without(id: string, whoMissesIt: Actor, take: () => Promise<unknown>): Promise<void> {
  await take();
  const found = await missing(one, id, HINTS);
  assert.equal(await answered(whoMissesIt), false, `it works without ${id}`);
  await mend(found);
  await flows(`everyone is answered again after ${JSON.stringify(found.fix.commands)}`, everyone);
}

step("all set: host, neighbour and the server itself are answered, and nothing is found", async () => {
  await setTable(`-A -t ${target} -s rr\n-a -t ${target} -r 10.0.0.11:8080 -m -w 1`);
  await flows("everyone is answered", everyone);
  await healthy(one, HINTS);
});

step("without net.ipv4.vs.conntrack", () =>
  without("vs-conntrack", dustin, () => sysctl({ "net.ipv4.vs.conntrack": 0 })),
);
step("without the promiscuous bridge", () =>
  without("bridge-promiscuous", dustin, () => must(["ip", "link", "set", "bridge_home", "promisc", "off"])),
);
step("without bridge netfilter it is the neighbour who gets answers from the wrong address", () =>
  without("bridge-netfilter", leah, () => sysctl({ "net.bridge.bridge-nf-call-iptables": 0 })),
);
step("without net.ipv4.ip_forward", () => without("ip-forward", dustin, () => sysctl({ "net.ipv4.ip_forward": 0 })));
step("without the service's address", () =>
  without("vip-not-local", leah, () => must(["ip", "addr", "del", "10.100.100.100/32", "dev", "ipvs0"])),
);

step("hairpin on the server's port does in place of the promiscuous bridge", async () => {
  await shell("ip link set bridge_home promisc off; bridge link set dev veth_dustin hairpin on");
  await flows("everyone is answered", everyone);
  await healthy(one, HINTS);
  await shell("ip link set bridge_home promisc on; bridge link set dev veth_dustin hairpin off");
});

step("a second server that was not put into the set", async () => {
  const two = config("10.0.0.11", "10.0.0.21");
  const { findings } = await examined(two);
  assert.deepEqual(
    findings.map(({ id }) => id),
    ["hairpin-snat", ...HINTS],
  );
  assert.match(findings[0]!.seen, /no rule masquerades 10\.0\.0\.21 as its own client/);
  await setTable(`-d -t ${target} -r 10.0.0.11:8080\n-a -t ${target} -r 10.0.0.21:8080 -m -w 1`);
  const leahItself = async () =>
    (await leah.load({ kind: "http", target, count: 1, timeoutMs: 800 })).counts.leah === 1;
  assert.equal(await leahItself(), false);
  await mend(findings[0]!);
  await flows("the second server gets at itself", leahItself);
  await healthy(two, HINTS);
});
