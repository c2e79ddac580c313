import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { formatProblem } from "../../src/config/parse.ts";
import { renderMetrics } from "../../src/observe/metrics.ts";
import { cli } from "../cli/support.ts";
import { everything } from "../observe/everything.ts";
import { readExposition } from "../observe/exposition.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/monitoring.md"), "utf8");
const block = (language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, inside]) => inside!);

describe("docs/monitoring.md", () => {
  test("names every metric with its type, and no other", () => {
    const rows = [...text.matchAll(/^\| `(\w+)` \| (gauge|counter|histogram) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    const there = [...readExposition(renderMetrics(everything()))].map(([name, { type }]) => `${name} ${type}`);
    assert.deepEqual(rows.sort(), there.sort());
  });

  test("its director.conf is a good file, and listens", () => {
    const { config, problems } = loadConfigText(block("yaml")[0]!, "monitoring.md", ".");
    assert.deepEqual(problems.map(formatProblem), []);
    assert.equal(config!.http!.listen.length, 2);
  });

  test("the scrape configuration is YAML, of the job that the alerts name", () => {
    const { scrape_configs: jobs } = parse(block("yaml prometheus")[0]!) as {
      scrape_configs: readonly { job_name: string }[];
    };
    assert.match(
      readFileSync(join(import.meta.dirname, "../../contrib/prometheus/alerts.yml"), "utf8"),
      new RegExp(`job="${jobs[0]!.job_name}"`),
    );
  });

  for (const [, line] of block("console")
    .join("")
    .matchAll(/^\$ (director .*)$/gm))
    test(`is understood: ${line}`, async () => {
      const { code, stdout } = await cli(line!.split(" ").slice(1), { DIRECTOR_SOCKET: "/nonexistent/control.sock" });
      assert.deepEqual([code, stdout.slice(0, 19)], [3, "DIRECTOR UNKNOWN - "]);
    });

  test("every option of the plugin that is named is one", async () => {
    const { stdout } = await cli(["check", "--help"]);
    const named =
      text
        .split(/^## /m)
        .find((part) => part.startsWith("Nagios"))!
        .match(/--[a-z][a-z-]+/g) ?? [];
    for (const option of new Set(named)) assert.ok(stdout.includes(option), option);
  });
});
