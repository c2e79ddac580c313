// director as a service: installed as documented, started, commanded, reloaded, restarted, taken away.
// lab: topology=routed servers=2 systemd timeout=400
import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { must, run, shell, startActors, until, weights } from "../inside.ts";
import {
  as,
  bringCheckout,
  checkout,
  configFile,
  configure,
  install,
  journal,
  journaled,
  mainPid,
  order,
  processStatus,
  sampling,
  show,
  step,
  systemctl,
} from "./unit.ts";

const VIP = "tcp:10.100.0.1:80";
const OLD = "10.9.1.2:80";
const NEW = "10.9.2.2:80";

const plain = (extra = "") => `
${extra}
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: /healthz, interval: 1s, down_interval: 1s, timeout: 3s }
    servers:
      - { name: old, address: "${OLD}" }
      - { name: new, address: "${NEW}" }
`;

await bringCheckout();
const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
await rs1.listen({ kind: "http", name: "old", port: 80 });
const fresh = await rs2.listen({ kind: "http", name: "new", port: 80 });
const begin = Date.now();

step("what would not work is refused before anything is done", async () => {
  for (const [where, said] of [
    ["/home/op/director", /sees nothing below \/home/],
    ["/tmp/director", /\/tmp of its own/],
  ] as const) {
    await shell(`mkdir -p ${where}; mount --bind ${checkout} ${where}`);
    const { code, stdout, stderr } = await run([`${where}/systemd/install.sh`]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, said);
    await must(["umount", where]);
  }
  const user = await run(["setpriv", "--reuid=65534", "--clear-groups", `${checkout}/systemd/install.sh`]);
  assert.deepEqual([user.code, user.stdout], [1, ""]);
  assert.match(user.stderr, /needs root/);
  writeFileSync("/usr/bin/director", "somebody else's\n");
  const taken = await install();
  assert.deepEqual([taken.code, taken.stdout], [1, ""]);
  assert.match(taken.stderr, /\/usr\/bin\/director is there and not a link/);
  rmSync("/usr/bin/director");
  assert.deepEqual(
    ["/etc/director", "/etc/systemd/system/director.service"].map((path) => existsSync(path)),
    [false, false],
  );
});

step("a checkout that user director cannot read is found out", async () => {
  await must(["chmod", "0700", checkout]);
  const { code, stderr } = await install();
  await must(["chmod", "0755", checkout]);
  assert.equal(code, 1);
  assert.match(stderr, /user director cannot run \/usr\/bin\/director: .*chmod -R o\+rX \/opt\/director/);
  assert.equal(existsSync("/etc/systemd/system/director.service"), false);
});

step("without a configuration it is installed and not started; what is asked for is said", async () => {
  const { code, stdout, stderr } = await install();
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /installed, not started: there is no \/etc\/director\/director\.conf/);
  assert.equal((await show("ActiveState")).ActiveState, "inactive");
  assert.equal((await systemctl("is-enabled", "director")).code, 1);
  assert.match(await must(["getent", "passwd", "director"]), /:\/var\/lib\/director:\/usr\/sbin\/nologin/);
});

step("every manual page that the unit names is installed", async () => {
  const { Documentation } = await show("Documentation");
  const named = Array.from(Documentation.matchAll(/man:(\S+)\((\d)\)/g), ([, name, section]) => `${name}.${section}`);
  assert.deepEqual(
    named.filter((page) => !existsSync(`/usr/share/man/man${page.at(-1)}/${page}`)),
    [],
  );
  assert.deepEqual(named, ["director.1", "director.conf.5"]);
});

step("a configuration with an error is named, and nothing is started", async () => {
  configure(plain().replace("vip:", "vipp:"));
  const { code, stderr } = await install();
  assert.equal(code, 1);
  assert.match(stderr, /director\.conf:5:5: services\[0\]\.vipp: unknown key/);
  assert.match(stderr, /installed, not started/);
  assert.equal((await show("ActiveState")).ActiveState, "inactive");
});

step("started: systemd waits for the first verdicts, the table and the sockets", async () => {
  // Its check ends by its own deadline: the verdict takes 3 s.
  await fresh.behave("silent", "/healthz");
  configure(plain("http: { listen: ['127.0.0.1:9180'] }"));
  const startedAt = performance.now();
  const { code, stdout, stderr } = await install();
  const tookMs = Math.round(performance.now() - startedAt);
  const table = weights(VIP);
  const control = existsSync("/run/director/control.sock");
  const http = readFileSync("/proc/net/tcp", "utf8").includes("0100007F:23DC 00000000:0000 0A");
  console.log(`installed and ready after ${tookMs} ms`);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(table, { [OLD]: 100, [NEW]: 0 });
  assert.ok(control, "the control socket is not there");
  assert.ok(http, "nobody listens at 127.0.0.1:9180");
  assert.ok(tookMs > 3000, "READY came before the verdict on the silent server");
  const entries = await journal(begin);
  const at = (what: RegExp) => entries.find(({ message }) => what.test(message))?.atMs ?? Number.NaN;
  assert.ok(at(/^ready: 1 service, 2 servers$/) <= at(/^Started director\.service/), "Started before ready");
  assert.equal((await systemctl("is-enabled", "director")).stdout, "enabled\n");
  assert.equal((await show("StatusText")).StatusText, "1 service, 2 servers");
  await fresh.behave("ok", "/healthz");
  await until("the new one serves", () => weights(VIP)?.[NEW] === 100);
});

