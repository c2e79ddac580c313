// docs/setups/direct-routing.md with the page's own commands and file: the VIP on a dummy interface of every server. Unless they keep quiet about it, a server answers the client's ARP and
// gets everything itself.
// lab: topology=flat servers=2 timeout=90
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { must, startActors, step, until, weights } from "../inside.ts";
import { byHand, own } from "./owner.ts";
import { setupPage } from "./page.ts";

const page = setupPage("direct-routing", { director: [undefined], servers: ["rs1", "rs2"] });

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await rs1.listen({ kind: "http", name: "s2", port: 80 });
const s3 = await rs2.listen({ kind: "http", name: "s3", port: 80 });
const vip = page.target().split(":")[0]!;
const directorMac = readFileSync("/sys/class/net/eth0/address", "utf8").trim();

/** Who the client believes has the VIP, asked afresh six times. */
const believed = async () => {
  const macs = new Set<string | undefined>();
  for (let i = 0; i < 6; i++) {
    await must(["ip", "-n", "cl", "neigh", "flush", "all"]);
    await cl.load({ kind: "http", target: `${vip}:80`, count: 1, timeoutMs: 500 });
    macs.add(/lladdr (\S+)/.exec(await must(["ip", "-n", "cl", "neigh", "show", vip]))?.[1]);
  }
  return [...macs];
};

step("servers that lack the VIP drop what they are sent", async () => {
  await page.run("director", "ip addr add");
  await own(
    page.config(),
    `-A -t ${vip}:80 -s rr
     -a -t ${vip}:80 -r 10.9.0.11:80 -g -w 1
     -a -t ${vip}:80 -r 10.9.0.12:80 -g -w 1`,
  );
  assert.deepEqual((await cl.load({ kind: "http", target: `${vip}:80`, count: 2, timeoutMs: 800 })).errors, {
    timeout: 2,
  });
});

step("servers that have it and say so: the client talks past the director", async () => {
  await page.run("servers", "ip link add");
  await page.run("servers", "ip link set");
  await page.run("servers", "ip addr add");
  assert.ok((await believed()).some((mac) => mac !== directorMac));
});

step("with arp_ignore=1 and arp_announce=2 only the director answers", async () => {
  await page.run("servers", "sysctl");
  assert.deepEqual(await believed(), [directorMac]);
});

step("both servers by turns, and they see the client's own address", async () => {
  assert.deepEqual(await cl.load({ kind: "http", target: `${vip}:80`, count: 10 }), {
    counts: { s2: 5, s3: 5 },
    errors: {},
    seenFrom: ["10.9.0.200"],
  });
  await page.shows("director", "director status");
});

step("a server dies: the other has everything", async (t) => {
  if (byHand) return t.skip("nobody looks after the server");
  await s3.behave("refuse");
  await until("weight 0", () => weights(`tcp:${page.target()}`)?.["10.9.0.12:80"] === 0, { timeoutMs: 20_000 });
  const { counts, errors } = await cl.load({ kind: "http", target: page.target(), count: 10 });
  assert.deepEqual([counts, errors], [{ s2: 10 }, {}]);
  await page.shows("director", "director status web");
});
