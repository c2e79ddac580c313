// Somebody else changes our services with ipvsadm: put back within seconds and told with the command to use instead; a fight is left to him; report only tells.
// lab: topology=routed servers=3 timeout=200
import assert from "node:assert/strict";
import {
  type LogLine,
  must,
  savedRules,
  setTable,
  startActors,
  startDirector,
  step,
  until,
  weights,
} from "../inside.ts";
import { ask, serverStatus, status } from "./api.ts";

const web = "tcp:10.100.0.1:80";
const [A, B, C, ALIEN] = ["10.9.1.2:80", "10.9.2.2:80", "10.9.3.2:80", "10.9.3.2:8080"] as const;
const ALL = { [A]: 100, [B]: 100, [C]: 100 };
/** The table is compared every 5 s; reading and writing it take up to a second here, and more while the host is busy. */
const WITHIN_MS = 8_000;
const FOREIGN = `-A -t 10.100.0.1:9999 -s lc -p 300
  -a -t 10.100.0.1:9999 -r 10.9.1.2:9999 -m -w 7
  -a -t 10.100.0.1:9999 -r 10.9.2.2:9999 -m -w 0
  -A -f 7 -s sh
  -a -f 7 -r 10.9.3.2 -g -w 3`;

await setTable(FOREIGN);
const foreign = async () =>
  (await savedRules()).split("\n").filter((line) => / -t 10\.100\.0\.1:9999 | -f 7 /.test(line));
const foreignBefore = await foreign();
const { rs1, rs2, rs3, cl } = await startActors("rs1", "rs2", "rs3", "cl");
const [a, b] = await Promise.all([
  rs1.listen({ kind: "http", name: "a", port: 80 }),
  rs2.listen({ kind: "http", name: "b", port: 80 }),
  rs3.listen({ kind: "http", name: "c", port: 80 }),
]);
const config = (drift: string) => `
ipvs: { drift: ${drift} }
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: /healthz, interval: 1s, fast_interval: 500ms, down_interval: 500ms, timeout: 2s, fall: 2, rise: 2 }
    servers:
      - { name: a, address: "${A}" }
      - { name: b, address: "${B}" }
      - { name: c, address: "${C}" }
`;
const director = startDirector({ config: config("repair") });
await director.ready();
await until("everybody serves", () => same(weights(web), ALL));
await until("it calls itself ready", async () => (await status(director)).ready);
const ours = async () => (await savedRules()).split("\n").filter((line) => / -t 10\.100\.0\.1:80 /.test(line));
const oursBefore = await ours();

/** What somebody types, and what the director is to say of it. */
const deeds = [
  {
    name: "-e with another weight",
    rules: `-e -t 10.100.0.1:80 -r ${A} -m -w 7`,
    says: /^web a: drift: somebody else set its weight to 7 \(ours: 100\); put back\. Use `director weight web a 7` instead\.$/,
  },
  {
    name: "-e with weight 0",
    rules: `-e -t 10.100.0.1:80 -r ${A} -m -w 0`,
    says: /^web a: drift: somebody else set its weight to 0 \(ours: 100\); put back\. Use `director disable web a` instead\.$/,
  },
  {
    name: "-e with another forwarding method",
    rules: `-e -t 10.100.0.1:80 -r ${A} -g -w 100`,
    says: /^web a: drift: somebody else set its forwarding to direct; put back\. Change director\.conf and `director reload` instead\.$/,
  },
  {
    name: "-d",
    rules: `-d -t 10.100.0.1:80 -r ${B}`,
    says: /^web b: drift: somebody else deleted it; put back\. Use `director disable web b` or `director drain` instead\.$/,
  },
  {
    name: "-E with another scheduler",
    rules: "-E -t 10.100.0.1:80 -s rr",
    says: /^web: drift: somebody else changed the options of tcp:10\.100\.0\.1:80 \(scheduler rr\); put back\. Change director\.conf/,
  },
] as const;

