import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { upFiles } from "../../src/runtime/up-files.ts";

const contrib = join(import.meta.dirname, "../../contrib");

function folder(t: TestContext): { readonly up: string; readonly dir: string } {
  const dir = mkdtempSync(join(tmpdir(), "director-contrib-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return { dir, up: join(dir, "up") };
}

const ago = (up: string, seconds: number) => utimesSync(up, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);

describe("contrib/director-up", () => {
  const asked = (up: string, ...args: readonly string[]) =>
    spawnSync(join(contrib, "director-up"), ["web", ...args], { env: { ...process.env, DIRECTOR_UP: up } }).status;

  test("says what director says, at once", (t) => {
    const { up } = folder(t);
    const files = upFiles(up, (problem) => assert.fail(problem));
    for (const word of [true, false, true]) {
      files.write(new Map([["web", word]]));
      assert.equal(asked(up), word ? 0 : 1);
    }
  });

  test("a director that is away for a moment is no no; one that stays away is", (t) => {
    const { up } = folder(t);
    const files = upFiles(up, (problem) => assert.fail(problem));
    files.write(new Map([["web", true]]));
    ago(up, 100);
    files.remove();
    assert.equal(asked(up), 0);
    ago(up, 9);
    assert.equal(asked(up), 0);
    assert.equal(asked(up, "5"), 1);
    ago(up, 11);
    assert.equal(asked(up), 1);
  });

  test("where no director ever was, nothing is up", (t) => {
    assert.equal(asked(folder(t).up), 1);
  });
});

describe("contrib/bird/director-bird", () => {
  test("switches the protocol on and off, by a name that BIRD takes", async (t) => {
    const { dir, up } = folder(t);
    const said = join(dir, "said");
    const birdc = join(dir, "birdc");
    writeFileSync(birdc, `#!/bin/sh\necho "$@" >> ${said}\n`);
    chmodSync(birdc, 0o755);
    const files = upFiles(up, (problem) => assert.fail(problem));
    files.write(new Map([["my-web", true]]));
    const child = spawn(join(contrib, "bird/director-bird"), ["my-web"], {
      env: { ...process.env, DIRECTOR_UP: up, BIRDC: birdc },
      detached: true,
      stdio: "ignore",
    });
    t.after(() => process.kill(-child.pid!, "SIGKILL"));
    const until = async (last: string) => {
      for (let i = 0; i < 300; i++) {
        if (existsSync(said) && readFileSync(said, "utf8").endsWith(`${last} director_my_web\n`)) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.fail(`no ${last}: ${existsSync(said) && readFileSync(said, "utf8")}`);
    };
    await until("enable");
    files.write(new Map([["my-web", false]]));
    await until("disable");
  });
});
