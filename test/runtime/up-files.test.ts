import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { upFiles } from "../../src/runtime/up-files.ts";

const problems: string[] = [];

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "director-up-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "up");
}

function said(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

test("one file a service, 1 or 0; a service that left has none, nor has one of an earlier life", (t) => {
  const folder = folderFor(t);
  const before = upFiles(folder, (problem) => problems.push(problem));
  before.write(new Map([["gone", true]]));
  const files = upFiles(folder, (problem) => problems.push(problem));
  files.write(
    new Map([
      ["web", true],
      ["dns", false],
    ]),
  );
  assert.deepEqual(said(folder), { web: "1\n", dns: "0\n" });
  files.write(new Map([["web", false]]));
  assert.deepEqual(said(folder), { web: "0\n" });
  files.remove();
  assert.deepEqual(said(folder), {});
  assert.deepEqual(problems, []);
});

test("everyone may read them, whatever the umask", (t) => {
  const folder = folderFor(t);
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  upFiles(folder, (problem) => problems.push(problem)).write(new Map([["web", true]]));
  const mode = (path: string) => statSync(path).mode & 0o777;
  assert.deepEqual([mode(folder), mode(join(folder, "web"))], [0o755, 0o644]);
});

test("a change replaces the file: who has it open reads the old word to its end", (t) => {
  const folder = folderFor(t);
  const files = upFiles(folder, (problem) => problems.push(problem));
  files.write(new Map([["web", true]]));
  const { ino } = statSync(join(folder, "web"));
  files.write(new Map([["web", true]]));
  assert.equal(statSync(join(folder, "web")).ino, ino, "written without a change");
  files.write(new Map([["web", false]]));
  assert.notEqual(statSync(join(folder, "web")).ino, ino);
});

test("where they cannot be written that is said, and once they can they are", (t) => {
  const folder = folderFor(t);
  writeFileSync(folder, "a file is in the way");
  const trouble: string[] = [];
  const files = upFiles(folder, (problem) => trouble.push(problem));
  files.write(new Map([["web", true]]));
  assert.equal(trouble.length, 1);
  assert.match(trouble[0]!, /up: EEXIST/);
  rmSync(folder);
  files.write(new Map([["web", true]]));
  assert.deepEqual(said(folder), { web: "1\n" });
});

test("the directory outlives us: whoever watches it sees the files of the next life", (t) => {
  const folder = folderFor(t);
  const files = upFiles(folder, (problem) => problems.push(problem));
  files.remove();
  files.write(new Map([["web", true]]));
  const { ino } = statSync(folder);
  files.remove();
  upFiles(folder, (problem) => problems.push(problem)).write(new Map([["web", true]]));
  assert.equal(statSync(folder).ino, ino);
  assert.deepEqual(said(folder), { web: "1\n" });
  assert.deepEqual(problems, []);
});