step("it runs as user director with CAP_NET_ADMIN and nothing else, in a sandbox", async () => {
  const pid = await mainPid();
  const status = processStatus(pid);
  const uid = (await must(["id", "-u", "director"])).trim();
  const { Uid, Gid, CapInh, CapPrm, CapEff, CapBnd, CapAmb, NoNewPrivs, Seccomp, VmRSS } = status;
  console.log({ Uid, Gid, CapInh, CapPrm, CapEff, CapBnd, CapAmb, NoNewPrivs, Seccomp, VmRSS });
  assert.deepEqual(Uid?.split("\t"), [uid, uid, uid, uid]);
  const only = "0000000000001000";
  assert.deepEqual([CapInh, CapPrm, CapEff, CapBnd, CapAmb], [only, only, only, only, only]);
  assert.deepEqual([NoNewPrivs, Seccomp], ["1", "2"]);
});

step(
  "who is in group director may command, others may not; whether services are up is everyone's to read",
  async () => {
    await shell("useradd --no-create-home member; usermod -aG director member; useradd --no-create-home stranger");
    const socket = statSync("/run/director/control.sock");
    const gid = Number(await must(["id", "-g", "director"]));
    assert.deepEqual([socket.mode & 0o777, socket.gid], [0o660, gid]);
    const member = await as("member", "/usr/bin/director", "status", "--json");
    assert.equal(member.code, 0, member.stderr);
    assert.match(member.stdout, /"name": ?"web"/);
    assert.equal((await as("stranger", "test", "-w", "/run/director/control.sock")).code, 1);
    assert.deepEqual(await as("stranger", "cat", "/run/director/up/web"), { code: 0, stdout: "1\n", stderr: "" });
    assert.equal((await as("stranger", "ls", "/var/lib/director")).code, 2);
  },
);

step("what it says has its severity in the journal", async () => {
  const from = Date.now();
  await fresh.behave("refuse");
  await until("the new one is out", () => weights(VIP)?.[NEW] === 0);
  await fresh.behave("ok");
  await until("the new one is back", () => weights(VIP)?.[NEW] === 100, { timeoutMs: 20_000 });
  const all = await journal(from);
  const warnings = await journal(from, "--priority=warning");
  assert.ok(warnings.some(({ message }) => /^web new: .*up -> down: .*connection refused/.test(message)));
  assert.ok(warnings.every(({ priority, by }) => priority === 4 && by === "director"));
  assert.ok(all.some(({ message, priority }) => priority === 6 && /^web new: .*down -> up/.test(message)));
});

step("systemctl reload returns when the file is in force", async () => {
  configure(plain().replace('"10.9.2.2:80"', '"10.9.2.2:80", weight: 40'));
  const tookMs = await order("reload", "director");
  assert.deepEqual(weights(VIP), { [OLD]: 100, [NEW]: 40 });
  console.log(`systemctl reload: ${tookMs} ms`);
});

step("systemctl reload fails with the file's problems, and the old file stays in force", async () => {
  const from = Date.now();
  const before = [await mainPid(), weights(VIP)];
  configure(plain().replace("type: http", "type: htp"));
  assert.notEqual((await systemctl("reload", "director")).code, 0);
  const { ActiveState, SubState, StatusText } = await show("ActiveState", "SubState", "StatusText");
  assert.deepEqual([ActiveState, SubState], ["active", "running"]);
  assert.match(StatusText, /^1 service, 2 servers; the last reload was refused/);
  assert.deepEqual([await mainPid(), weights(VIP)], before);
  const said = (await journal(from)).filter(({ message }) => message.includes("/etc/director/director.conf:6:"));
  assert.match(said[0]!.message, /\/etc\/director\/director\.conf:6:20: services\[0\]\.check\.type: /);
});

