// docs/setups/weighted-round-robin.md with the page's own commands and files: two servers by turns, then weighted three to one, without a gap in between; and the kernel's own counters.
// lab: topology=routed servers=2 timeout=90
import assert from "node:assert/strict";
import { startActor, startActors, step, until, weights } from "../inside.ts";
import { byHand, daemon, own } from "./owner.ts";
import { setupPage } from "./page.ts";

const page = setupPage("weighted-round-robin", { director: [undefined] });

const [{ rs1, rs2, cl }, local] = await Promise.all([startActors("rs1", "rs2", "cl"), startActor(undefined)]);
await rs1.listen({ kind: "http", name: "A", port: 80 });
const b = await rs2.listen({ kind: "http", name: "B", port: 80 });
const target = page.target();

const rules = (scheduler: string, weight: number) => `-A -t ${target} -s ${scheduler}
  -a -t ${target} -r 10.9.1.2:80 -m -w ${weight}
  -a -t ${target} -r 10.9.2.2:80 -m -w 1`;

step("rr: every other connection", async () => {
  await page.run("director", "sysctl");
  await own(page.config(), rules("rr", 1));
  await page.shows("director", "director status");
  const { counts, errors } = await cl.load({ kind: "http", target, count: 10 });
  assert.deepEqual([counts, errors], [{ A: 5, B: 5 }, {}]);
});

step("wrr with weights 3 and 1: three to one", async () => {
  if (!byHand) {
    daemon().configure(page.config(1));
    await page.shows("director", "director plan");
  }
  await own(page.config(1), rules("wrr", 3));
  assert.match(
    await page.run("director", "director plan"),
    byHand ? /^$/ : /^nothing to change; 1 service untouched$/m,
  );
  const { counts, errors } = await cl.load({ kind: "http", target, count: 12 });
  assert.deepEqual([counts, errors], [{ A: 9, B: 3 }, {}]);
});

step("the director itself is served too", async () => {
  const { counts, errors } = await local.load({ kind: "http", target, count: 4 });
  assert.deepEqual([counts, errors], [{ A: 3, B: 1 }, {}]);
});

step("the kernel counts the connections, two seconds late", async () => {
  const connections = async () => {
    const rows = (await page.run("director", "ipvsadm -Ln --stats")).matchAll(/-> (\S+) +(\d+) /g);
    return Object.fromEntries([...rows].map(([, server, count]) => [server, Number(count)]));
  };
  // By hand the table was made anew for wrr, and the counters with it.
  await until("both servers' connections are counted", async () => {
    const { "10.9.1.2:80": a = 0, "10.9.2.2:80": b = 0 } = await connections();
    return a >= 12 && b >= 4;
  });
});

step("a server dies: weight 0, and everything goes to the other", async (t) => {
  if (byHand) return t.skip("nobody looks after the server");
  await b.behave("refuse");
  await until("b has weight 0", () => weights(`tcp:${target}`)?.["10.9.2.2:80"] === 0, { timeoutMs: 20_000 });
  const { counts, errors } = await cl.load({ kind: "http", target, count: 10 });
  assert.deepEqual([counts, errors], [{ A: 10 }, {}]);
  await page.shows("director", "director status web");
});
