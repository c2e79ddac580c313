import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { knownKeys } from "../../src/config/typed.ts";
import { probeTypes } from "../../src/probe/registry.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/checks.md"), "utf8");

/** What stands below a heading, up to the next. */
function section(name: string): string {
  return page.split(/^## /m).find((part) => part.startsWith(`${name}\n`)) ?? "";
}

describe("docs/checks.md", () => {
  for (const name of ["dns", "smtp", "grpc", "exec", "agent"]) {
    const text = section(name);

    test(`${name}: its example is a good file with such a check`, () => {
      const [, yaml = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(text) ?? [];
      const { config, problems } = loadConfigText(yaml, "checks.md", ".");
      assert.deepEqual(problems, []);
      const types = config?.services.flatMap(({ servers }) =>
        servers.flatMap(({ checks }) => checks.map((c) => c.type)),
      );
      assert.ok(types?.includes(name));
    });

    test(`${name}: its keys are those the program knows, each once`, () => {
      const [, table = ""] = /^\| key .*\n\| ---.*\n((?:\|.*\n)+)/m.exec(text) ?? [];
      const cells = table.split("\n").map((row) => row.split(" | ")[0] ?? "");
      const keys = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, key]) => key!.split(".")[0]!));
      const told = keys.filter((key, i) => keys.indexOf(key) === i);
      assert.deepEqual(told.toSorted(), knownKeys(probeTypes.get(name)!.options).toSorted());
    });
  }
});
