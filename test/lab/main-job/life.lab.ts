// A life with its hazards: only observing, a second director, killed with its state lost while the kernel's table cannot be read, and an end that hangs.
// lab: topology=routed servers=2 timeout=200
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, savedRules, setTable, startActors, startDirector, step, until, weights } from "../inside.ts";
import { ask, call, serverStatus, status } from "./api.ts";
import { watchTable, weightsOver } from "./watcher.ts";

const web = "tcp:10.100.0.1:80";
const [A, B] = ["10.9.1.2:80", "10.9.2.2:80"] as const;

// What director is told to run: ipvsadm itself, which writes down what it is given, unless it is told to fail.
const tools = "/run/lab/life";
mkdirSync(tools);
const command = `${tools}/ipvsadm`;
writeFileSync(
  command,
  `#!/bin/sh
if [ -e ${tools}/broken ]; then echo "Memory allocation problem" >&2; exit 1; fi
[ "$1" = -R ] || exec /usr/sbin/ipvsadm "$@"
tee -a ${tools}/written | /usr/sbin/ipvsadm -R
`,
);
chmodSync(command, 0o755);
writeFileSync(`${tools}/written`, "");
const writes = () => statSync(`${tools}/written`).size;

// The table of somebody before us: a serves, b is held at 0.
await setTable(`-A -t 10.100.0.1:80 -s wrr
  -a -t 10.100.0.1:80 -r ${A} -m -w 40
  -a -t 10.100.0.1:80 -r ${B} -m -w 0`);
const [{ rs1, rs2, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "cl"), watchTable(50)]);
const [a] = await Promise.all([
  rs1.listen({ kind: "http", name: "a", port: 80 }),
  rs2.listen({ kind: "http", name: "b", port: 80 }),
]);
const config = (mode: string) => `
ipvs: { mode: ${mode}, command: ${command}, timeout: 3s }
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: /healthz, interval: 500ms, fast_interval: 500ms, down_interval: 500ms, timeout: 2s, fall: 2, rise: 2 }
    servers: [ { name: a, address: "${A}" }, { name: b, address: "${B}" } ]
  - { name: other, vip: "10.100.0.1:81", check: none, servers: [ { name: a, address: "${A}", weight: 5 } ] }
`;
const load = await cl.startLoad({ kind: "http", target: "10.100.0.1:80", perSecond: 5 });
let director = startDirector({ config: config("observe") });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready);

step("observing it probes and decides, shows each line it would write, and writes nothing", async (t) => {
  const before = await savedRules();
  const expected = [
    "-A -t 10.100.0.1:81 -s wrr",
    `-a -t 10.100.0.1:81 -r ${A} -m -w 5`,
    `-e -t 10.100.0.1:80 -r ${A} -m -w 100`,
  ];
  const differences = async () => [...(await status(director)).table.differences].sort();
  // b was at weight 0 in a table that we have no record of.
  await until("the differences are these", async () => same(await differences(), expected));
  const { mode, problems } = await status(director);
  assert.equal(mode, "observe");
  assert.ok(
    problems.some(({ message }) => message === "observe mode: 3 differences stand, nothing is written"),
    JSON.stringify(problems),
  );

  await a.behave({ kind: "status", status: 503 }, "/healthz");
  await until("a's death is a difference", async () =>
    (await differences()).includes(`-e -t 10.100.0.1:80 -r ${A} -m -w 0`),
  );
  const sick = (await serverStatus(director, "web", "a"))!;
  assert.deepEqual([sick.state, sick.weight, sick.kernelWeight], ["down", 0, 40]);
  await a.behave("ok", "/healthz");
  await until("the differences are these again", async () => same(await differences(), expected));
  assert.equal(await savedRules(), before);
  assert.equal(writes(), 0);
  t.diagnostic(expected.join(" | "));
});

step("told to manage, it writes exactly what it showed", async () => {
  const shown = [...(await status(director)).table.differences].sort();
  director.configure(config("manage"));
  await ask(director, "POST", "reload", {});
  await until("it is in sync", async () => (await status(director)).table.inSync);
  const { stdout } = await run(["cat", `${tools}/written`]);
  assert.deepEqual(stdout.trim().split("\n").sort(), shown);
  assert.deepEqual(weights(web), { [A]: 100, [B]: 0 });
});

