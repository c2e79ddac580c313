import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { type Spawned, start } from "./support.ts";

/** The demo in a process of its own, whose place for temporary files is only its own. */
function play(t: TestContext): { readonly demo: Spawned; leftBehind(): readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), "director-demo-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return { demo: start(["demo"], { env: { TMPDIR: folder } }), leftBehind: () => readdirSync(folder) };
}

describe("the demo", { concurrency: true }, () => {
  test("tells its story, checks it, fits on a terminal of 100 columns and leaves nothing behind", async (t) => {
    const { demo, leftBehind } = play(t);
    const { code, stdout, stderr } = await demo.ended;
    assert.deepEqual([code, stderr], [0, ""], stdout);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.at(-1), "done");
    assert.deepEqual(
      lines.filter((line) => line.length > 100),
      [],
    );
    assert.match(stdout, /other was stopped\. Weight 0 after \d+ ms: connection refused, 3 checks in a row\./);
    assert.match(stdout, /^ +5\/5 +0 \/ 100 \/ 100 +100% +100% +100%/m);
    assert.match(stdout, /The download ended whole/);
    assert.deepEqual(leftBehind(), []);
  });

  test("cleans up too when it is interrupted", async (t) => {
    const { demo, leftBehind } = play(t);
    await demo.seen(/weight 100/);
    assert.match(leftBehind().join(" "), /^director-demo-\w+$/);
    demo.child.kill("SIGINT");
    assert.equal((await demo.ended).code, 130);
    assert.deepEqual(leftBehind(), []);
  });
});
