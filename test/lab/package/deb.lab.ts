// The .deb: installed by dpkg, configured, upgraded under traffic, removed, purged.
// lab: topology=routed servers=2 systemd timeout=400 prepare=debs.ts
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, type Ran, run, savedRules, setTable, weights } from "../inside.ts";
import { configFile, configure, mainPid, order, processStatus, show, step, systemctl } from "../systemd/unit.ts";
import { NEW, OLD } from "./make.ts";
import { configText, servesAsConfigured, startTraffic, tableOfBoth } from "./traffic.ts";

const folder = process.env.LAB_PREPARED!;
const FOREIGN = "-A -t 10.100.0.9:99 -s rr\n-a -t 10.100.0.9:99 -r 10.9.1.2:99 -m -w 3";

/** dpkg's own records, of the packages alone that ours depends on: those of a whole system take this machine half a minute to read. */
const records = "/var/lib/dpkg-lab";

async function keepRecords(): Promise<void> {
  // Containers forbid their packages to start services.
  rmSync("/usr/sbin/policy-rc.d", { force: true });
  for (const name of ["info", "updates", "triggers"]) mkdirSync(join(records, name), { recursive: true });
  const needed = ["libc6", "libgcc-s1", "libstdc++6", "ipvsadm", "iproute2", "kmod", "systemd"];
  // Where the lab's packages are only unpacked, nobody has a record of them.
  const status = needed.map(async (name) => {
    const { code, stdout } = await run(["dpkg-query", "--status", name]);
    if (code !== 0)
      return `Package: ${name}\nStatus: install ok installed\nVersion: 999\nArchitecture: all\nMaintainer: none\n`;
    return stdout;
  });
  writeFileSync(join(records, "status"), (await Promise.all(status)).join("\n"));
  for (const name of needed)
    for (const list of [name, `${name}:amd64`]) writeFileSync(join(records, "info", `${list}.list`), "");
}

function dpkg(...args: readonly string[]): Promise<Ran> {
  return run(["dpkg", `--admindir=${records}`, "--force-unsafe-io", "--no-triggers", ...args], { timeoutMs: 120_000 });
}

async function install(version: string): Promise<Ran> {
  const ran = await dpkg("--install", join(folder, `director_${version}_amd64.deb`));
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return ran;
}

/** What dpkg does of an upgrade once the files are there. */
async function configurePackage(): Promise<Ran> {
  const ran = await run([
    "env",
    "DPKG_MAINTSCRIPT_PACKAGE=director",
    join(records, "info/director.postinst"),
    "configure",
    NEW,
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  return ran;
}

let installed: readonly string[] = [];
const versionRunning = async () => (await must(["/usr/bin/director", "--version"])).trim();
const traffic = await startTraffic();

step("beside a checkout that is installed, nothing is done", async () => {
  await keepRecords();
  const unit = "/etc/systemd/system/director.service";
  writeFileSync(unit, "");
  symlinkSync("/opt/director/bin/director", "/usr/bin/director");
  const { code, stderr } = await dpkg("--install", join(folder, `director_${OLD}_amd64.deb`));
  assert.equal(code, 1);
  assert.match(stderr, /run its systemd\/install\.sh --uninstall first/);
  assert.deepEqual([existsSync("/usr/lib/director"), existsSync(configFile)], [false, false]);
  rmSync(unit);
  rmSync("/usr/bin/director");
});

step("installed: the service is enabled and runs, with a configuration that touches nothing", async () => {
  await setTable(FOREIGN);
  const before = await savedRules();
  await install(OLD);
  assert.equal((await show("ActiveState")).ActiveState, "active");
  assert.equal((await systemctl("is-enabled", "director")).stdout, "enabled\n");
  assert.equal(await savedRules(), before);
  assert.equal(await versionRunning(), OLD);
  const { Uid, CapEff } = processStatus(await mainPid());
  const uid = (await must(["id", "-u", "director"])).trim();
  assert.deepEqual([Uid?.split("\t")[0], CapEff], [uid, "0000000000001000"]);
  assert.equal(await must(["readlink", `/proc/${await mainPid()}/exe`]), "/usr/lib/director/node\n");
  const intact = await dpkg("--verify", "director");
  assert.deepEqual([intact.code, intact.stdout], [0, ""]);
  assert.equal(readFileSync("/proc/sys/net/ipv4/vs/expire_nodest_conn", "utf8"), "1\n");
});

step("systemctl reload brings the administrator's own configuration into force", async () => {
  configure(configText);
  await order("reload", "director");
  await servesAsConfigured();
});

step("upgraded to a newer build under traffic: no request fails, no connection breaks, no weight moves", async () => {
  const pid = await mainPid();
  const rules = await savedRules();
  const edited = readFileSync(configFile, "utf8");
  let upgrade: Ran | undefined;
  await traffic.undisturbedBy(async () => {
    upgrade = await install(NEW);
  });
  assert.match(upgrade!.stdout, new RegExp(`Unpacking director \\(${NEW}\\) over \\(${OLD}\\)`));
  assert.equal((await show("ActiveState")).ActiveState, "active");
  assert.notEqual(await mainPid(), pid);
  assert.equal(await versionRunning(), NEW);
  assert.equal(await savedRules(), rules);
  assert.equal(readFileSync(configFile, "utf8"), edited, "the configuration was touched");
});

step("an upgrade whose version refuses the configuration leaves the old process at work, and says so", async () => {
  const pid = await mainPid();
  configure(configText.replace("vip:", "vipp:"));
  const { stderr } = await configurePackage();
  assert.match(stderr, /director\.conf:4:5: services\[0\]\.vipp: unknown key/);
  assert.match(stderr, /the one of before goes on running/);
  assert.equal(await mainPid(), pid);
  await servesAsConfigured();
  configure(configText);
});

step("what the administrator has switched off, an upgrade does not switch on", async () => {
  await order("disable", "--now", "director");
  await configurePackage();
  assert.equal((await show("ActiveState")).ActiveState, "inactive");
  assert.equal((await systemctl("is-enabled", "director")).stdout, "disabled\n");
  await order("enable", "--now", "director");
});

step("removed: the service is gone; table, configuration and state stay", async () => {
  const table = tableOfBoth();
  installed = (await dpkg("--listfiles", "director")).stdout.trim().split("\n");
  assert.ok(installed.includes("/usr/lib/director/node"));
  const { code, stderr } = await dpkg("--remove", "director");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal((await show("LoadState")).LoadState, "not-found");
  assert.deepEqual(tableOfBoth(), table);
  await servesAsConfigured();
  const left = ["/usr/bin/director", "/usr/lib/director", "/var/cache/director", configFile, "/var/lib/director"];
  assert.deepEqual(
    left.map((path) => existsSync(path)),
    [false, false, false, true, true],
  );
});

step("purged: nothing of it is left but the kernel's table and the user", async () => {
  const { code, stderr } = await dpkg("--purge", "director");
  assert.equal(code, 0, stderr);
  const places = [
    ...installed.filter((path) => path.includes("director")),
    ...["/var/lib/director", "/var/cache/director", "/run/director"],
    "/etc/systemd/system/multi-user.target.wants/director.service",
    "/var/lib/systemd/deb-systemd-helper-enabled/director.service.dsh-also",
  ];
  assert.deepEqual(
    places.filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined),
    [],
  );
  await servesAsConfigured();
  assert.deepEqual(weights("tcp:10.100.0.9:99"), { "10.9.1.2:99": 3 });
  await must(["id", "director"]);
});
