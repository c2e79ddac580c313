// Tunnelling: the director wraps packets up, servers unwrap them on tunl0, which has the VIP, and answer the client directly. Those answers carry
// the VIP as source, so they must not pass through the director, which owns it and drops them.
// lab: topology=flat servers=2 timeout=90
import assert from "node:assert/strict";
import { shell, startActors, step, sysctl } from "../inside.ts";
import { own } from "./owner.ts";

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await rs1.listen({ kind: "http", name: "a", port: 80 });
await rs2.listen({ kind: "http", name: "b", port: 80 });
const target = "10.100.0.1:80";

step("without a tunnel end at the servers: they refuse", async () => {
  await sysctl({ "net.ipv4.ip_forward": 1 });
  await shell("modprobe ipip; ip addr add 10.100.0.1/32 dev lo; ip -n cl route add 10.100.0.1/32 via 10.9.0.1");
  await own(
    `services:
      - name: web
        vip: ${target}
        scheduler: rr
        forward: tunnel
        check: { type: http, path: /, port: 80 }
        servers: [ { address: 10.9.0.11, weight: 1 }, { address: 10.9.0.12, weight: 1 } ]`,
    `-A -t ${target} -s rr
     -a -t ${target} -r 10.9.0.11:80 -i -w 1 --tun-type ipip
     -a -t ${target} -r 10.9.0.12:80 -i -w 1 --tun-type ipip`,
  );
  assert.deepEqual((await cl.load({ kind: "http", target, count: 2 })).errors, { ECONNREFUSED: 2 });
});

step(
  "with tunl0 up, the VIP on it and rp_filter off: both by turns, and they see the client's own address",
  async () => {
    for (const rs of ["rs1", "rs2"]) {
      await shell(`ip -n ${rs} link set tunl0 up; ip -n ${rs} addr add 10.100.0.1/32 dev tunl0`);
      await sysctl({ "net.ipv4.conf.tunl0.rp_filter": 0, "net.ipv4.conf.all.rp_filter": 0 }, rs);
    }
    assert.deepEqual(await cl.load({ kind: "http", target, count: 6 }), {
      counts: { a: 3, b: 3 },
      errors: {},
      seenFrom: ["10.9.0.200"],
    });
  },
);