for (const { name, rules, says } of deeds)
  step(`ipvsadm ${name}: put back within 5 s or so, told with what to use instead`, async (t) => {
    const { after, tookMs } = await repairedAfter(rules);
    const told = driftLines(after);
    assert.equal(told.length, 1, JSON.stringify(told));
    assert.match(String(told[0]!.msg), says);
    assert.equal(told[0]!.level, "warn");
    assert.deepEqual(await foreign(), foreignBefore);
    t.diagnostic(`put back after ${tookMs} ms: ${told[0]!.msg}`);
  });

step("a server that somebody adds gets weight 0, keeps its connection to the end and leaves then", async (t) => {
  await rs3.listen({ kind: "echo", name: "alien", port: 8080 });
  await setTable(`-a -t 10.100.0.1:80 -r ${ALIEN} -m -w 1000`);
  const after = director.log.length;
  const added = performance.now();
  // wrr is in the midst of a round: one or two of these still go to the web servers, which say nothing and are given up.
  const holding = cl.hold({ kind: "echo", target: "10.100.0.1:80", count: 5, everyMs: 200, timeoutMs: 5000 });
  await until("it is at weight 0", () => weights(web)![ALIEN] === 0, { timeoutMs: WITHIN_MS });
  const tookMs = Math.round(performance.now() - added);
  const told = await until("it is told", () => driftLines(after)[0]);
  assert.match(
    String(told.msg),
    /^web 10\.9\.3\.2:8080: drift: somebody else added it with weight 1000; put back\. Change director\.conf/,
  );
  const held = await holding;
  const before = await held.look();
  const count = before.alive.alien!;
  assert.ok(count >= 2, JSON.stringify(before));
  const { leaving } = (await status(director)).table;
  assert.deepEqual(
    leaving.map(({ what, active }) => [what, active]),
    [[`${web} ${ALIEN}`, count]],
  );
  await until("its connections go on", async () => (await held.look()).exchanges >= before.exchanges + 20);
  assert.equal(weights(web)![ALIEN], 0);
  assert.equal((await held.release()).alive.alien, count);
  const released = performance.now();
  await until("it has left", () => same(weights(web), ALL));
  t.diagnostic(
    `weight 0 after ${tookMs} ms, ${count} connections unharmed; gone ${Math.round(performance.now() - released)} ms after their end`,
  );
});

step("ipvsadm -C: all of ours is back within 5 s or so; what was somebody else's is his to bring back", async (t) => {
  const { after, tookMs } = await repairedAfter("-C");
  const told = driftLines(after).map((line) => String(line.msg));
  assert.equal(told.length, 1, "one line for all of it");
  assert.match(told[0]!, /^web: drift: somebody else deleted the virtual service tcp:10\.100\.0\.1:80; put back/);
  assert.deepEqual(await foreign(), []);
  const { counts, errors } = await cl.load({ kind: "http", target: "10.100.0.1:80", count: 30 });
  assert.deepEqual([counts, errors], [{ a: 10, b: 10, c: 10 }, {}]);
  await setTable(FOREIGN);
  t.diagnostic(`ours put back after ${tookMs} ms; ${told[0]}`);
});

step(
  "the fourth time in 5 minutes it is a fight: left to him, alarmed once; but a death is written all the same",
  async (t) => {
    // a was put back three times by now.
    const after = director.log.length;
    await setTable(`-e -t 10.100.0.1:80 -r ${A} -m -w 3`);
    const fight = await director.logged((line) => line.reason === "drift-fight", { after });
    assert.equal(fight.level, "error");
    assert.match(
      String(fight.msg),
      /^web a: drift-fight: somebody else set its weight to 3 \(ours: 100\) again; repaired three times in 5m, left alone for 5m: find the other writer$/,
    );
    const { table, problems } = await status(director);
    assert.deepEqual(
      table.leftAlone.map(({ what, why }) => [what, why]),
      [[`-e -t 10.100.0.1:80 -r ${A} -m -w 100`, "fight"]],
    );
    const minutes = (table.leftAlone[0]!.until! - Date.now()) / 60_000;
    assert.ok(minutes > 4.5 && minutes <= 5, `until in ${minutes} minutes`);
    assert.equal(problems[0]?.severity, "error");
    assert.match(problems[0]!.message, /^drift-fight: /);
    // Two more comparisons go by: it neither acts nor cries again.
    const { passes } = await passesGoBy();
    assert.deepEqual(weights(web), { ...ALL, [A]: 3 });
    assert.equal(driftLines(after).length, 1);
    await a.behave({ kind: "status", status: 503 }, "/healthz");
    await until("a is dead and at weight 0", () => weights(web)![A] === 0);
    await a.behave("ok", "/healthz");
    await until("a is well and has its weight", () => weights(web)![A] === 100);
    t.diagnostic(`left at weight 3 over ${passes} comparisons; weight 0 when it died, 100 when it was well`);
  },
);

