import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, test } from "node:test";
import { anchor } from "../../docs/generate/api-page.ts";

const root = join(import.meta.dirname, "../..");
const pages = [
  "README.md",
  ...globSync("docs/**/*.md", { cwd: root }),
  ...globSync("test/lab/*.md", { cwd: root }),
].sort();
const textOf = (file: string) => readFileSync(join(root, file), "utf8").replace(/^```[\s\S]*?^```$/gm, "");

/** The anchors that GitHub makes of a page's headings; of equal ones the second gets -1. */
function anchorsOf(file: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, title] of textOf(file).matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const base = anchor(title!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", ""));
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    anchors.add(count === 0 ? base : `${base}-${count}`);
  }
  return anchors;
}

/** What a page's links point to, those to other sites left out. */
function linksOf(file: string): readonly string[] {
  const text = textOf(file).replace(/`[^`\n]*`/g, "`");
  return [...text.matchAll(/\]\(<?([^)\s>]+)>?\)/g)].map(([, target]) => target!).filter((t) => !/^[a-z]+:/.test(t));
}

function trouble(file: string, target: string): string | undefined {
  const [path = "", fragment] = target.split("#");
  const there = path === "" ? join(root, file) : resolve(dirname(join(root, file)), path);
  if (!existsSync(there)) return `${target}: there is no such file`;
  if (fragment === undefined || !there.endsWith(".md") || statSync(there).isDirectory()) return undefined;
  return anchorsOf(relative(root, there)).has(fragment) ? undefined : `${target}: there is no such heading`;
}

describe("documentation", () => {
  for (const page of pages)
    test(`every link in ${page} leads somewhere`, () => {
      const troubles = linksOf(page).flatMap((target) => trouble(page, target) ?? []);
      assert.deepEqual(troubles, []);
    });

  test("there are links that were looked at", () => {
    assert.ok(pages.flatMap(linksOf).length > 80, `${pages.flatMap(linksOf).length}`);
  });

  test("a link to nowhere is noticed", () => {
    assert.match(trouble("docs/README.md", "nothing.md") ?? "", /no such file/);
    assert.match(trouble("docs/README.md", "drains.md#nothing") ?? "", /no such heading/);
    assert.match(trouble("docs/api.md", "#nothing") ?? "", /no such heading/);
  });

  test("docs/README.md has every page", () => {
    const named = new Set(linksOf("docs/README.md").map((target) => target.split("#")[0]!));
    const missing = globSync("*.{md,json}", { cwd: join(root, "docs") }).filter(
      (p) => p !== "README.md" && !named.has(p),
    );
    assert.deepEqual(missing, []);
  });

  test("every alert has its section in docs/operations.md, under the address that it names", () => {
    const alerts = readFileSync(join(root, "contrib/prometheus/alerts.yml"), "utf8");
    const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
    const anchors = anchorsOf("docs/operations.md");
    const addressOf = (name: string) => name.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase();
    assert.ok(names.length > 10);
    for (const name of names) {
      assert.ok(alerts.includes(`docs/operations.md#${addressOf(name)}\n`), `${name} names another address`);
      assert.ok(anchors.has(addressOf(name)), `docs/operations.md lacks ${name}`);
    }
  });
});
