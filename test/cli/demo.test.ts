import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { start } from "./support.ts";

const leftBehind = () => readdirSync(tmpdir()).filter((name) => name.startsWith("director-demo-"));

test("the demo tells its story, checks it, fits on a terminal of 100 columns and leaves nothing behind", async () => {
  const before = leftBehind();
  const { code, stdout, stderr } = await start(["demo"]).ended;
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
  assert.deepEqual(leftBehind(), before);
});

test("a demo that is interrupted cleans up too", async () => {
  const before = leftBehind();
  const { child, seen, ended } = start(["demo"]);
  await seen(/weight 100/);
  child.kill("SIGINT");
  assert.equal((await ended).code, 130);
  assert.deepEqual(leftBehind(), before);
});
