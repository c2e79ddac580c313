// A server turns sick in three ways, and well again: its weight follows when the rules say so, its open connections live on, new ones go elsewhere; UDP too.
// lab: topology=routed servers=3 timeout=200
import assert from "node:assert/strict";
import { must, savedRules, setTable, startActors, startDirector, step, sysctl, until, weights } from "../inside.ts";
import { serverStatus, status } from "./api.ts";
import { probesOf, toldAfter, turnsOf } from "./probes.ts";
import { soonMs } from "./soon.ts";
import { longestStall, watchTable, weightsOver } from "./watcher.ts";

const chat = "tcp:10.100.0.1:7000";
const dns = "udp:10.100.0.1:53";
const RULES = { fall: 3, rise: 2 };

// Somebody else's, with everything that a listing can lose: thresholds, persistence, a mark, weight 0.
await setTable(`-A -t 10.100.0.1:9999 -s wlc -p 300 -M 255.255.255.0
  -a -t 10.100.0.1:9999 -r 10.9.1.2:9999 -m -w 7 -x 100 -y 50
  -a -t 10.100.0.1:9999 -r 10.9.2.2:9999 -m -w 0
  -A -f 7 -s sh -b sh-port
  -a -f 7 -r 10.9.3.2 -g -w 3`);
const foreign = async () => [
  ...(await savedRules()).split("\n").filter((line) => / -t 10\.100\.0\.1:9999 | -f 7 /.test(line)),
  await must(["/usr/sbin/ipvsadm", "-Ln", "-t", "10.100.0.1:9999", "--thresholds"]),
  await must(["/usr/sbin/ipvsadm", "-Ln", "-f", "7", "--thresholds"]),
];
const foreignBefore = await foreign();

// A UDP client whose server leaves the table is to be taken over by another at its next packet.
await sysctl({ "net.ipv4.vs.expire_nodest_conn": 1 });
const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(25)]);
const [health, , b, c, dnsHealth] = await Promise.all([
  rs1.listen({ kind: "http", name: "chat-a-health", port: 8080 }),
  rs1.listen({ kind: "echo", name: "chat-a", port: 7000 }),
  rs2.listen({ kind: "echo", name: "chat-b", port: 7000 }),
  rs3.listen({ kind: "echo", name: "chat-c", port: 7000 }),
  rs1.listen({ kind: "udp", name: "dns-health", port: 5353 }),
  rs1.listen({ kind: "udp", name: "dns-a", port: 53 }),
  rs2.listen({ kind: "udp", name: "dns-b", port: 53 }),
]);
const director = startDirector({
  config: `
defaults: { check: { interval: 600ms, fast_interval: 400ms, down_interval: 500ms, timeout: 1500ms, fall: ${RULES.fall}, rise: ${RULES.rise} } }
services:
  - name: chat
    vip: 10.100.0.1:7000
    check: { type: tcp, expect: "chat-" }
    servers:
      - { name: a, address: "10.9.1.2:7000", check: { type: http, port: 8080, path: /healthz } }
      - { name: b, address: "10.9.2.2:7000" }
      - { name: c, address: "10.9.3.2:7000" }
  - name: dns
    vip: 10.100.0.1:53
    protocol: udp
    check: { type: udp, send: "ping", expect: "dns-" }
    servers:
      - { name: a, address: "10.9.1.2:53", weight: 60, check: { port: 5353 } }
      - { name: b, address: "10.9.2.2:53", weight: 40 }
`,
});
await director.ready();
await until(
  "everybody serves",
  () =>
    Object.values(weights(chat) ?? {}).join() === "100,100,100" && Object.values(weights(dns) ?? {}).join() === "60,40",
);
const held = await cl.hold({ kind: "echo", target: "10.100.0.1:7000", count: 9, everyMs: 200, timeoutMs: 5000 });

interface Sickness {
  readonly way: string;
  readonly server: string;
  readonly address: string;
  /** Of what is probed. */
  readonly endpoint: string;
  readonly says: RegExp;
  readonly fall: () => Promise<void>;
  readonly heal: () => Promise<void>;
}

