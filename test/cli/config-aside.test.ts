import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { loadFilesAside } from "../../src/cli/config-aside.ts";
import { loadFiles } from "../../src/cli/config-file.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "director-aside-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const servers = (count: number) =>
  Array.from({ length: count }, (_, i) => `      - { name: s${i}, address: "10.1.${i >> 8}.${i & 255}:80" }`);
const service = (name: string, vip: string, count: number) =>
  [`  - name: ${name}`, `    vip: ${vip}:80`, "    check: { type: http }", "    servers:", ...servers(count)].join(
    "\n",
  );

describe("files parsed in a thread of their own", () => {
  for (const [what, count] of [
    ["a small one, which is not", 3],
    ["a large one", 3_000],
  ] as const)
    test(`${what}: the same comes out`, async (t) => {
      const file = join(folder(t), "director.conf");
      writeFileSync(file, `services:\n${service("web", "192.0.2.1", count)}\n`);
      const aside = await loadFilesAside(file);
      const here = loadFiles(file);
      assert.deepEqual(aside.parsed, here.parsed);
      const more = [{ service: "web", address: "10.9.9.9:80" }];
      assert.equal(aside.with(more).config?.services[0]?.servers.length, count + 1);
      assert.deepEqual(aside.with(more), here.with(more));
    });

  test("servers can be added to what was read, though the files have changed since", async (t) => {
    const path = folder(t);
    const file = join(path, "director.conf");
    mkdirSync(join(path, "conf.d"));
    writeFileSync(file, "include: [conf.d/*.yaml]\n");
    writeFileSync(join(path, "conf.d/web.yaml"), `services:\n${service("web", "192.0.2.1", 2_000)}\n`);
    const aside = await loadFilesAside(file);
    assert.deepEqual(aside.parsed.problems, []);
    writeFileSync(join(path, "conf.d/web.yaml"), "rubbish: [");
    assert.equal(aside.with([{ service: "web", address: "10.9.9.9:80" }]).config?.services[0]?.servers.length, 2_001);
  });

  test("a bad one has the same problems, and one that is missing is told of", async (t) => {
    const path = folder(t);
    const file = join(path, "director.conf");
    writeFileSync(file, `services:\n${service("web", "192.0.2.1", 3_000)}\n      - { name: x, adress: 1 }\n`);
    const { parsed } = await loadFilesAside(file);
    assert.equal(parsed.config, undefined);
    assert.deepEqual(parsed, loadFiles(file).parsed);
    assert.match(
      (await loadFilesAside(join(path, "none.conf"))).parsed.problems[0]!.message,
      /no such file|does not exist|missing/i,
    );
  });
});
