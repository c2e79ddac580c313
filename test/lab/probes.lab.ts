// Probes over a real network: what routers, firewalls, dead neighbours and our own routes answer, and what comes of rationed ICMP.
// lab: topology=routed servers=3 timeout=240
import assert from "node:assert/strict";
import { formatEndpoint } from "../../src/model/address.ts";
import type { CheckRecord } from "../../src/probe/engine.ts";
import { createEngine } from "../../src/probe/engine.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { checkSpec } from "../support/check-spec.ts";
import { line, probe, probeOnce, target } from "../support/drive.ts";
import { inNamespace, must, shell, startActors, step, until } from "./inside.ts";

const { rs1, rs2 } = await startActors("rs1", "rs2");
for (const port of [80, 81, 82, 83, 84, 85, 86]) await rs1.listen({ kind: "http", name: "a", port });
await rs2.listen({ kind: "http", name: "b", port: 80 });

const asked: Readonly<Record<string, Record<string, unknown>>> = {
  tcp: {},
  http: { path: "/" },
  "udp answered": { send: "ping", expect: "ping" },
  "udp silent": { send: "ping", silence: "pass" },
};

/** The outcome of one probe from here. */
async function ask(what: string, address: string, port: number, timeout = 5000): Promise<string> {
  const type = probeTypes.get(what.split(" ")[0]!)!;
  return line(await probeOnce(type, target(port, timeout, address), asked[what]));
}

/** One row: what is probed, and what has to come of it. */
async function expectAll(rows: readonly (readonly [what: string, address: string, port: number, outcome: RegExp])[]) {
  for (const [what, address, port, outcome] of rows) {
    const answer = await ask(what, address, port);
    console.log(`${what} ${address} ${port}: ${answer}`);
    assert.match(answer, outcome, `${what} ${address} ${port}`);
  }
}

const rule = (tool: string, ...words: string[]) => must(inNamespace("rs1", [tool, "-A", "INPUT", ...words]));

step("a server that is well passes", async () => {
  await expectAll([
    ["tcp", "10.9.1.2", 80, /^pass: connected$/],
    ["http", "10.9.1.2", 80, /^pass: status 200$/],
    ["tcp", "fd00:9:1::2", 80, /^pass: connected$|^fail: connection refused$/],
  ]);
});

step("SYNs that a firewall drops end at the deadline", async () => {
  await rule("iptables", "-p", "tcp", "--dport", "81", "-j", "DROP");
  for (const what of ["tcp", "http"])
    assert.equal(await ask(what, "10.9.1.2", 81, 1000), "fail: timed out after 1s while connecting");
});

