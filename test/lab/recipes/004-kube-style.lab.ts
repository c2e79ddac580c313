// docs/setups/kube-style.md with the page's own commands and files, what kube-proxy does: a service address on a dummy interface, servers in namespaces on a bridge, clients among them, the server itself
// included (hairpin); a second server joins while it runs.
// lab: topology=none timeout=120
import assert from "node:assert/strict";
import { type Actor, shell, startActor, startActors, step, until, weights } from "../inside.ts";
import { byHand, daemon, own } from "./owner.ts";
import { setupPage } from "./page.ts";

const page = setupPage("kube-style", { host: [undefined] });
const target = page.target();
await shell("modprobe -a xt_set ip_set ip_set_hash_ipportip iptable_nat");
for (const beginning of [
  "sysctl -w net.ipv4.ip_forward",
  "ip link add bridge_home",
  "ip addr add 10.0.0.1/24",
  "ip link set bridge_home up",
  "for pod in",
  "ip link add ipvs0",
  "ip addr add 10.100",
])
  await page.run("host", beginning);
const [host, { dustin, leah }] = await Promise.all([startActor(undefined), startActors("dustin", "leah")]);
await dustin.listen({ kind: "http", name: "dustin", port: 8080 });
const second = await leah.listen({ kind: "http", name: "leah", port: 8080 });

const ask = async (from: Actor, count = 2) => {
  const { counts, errors } = await from.load({ kind: "http", target, count, timeoutMs: 800 });
  return { counts, errors };
};
const answered = { counts: { dustin: 2 }, errors: {} };
const silence = { counts: {}, errors: { timeout: 2 } };
const rules = (...servers: readonly string[]) =>
  [`-A -t ${target} -s rr`, ...servers.map((address) => `-a -t ${target} -r ${address}:8080 -m -w 1`)].join("\n");

step("the host and the other pod reach it; the dummy interface may even be down", async () => {
  await own(page.config(), rules("10.0.0.11"));
  assert.deepEqual(await ask(host), answered);
  await page.run("host", "modprobe br_netfilter");
  await page.run("host", "sysctl -w net.bridge");
  assert.deepEqual(await ask(leah), answered);
  await page.shows("host", "director status");
});

step("hairpin: the server as its own client needs vs.conntrack and a promiscuous bridge, both", async () => {
  for (const beginning of ["ipset create", "ipset add LOOP 10.0.0.11", "ipset add LOOP 10.0.0.21", "iptables"])
    await page.run("host", beginning);
  assert.deepEqual(await ask(dustin), silence, "neither");
  await page.run("host", "ip link set bridge_home promisc on");
  assert.deepEqual(await ask(dustin), silence, "only the bridge");
  await page.run("host", "sysctl -w net.ipv4.vs.conntrack");
  await shell("ip link set bridge_home promisc off");
  assert.deepEqual(await ask(dustin), silence, "only vs.conntrack");
  await page.run("host", "ip link set bridge_home promisc on");
  assert.deepEqual(await dustin.load({ kind: "http", target, count: 2 }), { ...answered, seenFrom: ["10.0.0.1"] });
});

step("hairpin mode of its port does in place of the promiscuous bridge", async () => {
  await shell("ip link set bridge_home promisc off");
  await page.run("host", "bridge link");
  assert.deepEqual(await ask(dustin), answered);
  await page.run("host", "ip link set bridge_home promisc on");
});

step("a second server joins while it runs: host and pods get both by turns", async () => {
  if (!byHand) {
    daemon().configure(page.config(1));
    await page.shows("host", "director plan");
  }
  await own(page.config(1), rules("10.0.0.11", "10.0.0.21"));
  for (const from of [host, leah, dustin]) {
    assert.deepEqual(await ask(from, 10), { counts: { dustin: 5, leah: 5 }, errors: {} });
  }
});

step("a server dies: the other has everything", async (t) => {
  if (byHand) return t.skip("nobody looks after the server");
  await second.behave("refuse");
  await until("weight 0", () => weights(`tcp:${target}`)?.["10.0.0.21:8080"] === 0, { timeoutMs: 20_000 });
  assert.deepEqual(await ask(host, 6), { counts: { dustin: 6 }, errors: {} });
  await page.shows("host", "director status service");
});