step("a reload that takes away most of a service fails with the list; SIGHUP likewise", async () => {
  const from = Date.now();
  configure(plain().replace(/.*name: old.*\n/, ""));
  assert.notEqual((await systemctl("reload", "director")).code, 0);
  const line = await journaled(from, /service web would lose 100 of its configured weight 140 \(old removed\)/);
  assert.equal(line.priority, 3);
  const again = Date.now();
  await order("kill", "--signal=HUP", "director");
  await journaled(again, /service web would lose 100/);
  await until("systemd sees the end of the reload", async () => (await show("SubState")).SubState === "running");
  assert.deepEqual(weights(VIP), { [OLD]: 100, [NEW]: 40 });
});

step("a restart under load: no request fails, no weight is ever 0", async () => {
  configure(plain());
  const load = await cl.startLoad({ kind: "http", target: "10.100.0.1:80", concurrency: 2, timeoutMs: 10_000 });
  const table = sampling(() => JSON.stringify(weights(VIP)));
  const total = async () => Object.values((await load.look()).counts).reduce((sum, n) => sum + n, 0);
  await until("100 requests", async () => (await total()) >= 100, { timeoutMs: 30_000 });
  const [before, from] = [await total(), Date.now()];
  const tookMs = await order("restart", "director");
  const during = (await total()) - before;
  await until("100 more", async () => (await total()) >= before + during + 100, { timeoutMs: 30_000 });
  const { counts, errors } = await load.stop();
  const samples = table();
  console.log({
    restartMs: tookMs,
    requestsDuringIt: during,
    counts,
    errors,
    samples: samples.length,
    different: [...new Set(samples)],
  });
  assert.deepEqual(errors, {});
  assert.ok(during >= 100, `${during} requests during the restart`);
  const both = JSON.stringify({ [OLD]: 100, [NEW]: 100 });
  assert.deepEqual([...new Set(samples)], [JSON.stringify({ [OLD]: 100, [NEW]: 40 }), both]);
  assert.deepEqual(
    (await journal(from)).filter(({ message }) => /added|-> 0 /.test(message)),
    [],
  );
});

step(
  "the files that say who is up go with the daemon, killed or stopped; their directory stays for who watches it",
  async () => {
    const up = "/run/director/up";
    const { ino } = statSync(up);
    const watched = sampling(() => String(existsSync(`${up}/web`)));
    const killed = await mainPid();
    await order("kill", "--signal=KILL", "--kill-whom=main", "director");
    await until("they are gone", () => !existsSync(`${up}/web`), { everyMs: 20, timeoutMs: 30_000 });
    await until("it is back", async () => (await mainPid()) !== killed && existsSync(`${up}/web`), {
      timeoutMs: 60_000,
    });
    assert.deepEqual([...new Set(watched())], ["true", "false"]);
    await order("stop", "director");
    assert.deepEqual(readdirSync(up), []);
    assert.equal(statSync(up).ino, ino);
    await order("start", "director");
    assert.equal(readFileSync(`${up}/web`, "utf8"), "1\n");
    assert.equal(statSync(up).ino, ino);
  },
);

step("control.group: a group director belongs to gets the socket, another is refused by name", async () => {
  await shell("groupadd lbadmins; groupadd others; usermod -aG lbadmins director; usermod -aG lbadmins stranger");
  configure(plain("control: { group: lbadmins }"));
  await order("restart", "director");
  const socket = statSync("/run/director/control.sock");
  assert.equal(socket.gid, Number((await must(["getent", "group", "lbadmins"])).split(":")[2]));
  assert.equal((await as("stranger", "test", "-w", "/run/director/control.sock")).code, 0);
  const from = Date.now();
  configure(plain("control: { group: others }"));
  assert.notEqual((await systemctl("restart", "director")).code, 0);
  const line = await journaled(from, /control\.sock to group others: .*director must belong to that group/);
  assert.ok(line.priority <= 3);
});

step(
  "installing again keeps the configuration and restarts; uninstalling leaves table, configuration and state",
  async () => {
    configure(plain());
    const before = readFileSync(configFile, "utf8");
    const again = await install();
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assert.equal(readFileSync(configFile, "utf8"), before);
    const table = weights(VIP);
    assert.deepEqual(table, { [OLD]: 100, [NEW]: 100 });
    for (const time of ["first", "second"]) {
      const gone = await install("--uninstall");
      assert.equal(gone.code, 0, `${time}: ${gone.stderr}`);
    }
    assert.deepEqual(weights(VIP), table);
    assert.equal((await show("LoadState")).LoadState, "not-found");
    const left = [
      "/usr/bin/director",
      "/etc/sysusers.d/director.conf",
      "/usr/lib/sysctl.d/50-director.conf",
      "/usr/share/man/man1/director.1",
      "/usr/share/man/man5/director.conf.5",
      "/run/director",
      configFile,
      "/var/lib/director",
    ];
    assert.deepEqual(
      left.map((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined),
      [false, false, false, false, false, false, true, true],
    );
  },
);