step("a second director at the same socket is refused, and the first is none the worse", async (t) => {
  const from = writes();
  const second = startDirector({ config: `${config("manage")}control: { socket: ${director.socket} }\n` });
  const { msg } = await second.logged("another director answers there", { timeoutMs: 20_000 });
  await assert.rejects(second.ready(), /director run ended: 1/);
  assert.equal((await status(director)).ready, true);
  assert.equal(writes(), from);
  t.diagnostic(String(msg));
});

step(
  "killed, its state lost, ipvsadm broken: the next takes over the socket, answers, and touches nothing it cannot read",
  async (t) => {
    // a is taken out, so that b serves alone.
    await ask(director, "POST", "services/web/servers/b/enable", {});
    await until("b serves", () => weights(web)![B] === 100);
    await ask(director, "POST", "services/web/servers/a/disable", { reason: "new disk" });
    assert.deepEqual(weights(web), { [A]: 0, [B]: 100 });
    const table = await savedRules();
    await director.kill();
    assert.ok(statSync(director.socket).isSocket(), "the socket was left behind");
    rmSync(join(director.folder, "state"), { recursive: true });
    writeFileSync(`${tools}/broken`, "");

    const began = performance.now();
    director = startDirector({
      config: config("manage"),
      folder: director.folder,
      env: { NOTIFY_SOCKET: `${tools}/notify` },
    });
    await director.ready();
    const answeredMs = Math.round(performance.now() - began);
    await until("its checks have passed", async () => {
      const servers = await Promise.all(["a", "b"].map((name) => serverStatus(director, "web", name)));
      return servers.every((server) => server!.checks[0]!.state === "up");
    });
    const { table: shown, problems } = await status(director);
    assert.match(shown.lastError ?? "", /Memory allocation problem/);
    assert.match(problems[0]!.message, /Memory allocation problem/);
    await director.logged(/ready, though the IPVS table cannot be kept: .*Memory allocation problem/, {
      timeoutMs: 20_000,
    });
    assert.equal(await savedRules(), table);
    t.diagnostic(`answered after ${answeredMs} ms`);
  },
);

step(
  "once it can read: who stood at weight 0 is held there (state-lost) though its check passes, until it is enabled",
  async (t) => {
    const from = (await watcher.look()).changes.length;
    rmSync(`${tools}/broken`);
    await until("it is in sync", async () => (await status(director)).table.inSync, { timeoutMs: 35_000 });
    const held = (await serverStatus(director, "web", "a"))!;
    assert.deepEqual([held.rule, held.weight, held.kernelWeight, held.checks[0]!.state], ["state-lost", 0, 0, "up"]);
    assert.deepEqual(weights(web), { [A]: 0, [B]: 100 });
    await director.logged(/web a: held at weight 0: .*`director enable web a` lets it serve/);
    const { problems } = await status(director);
    assert.ok(
      problems.some(({ message }) => /web a: held at weight 0 \(state-lost\)/.test(message)),
      JSON.stringify(problems),
    );
    const counted = await cl.load({ kind: "http", target: "10.100.0.1:80", count: 10 });
    assert.deepEqual([counted.counts, counted.errors], [{ b: 10 }, {}]);

    const enabled = await call(director, "POST", "services/web/servers/a/enable", {});
    assert.equal(enabled.status, 200);
    await until("a serves", () => weights(web)![A] === 100);
    const seen = await watcher.look();
    const since = { ...seen, changes: seen.changes.slice(from - 1) };
    assert.deepEqual(
      weightsOver(since, web, A).map(({ weight }) => weight),
      [0, 100],
    );
    assert.deepEqual(
      weightsOver(since, web, B).map(({ weight }) => weight),
      [100],
    );
    t.diagnostic("a went 0 -> 100 by the command alone; b never moved");
  },
);

step("SIGTERM leaves the table; when the end hangs, a second SIGTERM ends it at once", async (t) => {
  const before = await savedRules();
  // Nobody listens to systemd-notify, and it waits.
  writeFileSync("/usr/bin/systemd-notify", "#!/bin/sh\nexec sleep 4322\n");
  director.signal("SIGTERM");
  await director.logged(/SIGTERM: stopping; the table stays as it is/);
  await until("the end hangs", async () => (await run(["pgrep", "-cf", "^sleep 4322"])).code === 0);
  const asked = performance.now();
  const ended = await director.stop();
  const tookMs = Math.round(performance.now() - asked);
  assert.deepEqual(ended, { code: 1, signal: null });
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
  assert.equal(await savedRules(), before);
  const { counts, errors } = await load.stop();
  assert.deepEqual(errors, {});
  t.diagnostic(`ended ${tookMs} ms after the second; ${JSON.stringify(counts)} answers over all of it, no error`);
});

function same(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