step("drift: report tells and leaves it; health is written on; repair again puts it back", async (t) => {
  director.configure(config("report"));
  await ask(director, "POST", "reload", {});
  const after = director.log.length;
  await setTable(`-e -t 10.100.0.1:80 -r ${C} -m -w 30
    -d -t 10.100.0.1:80 -r ${B}`);
  await until("both are told", () => driftLines(after).length === 2);
  const told = driftLines(after)
    .map((line) => String(line.msg))
    .sort();
  assert.match(
    told[0]!,
    /^web b: drift: somebody else deleted it; left so \(ipvs\.drift: report\)\. Use `director disable web b`/,
  );
  assert.match(
    told[1]!,
    /^web c: drift: somebody else set its weight to 30 \(ours: 100\); left so \(ipvs\.drift: report\)\. Use `director weight web c 30` instead\.$/,
  );
  await passesGoBy();
  assert.deepEqual(weights(web), { [A]: 100, [C]: 30 });
  assert.equal(driftLines(after).length, 2);
  const { table, problems } = await status(director);
  assert.deepEqual(
    table.leftAlone.map(({ why, until: end }) => [why, end]),
    [
      ["reported", undefined],
      ["reported", undefined],
    ],
  );
  assert.equal(problems.filter(({ message }) => message.startsWith("drift: somebody else changes it")).length, 2);
  assert.equal((await serverStatus(director, "web", "c"))!.kernelWeight, 30);

  await a.behave({ kind: "status", status: 503 }, "/healthz");
  await until("a is dead and at weight 0", () => weights(web)![A] === 0);
  await a.behave("ok", "/healthz");
  await until("a is back", () => weights(web)![A] === 100);
  assert.deepEqual(weights(web), { [A]: 100, [C]: 30 });

  director.configure(config("repair"));
  await ask(director, "POST", "reload", {});
  await until("all is as configured", () => same(weights(web), ALL));
  t.diagnostic(`${told.join(" | ")}`);
});

step("somebody else's services were touched by nobody but himself", async () => {
  assert.deepEqual(await foreign(), foreignBefore);
  assert.deepEqual(await ours(), oursBefore);
  assert.equal((await status(director)).table.inSync, true);
  // b came and went by others' hands; no check of it ever failed.
  assert.equal(
    director.log.filter((line) => line.kind === "server" && line.server === "b" && line.to === "down").length,
    0,
  );
  assert.ok((await b.seen("/healthz")) > 20);
});

/** Types it, and waits until our part of the table is word for word what it was. */
async function repairedAfter(rules: string): Promise<{ readonly after: number; readonly tookMs: number }> {
  const after = director.log.length;
  const typed = performance.now();
  await must(["/usr/sbin/ipvsadm", ...rules.split(" ")]);
  await until("it stands as it stood", () => same(weights(web), ALL) && driftLines(after).length > 0, {
    timeoutMs: WITHIN_MS,
  });
  const tookMs = Math.round(performance.now() - typed);
  assert.deepEqual(await ours(), oursBefore);
  return { after, tookMs };
}

function driftLines(after: number): readonly LogLine[] {
  return director.log.slice(after).filter((line) => line.kind === "drift");
}

/** Two comparisons of the table, at least. */
async function passesGoBy(): Promise<{ readonly passes: number }> {
  const seen = new Set<number>();
  await until(
    "two comparisons have gone by",
    async () => {
      seen.add((await status(director)).table.lastSuccessAt!);
      return seen.size >= 3;
    },
    { timeoutMs: 15_000, everyMs: 500 },
  );
  return { passes: seen.size - 1 };
}

function same(a: unknown, b: Readonly<Record<string, number>>): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
