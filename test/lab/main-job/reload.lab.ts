// Reloads: what is bad or takes away too much changes nothing; a wrong check path moves no weight; a server that leaves keeps its connections, one that comes earns its weight first.
// lab: topology=routed servers=3 timeout=200
import assert from "node:assert/strict";
import type { ReloadReply } from "../../../src/control/shapes.ts";
import {
  kernelTable,
  must,
  type Ran,
  savedRules,
  setTable,
  startActors,
  startDirector,
  step,
  until,
  weights,
} from "../inside.ts";
import { ask, call, serverStatus, status } from "./api.ts";
import { probesOf, turnsOf } from "./probes.ts";
import { longestStall, watchTable, weightsOver } from "./watcher.ts";

const web = "tcp:10.100.0.1:80";
const chat = "tcp:10.100.0.1:7000";
const [A, B, C] = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;
const TIMES = "interval: 500ms, fast_interval: 500ms, down_interval: 500ms, timeout: 2s, fall: 2, rise: 2";

interface File {
  readonly services?: readonly ("web" | "chat" | "dns")[];
  readonly path?: string;
  readonly scheduler?: string;
  readonly web?: readonly string[];
  readonly chat?: readonly string[];
  /** One more server of chat, as written. */
  readonly extra?: string;
}

/** The file, but for what is said to be different. */
function file(different: File = {}): string {
  const { services = ["web", "chat", "dns"], path = "/healthz", scheduler = "wrr" } = different;
  const addresses: Readonly<Record<string, string>> = { a: A, b: B, c: C };
  const servers = (names: readonly string[], extra?: string) =>
    [...names.map((name) => `{ name: ${name}, address: ${addresses[name]} }`), ...(extra ? [extra] : [])]
      .map((server) => `      - ${server}\n`)
      .join("");
  const texts = {
    web: `  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: ${path}, ${TIMES} }
    servers:
${servers(different.web ?? ["a", "b", "c"])}`,
    chat: `  - name: chat
    vip: 10.100.0.1:7000
    scheduler: ${scheduler}
    check: { type: tcp, expect: "chat-", ${TIMES} }
    servers:
${servers(different.chat ?? ["a", "b"], different.extra)}`,
    dns: `  - { name: dns, vip: "10.100.0.1:53", protocol: udp, check: none, servers: [ { name: a, address: ${A} } ] }\n`,
  };
  return `services:\n${services.map((name) => texts[name]).join("")}`;
}

await setTable("-A -t 10.100.0.1:9999 -s lc -p 300\n-a -t 10.100.0.1:9999 -r 10.9.1.2:9999 -m -w 7");
const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(100)]);
const [a, b, c, , , chatC] = await Promise.all([
  rs1.listen({ kind: "http", name: "a", port: 80 }),
  rs2.listen({ kind: "http", name: "b", port: 80 }),
  rs3.listen({ kind: "http", name: "c", port: 80 }),
  rs1.listen({ kind: "echo", name: "chat-a", port: 7000 }),
  rs2.listen({ kind: "echo", name: "chat-b", port: 7000 }),
  rs3.listen({ kind: "echo", name: "chat-c", port: 7000 }),
]);
for (const server of [a, b, c]) await server.behave({ kind: "status", status: 404 }, "/wrong");
const director = startDirector({ config: file() });
await director.ready();
await until(
  "everybody serves",
  () =>
    Object.values(weights(web) ?? {}).join() === "100,100,100" &&
    Object.values(weights(chat) ?? {}).join() === "100,100",
);
await until("it calls itself ready", async () => (await status(director)).ready);
const before = await savedRules();
assert.equal(before.split("\n").filter((line) => line.startsWith("-a")).length, 7);
const load = await cl.startLoad({ kind: "http", target: "10.100.0.1:80", perSecond: 10 });

interface Bad {
  readonly what: string;
  readonly text: string;
  /** Each has to be on stderr, in this order. */
  readonly problems: readonly RegExp[];
}