step("whatever a firewall or router answers is a failure, even where our own table would say the same", async () => {
  for (const [port, answer] of [
    [82, "icmp-host-unreachable"],
    [83, "icmp-net-unreachable"],
    [84, "icmp-admin-prohibited"],
    [85, "icmp-port-unreachable"],
    [86, "tcp-reset"],
  ] as const)
    await rule("iptables", "-p", "tcp", "--dport", String(port), "-j", "REJECT", "--reject-with", answer);
  for (const [port, answer] of [
    [92, "icmp6-addr-unreachable"],
    [93, "icmp6-no-route"],
    [94, "icmp6-adm-prohibited"],
  ] as const)
    await rule("ip6tables", "-p", "tcp", "--dport", String(port), "-j", "REJECT", "--reject-with", answer);
  await expectAll([
    ["tcp", "10.9.1.2", 82, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["http", "10.9.1.2", 82, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["tcp", "10.9.1.2", 83, /^fail: network unreachable, says a router \(ENETUNREACH\)$/],
    ["http", "10.9.1.2", 83, /^fail: network unreachable, says a router \(ENETUNREACH\)$/],
    ["tcp", "10.9.1.2", 84, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["tcp", "10.9.1.2", 85, /^fail: connection refused$/],
    ["tcp", "10.9.1.2", 86, /^fail: connection refused$/],
    ["tcp", "fd00:9:1::2", 92, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["tcp", "fd00:9:1::2", 93, /^fail: network unreachable, says a router \(ENETUNREACH\)$/],
    ["tcp", "fd00:9:1::2", 94, /^fail: administratively prohibited, says a router \(EACCES\)$/],
  ]);
});

step("a neighbour that is switched off is a failure, by ARP or by the deadline", async () => {
  const first = await ask("tcp", "10.9.1.77", 80, 1000);
  assert.match(first, /^fail: (timed out after 1s while connecting|host unreachable \(EHOSTUNREACH\))$/);
  await expectAll([
    ["tcp", "10.9.1.78", 80, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["http", "10.9.1.79", 80, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["udp answered", "10.9.1.80", 53, /^fail: (timed out after 5s waiting for the reply|host unreachable)/],
  ]);
});

step("what our own routes and firewall forbid says nothing about the server", async () => {
  await shell(`
    ip route add prohibit 203.0.113.2
    ip route add unreachable 203.0.113.3
    ip route add blackhole 203.0.113.4
    iptables -A OUTPUT -p udp -d 10.9.1.2 --dport 99 -j DROP
  `);
  await expectAll([
    ["tcp", "203.0.113.1", 80, /^inconclusive: this machine has no route to it \(ENETUNREACH\)$/],
    ["http", "203.0.113.1", 80, /^inconclusive: this machine has no route to it \(ENETUNREACH\)$/],
    ["udp answered", "203.0.113.1", 53, /^inconclusive: this machine has no route to it \(ENETUNREACH\)$/],
    ["tcp", "2001:db8::1", 80, /^inconclusive: this machine has no route to it \(ENETUNREACH\)$/],
    ["tcp", "203.0.113.2", 80, /^inconclusive: forbidden by this machine's own routes \(EACCES\)$/],
    ["udp answered", "203.0.113.2", 53, /^inconclusive: forbidden by this machine's own routes \(EACCES\)$/],
    ["tcp", "203.0.113.3", 80, /^fail: host unreachable \(EHOSTUNREACH\)$/],
    ["tcp", "203.0.113.4", 80, /^inconclusive: this machine cannot use the address \(EINVAL\)$/],
    ["udp answered", "10.9.1.2", 99, /^inconclusive: forbidden by this machine's own firewall \(EPERM\)$/],
  ]);
});

step("one prober tells our own refusal from a router's, whichever came before", async () => {
  for (const what of ["tcp", "http", "https", "smtp", "grpc"]) {
    const type = probeTypes.get(what)!;
    const prober = type.open(target(83, 5000, "10.9.1.2"), type.options.parse({}));
    const answers = [];
    for (const change of ["true", "ip route add prohibit 10.9.1.2/32", "ip route del prohibit 10.9.1.2/32"]) {
      await shell(change);
      answers.push(line(await probe(prober, 5000)));
    }
    prober.close();
    const router = "fail: network unreachable, says a router (ENETUNREACH)";
    assert.deepEqual(answers, [router, "inconclusive: forbidden by this machine's own routes (EACCES)", router]);
  }
});

step("a route that goes and comes back does not leave a kept udp socket behind", async () => {
  await rs1.listen({ kind: "udp", name: "u", port: 5353 });
  const type = probeTypes.get("udp")!;
  const kept = type.open(target(5353, 2000, "10.9.1.2"), type.options.parse(asked["udp silent"]));
  const once = async () => line(await probe(kept, 2000));
  assert.equal(await once(), "pass: a reply");
  await shell("ip addr del 10.9.1.1/24 dev vrs1");
  assert.match(await once(), /^inconclusive: this machine /);
  await shell("ip addr add 10.9.1.9/24 dev vrs1; ip addr add 10.9.1.1/24 dev vrs1");
  assert.equal(await once(), "pass: a reply");
  kept.close();
});

/** Runs checks that expect silence, every 2 s each, and shows what they come to. */
async function silentChecks(
  endpoints: readonly string[],
  act: (records: () => readonly CheckRecord[]) => Promise<void>,
): Promise<void> {
  const engine = createEngine({ clock: systemClock, probeTypes, onTransitions: () => {}, onProbe: undefined });
  const options = probeTypes.get("udp")!.options.parse(asked["udp silent"]);
  const specs = endpoints.map((endpoint) => ({
    ...checkSpec({ endpoint, interval: 2000, timeout: 1000 }),
    type: "udp",
    options,
  }));
  engine.update(new Map(specs.map((spec) => [spec.key, { spec, begin: { kind: "new", presumedUp: true } }])));
  try {
    await act(() => [...engine.records()]);
  } finally {
    for (const r of engine.records())
      console.log(
        `${formatEndpoint(r.spec.target.address, r.spec.target.port)} ${r.state.kind}: ${r.passes} passes, ${r.failures} failures, ${r.inconclusive} inconclusive`,
      );
    engine.stop();
  }
}

const down = (records: readonly CheckRecord[]) => records.filter(({ state }) => state.kind === "down").length;
const passes = (records: readonly CheckRecord[]) => records.reduce((sum, record) => sum + record.passes, 0);
const ports = (address: string, count: number) => Array.from({ length: count }, (_, i) => `${address}:${6001 + i}`);

step("five dead udp ports on one host are all found, though the host rations its refusals", () =>
  silentChecks(ports("10.9.2.2", 5), async (records) => {
    await until("all five are down", () => down(records()) === 5, { timeoutMs: 60_000, everyMs: 200 });
    assert.equal(passes(records()), 0);
  }),
);

step("of twelve dead ports on one host, far more than its ration, most are found and none is taken for alive", () =>
  silentChecks(ports("10.9.3.2", 12), async (records) => {
    await until("nine are down", () => down(records()) >= 9, { timeoutMs: 90_000, everyMs: 200 });
    assert.equal(passes(records()), 0);
  }),
);

step("a silent port that lives stays up next to a dead one", async () => {
  const server = await rs1.listen({ kind: "udp", name: "v", port: 6002 });
  await server.behave("silent");
  await silentChecks(["10.9.1.2:6002", "10.9.1.2:6003"], async (records) => {
    await until("one is down", () => down(records()) === 1, { timeoutMs: 30_000, everyMs: 200 });
    const before = passes(records());
    await until("the other has passed three times more", () => passes(records()) >= before + 3, { timeoutMs: 30_000 });
    assert.deepEqual(
      records().map(({ state }) => state.kind),
      ["up", "down"],
    );
  });
});
