import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { cli } from "../cli/support.ts";
import { CHECK_PIECES } from "../lab/import/check-pieces.ts";
import { SERVICE_PIECES } from "../lab/import/service-pieces.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/migrating.md"), "utf8");
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);

describe("docs/migrating.md", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "director-migrating-"));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const runs = blocks("console").filter((block) => /^\$ director import \S+ \S+ -o director\.conf\n[^$]/.test(block));
  test("has a run of each", () => assert.equal(runs.length, 2));

  for (const [i, run] of runs.entries()) {
    const [, program = "", name = ""] = /^\$ director import (\S+) (\S+)/.exec(run)!;
    test(`the run of ${program} says and writes exactly that`, async () => {
      writeFileSync(join(dir, name), blocks("conf")[i]!);
      const target = join(dir, `${program}.yaml`);
      const { stderr } = await cli(["import", program, join(dir, name), "-o", target]);
      const said = stderr.replaceAll(target, "director.conf").replaceAll(`${dir}/`, "");
      assert.equal(said, run.slice(run.indexOf("\n") + 1));
      const written = readFileSync(target, "utf8").replaceAll(`${dir}/`, "");
      assert.equal(written.replaceAll(/\s+#?\s*/g, " "), blocks("yaml")[i]!.replaceAll(/\s+#?\s*/g, " "));
    });
  }

  for (const [i, block] of blocks("yaml").entries())
    test(`example ${i + 1} is a good file`, () => {
      const { problems } = loadConfigText(block, "migrating.md", ".");
      assert.deepEqual(
        problems.filter(({ severity }) => severity === "error"),
        [],
      );
    });

  test("where the import differs from keepalived is what the lab finds", () => {
    const [, section = ""] = /^## Where they differ\n([\s\S]*?)^## /m.exec(text) ?? [];
    const rows = [...section.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].slice(2).map(([, name, why]) => [name, why]);
    const found = [...SERVICE_PIECES, ...CHECK_PIECES].flatMap(({ name, differs }) =>
      differs === undefined ? [] : [[name, differs.why]],
    );
    assert.deepEqual(rows, found);
  });

  test("what it links to is there", () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, h]) =>
      h!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(headings.includes(target!), target);
  });
});