const at = (place: string) => `^${director.configFile.replaceAll(".", "\\.")}:${place}`;
const bad: readonly Bad[] = [
  {
    what: "an unknown key and an address that is none",
    text: file({ extra: "{ name: d, address: 10.0.1, wieght: 5 }" }),
    problems: [/services\[1\]\.servers\[2\]/, /did you mean "weight"/],
  },
  { what: "no YAML at all", text: "services: [ {", problems: [/./] },
  { what: "an empty template", text: "\n", problems: [/services/] },
  { what: "a template that rendered no service", text: "services:\n", problems: [/services/] },
  { what: "a template that rendered no server", text: file({ chat: [] }), problems: [/servers/] },
];

for (const { what, text, problems } of bad)
  step(
    `a file with ${what}: exit code 78 with FILE:LINE:COL, and nothing changes, by command and by SIGHUP`,
    async (t) => {
      director.configure(text);
      const { code, stdout, stderr } = await director.cli("reload");
      assert.equal(code, 78, stdout + stderr);
      const lines = stderr.trim().split("\n");
      const placed = lines.filter((line) => new RegExp(at("\\d+:\\d+: ")).test(line));
      assert.ok(placed.length > 0, stderr);
      for (const problem of problems)
        assert.ok(
          placed.some((line) => problem.test(line)),
          `${problem}: ${stderr}`,
        );
      const after = director.log.length;
      director.signal("SIGHUP");
      await director.logged(/reload refused, nothing changed/, { after });
      const logged = director.log.slice(after).map((line) => String(line.msg));
      for (const line of placed)
        assert.ok(
          logged.some((text) => text.includes(line)),
          `${line} is not logged: ${logged}`,
        );
      const { config, ready } = await status(director);
      assert.deepEqual([config.lastReload?.ok, ready], [false, true]);
      assert.deepEqual(config.lastReload!.problems, placed);
      assert.equal(await savedRules(), before);
      await nobodyMinded();
      t.diagnostic(placed.map((line) => line.slice(director.configFile.length + 1)).join(" | "));
    },
  );

step(
  "a file that takes away most of a service, or most services: exit code 1 with the list, and nothing changes",
  async (t) => {
    director.configure(file({ web: ["a"] }));
    const servers = await refused();
    assert.match(
      servers.stderr,
      /service web would lose 200 of its configured weight 300 \(b removed, c removed\), max_removed is 50%/,
    );
    director.configure(file({ services: ["chat"] }));
    const services = await refused();
    assert.match(services.stderr, /2 \(web, dns\) of 3 services would be removed, max_removed is 50%/);
    const after = director.log.length;
    director.signal("SIGHUP");
    await director.logged(/reload refused, nothing changed/, { after });
    assert.equal(await savedRules(), before);
    t.diagnostic(`${servers.stderr.trim().split("\n")[0]} | ${services.stderr.trim().split("\n")[0]}`);
  },
);

step("--force takes it away all the same, by weight 0 first; and back again", async () => {
  director.configure(file({ web: ["a"] }));
  const { code, stderr } = await director.cli("reload", "--force");
  assert.equal(code, 0, stderr);
  await until("b and c have left", () => Object.keys(weights(web)!).join() === `${A}:80`);
  const seen = await watcher.look();
  for (const address of [B, C]) {
    const last = weightsOver(seen, web, `${address}:80`)
      .slice(-3)
      .map(({ weight }) => weight);
    assert.deepEqual(last, [100, 0, undefined], address);
  }
  director.configure(file());
  assert.equal((await director.cli("reload")).code, 0);
  await until("all is as it was", async () => sorted(await savedRules()) === sorted(before));
  await nobodyMinded();
});

