// Client, director and server on one segment, as in a cloud: masquerading alone is DNAT only, the server answers the client directly and
// nothing works. Full NAT needs three things at once, and each that is missing looks the same from outside: a time-out.
// lab: topology=flat servers=1 timeout=90
import assert from "node:assert/strict";
import { shell, startActors, step, sysctl } from "../inside.ts";
import { own } from "./owner.ts";

const { rs1, cl } = await startActors("rs1", "cl");
await rs1.listen({ kind: "http", name: "hello", port: 8085 });
await rs1.listen({ kind: "udp", name: "hello", port: 8086 });

const ask = async (kind: "http" | "udp", port: number) => {
  const { counts, errors } = await cl.load({ kind, target: `10.9.0.1:${port}`, count: 2, timeoutMs: 800 });
  return { counts, errors };
};
const silence = { counts: {}, errors: { timeout: 2 } };
const answers = { counts: { hello: 2 }, errors: {} };

step("one TCP and one UDP service on the director's only address", async () => {
  await own(
    `services:
      - name: api
        vip: 10.9.0.1:8085
        scheduler: rr
        check: { type: http, path: / }
        servers: [ { address: "10.9.0.11:8085", weight: 1 } ]
      - name: api-udp
        vip: 10.9.0.1:8086
        protocol: udp
        scheduler: rr
        check: { type: udp, send: "?", expect: "hello ?" }
        servers: [ { address: "10.9.0.11:8086", weight: 1 } ]`,
    `-A -t 10.9.0.1:8085 -s rr
     -a -t 10.9.0.1:8085 -r 10.9.0.11:8085 -m -w 1
     -A -u 10.9.0.1:8086 -s rr
     -a -u 10.9.0.1:8086 -r 10.9.0.11:8086 -m -w 1`,
  );
});

step("masquerading alone: silence", async () => {
  assert.deepEqual(await ask("http", 8085), silence);
});

step("with the POSTROUTING rule: still silence", async () => {
  await shell("modprobe xt_ipvs; iptables -t nat -A POSTROUTING -m ipvs --vaddr 10.9.0.1 -j MASQUERADE");
  assert.deepEqual(await ask("http", 8085), silence);
});

step("with net.ipv4.vs.conntrack=1 as well: still silence", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 1 });
  assert.deepEqual(await ask("http", 8085), silence);
});

step("with net.ipv4.ip_forward=1 too it works, and the server sees the director", async () => {
  await sysctl({ "net.ipv4.ip_forward": 1 });
  assert.deepEqual(await cl.load({ kind: "http", target: "10.9.0.1:8085", count: 2 }), {
    ...answers,
    seenFrom: ["10.9.0.1"],
  });
  assert.deepEqual(await ask("udp", 8086), answers);
});

step("without net.ipv4.vs.conntrack it is silent again", async () => {
  await sysctl({ "net.ipv4.vs.conntrack": 0 });
  assert.deepEqual(await ask("http", 8085), silence);
});
