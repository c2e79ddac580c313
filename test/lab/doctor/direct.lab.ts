// The doctor on direct routing beside masquerading, both by consistent hashing: one thing missing at a time. What is the servers' own is a hint,
// and its commands mend it there.
// lab: topology=flat servers=2 timeout=150
import assert from "node:assert/strict";
import { must, setTable, shell, startActors, step, sysctl } from "../inside.ts";
import { examined, flows, healthy, mend, mendServer, missing } from "./examination.ts";

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await Promise.all([
  rs1.listen({ kind: "http", name: "b1", port: 8443 }),
  rs2.listen({ kind: "http", name: "b2", port: 8443 }),
]);
const vip = "10.9.0.100";
const quiet = { "net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2 };
await shell(`
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1
  iptables -t nat -A POSTROUTING -m ipvs --vaddr 10.9.0.1 -j MASQUERADE
  ip addr add ${vip}/32 dev eth0`);
for (const rs of ["rs1", "rs2"]) {
  await sysctl(quiet, rs);
  await must(["ip", "-n", rs, "addr", "add", `${vip}/32`, "dev", "lo"]);
}

const masqueraded = `services:
  - name: web
    vip: 10.9.0.1:443
    scheduler: mh
    scheduler_flags: [mh-port, mh-fallback]
    check: { type: http, path: / }
    servers: [ { address: "10.9.0.11:8443", weight: 1 }, { address: "10.9.0.12:8443", weight: 1 } ]
`;
const direct = (more = "") => `  - name: direct
    vip: ${vip}:8443
    scheduler: mh
    forward: direct${more}
    check: { type: http, path: /, port: 8443 }
    servers: [ { address: 10.9.0.11, weight: 1 }, { address: 10.9.0.12, weight: 1 } ]
`;
const both = masqueraded + direct();
const HINTS = ["server-arp"];

const counts = async (target: string) =>
  (await cl.load({ kind: "http", target, count: 8, concurrency: 8, timeoutMs: 1000 })).counts;
/** Both servers answer, and nothing is lost. */
const whole = async (target: string) => {
  const { b1 = 0, b2 = 0 } = await counts(target);
  return b1 > 0 && b2 > 0 && b1 + b2 === 8;
};
const answered = async () => (await whole("10.9.0.1:443")) && (await whole(`${vip}:8443`));
const forget = () => shell("ip -n cl neigh flush all; ip neigh flush all");

step("a scheduler that this kernel has not", async () => {
  const file = "/lib/modules/$(uname -r)/modules.dep";
  await shell(`cp ${file} /run/lab/modules.dep; sed -i /ip_vs_mh/d ${file}`);
  const { fix, seen } = await missing(both, "scheduler-module", HINTS);
  assert.match(seen, /^ip_vs_mh is neither in kernel /);
  assert.match(fix.text ?? "", /install the modules of kernel /);
  await shell(`cp /run/lab/modules.dep ${file}`);
});

step("one that is only not loaded yet is fine: everything is, and clients are answered", async () => {
  await healthy(both, HINTS);
  await setTable(`-A -t 10.9.0.1:443 -s mh -b mh-port,mh-fallback
    -a -t 10.9.0.1:443 -r 10.9.0.11:8443 -m -w 1
    -a -t 10.9.0.1:443 -r 10.9.0.12:8443 -m -w 1
    -A -t ${vip}:8443 -s mh -b mh-port,mh-fallback
    -a -t ${vip}:8443 -r 10.9.0.11:8443 -g -w 1
    -a -t ${vip}:8443 -r 10.9.0.12:8443 -g -w 1`);
  await flows("both services answer", answered);
});

for (const [id, target, take] of [
  ["vs-conntrack", "10.9.0.1:443", () => sysctl({ "net.ipv4.vs.conntrack": 0 })],
  ["snat-missing", "10.9.0.1:443", () => must(["iptables", "-t", "nat", "-F", "POSTROUTING"])],
  ["ip-forward", "10.9.0.1:443", () => sysctl({ "net.ipv4.ip_forward": 0 })],
  ["vip-not-local", `${vip}:8443`, () => must(["ip", "addr", "del", `${vip}/32`, "dev", "eth0"])],
] as const)
  step(`without what ${id} asks for`, async () => {
    await take();
    await forget();
    const found = await missing(both, id, HINTS);
    assert.deepEqual(await counts(target), {}, `it works without ${id}`);
    await mend(found);
    await flows(`clients are answered again after ${JSON.stringify(found.fix.commands)}`, answered);
  });

step("direct routing needs no forwarding", async () => {
  await sysctl({ "net.ipv4.ip_forward": 0 });
  await healthy(`services:\n${direct()}`, HINTS);
  assert.ok(await whole(`${vip}:8443`));
  await sysctl({ "net.ipv4.ip_forward": 1 });
});

step("a server without the VIP is a hint, and what it says mends it there", async () => {
  await must(["ip", "-n", "rs1", "addr", "del", `${vip}/32`, "dev", "lo"]);
  const [hint] = await healthy(both, HINTS);
  const { b1 = 0, b2 = 0 } = await counts(`${vip}:8443`);
  assert.ok(b1 === 0 && b2 > 0 && b2 < 8, `${b1} and ${b2}`);
  await mendServer(hint!, "rs1");
  await flows("both servers answer", answered);
});

step("a rule that masquerades directly routed packets too", async () => {
  await must(["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"]);
  const found = await missing(both, "direct-rewritten", HINTS);
  assert.deepEqual(await counts(`${vip}:8443`), {});
  await mend(found);
  await flows("both services answer", answered);
  await healthy(both, HINTS);
});

step("settings that weight 0 needs", async () => {
  const persistent = masqueraded + direct("\n    persistence: { timeout: 5m }");
  await mend(await missing(persistent, "expire-quiescent-template", HINTS));
  await healthy(persistent, HINTS);
  await sysctl({ "net.ipv4.vs.conn_reuse_mode": 0 });
  await mend(await missing(both, "conn-reuse-mode", HINTS));
  await healthy(both, HINTS);
});

step("a director whose only address there is the VIP is not answered by servers that have it too", async () => {
  const alone = `services:\n${direct()}`;
  await shell(`ip addr flush dev eth0 scope global; ip addr add ${vip}/24 dev eth0`);
  await forget();
  const { seen, fix } = await missing(alone, "direct-source", HINTS);
  assert.match(seen, /calls itself 10\.9\.0\.100, which is the VIP/);
  assert.deepEqual(await counts(`${vip}:8443`), {});
  await shell(fix.text!.replace(/^.*: /, "").replace("ADDRESS/LENGTH", "10.9.0.1/24"));
  await shell(
    `ip addr del ${vip}/24 dev eth0; ip addr add 10.9.0.1/24 dev eth0 2>&1 || true; ip addr add ${vip}/32 dev eth0`,
  );
  await flows("both servers answer", () => whole(`${vip}:8443`));
  assert.deepEqual(
    (await examined(alone)).findings.map(({ id }) => id),
    HINTS,
  );
});
