import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";

const bin = join(import.meta.dirname, "../../bin");

describe("bin/setup.cjs", () => {
  test("installs what is missing by npm ci, once, and passes arguments and exit code through", (t) => {
    const project = checkout(t);
    const first = setup(project, "test:quick", "one", "two words");
    assert.match(first.stderr, /packages are not installed; running npm ci/);
    assert.deepEqual([first.status, first.stdout], [7, `["quick","one","two words"]\n`]);
    const second = setup(project, "test:quick");
    assert.deepEqual([second.stderr, second.stdout, installs(project)], ["", `["quick"]\n`, 1]);
  });

  for (const [name, spoil, said] of [
    [
      "another version",
      (p: string) => lock(p, { lib: { version: "2.0.0" } }),
      "lib is 1.0.0, package-lock.json says 2.0.0",
    ],
    [
      "a new package",
      (p: string) => lock(p, { lib: { version: "1.0.0" }, more: { version: "1.0.0" } }),
      "more is not installed",
    ],
    [
      "a package deleted by hand",
      (p: string) => rmSync(join(p, "node_modules/lib"), { recursive: true }),
      "lib is not installed",
    ],
  ] as const) {
    test(`${name}: npm ci runs again, saying why`, (t) => {
      const project = checkout(t);
      setup(project, "test:quick");
      spoil(project);
      assert.match(setup(project, "test:quick").stderr, new RegExp(`${said}; running npm ci`));
      assert.equal(installs(project), 2);
    });
  }

  test("an optional package for another machine is not missed", (t) => {
    const project = checkout(t);
    setup(project, "test:quick");
    lock(project, { lib: { version: "1.0.0" }, "node-plan9-x64": { version: "1.0.0", optional: true } });
    assert.equal(setup(project, "test:quick").stderr, "");
  });

  test("a failing npm ci ends it", (t) => {
    const project = checkout(t);
    writeFileSync(join(project, "npm-cli.cjs"), "process.exit(1)");
    const { status, stdout, stderr } = setup(project, "test:quick");
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /npm ci failed/);
  });

  test("a signal that ends the program is how it ends itself", (t) => {
    const project = checkout(t);
    writeFileSync(join(project, "test/run.ts"), "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000);");
    assert.equal(setup(project, "test:quick").signal, "SIGTERM");
  });

  test("an unknown word is answered with those it knows", (t) => {
    const { status, stderr } = setup(checkout(t), "tests");
    assert.equal(status, 2);
    assert.match(stderr, /demo\|test\|test:quick/);
  });
});

/** A project with one package, a program that prints its arguments and exits 7, and an npm that needs no network. */
function checkout(t: TestContext): string {
  const project = mkdtempSync(join(tmpdir(), "director-setup-"));
  t.after(() => rmSync(project, { recursive: true }));
  for (const folder of ["bin", "test"]) mkdirSync(join(project, folder));
  const scripts = ["", "-browser", "-keepalived", "-lab", "-promtool", "-tmux"].map((name) => `setup${name}.cjs`);
  for (const file of scripts) copyFileSync(join(bin, file), join(project, "bin", file));
  writeFileSync(join(project, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(project, "test/run.ts"), "console.log(JSON.stringify(process.argv.slice(2))); process.exit(7);");
  writeFileSync(
    join(project, "npm-cli.cjs"),
    `const fs = require("node:fs");
    if (process.argv[2] !== "ci") process.exit(9);
    fs.appendFileSync("installs", "ci\\n");
    fs.mkdirSync("node_modules/lib", { recursive: true });
    fs.copyFileSync("package-lock.json", "node_modules/.package-lock.json");`,
  );
  lock(project, { lib: { version: "1.0.0" } });
  return project;
}

function lock(project: string, packages: Readonly<Record<string, object>>): void {
  const entries = Object.entries(packages).map(([name, entry]) => [`node_modules/${name}`, entry]);
  writeFileSync(
    join(project, "package-lock.json"),
    JSON.stringify({ packages: { "": {}, ...Object.fromEntries(entries) } }),
  );
}

function setup(project: string, ...args: readonly string[]) {
  const env = { ...process.env, npm_execpath: join(project, "npm-cli.cjs") };
  return spawnSync(process.execPath, [join(project, "bin/setup.cjs"), ...args], { encoding: "utf8", env });
}

function installs(project: string): number {
  const file = join(project, "installs");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
}