const sicknesses: readonly Sickness[] = [
  {
    way: "answers 503",
    server: "a",
    address: "10.9.1.2:7000",
    endpoint: "10.9.1.2 8080",
    says: /status 503, expected 200-299/,
    fall: () => health.behave({ kind: "status", status: 503 }, "/healthz"),
    heal: () => health.behave("ok", "/healthz"),
  },
  {
    way: "refuses connections",
    server: "b",
    address: "10.9.2.2:7000",
    endpoint: "10.9.2.2 7000",
    says: /connection refused/,
    fall: () => b.behave("refuse"),
    heal: () => b.behave("ok"),
  },
  {
    way: "accepts and says nothing",
    server: "c",
    address: "10.9.3.2:7000",
    endpoint: "10.9.3.2 7000",
    says: /timed out after 1s500ms/,
    fall: () => c.behave("silent"),
    heal: () => c.behave("ok"),
  },
];

for (const { way, server: which, address, endpoint, says, fall, heal } of sicknesses)
  step(
    `a server that ${way}: weight 0, open connections live on, new ones go elsewhere; well again: its weight is back`,
    async (t) => {
      const before = await held.look();
      assert.deepEqual(before.alive, { "chat-a": 3, "chat-b": 3, "chat-c": 3 });

      await fall();
      await until("its weight is 0", () => weights(chat)![address] === 0);
      const elsewhere = await cl.load({ kind: "echo", target: "10.100.0.1:7000", count: 60, concurrency: 4 });
      const name = `chat-${which}`;
      const others = ["chat-a", "chat-b", "chat-c"].filter((other) => other !== name);
      assert.deepEqual(elsewhere.errors, {});
      assert.deepEqual(elsewhere.counts, Object.fromEntries(others.map((other) => [other, 30])));
      const sick = (await serverStatus(director, "chat", which))!;
      assert.deepEqual([sick.state, sick.rule, sick.weight, sick.kernelWeight, sick.active], ["down", "down", 0, 0, 3]);
      assert.match(sick.reason!, says);
      const during = await held.look();

      await heal();
      await until("its weight is back", () => weights(chat)![address] === 100);
      const after = await held.look();
      assert.deepEqual([after.alive, after.dead], [before.alive, []]);
      const exchanged = [during.exchanges - before.exchanges, after.exchanges - during.exchanges];
      assert.ok(
        exchanged.every((n) => n >= 9),
        `the held connections exchanged ${exchanged}`,
      );

      const turns = turnsOf(probesOf(director.log, endpoint), RULES);
      const told = toldAfter(director.log, endpoint, { service: "chat", server: which });
      assert.deepEqual(
        told,
        turns.map(({ nth, to }) => ({ nth, to })),
      );
      assert.deepEqual(
        told.map(({ to }) => to),
        ["up", "down", "up"],
      );
      assert.match(turns[1]!.words, says);
      const delays = await delaysOf(
        turns.map((turn) => turn.at),
        chat,
        address,
      );
      t.diagnostic(
        `weight 0 ${ms(delays[1]!)} after the end of failure ${RULES.fall}, 100 again ${ms(delays[2]!)} after the end of pass ${RULES.rise}; 60 new connections: ${JSON.stringify(elsewhere.counts)}; held: ${JSON.stringify(after.alive)} with ${exchanged[0]} + ${exchanged[1]} exchanges`,
      );
    },
  );

