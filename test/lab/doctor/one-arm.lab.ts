// The doctor on one-arm full NAT: with everything in place it finds nothing; of the settings that are needed it names exactly the one that is
// missing, and its command mends it.
// lab: topology=flat servers=1 timeout=150
import assert from "node:assert/strict";
import { must, shell, startActors, step, sysctl } from "../inside.ts";
import { own } from "../recipes/owner.ts";
import { doctor, examined, flows, healthy, mend, missing } from "./examination.ts";

const { rs1, cl } = await startActors("rs1", "cl");
await rs1.listen({ kind: "http", name: "hello", port: 8085 });
await rs1.listen({ kind: "udp", name: "hello", port: 8086 });

const config = `services:
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
    servers: [ { address: "10.9.0.11:8086", weight: 1 } ]`;

const asked = async (kind: "http" | "udp") =>
  (await cl.load({ kind, target: `10.9.0.1:${kind === "http" ? 8085 : 8086}`, count: 1, timeoutMs: 800 })).counts
    .hello === 1;
const answered = async () => (await asked("http")) && (await asked("udp"));

/** Takes one thing away, sees that it is missed, and has it put back by the doctor's own command. */
async function without(id: string, take: () => Promise<unknown>): Promise<void> {
  await take();
  const found = await missing(config, id, []);
  assert.equal(await asked("http"), false, `it works without ${id}`);
  await mend(found);
  await flows(`clients are answered again after ${JSON.stringify(found.fix.commands)}`, answered);
}

step("nothing is set: all four are named, in one look, and nothing is changed by looking", async () => {
  await own(
    config,
    `-A -t 10.9.0.1:8085 -s rr
     -a -t 10.9.0.1:8085 -r 10.9.0.11:8085 -m -w 1
     -A -u 10.9.0.1:8086 -s rr
     -a -u 10.9.0.1:8086 -r 10.9.0.11:8086 -m -w 1`,
  );
  const state = () =>
    shell("cat /proc/modules | cut -d' ' -f1 | sort; sysctl -a 2>/dev/null | grep -E 'ip_forward|vs\\.'");
  const before = await state();
  const { findings, code } = await examined(config);
  assert.deepEqual(
    [findings.map(({ id }) => id), code],
    [["ip-forward", "vs-conntrack", "snat-missing", "expire-nodest-conn"], 1],
  );
  assert.equal(await state(), before);
});

step("--apply shows what it runs, and afterwards clients are answered", async () => {
  const { code, stdout, stderr } = await doctor(config, "--apply");
  assert.equal(code, 0, stdout + stderr);
  assert.match(
    stdout,
    /^\+ sysctl -w net\.ipv4\.ip_forward=1\n\+ sysctl -w net\.ipv4\.vs\.conntrack=1\n\+ iptables -t nat -A POSTROUTING -m ipvs --vaddr 10\.9\.0\.1 -j MASQUERADE\n\+ sysctl -w net\.ipv4\.vs\.expire_nodest_conn=1\n\n\S+director\.conf: nothing found\n$/,
  );
  await flows("clients are answered", answered);
  await healthy(config, []);
});

step("--apply again has nothing to do", async () => {
  const rules = await must(["iptables-save", "-t", "nat"]);
  const { applied } = await examined(config, "--apply");
  assert.deepEqual(applied, []);
  assert.deepEqual(withoutCounts(await must(["iptables-save", "-t", "nat"])), withoutCounts(rules));
});

step("without net.ipv4.ip_forward", () => without("ip-forward", () => sysctl({ "net.ipv4.ip_forward": 0 })));
step("without net.ipv4.vs.conntrack", () => without("vs-conntrack", () => sysctl({ "net.ipv4.vs.conntrack": 0 })));
step("without the rule", () => without("snat-missing", () => must(["iptables", "-t", "nat", "-F", "POSTROUTING"])));
step("with a rule for another address", () =>
  without("snat-missing", () =>
    shell("iptables -t nat -F POSTROUTING; iptables -t nat -A POSTROUTING -m ipvs --vaddr 10.9.0.9 -j MASQUERADE"),
  ),
);

step(
  "without expire_nodest_conn a UDP client that keeps its port gets no answer once its server is taken out",
  async () => {
    await sysctl({ "net.ipv4.vs.expire_nodest_conn": 0 });
    await mend(await missing(config, "expire-nodest-conn", []));
    await healthy(config, []);
  },
);

step("who is not root is told what was not seen, and gets no wrong verdict", async () => {
  await must(["iptables", "-t", "nat", "-F", "POSTROUTING"]);
  const file = (await must(["mktemp"])).trim();
  await shell(`chmod 644 ${file}; cat >${file} <<'CONF'\n${config}\nCONF`);
  const director = new URL("../../../bin/director", import.meta.url).pathname;
  const ran = await must([
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "--inh-caps=-all",
    director,
    "doctor",
    "-c",
    file,
  ]);
  assert.match(ran, /nothing found/);
  assert.match(ran, /not seen, so not judged \(run it as root\)\n {2}rules of iptables: /);
});

function withoutCounts(saved: string): string {
  return saved.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "");
}
