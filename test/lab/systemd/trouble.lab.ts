// What systemd does about a director that crashes, hangs, has a bad file, or an ipvsadm that fails; and what it leaves alone.
// lab: topology=routed servers=1 systemd timeout=400
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { must, run, shell, startActors, until, weights } from "../inside.ts";
import {
  bringCheckout,
  configFile,
  configure,
  dropIn,
  install,
  journal,
  journaled,
  mainPid,
  order,
  restarted,
  sampling,
  show,
  step,
  systemctl,
} from "./unit.ts";

const VIP = "tcp:10.100.0.1:80";
const SERVER = "10.9.1.2:80";
const SERVES = JSON.stringify({ [SERVER]: 100 });
const WATCHDOG_MS = 8000;
/** A call that hangs lasts longer than two periods. */
const IPVSADM_TIMEOUT_MS = 18_000;

/** Stands for ipvsadm and does what the file beside it says. */
const IPVSADM = "/usr/local/sbin/moody-ipvsadm";
const mood = (word: "works" | "fails" | "hangs") => writeFileSync("/run/ipvsadm-mood", word);

const good = `
ipvs: { command: ${IPVSADM}, timeout: ${IPVSADM_TIMEOUT_MS}ms, resync: 1s }
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: /healthz, interval: 1s }
    servers: [ { name: only, address: "${SERVER}" } ]
`;

writeFileSync(
  IPVSADM,
  `#!/bin/sh
case $(cat /run/ipvsadm-mood) in
  fails) echo "no ipvsadm today" >&2; exit 1 ;;
  hangs) while [ "$(cat /run/ipvsadm-mood)" = hangs ]; do sleep 1; done ;;
esac
exec /usr/sbin/ipvsadm "$@"
`,
  { mode: 0o755 },
);
mood("works");
await bringCheckout();
const { rs1 } = await startActors("rs1");
await rs1.listen({ kind: "http", name: "only", port: 80 });

step("it starts where ip_vs was not loaded: its unit sees to that", async () => {
  await shell("modprobe -r ip_vs_wrr ip_vs_rr ip_vs 2>/dev/null || rmmod ip_vs");
  assert.equal(existsSync("/proc/net/ip_vs"), false);
  configure(good);
  writeFileSync(
    "/etc/director/stand-still.mjs",
    `import { readFileSync } from "node:fs";
    setInterval(() => {
      try { if (readFileSync("/run/stand-still", "utf8") === String(process.pid)) for (;;); } catch {}
    }, 100).unref();`,
  );
  await dropIn(
    "lab",
    `[Service]\nWatchdogSec=${WATCHDOG_MS}ms\nEnvironment=NODE_OPTIONS=--import=/etc/director/stand-still.mjs\n`,
  );
  const installed = await install();
  assert.equal(installed.code, 0, installed.stderr);
  assert.deepEqual(weights(VIP), { [SERVER]: 100 });
});