step(
  "a UDP server whose check stays unanswered: its entry leaves the table, its flows move on, new ones go elsewhere; well again: it is back",
  async (t) => {
    const flows = await cl.hold({ kind: "udp", target: "10.100.0.1:53", count: 10, everyMs: 200, timeoutMs: 5000 });
    assert.deepEqual((await flows.look()).alive, { "dns-a": 6, "dns-b": 4 });

    // The port that clients ask goes on answering: nothing but the table can move them.
    await dnsHealth.behave("silent");
    await until("the entry is out of the table", () => !("10.9.1.2:53" in weights(dns)!));
    const elsewhere = await cl.load({ kind: "udp", target: "10.100.0.1:53", count: 30, concurrency: 4 });
    assert.deepEqual([elsewhere.counts, elsewhere.errors], [{ "dns-b": 30 }, {}]);
    const sick = (await serverStatus(director, "dns", "a"))!;
    assert.deepEqual(
      [sick.state, sick.rule, sick.weight, sick.kernelWeight, sick.takenOut],
      ["down", "down", 0, undefined, "udp flows would stay with it"],
    );
    const moved = await until("its flows have moved", async () => {
      const { alive, dead } = await flows.look();
      return dead.length === 6 ? { alive, dead } : undefined;
    });
    assert.deepEqual(moved.alive, { "dns-b": 4 });
    assert.ok(moved.dead.every(({ server, reason }) => server === "dns-a" && reason === "moved to dns-b"));

    await dnsHealth.behave("ok");
    await until("it is back with its weight", () => weights(dns)!["10.9.1.2:53"] === 60);
    const back = await cl.load({ kind: "udp", target: "10.100.0.1:53", count: 50, concurrency: 4 });
    assert.deepEqual(back.errors, {});
    assert.ok(Math.abs(back.counts["dns-a"]! - 30) <= 1, `30 of 50 are due to a: ${JSON.stringify(back.counts)}`);

    const turns = turnsOf(probesOf(director.log, "10.9.1.2 5353"), RULES);
    const told = toldAfter(director.log, "10.9.1.2 5353", { service: "dns", server: "a" });
    assert.deepEqual(
      told,
      turns.map(({ nth, to }) => ({ nth, to })),
    );
    assert.deepEqual(
      told.map(({ to }) => to),
      ["up", "down", "up"],
    );
    const delays = await delaysOf(
      turns.map((turn) => turn.at),
      dns,
      "10.9.1.2:53",
    );
    t.diagnostic(
      `out of the table ${ms(delays[1]!)} after the end of failure ${RULES.fall}, back ${ms(delays[2]!)} after the end of pass ${RULES.rise}; meanwhile ${JSON.stringify(elsewhere.counts)}, then ${JSON.stringify(back.counts)}; of 10 flows that never paused 6 moved to b`,
    );
  },
);

step("somebody else's services stand as they stood, to the byte; the director tells of no drift", async (t) => {
  assert.deepEqual(await foreign(), foreignBefore);
  const { table, mode } = await status(director);
  assert.deepEqual([mode, table.inSync, table.refused, table.leftAlone, table.leaving], ["manage", true, [], [], []]);
  assert.equal(director.log.filter((line) => line.kind === "drift").length, 0);
  const seen = await watcher.look();
  for (const server of ["10.9.1.2:9999", "10.9.2.2:9999"])
    assert.equal(weightsOver(seen, "tcp:10.100.0.1:9999", server).length, 1, `${server} never changed`);
  t.diagnostic(
    `${seen.looks} looks at the table, ${longestStall(seen)} ms apart at most; ${foreignBefore.length} foreign lines unchanged`,
  );
});

step("SIGTERM ends it with code 0, and the table stays", async () => {
  const before = await savedRules();
  assert.deepEqual(await director.stop(), { code: 0, signal: null });
  assert.equal(await savedRules(), before);
});

/** How long after each verdict (in turn up, down, up) the kernel served or no longer served this server. Fails on any turn of the kernel that no verdict
 *  explains, on one before its verdict, and on one that came late; the first, while everything is still starting, may be late. */
async function delaysOf(verdicts: readonly number[], service: string, server: string): Promise<readonly number[]> {
  const soon = await soonMs();
  const moments = weightsOver(await watcher.look(), service, server);
  const turns = moments.filter(({ weight }, i) => serves(weight) !== serves(moments[i - 1]?.weight));
  assert.equal(turns.length, verdicts.length, JSON.stringify(moments));
  return turns.map(({ at }, i) => {
    const delay = at - verdicts[i]!;
    assert.ok(
      delay >= 0 && (i === 0 || delay <= soon),
      `turn ${i + 1} of ${server} came ${delay} ms after its verdict, at most ${soon} were to be expected`,
    );
    return delay;
  });
}

function serves(weight: number | undefined): boolean {
  return weight !== undefined && weight > 0;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
