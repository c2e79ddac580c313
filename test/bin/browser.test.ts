import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";

const setup = join(import.meta.dirname, "../../bin/setup-browser.cjs");

/** Runs an expression with the module as `b`, where only the programs that are given are installed, and nothing is unpacked. */
function run(t: TestContext, programs: Readonly<Record<string, string>>, expression: string) {
  const dir = mkdtempSync(join(tmpdir(), "director-browser-"));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const folder of ["bin", "cache"]) mkdirSync(join(dir, folder));
  for (const [name, script] of Object.entries(programs))
    writeFileSync(join(dir, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const code = `const b = require(${JSON.stringify(setup)}); console.log(${expression} ?? "nothing");`;
  const env = { PATH: join(dir, "bin"), HOME: dir, XDG_CACHE_HOME: join(dir, "cache") };
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8", env });
  return { stdout: stdout.trim(), stderr };
}

describe("bin/setup-browser.cjs", () => {
  test("takes the browser that is installed, and brings none then", (t) => {
    const chromium = { chromium: "exit 0", "apt-get": "echo called >&2; exit 0" };
    assert.equal(run(t, chromium, "b.findBrowser().program").stdout, "chromium");
    assert.deepEqual(run(t, chromium, "(b.prepareBrowser(console.error), 1)"), { stdout: "1", stderr: "" });
  });

  test("a script that only tells where to get one is no browser; the next name is tried", (t) => {
    const snap = { "chromium-browser": "echo please install the snap >&2; exit 1" };
    assert.equal(run(t, snap, "b.findBrowser()").stdout, "nothing");
    assert.equal(run(t, { ...snap, "google-chrome": "exit 0" }, "b.findBrowser().program").stdout, "google-chrome");
  });

  test("says what is not tested where none can be had: without apt-get, and where apt-get fails", (t) => {
    for (const [programs, why] of [
      [{}, /no Chromium, and no apt-get to bring it\. The status page is not tested in a browser/],
      [{ "apt-get": '[ "$1" = --version ]' }, /apt-get did not bring it, see above\. The status page is not tested/],
    ] as const) {
      const { stdout, stderr } = run(t, programs, "(b.prepareBrowser(console.error), b.findBrowser())");
      assert.match(stderr, why);
      assert.equal(stdout, "nothing");
    }
  });
});
