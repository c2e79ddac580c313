import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { findHost } from "./host.ts";
import { bootLab } from "./lab.ts";

const host = findHost();
const skip = "missing" in host && process.env.DIRECTOR_LAB !== "required" ? host.missing : false;
const bash = (script: string) => ["/bin/bash", "-c", script];

describe("the lab itself", { concurrency: 2, skip }, () => {
  test("exit code, input, environment and all of a large output come through; what the guest writes stays there", async (t) => {
    const folder = ownFolder(t);
    const { code, stdout, stderr, timedOut } = await bootLab({
      topology: "none",
      stdin: "from outside\n",
      env: { QUOTED: `it's "$HOME" \\n` },
      writable: [folder],
      command: bash(
        `read line; echo "$line" >&2; printf %s "$QUOTED" >&2; touch "${folder}/kept" /etc/lost; seq 200000; exit 7`,
      ),
    });
    assert.deepEqual(
      { code, timedOut, stderr },
      { code: 7, timedOut: false, stderr: `from outside\nit's "$HOME" \\n` },
    );
    assert.equal(stdout, `${Array.from({ length: 200_000 }, (_, i) => i + 1).join("\n")}\n`);
    assert.deepEqual([existsSync(join(folder, "kept")), existsSync("/etc/lost")], [true, false]);
  });

  test("at the time limit the command is ended, and what it said until then is there", async () => {
    const result = await bootLab({ topology: "none", timeoutSec: 2, command: bash("echo waiting; sleep 60") });
    assert.deepEqual([result.code, result.timedOut, result.stdout], [124, true, "waiting\n"]);
  });

  for (const [name, command] of [
    ["flat", "ip netns exec cl ping -qc1 -W2 10.9.0.12 && ip netns exec rs1 ping -qc1 -W2 10.9.0.1"],
    ["routed", "ip netns exec cl ping -qc1 -W2 10.9.2.2 && ip netns exec rs1 ping -qc1 -W2 fd00:8::2"],
  ] as const) {
    test(`${name}: client, director and servers reach each other; IPVS and netfilter are there`, async () => {
      const script = `set -e; ${command}; ipvsadm -A -f 1 -s mh; iptables -t nat -A POSTROUTING -m ipvs --ipvs -j MASQUERADE; grep ' mh' /proc/net/ip_vs`;
      const { code, stdout, stderr } = await bootLab({ topology: name, servers: 2, command: bash(script) });
      assert.equal(code, 0, stdout + stderr);
    });
  }

  test("systemd is process 1 and comes up whole", async () => {
    const script = "cat /proc/1/comm; systemctl is-system-running --wait; systemctl --failed --no-legend";
    const { stdout } = await bootLab({ topology: "none", systemd: true, command: bash(script) });
    assert.equal(stdout, "systemd\nrunning\n");
  });

  test("a process that is killed while its machine runs a command leaves neither processes nor files", async (t) => {
    const [folder, shared] = [ownFolder(t), ownFolder(t)];
    const options = { topology: "none", writable: [shared], command: bash(`echo >${shared}/running; sync; sleep 60`) };
    const program = `import { bootLab } from ${JSON.stringify(join(import.meta.dirname, "lab.ts"))};
      await bootLab(${JSON.stringify(options)});`;
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], { stdio: "ignore", env });
    while (!existsSync(join(shared, "running"))) await sleep(50);
    assert.notEqual(processesNaming(folder), 0);
    child.kill("SIGKILL");
    await once(child, "exit");
    const left = () => [processesNaming(folder), readdirSync(folder).length];
    for (let i = 0; i < 100 && left().some((count) => count > 0); i++) await sleep(50);
    assert.deepEqual(left(), [0, 0]);
  });

  test("a kernel that does not start here says that nothing was tested, rather than that something failed", async (t) => {
    const packages = ownFolder(t);
    mkdirSync(join(packages, "usr/bin"), { recursive: true });
    writeFileSync(join(packages, "usr/bin/linux.uml"), "#!/bin/sh\necho 'ptrace: Operation not permitted'; exit 1\n", {
      mode: 0o755,
    });
    const program = `import { bootLab, LabUnavailable } from ${JSON.stringify(join(import.meta.dirname, "lab.ts"))};
      await bootLab({ command: ["/bin/true"] }).catch((error) => console.log(error instanceof LabUnavailable, error.message));`;
    const env = { ...process.env, DIRECTOR_LAB_PACKAGES: packages };
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", program], {
      env,
    });
    assert.match(stdout, /^true the lab's kernel did not start; .*ptrace: Operation not permitted/s);
  });

  test("a failing step fails the scenario from outside, and what follows is skipped", async (t) => {
    const folder = ownFolder(t);
    const file = join(folder, "failing.lab.ts");
    writeFileSync(
      file,
      `// lab: topology=none timeout=60
      import { step } from ${JSON.stringify(join(import.meta.dirname, "inside.ts"))};
      step("first", () => {}); step("second", () => { throw new Error("as it should") }); step("third", () => {});`,
    );
    const cli = spawn(process.execPath, [join(import.meta.dirname, "cli.ts"), file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    cli.stdout.setEncoding("utf8").on("data", (data) => {
      text += data;
    });
    const [code] = await once(cli, "close");
    assert.equal(code, 1);
    assert.match(text, /✔ first.*✖ second.*third.*after the failure of: second.*as it should/s);
  });
});

function ownFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "director-harness-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function processesNaming(path: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(path);
    } catch {
      return false; // it has ended meanwhile
    }
  }).length;
}