step("a wrong path for every check of a service: named as unproven, and no weight moves", async (t) => {
  const [rules, after] = [await savedRules(), director.log.length];
  const failedBefore = await c.seen("/wrong");
  director.configure(file({ path: "/wrong" }));
  const { code, stderr } = await director.cli("reload");
  assert.deepEqual([code, /unproven/.test(stderr), /web: http GET \/wrong/.test(stderr)], [0, true, true], stderr);
  await until("each server has failed it five times", async () => {
    const seen = await Promise.all([a, b, c].map((server) => server.seen("/wrong")));
    return seen.every((n) => n >= failedBefore + 5);
  });
  assert.equal(await savedRules(), rules);
  const { problems } = await status(director);
  const told = problems.filter(({ message }) => /^web: .*unproven/.test(message));
  assert.equal(told.length, 1, JSON.stringify(problems));
  for (const name of ["a", "b", "c"]) {
    const server = (await serverStatus(director, "web", name))!;
    assert.deepEqual(
      [server.weight, server.kernelWeight, server.checks[0]!.state, server.checks[0]!.unproven],
      [100, 100, "unknown", true],
    );
  }
  const waited = await director.cli("reload", "--wait", "1s");
  assert.equal(waited.code, 1, waited.stderr);

  // One server answers it at last: from then on it counts for all.
  await a.behave("ok", "/wrong");
  await until("b and c are taken out, a serves", () => Object.values(weights(web)!).join() === "100,0,0");
  assert.ok(director.log.slice(after).some((line) => /web: check http GET \/wrong is proven/.test(String(line.msg))));
  director.configure(file());
  await ask<ReloadReply>(director, "POST", "reload", {});
  await until("all is as it was", async () => sorted(await savedRules()) === sorted(before), { timeoutMs: 15_000 });
  await nobodyMinded();
  t.diagnostic(`${told[0]!.message}; proven by one server, it took the two others out`);
});

step(
  "a server that leaves the file keeps its open connections at weight 0 and goes with the last of them",
  async (t) => {
    const held = await cl.hold({ kind: "echo", target: "10.100.0.1:7000", count: 6, everyMs: 200, timeoutMs: 5000 });
    assert.deepEqual((await held.look()).alive, { "chat-a": 3, "chat-b": 3 });
    director.configure(file({ chat: ["a"] }));
    assert.equal((await director.cli("reload")).code, 0);
    await until("it is at weight 0", () => weights(chat)![`${B}:7000`] === 0);
    const { counts, errors } = await cl.load({ kind: "echo", target: "10.100.0.1:7000", count: 20 });
    assert.deepEqual([counts, errors], [{ "chat-a": 20 }, {}]);
    const { exchanges } = await held.look();
    // Far longer than two looks of a second each.
    await until("its connections go on", async () => (await held.look()).exchanges >= exchanges + 100, {
      timeoutMs: 20_000,
    });
    const { leaving } = (await status(director)).table;
    assert.deepEqual(
      leaving.map(({ what, active }) => [what, active]),
      [[`${chat} ${B}:7000`, 3]],
    );
    assert.equal(kernelTable()[chat]!.servers[`${B}:7000`]!.weight, 0);
    const end = await held.release();
    const released = performance.now();
    assert.deepEqual([end.alive, end.dead], [{ "chat-a": 3, "chat-b": 3 }, []]);
    await until("it has left the table", () => !(`${B}:7000` in weights(chat)!));
    t.diagnostic(
      `3 connections of it exchanged on at weight 0; gone ${Math.round(performance.now() - released)} ms after their end`,
    );
  },
);

step("a server that comes to the file has weight 0 until its first pass, then its own", async (t) => {
  await chatC.behave("refuse");
  const from = director.log.length;
  director.configure(file({ chat: ["a", "c"] }));
  assert.equal((await director.cli("reload")).code, 0);
  await until("three probes of it failed", () => probesOf(director.log.slice(from), `${C} 7000`).length >= 3);
  assert.deepEqual(weights(chat), { [`${A}:7000`]: 100, [`${C}:7000`]: 0 });
  await chatC.behave("ok");
  await until("it has its weight", () => weights(chat)![`${C}:7000`] === 100);
  const probes = probesOf(director.log.slice(from), `${C} 7000`);
  const [, up] = turnsOf(probes, { fall: 2, rise: 2 });
  const given = weightsOver(await watcher.look(), chat, `${C}:7000`).findLast(({ weight }) => weight === 100)!;
  assert.ok(given.at >= up!.at, "not before its pass");
  await nobodyMinded();
  t.diagnostic(
    `${probes.filter(({ outcome }) => outcome === "fail").length} failures at weight 0, 100 came ${Math.round(given.at - up!.at)} ms after the pass that counted`,
  );
});

