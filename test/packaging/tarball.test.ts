import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { buildTarball } from "../../packaging/tarball.ts";

const missing = ["strip", "tar", "gzip"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
const skip = missing.length > 0 ? `no tarball can be built here without ${missing.join(", ")}` : false;

describe("the tarball", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "director-tarball-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const build = (out: string) => buildTarball(["--version", "7.8.9", "--out", join(folder, out), "--level", "1"]);

  test("built twice, by others: the same bytes, of nobody in particular", () => {
    const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
    const first = build("one");
    const umask = process.umask(0o077);
    try {
      assert.equal(sum(build("two")), sum(first));
    } finally {
      process.umask(umask);
    }
    const lines = execFileSync("tar", ["-tvzf", first], { encoding: "utf8" }).trim().split("\n");
    assert.deepEqual(
      lines.filter((line) => !/^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) 0\/0 .* director-7\.8\.9-linux-/.test(line)),
      [],
    );
  });

  test("its list names every file that its script installs, and nothing else", () => {
    const name = `director-7.8.9-linux-${process.arch}`;
    const file = join(folder, "one", `${name}.tar.gz`);
    const list = execFileSync("tar", ["-xOzf", file, `${name}/usr/lib/director/files`], { encoding: "utf8" });
    const packed = execFileSync("tar", ["-tzf", file], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((path) => path.slice(name.length + 1))
      .filter((path) => path !== "" && !path.endsWith("/"));
    assert.deepEqual(list.trim().split("\n"), packed.filter((path) => path !== "install.sh").sort());
    assert.ok(packed.includes("install.sh"));
  });

  test("what it cannot build it names", () => {
    for (const [args, said] of [
      [["--version", "x"], /--version x: not a version/],
      [["--arch", "sparc"], /--arch sparc: x64 or arm64/],
      [["--arch", process.arch === "x64" ? "arm64" : "x64"], /there is no .*node-linux-.*: npm ci .*--cpu=/],
      [["--lvel", "1"], /--lvel/],
    ] as const) {
      assert.throws(() => buildTarball([...args, "--out", folder]), said);
    }
  });
});
