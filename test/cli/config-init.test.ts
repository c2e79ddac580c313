import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { STARTER } from "../../src/cli/config-init.ts";
import { cli } from "./support.ts";

function newFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "director-init-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "director.conf");
}

describe("director config init", () => {
  test("writes a file that has no problem, and says what to do with it", async (t) => {
    const file = newFile(t);
    const { code, stdout } = await cli(["config", "init", file]);
    assert.deepEqual(
      [code, stdout.trim()],
      [0, `${file} written: put your addresses into it, then \`director config test ${file}\``],
    );
    assert.equal(readFileSync(file, "utf8"), STARTER);
    assert.equal(statSync(file).mode & 0o777, 0o640);
    const { config, problems } = loadConfigText(STARTER, "director.conf", ".");
    assert.deepEqual(problems, []);
    assert.equal(config?.services[0]?.servers.length, 3);
  });

  test("leaves a file that is there as it is", async (t) => {
    const file = newFile(t);
    writeFileSync(file, "mine");
    const { code, stderr } = await cli(["config", "init", file]);
    assert.equal(code, 1);
    assert.match(stderr, /is there already, and stays as it is; `config init -` prints the starter/);
    assert.equal(readFileSync(file, "utf8"), "mine");
  });

  test("says where it cannot write", async () => {
    const { code, stderr } = await cli(["config", "init", "/nonexistent/director.conf"]);
    assert.equal(code, 1);
    assert.match(stderr, /\/nonexistent\/director\.conf cannot be written: ENOENT/);
  });

  test("- prints it", async () => {
    const { code, stdout } = await cli(["config", "init", "-"]);
    assert.deepEqual([code, stdout], [0, STARTER]);
  });
});
