// IPv6 masqueraded, and one service for several ports by a firewall mark.
// lab: topology=routed servers=2 timeout=90
import assert from "node:assert/strict";
import { must, shell, startActors, step } from "../inside.ts";
import { byHand, director, own } from "./owner.ts";

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
for (const [rs, name] of [
  [rs1, "a"],
  [rs2, "b"],
] as const) {
  for (const port of [80, 81]) await rs.listen({ kind: "http", name, port });
}
const v6 = "[fd00:100::1]:80";
const ask = async (target: string, count: number) => {
  const { counts, errors } = await cl.load({ kind: "http", target, count });
  return [counts, errors];
};

step("an IPv6 service with weights 3 and 1, and a firewall mark", async () => {
  await own(
    `services:
      - name: six
        vip: "${v6}"
        check: { type: http, path: / }
        servers:
          - { name: a, address: "[fd00:9:1::2]:80", weight: 3 }
          - { name: b, address: "[fd00:9:2::2]:80", weight: 1 }
      - name: marked
        fwmark: 7
        scheduler: rr
        check: { type: http, path: /, port: 80 }
        servers: [ { address: 10.9.1.2, weight: 1 }, { address: 10.9.2.2, weight: 1 } ]`,
    `-A -t ${v6} -s wrr
     -a -t ${v6} -r [fd00:9:1::2]:80 -m -w 3
     -a -t ${v6} -r [fd00:9:2::2]:80 -m -w 1
     -A -f 7 -s rr
     -a -f 7 -r 10.9.1.2:0 -m -w 1
     -a -f 7 -r 10.9.2.2:0 -m -w 1`,
  );
  assert.deepEqual(await ask(v6, 12), [{ a: 9, b: 3 }, {}]);
});

step("a at weight 0: everything goes to b", async () => {
  if (byHand) await must(["ipvsadm", "-e", "-t", v6, "-r", "[fd00:9:1::2]:80", "-m", "-w", "0"]);
  else await director("disable", "six", "a");
  assert.deepEqual(await ask(v6, 4), [{ b: 4 }, {}]);
});

step("one marked service takes both ports, and servers keep the port that was asked for", async () => {
  await shell(`modprobe -a iptable_mangle xt_mark xt_multiport
    iptables -t mangle -A PREROUTING -d 10.100.0.1 -p tcp -m multiport --dports 80,81 -j MARK --set-mark 7`);
  for (const port of [80, 81]) assert.deepEqual(await ask(`10.100.0.1:${port}`, 6), [{ a: 3, b: 3 }, {}]);
  const seen = await Promise.all([80, 81].map(async (port) => (await ask(`10.100.0.1:${port}`, 2))[1]));
  assert.deepEqual(seen, [{}, {}]);
});