step("a stop ends in order, says so first, and leaves the table", async () => {
  await must(["systemd-analyze", "log-level", "debug"]);
  const from = Date.now();
  const tookMs = await order("stop", "director");
  await must(["systemd-analyze", "log-level", "info"]);
  const { Result, ExecMainStatus } = await show("Result", "ExecMainStatus");
  const said = (await journal(from)).map(({ message }) => message);
  console.log({ stopMs: tookMs });
  assert.deepEqual([Result, ExecMainStatus], ["success", "0"]);
  assert.ok(
    said.some((message) => /Got notification message from PID \d+ \(STOPPING=1/.test(message)),
    said.join("\n"),
  );
  assert.ok(said.some((message) => /^SIGTERM: stopping; the table stays as it is$/.test(message)));
  assert.ok(tookMs < 15_000, `${tookMs} ms`);
  assert.deepEqual(weights(VIP), { [SERVER]: 100 });
});

step("ended five times in a row, it is back each time; the table stood, and was taken over as it was", async () => {
  assert.notEqual(readdirSync("/var/cache/director").length, 0);
  const startMs = await order("start", "director");
  const from = Date.now();
  const table = sampling(() => JSON.stringify(weights(VIP)));
  const pids = [await mainPid()];
  const outages: number[] = [];
  for (const signal of ["SIGKILL", "SIGKILL", "SIGTERM", "SIGSEGV", "SIGKILL"] as const) {
    const killedAt = performance.now();
    process.kill(pids.at(-1)!, signal);
    pids.push(await restarted(pids.at(-1)!, 30_000));
    outages.push(Math.round(performance.now() - killedAt));
  }
  const samples = table();
  console.log({ startMs, outagesMs: outages, samples: samples.length });
  assert.equal(new Set(pids).size, 6);
  assert.deepEqual([...new Set(samples)], [SERVES]);
  assert.equal((await show("NRestarts")).NRestarts, "5");
  const entries = await journal(from);
  assert.equal(entries.filter(({ message }) => /^ready: /.test(message)).length, 5);
  assert.deepEqual(
    entries.filter(({ message }) => /added|-> 0 |EADDRINUSE|answers there/.test(message)),
    [],
  );
});

step("a director whose event loop stands still is restarted by the watchdog", async () => {
  const pid = await mainPid();
  const from = Date.now();
  const table = sampling(() => JSON.stringify(weights(VIP)));
  writeFileSync("/run/stand-still", String(pid));
  await journaled(from, /Watchdog timeout \(limit 8s\)/, 30_000);
  const bitten = Date.now() - from;
  await restarted(pid, 30_000);
  console.log({ watchdogAfterMs: bitten, backAfterMs: Date.now() - from });
  assert.deepEqual([...new Set(table())], [SERVES]);
  assert.ok(
    (await journal(from)).some(({ message }) =>
      /Main process exited, code=(killed|dumped), status=6\/ABRT/.test(message),
    ),
  );
});

for (const [word, said] of [
  ["fails", /no ipvsadm today; next try in/],
  ["hangs", /did not end within 18000 ms and was killed.*next try in/],
] as const)
  step(`an ipvsadm that ${word} for good is no reason to be restarted, and is said`, async () => {
    const pid = await mainPid();
    const from = Date.now();
    mood(word);
    const line = await journaled(from, said, 40_000);
    assert.equal(line.priority, 3);
    await until("two periods have passed", () => Date.now() - from > 2.2 * WATCHDOG_MS, { timeoutMs: 30_000 });
    const statusText = async () => (await show("StatusText")).StatusText;
    const trouble = /^1 service, 1 server; the IPVS table cannot be kept: .*moody-ipvsadm/;
    await until("systemctl status names it", async () => trouble.test(await statusText()), { everyMs: 500 });
    const { ActiveState, MainPID } = await show("ActiveState", "MainPID");
    console.log({ ipvsadm: word, foundAliveAfterMs: Date.now() - from, periodMs: WATCHDOG_MS, said: line.message });
    assert.deepEqual([ActiveState, Number(MainPID)], ["active", pid]);
    assert.deepEqual(
      (await journal(from)).filter(({ message }) => /Watchdog/.test(message)),
      [],
    );
    mood("works");
    const well = async () => (await statusText()) === "1 service, 1 server";
    await until("it works again", well, { timeoutMs: 30_000, everyMs: 1000 });
  });

step("a stop during the start works at once, though ipvsadm hangs", async () => {
  await order("stop", "director");
  mood("hangs");
  await order("start", "--no-block", "director");
  await until("it is under way", () => existsSync("/run/director/control.sock"), { timeoutMs: 20_000 });
  assert.equal((await show("ActiveState")).ActiveState, "activating");
  const tookMs = await order("stop", "director");
  console.log({ stopDuringStartMs: tookMs });
  assert.ok(tookMs < 15_000, `${tookMs} ms`);
  assert.deepEqual(await show("ActiveState", "Result"), { ActiveState: "inactive", Result: "success" });
  assert.deepEqual(weights(VIP), { [SERVER]: 100 });
  mood("works");
});

for (const [what, prepare, said] of [
  [
    "a bad file",
    () => configure(good.replace("vip:", "vipp:")),
    /^\/etc\/director\/director\.conf:5:5: services\[0\]\.vipp: unknown key/,
  ],
  ["no file", () => rmSync(configFile), /^\/etc\/director\/director\.conf:1:1: cannot be read: there is no such file/],
] as const)
  step(`${what} at the start: it fails with the reason, exit code 78, and is not tried again`, async () => {
    const from = Date.now();
    prepare();
    assert.notEqual((await systemctl("start", "director")).code, 0);
    const line = await journaled(from, said);
    assert.equal(line.priority, 3);
    await until("a restart would have come", () => Date.now() - from > 3000);
    const state = await show("ActiveState", "Result", "ExecMainStatus", "NRestarts");
    assert.deepEqual(state, { ActiveState: "failed", Result: "exit-code", ExecMainStatus: "78", NRestarts: "0" });
    assert.deepEqual(weights(VIP), { [SERVER]: 100 });
  });

step("the sandbox scores 2.0 or better, and systemd finds nothing wrong with the unit", async () => {
  const unit = "/etc/systemd/system/director.service";
  const { stdout } = await run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit]);
  const exposure = Number(/Overall exposure level for director\.service: ([\d.]+)/.exec(stdout)?.[1]);
  console.log({ exposure });
  assert.ok(exposure <= 2.0, stdout);
  // Whether its manual pages are there is asked where they are installed: not every machine has man.
  const verified = await run(["systemd-analyze", "verify", "--man=no", unit]);
  assert.deepEqual(verified, { code: 0, stdout: "", stderr: "" });
});
