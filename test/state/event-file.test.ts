import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createEventLog, type DirectorEvent } from "../../src/director/events.ts";
import type { EpochMs } from "../../src/model/time.ts";
import { eventFile } from "../../src/state/event-file.ts";

const quiet = (problem: string): void => assert.fail(problem);

function folder(t: { after(run: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), "director-events-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** One life of the daemon as far as events go. */
async function life(path: string) {
  const file = eventFile<DirectorEvent>(path, quiet);
  const log = createEventLog(() => 1_790_000_000_000 as EpochMs, await file.load(10_000));
  log.follow(file.append);
  return { log, end: () => file.flush() };
}

test("events outlive a restart: their numbers go on, and a follower resumes where it was", async (t) => {
  const path = join(folder(t), "state", "events.ndjson");
  const first = await life(path);
  for (const to of ["pending", "shifting"])
    first.log.record({ kind: "drain", severity: "info", message: to, drain: "d-1", to, actor: "ops" });
  await first.end();
  const second = await life(path);
  const third = second.log.record({ kind: "drain", severity: "info", message: "done", drain: "d-1", to: "done" });
  assert.equal(third.seq, 3);
  assert.deepEqual(
    second.log.after(1).map((e) => [e.seq, e.to, e.actor]),
    [
      [2, "shifting", "ops"],
      [3, "done", undefined],
    ],
  );
  await second.end();
  const lines = readFileSync(path, "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as DirectorEvent).seq),
    [1, 2, 3],
  );
});

test("a line cut off by a crash is passed over, and what follows it is read again", async (t) => {
  const path = join(folder(t), "events.ndjson");
  const first = await life(path);
  first.log.record({ kind: "process", severity: "info", message: "one" });
  await first.end();
  appendFileSync(path, '{"seq":2,"at":17');
  const second = await life(path);
  assert.equal(second.log.lastSeq(), 1);
  second.log.record({ kind: "process", severity: "info", message: "after the crash" });
  await second.end();
  const third = await life(path);
  assert.deepEqual(
    third.log.after(0).map((e) => e.message),
    ["one", "after the crash"],
  );
});

test("a full file makes room once, and the last events are still there", async (t) => {
  const path = join(folder(t), "events.ndjson");
  const line = (seq: number) =>
    `${JSON.stringify({ seq, at: 1, kind: "x", severity: "info", message: "y".repeat(1000) })}\n`;
  writeFileSync(path, Array.from({ length: 8_500 }, (_, i) => line(i + 1)).join(""));
  const first = await life(path);
  first.log.record({ kind: "process", severity: "info", message: "the last straw" });
  await first.end();
  assert.ok(statSync(path).size < 1_000, "a new file has begun");
  const second = await life(path);
  assert.equal(second.log.lastSeq(), 8_501);
  assert.equal(second.log.after(8_499).length, 2);
});

test("a folder that cannot be written is said once, and events go on in memory", async (t) => {
  const path = join(folder(t), "taken");
  writeFileSync(path, "a file, no folder");
  const said: string[] = [];
  const file = eventFile<DirectorEvent>(join(path, "events.ndjson"), (problem) => said.push(problem));
  const log = createEventLog(() => 1 as EpochMs, await file.load(10));
  log.follow(file.append);
  for (let i = 0; i < 3; i++) {
    log.record({ kind: "process", severity: "info", message: String(i) });
    await file.flush();
  }
  assert.equal(log.lastSeq(), 3);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /events are not kept: .*events\.ndjson/);
});
