import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";

const launcher = join(import.meta.dirname, "../../bin/director");

describe("bin/director", { skip: process.platform === "linux" ? false : "Linux only" }, () => {
  test("becomes the program itself, with its arguments, also through symlinks", (t) => {
    const { root, tools } = tree(t, { bundled: true });
    mkdirSync(join(root, "usr"));
    symlinkSync("../opt/director/bin/director", join(root, "usr/link"));
    symlinkSync(join(root, "usr/link"), join(root, "director"));
    for (const path of ["opt/director/bin/director", "usr/link", "director"]) {
      const { stdout, stderr, pid } = spawnSync(join(root, path), ["a b", "--c"], {
        encoding: "utf8",
        env: { PATH: tools },
      });
      assert.deepEqual([stderr, JSON.parse(stdout)], ["", { pid, args: ["a b", "--c"] }], path);
    }
  });

  test("without a Node of its own it takes the one in PATH", (t) => {
    const { root, tools } = tree(t, { bundled: false });
    symlinkSync(process.execPath, join(tools, "node"));
    const { stdout, stderr } = spawnSync(join(root, "opt/director/bin/director"), ["x"], {
      encoding: "utf8",
      env: { PATH: tools },
    });
    assert.deepEqual([stderr, JSON.parse(stdout).args], ["", ["x"]]);
  });

  test("what Node has compiled is kept for who owns the installation, unless it is kept elsewhere already", (t) => {
    const { root, tools } = tree(t, { bundled: true });
    const modules = join(root, "opt/director/node_modules");
    const kept = (env: Readonly<Record<string, string>> = {}) => {
      const { status } = spawnSync(join(root, "opt/director/bin/director"), { env: { PATH: tools, ...env } });
      assert.equal(status, 0);
      return existsSync(join(modules, ".cache"));
    };
    assert.equal(kept({ NODE_COMPILE_CACHE: join(root, "elsewhere") }), false);
    assert.equal(existsSync(join(root, "elsewhere")), true);
    // Only root can give folders away.
    if (process.getuid?.() === 0) {
      chownSync(modules, 65_534, 65_534);
      assert.equal(kept(), false);
      chownSync(modules, 0, 0);
    }
    assert.equal(kept(), true);
  });

  for (const [name, prepare, said] of [
    ["an old Node in PATH", oldNode, /needs Node 24 or later.*node is v20\.1\.0\.\n.*npm ci/s],
    ["no Node at all", () => {}, /needs Node 24 or later.*no node in PATH.*npm ci/s],
    ["packages not installed", withoutPackages, /packages are not installed in .*npm ci/],
  ] as const) {
    test(`${name}: says what is missing and what to run`, (t) => {
      const { root, tools } = tree(t, { bundled: false });
      prepare(tools, root);
      const path = join(root, "opt/director/bin/director");
      const { status, stderr, stdout } = spawnSync(path, [], { encoding: "utf8", env: { PATH: tools } });
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, said);
    });
  }
});

/** An installed director whose program prints who it is, and a folder that is all of PATH. */
function tree(t: TestContext, { bundled }: { bundled: boolean }): { readonly root: string; readonly tools: string } {
  const root = mkdtempSync(join(tmpdir(), "director-launcher-"));
  t.after(() => rmSync(root, { recursive: true }));
  const home = join(root, "opt/director");
  const tools = join(root, "tools");
  for (const folder of ["bin", "src", "node_modules/yaml"]) mkdirSync(join(home, folder), { recursive: true });
  mkdirSync(tools);
  for (const tool of ["readlink", "uname"]) symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
  copyFileSync(launcher, join(home, "bin/director"));
  writeFileSync(join(home, "package.json"), `{ "type": "module" }`);
  writeFileSync(
    join(home, "src/main.ts"),
    "const args: string[] = process.argv.slice(2);\nconsole.log(JSON.stringify({ pid: process.pid, args }));\n",
  );
  if (bundled) {
    const bin = join(home, `node_modules/node-linux-${process.arch}/bin`);
    mkdirSync(bin, { recursive: true });
    symlinkSync(process.execPath, join(bin, "node"));
  }
  return { root, tools };
}

function oldNode(tools: string): void {
  const script = `#!/bin/sh\n[ "$1" = --version ] && echo v20.1.0 && exit\nexit 1\n`;
  writeFileSync(join(tools, "node"), script, { mode: 0o755 });
}

function withoutPackages(_tools: string, root: string): void {
  rmSync(join(root, "opt/director/node_modules"), { recursive: true });
}
