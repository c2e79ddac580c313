// docs/setups/one-arm-nat.md with the page's own commands and file: client, director and server on one segment, as in a cloud. Masquerading alone is
// DNAT only, the server answers the client directly and nothing works; each of the three things that is missing looks the same: a time-out.
// lab: topology=flat servers=1 timeout=90
import assert from "node:assert/strict";
import { shell, startActors, step, sysctl, until, weights } from "../inside.ts";
import { byHand, own } from "./owner.ts";
import { setupPage } from "./page.ts";

const page = setupPage("one-arm-nat", { director: [undefined] });
const { rs1, cl } = await startActors("rs1", "cl");
const hello = await rs1.listen({ kind: "http", name: "hello", port: 8085 });
await rs1.listen({ kind: "udp", name: "hello", port: 8086 });

const ask = async (kind: "http" | "udp", target = page.target()) => {
  const { counts, errors } = await cl.load({ kind, target, count: 2, timeoutMs: 800 });
  return { counts, errors };
};
const UDP = "10.9.0.1:8086";
const silence = { counts: {}, errors: { timeout: 2 } };
const answers = { counts: { hello: 2 }, errors: {} };

step("one TCP and one UDP service on the director's only address", async () => {
  await own(
    page.config(),
    `-A -t 10.9.0.1:8085 -s rr
     -a -t 10.9.0.1:8085 -r 10.9.0.11:8085 -m -w 1
     -A -u 10.9.0.1:8086 -s rr
     -a -u 10.9.0.1:8086 -r 10.9.0.11:8086 -m -w 1`,
  );
  await page.shows("director", "director config test");
});

step("masquerading alone: silence", async () => {
  assert.deepEqual(await ask("http"), silence);
});

step("with the POSTROUTING rule: still silence", async () => {
  await shell("modprobe xt_ipvs");
  await page.run("director", "iptables");
  assert.deepEqual(await ask("http"), silence);
});

step("with net.ipv4.vs.conntrack=1 as well: still silence", async () => {
  await page.run("director", "sysctl -w net.ipv4.vs.conntrack");
  assert.deepEqual(await ask("http"), silence);
});

step("with net.ipv4.ip_forward=1 too it works, and the server sees the director", async () => {
  await page.run("director", "sysctl -w net.ipv4.ip_forward");
  assert.deepEqual(await cl.load({ kind: "http", target: page.target(), count: 2 }), {
    ...answers,
    seenFrom: ["10.9.0.1"],
  });
  assert.deepEqual(await ask("udp", UDP), answers);
  await page.shows("director", "director status");
});

step("without net.ipv4.vs.conntrack it is silent again", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 0 });
  assert.deepEqual(await ask("http"), silence);
  await sysctl({ "net.ipv4.vs.conntrack": 1 });
});

step("its only server dead, clients are refused at once and need not wait", async (t) => {
  if (byHand) return t.skip("nobody looks after the server");
  await hello.behave("refuse");
  await until("weight 0", () => weights("tcp:10.9.0.1:8085")?.["10.9.0.11:8085"] === 0, { timeoutMs: 20_000 });
  const { errors } = await cl.load({ kind: "http", target: page.target(), count: 1, timeoutMs: 5_000 });
  assert.deepEqual(errors, { ECONNREFUSED: 1 });
  await page.shows("director", "director status api");
});
