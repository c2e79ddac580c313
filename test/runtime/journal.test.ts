import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import { test } from "node:test";
import { isJournal } from "../../src/runtime/journal.ts";

test("a descriptor goes to the journal only if JOURNAL_STREAM names its device and inode", (t) => {
  const fd = openSync("/dev/null", "w");
  const other = openSync(import.meta.filename, "r");
  t.after(() => closeSync(other));
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const JOURNAL_STREAM = `${dev}:${ino}`;
  assert.equal(isJournal(fd, { JOURNAL_STREAM }), true);
  assert.equal(isJournal(other, { JOURNAL_STREAM }), false, "inherited from a session");
  assert.equal(isJournal(fd, {}), false);
  assert.equal(isJournal(fd, { JOURNAL_STREAM: "" }), false);
  closeSync(fd);
  assert.equal(isJournal(fd, { JOURNAL_STREAM }), false, "closed");
});