step("another scheduler is edited in place: connections, servers and counters stay", async (t) => {
  const held = await cl.hold({ kind: "echo", target: "10.100.0.1:7000", count: 4, everyMs: 200, timeoutMs: 5000 });
  const connections = async () =>
    (await must(["/usr/sbin/ipvsadm", "-Ln", "-t", "10.100.0.1:7000", "--stats", "--exact"]))
      .split("\n")[3]!
      .trim()
      .split(/\s+/)[2]!;
  const counted = await until("the connections are counted", async () => {
    const now = Number(await connections());
    return now >= 24 ? now : undefined;
  });
  director.configure(file({ chat: ["a", "c"], scheduler: "wlc" }));
  assert.equal((await director.cli("reload")).code, 0);
  assert.equal(kernelTable()[chat]!.scheduler, "wlc");
  assert.deepEqual(weights(chat), { [`${A}:7000`]: 100, [`${C}:7000`]: 100 });
  const { exchanges } = await held.look();
  await until("the connections go on", async () => (await held.look()).exchanges >= exchanges + 20);
  assert.equal(
    Object.values(kernelTable()[chat]!.servers).reduce((sum, { active }) => sum + active, 0),
    4,
  );
  assert.ok(Number(await connections()) >= counted);
  assert.deepEqual((await held.release()).dead, []);
  const seen = await watcher.look();
  assert.ok(
    seen.changes.every(({ table }, i) => i === 0 || chat in table || !(chat in seen.changes[i - 1]!.table)),
    "the service never left the table",
  );
  assert.ok(
    director.log.some((line) =>
      /chat: virtual service tcp:10\.100\.0\.1:7000 changed: scheduler wrr -> wlc/.test(String(line.msg)),
    ),
  );
  await nobodyMinded();
  t.diagnostic(`wrr -> wlc under 4 open connections; its counter went on from ${counted}`);
});

step("through all of it no client of web had an error, and somebody else's service stands", async (t) => {
  const { counts, errors } = await load.stop();
  assert.deepEqual(errors, {});
  const seen = await watcher.look();
  const first = seen.changes.findIndex(({ table }) => Object.values(table[web] ?? {}).some((weight) => weight > 0));
  for (const { table } of seen.changes.slice(first))
    assert.ok(
      Object.values(table[web]!).some((weight) => weight > 0),
      JSON.stringify(table),
    );
  assert.equal(weightsOver(seen, "tcp:10.100.0.1:9999", "10.9.1.2:9999").length, 1);
  assert.equal(director.log.filter((line) => line.kind === "drift").length, 0);
  await nobodyMinded();
  t.diagnostic(
    `${JSON.stringify(counts)} answers, no error; ${seen.looks} looks, at most ${longestStall(seen)} ms apart`,
  );
});

/** A reload that is refused for what it removes. */
async function refused(): Promise<Ran> {
  const ran = await director.cli("reload");
  assert.equal(ran.code, 1, ran.stdout + ran.stderr);
  const reply = await call(director, "POST", "reload", {});
  assert.equal(reply.status, 409);
  assert.equal(await savedRules(), before);
  return ran;
}

/** No client of web had an error so far. */
async function nobodyMinded(): Promise<void> {
  assert.deepEqual((await load.look()).errors, {});
}

function sorted(rules: string): string {
  return rules.split("\n").sort().join("\n");
}
