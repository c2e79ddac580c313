import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { describe, test } from "node:test";
import { leaves, theProgram } from "../../docs/generate/command-page.ts";
import { EXAMPLES } from "../../docs/generate/examples.ts";
import { manuals } from "../../docs/generate/manuals.ts";
import { plain, prose } from "../../docs/generate/roff.ts";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { formatProblem } from "../../src/config/parse.ts";

const made = manuals();
const pages = made.filter(({ path }) => /\.\d$/.test(path));
const hasGroff = spawnSync("groff", ["--version"]).status === 0;

describe("manuals", () => {
  for (const { path, text } of made)
    test(`${basename(path)} is what the sources say now`, () => {
      const here = relative(process.cwd(), path);
      assert.ok(readFileSync(path, "utf8") === text, `${here} is out of date: npm run manuals`);
    });

  test("there are both pages", () => {
    assert.deepEqual(pages.map(({ path }) => basename(path)).sort(), ["director.1", "director.conf.5"]);
  });

  for (const { path, text } of pages) {
    test(`${basename(path)} is ASCII, and shows in every locale`, () => {
      assert.deepEqual(text.match(/[^\n\x20-\x7e]/g), null);
    });

    test(`${basename(path)} has no request that was meant as text`, () => {
      const strange = text
        .split("\n")
        .filter((line) => /^['.]/.test(line) && !/^\.(TH|SH|SS|TP|PP|RS|RE|EX|EE|br|nh|nr|ad|\\")/.test(line));
      assert.deepEqual(strange, []);
    });

    test(`${basename(path)} is formatted without a warning`, { skip: !hasGroff && "no groff here" }, () => {
      const { status, stdout, stderr } = spawnSync("groff", ["-ww", "-man", "-Tutf8", "-P-cbou"], {
        input: text,
        encoding: "utf8",
      });
      assert.deepEqual([status, stderr], [0, ""]);
      assert.ok(stdout.split("\n").length > 300, "most of it is missing");
      const wide = stdout.split("\n").filter((line) => line.length > 90);
      assert.deepEqual(wide, []);
    });
  }

  for (const { title, text } of EXAMPLES)
    test(`the example is a good file: ${title}`, () => {
      assert.deepEqual(loadConfigText(text, "director.conf", ".").problems.map(formatProblem), []);
    });

  test("every command that can be called has a section", () => {
    const page = pages.find(({ path }) => path.endsWith(".1"))!.text;
    const named = leaves(theProgram()).map(({ path }) => path);
    assert.ok(named.includes("drain abort") && named.includes("config test") && !named.includes("config"), `${named}`);
    for (const name of named) assert.ok(page.includes(`.SS "${plain(`director ${name}`)}`), name);
  });

  const escapes: readonly (readonly [text: string, roff: string])[] = [
    ["--then keep", "\\-\\-then keep"],
    [".hidden\nnot.hidden\n.again", "\\&.hidden\nnot.hidden\n\\&.again"],
    ["'quoted' `x` ^ ~", "\\(aqquoted\\(aq \\(gax\\(ga \\(ha \\(ti"],
    ["C:\\n", "C:\\(rsn"],
    ["more…", "more\\[u2026]"],
  ];
  for (const [text, roff] of escapes)
    test(`${JSON.stringify(text)} stays what it is`, () => {
      assert.equal(plain(text), roff);
    });

  test("what stands between backticks is bold", () => {
    assert.equal(prose("say `a-b`, or not"), "say \\fBa\\-b\\fR, or not");
  });
});
