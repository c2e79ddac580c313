// docs/setups/maglev.md with the page's own commands and files: consistent hashing over three servers on another port, masqueraded; then direct routing
// with the VIP on the servers' loopback.
// lab: topology=flat servers=3 timeout=120
import assert from "node:assert/strict";
import { must, shell, startActors, step, sysctl, until, weights } from "../inside.ts";
import { byHand, own } from "./owner.ts";
import { setupPage } from "./page.ts";

const page = setupPage("maglev", { director: [undefined], servers: ["rs1", "rs2", "rs3"] });

const { rs1, rs2, rs3, cl } = await startActors("rs1", "rs2", "rs3", "cl");
const b2 = await rs2.listen({ kind: "http", name: "b2", port: 8443 });
await Promise.all([
  rs1.listen({ kind: "http", name: "b1", port: 8443 }),
  rs3.listen({ kind: "http", name: "b3", port: 8443 }),
]);

const ask = (target: string, count: number) =>
  cl.load({ kind: "http", target, count, concurrency: 4, timeoutMs: 1000 });
const both = page.config();
const withoutFallback = both.replace("[mh-port, mh-fallback]", "[mh-port]");
const rules = (flags: string) => `-A -t 10.9.0.1:443 -s mh -b ${flags}
  -a -t 10.9.0.1:443 -r 10.9.0.11:8443 -m -w 1
  -a -t 10.9.0.1:443 -r 10.9.0.12:8443 -m -w 1
  -a -t 10.9.0.1:443 -r 10.9.0.13:8443 -m -w 1`;

step("without net.ipv4.vs.conntrack the masqueraded answers find no way back", async () => {
  await page.run("director", "sysctl -w net.ipv4.ip_forward");
  await page.run("director", "iptables");
  await own(withoutFallback, rules("mh-port"));
  await page.shows("director", "director config test");
  assert.deepEqual((await ask(page.target(), 2)).errors, { timeout: 2 });
});

step("with it all three servers get their share, and see the director", async () => {
  await page.run("director", "sysctl -w net.ipv4.vs.conntrack");
  const { counts, errors, seenFrom } = await ask(page.target(), 60);
  assert.deepEqual([Object.keys(counts).sort(), errors, seenFrom], [["b1", "b2", "b3"], {}, ["10.9.0.1"]]);
  await page.shows("director", "director status");
});

step("b2 is dead, without mh-fallback: at weight 0 its share is refused, so director takes the entry out", async () => {
  if (byHand) await must(["ipvsadm", "-e", "-t", "10.9.0.1:443", "-r", "10.9.0.12:8443", "-m", "-w", "0"]);
  else {
    await b2.behave("refuse");
    await until("b2 is out", () => !("10.9.0.12:8443" in (weights("tcp:10.9.0.1:443") ?? {})), { timeoutMs: 20_000 });
  }
  const { counts, errors } = await ask(page.target(), 40);
  assert.deepEqual(Object.keys(counts).sort(), ["b1", "b3"]);
  // Few of the refusals are heard, the rest time out: the kernel limits the rate of its ICMP errors.
  if (byHand) assert.ok((errors.ECONNREFUSED ?? 0) > 0, JSON.stringify(errors));
  else assert.deepEqual(errors, {});
});

step("with mh-fallback its share goes to the others", async () => {
  const atRest = rules("mh-fallback,mh-port").replace("10.9.0.12:8443 -m -w 1", "10.9.0.12:8443 -m -w 0");
  await own(both, atRest);
  await page.shows("director", "director status web");
  const { counts, errors } = await ask(page.target(), 40);
  assert.deepEqual([Object.keys(counts).sort(), errors], [["b1", "b3"], {}]);
});

step("direct routing: the VIP on every server's loopback, ARP quiet there; clients keep their address", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 0 });
  await shell("iptables -t nat -F");
  await page.run("director", "ip addr add");
  await page.run("servers", "sysctl");
  await page.run("servers", "ip addr add");
  await b2.behave("ok");
  await own(
    page.config(1),
    `-A -t 10.9.0.100:8443 -s mh -b mh-fallback,mh-port
     -a -t 10.9.0.100:8443 -r 10.9.0.11:8443 -g -w 1
     -a -t 10.9.0.100:8443 -r 10.9.0.12:8443 -g -w 1
     -a -t 10.9.0.100:8443 -r 10.9.0.13:8443 -g -w 1
     ${rules("mh-fallback,mh-port")}`,
  );
  const { counts, errors, seenFrom } = await ask(page.target(1), 40);
  assert.deepEqual([Object.keys(counts).sort(), errors, seenFrom], [["b1", "b2", "b3"], {}, ["10.9.0.200"]]);
});
