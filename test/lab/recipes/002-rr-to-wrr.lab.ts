// Two servers, round robin, then weighted, three to one.
// lab: topology=routed servers=2 timeout=60
import assert from "node:assert/strict";
import { setTable, startActors, step } from "../inside.ts";

const actors = await startActors("rs1", "rs2", "cl");
await actors.rs1.listen({ kind: "http", name: "A", port: 80 });
await actors.rs2.listen({ kind: "http", name: "B", port: 80 });
const V = "10.100.0.1:80";

step("rr: every other connection", async () => {
  await setTable(`-A -t ${V} -s rr
    -a -t ${V} -r 10.9.1.2:80 -m
    -a -t ${V} -r 10.9.2.2:80 -m`);
  const { counts, errors } = await actors.cl.load({ kind: "http", target: V, count: 10 });
  assert.deepEqual({ counts, errors }, { counts: { A: 5, B: 5 }, errors: {} });
});

step("wrr 3:1: three to one", async () => {
  await setTable(`-E -t ${V} -s wrr
    -e -t ${V} -r 10.9.1.2:80 -m -w 3`);
  const { counts, errors } = await actors.cl.load({ kind: "http", target: V, count: 12 });
  assert.deepEqual({ counts, errors }, { counts: { A: 9, B: 3 }, errors: {} });
});
