import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { leaves, theProgram } from "../../docs/generate/command-page.ts";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { formatProblem } from "../../src/config/parse.ts";

const text = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
const files = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
const commands = leaves(theProgram());

/** The first cells of the table of commands: what stands there in code. */
const cells = (/^## Commands\n([\s\S]*?)^## /m.exec(text)?.[1] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => [...(line.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, code]) => code!));

/** Commands that a cell names: `director drain list`, and `pause` behind it as `drain pause`. */
function namedIn([first = "", ...others]: readonly string[]): readonly string[] {
  const words = first.replace(/^director /, "").split(" ");
  const path = known(words) ?? first;
  const parent = path.split(" ").slice(0, -1);
  return [path, ...others.map((code) => known([...parent, ...code.split(" ")]) ?? known(code.split(" ")) ?? code)];
}

/** The longest command that these words begin with. */
function known(words: readonly string[]): string | undefined {
  const paths = new Set(commands.map(({ path }) => path));
  return [2, 1].map((n) => words.slice(0, n).join(" ")).find((path) => paths.has(path));
}

describe("README.md", () => {
  test("has two files, and both are good", () => {
    assert.equal(files.length, 2);
    for (const file of files)
      assert.deepEqual(loadConfigText(file, "README.md", import.meta.dirname).problems.map(formatProblem), []);
  });

  test("names every command but those that are not for operators' hands", () => {
    const named = new Set(cells.flatMap(namedIn));
    const elsewhere = new Set(["run", "demo"]);
    const missing = commands.map(({ path }) => path).filter((path) => !named.has(path) && !elsewhere.has(path));
    assert.deepEqual(missing, []);
  });

  test("names no command that is not there, and no option that it does not have", () => {
    for (const cell of cells)
      for (const [i, path] of namedIn(cell).entries()) {
        const command = commands.find((c) => c.path === path)?.command;
        if (command === undefined) {
          // The arguments of `completion` stand one by one.
          assert.ok(cell[0]?.startsWith("director completion "), `${path} in ${cell.join(", ")}`);
          continue;
        }
        for (const [option] of (cell[i] ?? "").matchAll(/(?<=[ [])--?[a-z][a-z-]*/g))
          assert.ok(
            command.options.some(({ long, short }) => option === long || option === short),
            `${path} has no ${option}`,
          );
      }
  });

  test("can be read in five minutes", () =>
    assert.ok(text.split("\n").length <= 225, `${text.split("\n").length} lines`));
});
