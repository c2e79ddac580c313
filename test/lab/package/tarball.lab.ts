// The tarball: installed by its script, upgraded under traffic, taken away.
// lab: topology=routed servers=2 systemd timeout=400 prepare=tarballs.ts
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { must, type Ran, run, savedRules, setTable, shell } from "../inside.ts";
import { configFile, configure, mainPid, order, show, step, systemctl } from "../systemd/unit.ts";
import { NEW, OLD, unpacked } from "./make.ts";
import { configText, servesAsConfigured, startTraffic } from "./traffic.ts";

const folder = process.env.LAB_PREPARED!;

function script(version: string, ...args: readonly string[]): Promise<Ran> {
  return run([join(unpacked(folder, version), "install.sh"), ...args], { timeoutMs: 120_000 });
}

async function succeeds(version: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await script(version, ...args);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

const traffic = await startTraffic();

step("beside a checkout that is installed, nothing is done", async () => {
  symlinkSync("/opt/director/bin/director", "/usr/bin/director");
  const { code, stdout, stderr } = await script(OLD);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /belongs to a checkout: run its systemd\/install\.sh --uninstall first/);
  rmSync("/usr/bin/director");
});

step("installed: the service is enabled and runs, with a configuration that touches nothing", async () => {
  await setTable("-A -t 10.100.0.9:99 -s rr");
  const before = await savedRules();
  await succeeds(OLD);
  assert.equal((await show("ActiveState")).ActiveState, "active");
  assert.equal((await systemctl("is-enabled", "director")).stdout, "enabled\n");
  assert.equal(await savedRules(), before);
  const owners = await shell(
    "find /usr/lib/director /usr/bin/director ! -user root -o ! -group root -o -perm /022 | head",
  );
  assert.equal(owners, "");
  configure(configText);
  await order("reload", "director");
  await servesAsConfigured();
});

step(
  "a newer one installed over it under traffic: no request fails, no connection breaks, no weight moves",
  async () => {
    const pid = await mainPid();
    const rules = await savedRules();
    // As if the version before had had a file that this one has not.
    await shell("echo old >/usr/lib/director/src/gone.js; echo usr/lib/director/src/gone.js >>/usr/lib/director/files");
    await traffic.undisturbedBy(async () => void (await succeeds(NEW)));
    assert.notEqual(await mainPid(), pid);
    assert.equal((await must(["/usr/bin/director", "--version"])).trim(), NEW);
    assert.equal(await savedRules(), rules);
    assert.equal(readFileSync(configFile, "utf8"), configText);
    const listed = readFileSync("/usr/lib/director/files", "utf8").trim().split("\n");
    const there = await shell("cd /; find usr/lib/director -type f");
    assert.deepEqual(
      there.trim().split("\n").sort(),
      listed.filter((path) => path.startsWith("usr/lib/director/")),
    );
  },
);

step("with a configuration that this version refuses the old process goes on", async () => {
  const pid = await mainPid();
  configure(configText.replace("vip:", "vipp:"));
  const { code, stderr } = await script(NEW);
  assert.equal(code, 1);
  assert.match(stderr, /services\[0\]\.vipp: unknown key[\s\S]*installed, not restarted/);
  assert.equal(await mainPid(), pid);
  configure(configText);
});

step("taken away: table, configuration and state stay; with --purge only the table", async () => {
  await succeeds(NEW, "--uninstall");
  assert.equal((await show("LoadState")).LoadState, "not-found");
  await servesAsConfigured();
  const paths = [
    "/usr/bin/director",
    "/usr/lib/director",
    "/usr/lib/sysctl.d/50-director.conf",
    "/usr/share/doc/director",
  ];
  assert.deepEqual(
    paths.filter((path) => existsSync(path)),
    [],
  );
  assert.deepEqual([existsSync(configFile), existsSync("/var/lib/director")], [true, true]);
  await succeeds(NEW, "--purge");
  assert.deepEqual([existsSync("/etc/director"), existsSync("/var/lib/director")], [false, false]);
  await servesAsConfigured();
});
