import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { CATALOGUE } from "../../src/doctor/finding.ts";
import { cli } from "../cli/support.ts";

const folder = join(import.meta.dirname, "../../docs/setups");
const pages = globSync("*.md", { cwd: folder }).sort();
const setups = pages.filter((page) => page !== "README.md");

const read = (page: string) => readFileSync(join(folder, page), "utf8");
const blocks = (text: string, language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);
/** What stands behind the prompt of one of these machines. */
const commands = (text: string, host: string): readonly string[] =>
  blocks(text, "console")
    .flatMap((block) => block.replace(/\\\n\s*/g, "").split("\n"))
    .flatMap((line) => new RegExp(`^(?:${host})[#$] (.*)$`).exec(line)?.[1] ?? []);

/** In a network of its own, where this machine lets its users have one. */
function accepted(script: string): string | undefined {
  try {
    execFileSync("unshare", ["-rn", "/bin/bash", "-euc", script], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? error);
  }
}

const canTryNft = accepted("nft list ruleset") === undefined;

for (const page of setups)
  describe(`docs/setups/${page}`, () => {
    const text = read(page);

    test("its files are good ones, without a warning", () => {
      const files = blocks(text, "yaml");
      assert.ok(files.length > 0);
      for (const file of files) assert.deepEqual(loadConfigText(file, page, ".").problems, []);
    });

    const ours = new Set(commands(text, "director|host").filter((line) => line.startsWith("director ")));
    test("it shows the status, of everything and with a dead server", () => {
      assert.ok(ours.has("director status"));
      assert.ok([...ours].some((line) => /^director status \w/.test(line)));
      assert.match(text, /^ {2}warning .* down for /m);
    });

    for (const line of ours)
      test(`is understood: ${line}`, async () => {
        const { code, stderr } = await cli(line.split(" ").slice(1), { DIRECTOR_SOCKET: "/nonexistent/control.sock" });
        // Nobody is there to carry it out, and there is no file; what matters is that it came that far.
        assert.ok(code === 69 || (code === 78 && line === "director config test"), `${code}: ${stderr}`);
      });

    const nft = commands(text, "nft");
    if (nft.length > 0)
      test("its commands for nftables are accepted", (t) => {
        if (!canTryNft) return t.skip("no nft, or no network of its own to be had here");
        assert.equal(accepted(nft.join("\n")), undefined);
      });

    test("what it says that director doctor finds is there to be found", () => {
      for (const [sentence] of text.matchAll(/`director doctor`[^.]*?\(([^)]*)\)/g))
        for (const [, id] of sentence.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)) assert.ok(id! in CATALOGUE, id);
    });

    test("it has a failure, pitfalls, and names who finds them", () => {
      for (const needed of [
        /^## director\.conf$/m,
        /^## When (the|a) server dies$/m,
        /^## Pitfalls$/m,
        /director doctor/,
      ])
        assert.match(text, needed);
    });
  });

describe("docs/setups", () => {
  test("README.md has every page, and every link of every page leads somewhere", () => {
    for (const page of setups) assert.ok(read("README.md").includes(`](${page})`), page);
    for (const page of pages)
      for (const [, path] of read(page).matchAll(/\]\(([^)#:]+)\)/g))
        assert.doesNotThrow(() => readFileSync(join(folder, path!)), `${page}: ${path}`);
  });

  test("a scenario in the lab replays every page", () => {
    const lab = join(import.meta.dirname, "../lab/recipes");
    const replayed = globSync("*.lab.ts", { cwd: lab }).flatMap(
      (file) => /setupPage\("([\w-]+)"/.exec(readFileSync(join(lab, file), "utf8"))?.[1] ?? [],
    );
    assert.deepEqual(replayed.sort(), setups.map((page) => basename(page, ".md")).sort());
  });
});
