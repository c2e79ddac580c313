// An ipvsadm that hangs, dies half way, fails or is missing: health goes on, and the table catches up without false alarm. An entry that the kernel refuses stays alone with it.
// lab: topology=routed servers=3 timeout=200
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { run, savedRules, setTable, shell, startActors, startDirector, step, until, weights } from "../inside.ts";
import { ask, serverStatus, status } from "./api.ts";
import { probesOf, turnsOf } from "./probes.ts";
import { soonMs } from "./soon.ts";
import { watchTable, weightsOver } from "./watcher.ts";

const web = "tcp:10.100.0.1:80";
const odd = "tcp:10.100.0.1:81";
const [A, B] = ["10.9.1.2:80", "10.9.2.2:80"] as const;
const RULES = { fall: 2, rise: 2 };

// What director is told to run: ipvsadm itself, unless the file `mode` says otherwise.
const tools = "/run/lab/stubborn";
mkdirSync(tools);
const command = `${tools}/ipvsadm`;
writeFileSync(
  command,
  `#!/bin/sh
case $(cat ${tools}/mode) in
  hang) exec sleep 4321 ;;
  half) [ "$1" != -R ] || /usr/sbin/ipvsadm "$@"; exec sleep 4321 ;;
  fail) echo "Memory allocation problem" >&2; exit 1 ;;
esac
exec /usr/sbin/ipvsadm "$@"
`,
);
chmodSync(command, 0o755);
const mode = (word: string) => writeFileSync(`${tools}/mode`, word);
mode("well");

await setTable("-A -t 10.100.0.1:9999 -s lc -p 300\n-a -t 10.100.0.1:9999 -r 10.9.1.2:9999 -m -w 7");
const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(50)]);
const [a, b] = await Promise.all([
  rs1.listen({ kind: "http", name: "a", port: 80 }),
  rs2.listen({ kind: "http", name: "b", port: 80 }),
  rs3.listen({ kind: "http", name: "c", port: 80 }),
]);
const config = (more = "") => `
ipvs: { command: ${command}, timeout: 1500ms }
defaults: { check: { type: http, path: /healthz, interval: 500ms, fast_interval: 500ms, down_interval: 500ms, timeout: 2s, fall: ${RULES.fall}, rise: ${RULES.rise} } }
services:
  - name: web
    vip: 10.100.0.1:80
    servers:
      - { name: a, address: "${A}" }
      - { name: b, address: "${B}" }
      - { name: c, address: "10.9.3.2:80" }
${more}`;
const director = startDirector({ config: config() });
await director.ready();
await until("everybody serves", () => Object.values(weights(web) ?? {}).join() === "100,100,100");
await until("it calls itself ready", async () => (await status(director)).ready);

interface Trouble {
  readonly what: string;
  readonly begin: () => void;
  readonly end: () => void;
  readonly says: RegExp;
  /** What the kernel has of a while it lasts, and after. It dies, or recovers, meanwhile. */
  readonly during: number;
  readonly after: number;
}

const troubles: readonly Trouble[] = [
  {
    what: "hangs",
    begin: () => mode("hang"),
    end: () => mode("well"),
    says: /ipvsadm -R: .*did not end within 1500 ms and was killed/,
    during: 100,
    after: 0,
  },
  {
    what: "writes and then hangs",
    begin: () => mode("half"),
    end: () => mode("well"),
    says: /ipvsadm -R: .*did not end within 1500 ms and was killed; lines may have been applied in part/,
    during: 100,
    after: 100,
  },
  {
    what: "fails",
    begin: () => mode("fail"),
    end: () => mode("well"),
    says: /ipvsadm -Sn failed with exit code 1: Memory allocation problem/,
    during: 100,
    after: 0,
  },
  {
    what: "is missing",
    begin: () => renameSync(command, `${command}.gone`),
    end: () => renameSync(`${command}.gone`, command),
    says: /cannot run .*ipvsadm: .*ENOENT.*; install ipvsadm or name its path in ipvs\.command/,
    during: 0,
    after: 100,
  },
];

for (const { what, begin, end, says, during, after } of troubles)
  step(`ipvsadm ${what}: health goes on, everything else answers, and the table catches up`, async (t) => {
    const [from, seenBefore] = [director.log.length, await b.seen("/healthz")];
    begin();
    await a.behave(after === 0 ? { kind: "status", status: 503 } : "ok", "/healthz");
    const verdict = after === 0 ? "down" : "up";
    const troubled = await until("both the verdict and the trouble are known", async () => {
      const [server, { table, problems }] = [await serverStatus(director, "web", "a"), await status(director)];
      return server!.checks[0]!.state === verdict && table.lastError !== undefined
        ? { server: server!, table, problems }
        : undefined;
    });
    assert.match(troubled.table.lastError!, says);
    assert.equal(troubled.table.inSync, false);
    assert.equal(troubled.problems[0]!.severity, "error");
    assert.match(troubled.problems[0]!.message, says);
    assert.equal(weights(web)![A], during);
    // One dead run of it is still waited for at most; what was given up is gone.
    const { stdout } = await run(["pgrep", "-cf", "^sleep 4321"]);
    assert.ok(Number(stdout) <= 1, `${stdout.trim()} hanging processes`);
    await until("probes go on", async () => (await b.seen("/healthz")) >= seenBefore + 6);
    const { counts, errors } = await cl.load({ kind: "http", target: "10.100.0.1:80", count: 12 });
    const others = during === 0 ? { b: 6, c: 6 } : { a: 4, b: 4, c: 4 };
    assert.deepEqual([counts, errors], [what === "writes and then hangs" ? counts : others, {}]);
    const failures = await until("it was tried again", () => {
      const told = director.log.slice(from).filter((line) => line.kind === "reconcile").length;
      return told >= 2 ? told : undefined;
    });

    const mended = performance.now();
    end();
    await until(
      "the table has caught up",
      async () => weights(web)![A] === after && (await status(director)).table.inSync,
      { timeoutMs: 35_000 },
    );
    const tookMs = Math.round(performance.now() - mended);
    const { table } = await status(director);
    assert.deepEqual([table.lastError, table.refused, table.leftAlone], [undefined, [], []]);
    assert.equal(driftsSince(from), 0);
    t.diagnostic(
      `${failures} attempts told: ${troubled.table.lastError}; caught up ${tookMs} ms after it worked again`,
    );
  });

