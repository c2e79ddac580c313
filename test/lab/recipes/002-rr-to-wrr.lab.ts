// Two servers by turns, then weighted three to one, without a gap in between; and the kernel's own counters.
// lab: topology=routed servers=2 timeout=90
import assert from "node:assert/strict";
import { must, startActor, startActors, step, until } from "../inside.ts";
import { own } from "./owner.ts";

const [{ rs1, rs2, cl }, local] = await Promise.all([startActors("rs1", "rs2", "cl"), startActor(undefined)]);
await rs1.listen({ kind: "http", name: "A", port: 80 });
await rs2.listen({ kind: "http", name: "B", port: 80 });
const target = "10.100.0.1:80";

const config = (scheduler: string, weight: number) => `services:
  - name: web
    vip: ${target}
    scheduler: ${scheduler}
    check: { type: http, path: /healthz }
    servers: [ { name: a, address: "10.9.1.2:80", weight: ${weight} }, { name: b, address: "10.9.2.2:80", weight: 1 } ]`;
const rules = (scheduler: string, weight: number) => `-A -t ${target} -s ${scheduler}
  -a -t ${target} -r 10.9.1.2:80 -m -w ${weight}
  -a -t ${target} -r 10.9.2.2:80 -m -w 1`;

step("rr: every other connection", async () => {
  await own(config("rr", 1), rules("rr", 1));
  const { counts, errors } = await cl.load({ kind: "http", target, count: 10 });
  assert.deepEqual([counts, errors], [{ A: 5, B: 5 }, {}]);
});

step("wrr with weights 3 and 1: three to one", async () => {
  await own(config("wrr", 3), rules("wrr", 3));
  const { counts, errors } = await cl.load({ kind: "http", target, count: 12 });
  assert.deepEqual([counts, errors], [{ A: 9, B: 3 }, {}]);
});

step("the director itself is served too", async () => {
  const { counts, errors } = await local.load({ kind: "http", target, count: 4 });
  assert.deepEqual([counts, errors], [{ A: 3, B: 1 }, {}]);
});

step("the kernel counts the connections, two seconds late", async () => {
  const connections = async () => {
    const rows = (await must(["ipvsadm", "-Ln", "--stats", "--exact"])).matchAll(/-> (\S+) +(\d+) /g);
    return Object.fromEntries([...rows].map(([, server, count]) => [server, Number(count)]));
  };
  // By hand the table was made anew for wrr, and the counters with it.
  await until("both servers' connections are counted", async () => {
    const { "10.9.1.2:80": a = 0, "10.9.2.2:80": b = 0 } = await connections();
    return a >= 12 && b >= 4;
  });
});
