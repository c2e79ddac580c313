// Direct routing with the VIP on a dummy interface of every server. Unless they keep quiet about it, a server answers the client's ARP and
// gets everything itself.
// lab: topology=flat servers=2 timeout=90
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { must, shell, startActors, step, sysctl } from "../inside.ts";
import { own } from "./owner.ts";

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await rs1.listen({ kind: "http", name: "s2", port: 80 });
await rs2.listen({ kind: "http", name: "s3", port: 80 });
const vip = "10.9.0.2";
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
  await shell(`ip addr add ${vip}/32 dev eth0`);
  await own(
    `services:
      - name: web
        vip: ${vip}:80
        scheduler: rr
        forward: direct
        check: { type: http, path: /, port: 80 }
        servers: [ { address: 10.9.0.11, weight: 1 }, { address: 10.9.0.12, weight: 1 } ]`,
    `-A -t ${vip}:80 -s rr
     -a -t ${vip}:80 -r 10.9.0.11:80 -g -w 1
     -a -t ${vip}:80 -r 10.9.0.12:80 -g -w 1`,
  );
  assert.deepEqual((await cl.load({ kind: "http", target: `${vip}:80`, count: 2, timeoutMs: 800 })).errors, {
    timeout: 2,
  });
});

step("servers that have it and say so: the client talks past the director", async () => {
  for (const rs of ["rs1", "rs2"]) {
    await shell(
      `ip -n ${rs} link add vip type dummy; ip -n ${rs} link set vip up; ip -n ${rs} addr add ${vip}/32 dev vip`,
    );
  }
  assert.ok((await believed()).some((mac) => mac !== directorMac));
});

step("with arp_ignore=1 and arp_announce=2 only the director answers", async () => {
  for (const rs of ["rs1", "rs2"])
    await sysctl({ "net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2 }, rs);
  assert.deepEqual(await believed(), [directorMac]);
});

step("both servers by turns, and they see the client's own address", async () => {
  assert.deepEqual(await cl.load({ kind: "http", target: `${vip}:80`, count: 10 }), {
    counts: { s2: 5, s3: 5 },
    errors: {},
    seenFrom: ["10.9.0.200"],
  });
});