let refusedSince: number;
step(
  "an entry that the kernel refuses is shown and tried again with growing pauses; everything else goes on at once",
  async (t) => {
    // The broadcast address of a network of ours is no server to the kernel.
    await shell("ip link add odd0 type dummy; ip addr add 10.99.0.1/24 dev odd0; ip link set odd0 up");
    director.configure(
      config(`  - name: odd
    vip: 10.100.0.1:81
    check: none
    servers: [ { name: wrong, address: "10.99.0.255:80" }, { name: right, address: "10.9.3.2:80" } ]
  - { name: later, vip: "10.100.0.1:82", check: none, servers: [ { name: right, address: "10.9.3.2:80" } ] }`),
    );
    const from = director.log.length;
    await ask(director, "POST", "reload", {});
    assert.deepEqual([weights(odd), weights("tcp:10.100.0.1:82")], [{ "10.9.3.2:80": 100 }, { "10.9.3.2:80": 100 }]);
    const { table, problems } = await status(director);
    assert.deepEqual(
      table.refused.map(({ what }) => what),
      ["-a -t 10.100.0.1:81 -r 10.99.0.255:80 -m -w 100"],
    );
    assert.match(table.refused[0]!.reason, /Invalid operation/);
    assert.match(problems[0]!.message, /^refused by the kernel: -a -t 10\.100\.0\.1:81 -r 10\.99\.0\.255:80/);
    refusedSince = table.refused[0]!.since;
    const told = await director.logged(/refused by the kernel/, { after: from });
    assert.equal(told.level, "error");
    const { counts, errors } = await cl.load({ kind: "http", target: "10.100.0.1:81", count: 5 });
    assert.deepEqual([counts, errors], [{ c: 5 }, {}]);

    // A death elsewhere waits for no pause of it, at most for an attempt that is under way.
    await b.behave({ kind: "status", status: 503 }, "/healthz");
    await until("b is at weight 0", () => weights(web)![B] === 0);
    await b.behave("ok", "/healthz");
    await until("b has its weight", () => weights(web)![B] === 100);
    const seen = await watcher.look();
    const verdicts = turnsOf(probesOf(director.log, "10.9.2.2 80"), RULES).slice(-2);
    assert.deepEqual(
      verdicts.map(({ to }) => to),
      ["down", "up"],
    );
    const turns = weightsOver(seen, web, B).slice(-2);
    const delays = verdicts.map(({ at }, i) => turns[i]!.at - at);
    const soon = await soonMs();
    for (const delay of delays) assert.ok(delay >= 0 && delay <= 2 * soon, `${delay} ms, twice ${soon} at most`);

    const attempts: number[] = [];
    await until(
      "it was tried four times",
      async () => {
        const [refused] = (await status(director)).table.refused;
        attempts[refused!.attempts - 1] ??= Date.now() - refusedSince;
        return refused!.attempts >= 4;
      },
      { timeoutMs: 30_000, everyMs: 100 },
    );
    assert.equal(
      director.log.slice(from).filter((line) => /refused by the kernel/.test(String(line.msg))).length,
      1,
      "told once",
    );
    // 1, 2, then 4 seconds.
    assert.ok(attempts[3]! - attempts[2]! > 3000, `${attempts}`);
    t.diagnostic(
      `attempts 2, 3, 4 after ${attempts.slice(1).map(Math.round).join(", ")} ms; meanwhile b's death was written after ${Math.round(delays[0]!)} ms, its recovery after ${Math.round(delays[1]!)} ms`,
    );
  },
);

step("once the kernel takes it, it is there by itself", async (t) => {
  const mended = performance.now();
  await shell("ip addr flush dev odd0");
  await until("the kernel has it", () => weights(odd)!["10.99.0.255:80"] === 100, { timeoutMs: 30_000, everyMs: 100 });
  const tookMs = Math.round(performance.now() - mended);
  const { table } = await until("it is in sync", async () => {
    const now = await status(director);
    return now.table.inSync ? now : undefined;
  });
  assert.deepEqual(table.refused, []);
  t.diagnostic(`${tookMs} ms after the address was free`);
});

step("through all of it nothing was called drift, and somebody else's service stands", async () => {
  assert.equal(driftsSince(0), 0);
  assert.match(await savedRules(), /-a -t 10\.100\.0\.1:9999 -r 10\.9\.1\.2:9999 -m -w 7/);
  assert.equal(readFileSync(`${tools}/mode`, "utf8"), "well");
  assert.deepEqual((await status(director)).table.leaving, []);
});

function driftsSince(from: number): number {
  return director.log.slice(from).filter((line) => line.kind === "drift").length;
}
