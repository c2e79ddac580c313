import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { cli } from "../cli/support.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/drains.md"), "utf8");
const blocks = (language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);

/** `$ director …` lines, continued ones joined, and those of scripts; each command of a list by itself. */
function commands(): readonly string[] {
  const joined = [...blocks("console"), ...blocks("bash")].map((block) => block.replace(/\\\n\s*/g, ""));
  const lines = joined.flatMap((block) => block.split("\n")).map((line) => line.replace(/^\$ /, "\n").trimStart());
  return lines
    .flatMap((line) => line.split(/ (?:\||\|\||&&) |; /))
    .filter((line) => /^director (?!run)/.test(line))
    .filter((line) => !/^director \d/.test(line));
}

/** As a shell would part it, as far as the page needs that. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!);
}

describe("docs/drains.md", () => {
  test("its file is a good one, and everything its commands name is in it", () => {
    const [yaml] = blocks("yaml");
    const { config, problems } = loadConfigText(yaml!, "drains.md", ".");
    assert.deepEqual(problems, []);
    assert.deepEqual(
      config?.services.map((s) => [s.name, s.servers.length]),
      [
        ["web", 10],
        ["api", 3],
        ["shop", 4],
      ],
    );
  });

  const all = commands();
  test("it has commands", () => assert.ok(all.length > 20, `${all.length}`));

  for (const line of new Set(all))
    test(`is understood: ${line}`, async () => {
      const { code, stderr } = await cli(words(line).slice(1), { DIRECTOR_SOCKET: "/nonexistent/control.sock" });
      // Nobody is there to carry it out; what matters is that it came that far.
      assert.equal(code, 69, stderr);
    });

  test("what it links to is there", () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, h]) =>
      h!
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(headings.includes(target!), target);
    for (const [, path] of text.matchAll(/\]\(([a-z][^)#:]*)\)/g))
      assert.doesNotThrow(() => readFileSync(join(import.meta.dirname, "../../docs", path!)));
  });

  test("nothing in it waits to be written", () => {
    assert.doesNotMatch(text, /^[A-Z0-9]{3,}$/m);
  });
});
