import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { createHistogram } from "../../src/model/histogram.ts";
import { metricFamilies } from "../../src/observe/metrics.ts";

const contrib = join(import.meta.dirname, "../../contrib");
const read = (path: string) => readFileSync(join(contrib, path), "utf8");

/** Every name a series may have. */
const names = new Set(
  [
    ...metricFamilies({
      version: "",
      nodeVersion: "",
      ready: true,
      config: { loadedAt: 0 as never, lastReloadOk: true, reloads: { done: 0, refused: 0 } },
      state: { writeFailures: 0, intentHash: 0 },
      table: {
        inSync: true,
        lastSuccessAt: undefined,
        leftAlone: { reported: 0, fight: 0 },
        refused: 0,
        drift: 0,
        commands: { results: { ok: 0, refused: 0, failed: 0 }, duration: createHistogram([1]) },
      },
      services: [],
      drains: [],
      drainsEnded: { done: 0, "rolled-back": 0, aborted: 0, failed: 0 },
      hooks: [],
      checkLag: 0,
      process: {
        cpuSeconds: 0,
        residentBytes: 0,
        startedAt: 0 as never,
        virtualBytes: 0,
        openFiles: 0,
        mostFiles: 0,
        loopLag: 0,
      },
    }),
  ].flatMap(({ name, type }) => (type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])),
);

/** Names of metrics in an expression that director does not have; `up` is Prometheus' own. */
function strange(expression: string): readonly string[] {
  const words = expression.replace(/"[^"]*"/g, "").match(/\b(director|process)_[a-z0-9_]+/g) ?? [];
  return words.filter((word) => !names.has(word));
}

const rule = z.strictObject({
  alert: z.string().regex(/^Director([A-Z][a-z]+)+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[smh]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(["info", "warning", "critical"]) }),
  annotations: z.strictObject({ summary: z.string().max(120), description: z.string(), runbook_url: z.string() }),
});
const rules = z
  .strictObject({ groups: z.tuple([z.strictObject({ name: z.literal("director"), rules: z.array(rule).min(11) })]) })
  .parse(parse(read("prometheus/alerts.yml"))).groups[0].rules;

const tested = z
  .object({
    tests: z.array(
      z.object({
        alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()).optional() })),
      }),
    ),
  })
  .parse(parse(read("prometheus/alerts.test.yml")))
  .tests.flatMap((one) => one.alert_rule_test);

/** DirectorServiceDown is director-service-down. */
const anchorOf = (alert: string): string => alert.replace(/(?!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

describe("contrib/prometheus/alerts.yml", () => {
  for (const { alert, expr, annotations } of rules) {
    test(`${alert} asks for what there is, and leads to its page`, () => {
      assert.deepEqual(strange(expr), []);
      assert.ok(/director_|\bup\{/.test(expr), expr);
      assert.equal(annotations.runbook_url, `docs/operations.md#${anchorOf(alert)}`);
    });

    test(`${alert} is tested for firing`, () => {
      assert.ok(tested.some((t) => t.alertname === alert && (t.exp_alerts ?? []).length > 0));
    });
  }

  test("names are unique", () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  });

  test("docs/operations.md has a heading for each", () => {
    const page = join(contrib, "../docs/operations.md");
    const anchors = [...readFileSync(page, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    assert.deepEqual(
      rules.map(({ alert }) => anchorOf(alert)).filter((anchor) => !anchors.includes(anchor)),
      [],
    );
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  const skip = !promtool && "promtool is not in PATH (apt-get install prometheus)";
  for (const args of [
    ["check", "rules", "alerts.yml"],
    ["test", "rules", "alerts.test.yml"],
  ])
    test(`promtool ${args.join(" ")}`, { skip }, () => {
      const { status, stdout, stderr } = spawnSync("promtool", args, {
        cwd: join(contrib, "prometheus"),
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout + stderr);
    });
});

const datasource = z.strictObject({ type: z.literal("prometheus"), uid: z.literal(["$", "{datasource}"].join("")) });
const place = z.strictObject({
  h: z.int().min(1),
  w: z.int().min(1).max(24),
  x: z.int().min(0).max(23),
  y: z.int().min(0),
});
const panel = z.discriminatedUnion("type", [
  z.object({ type: z.literal("row"), id: z.int(), title: z.string(), gridPos: place, panels: z.tuple([]) }),
  ...(["stat", "timeseries", "state-timeline", "table"] as const).map((type) =>
    z.object({
      type: z.literal(type),
      id: z.int(),
      title: z.string(),
      description: z.string().min(5),
      gridPos: place,
      datasource,
      targets: z.array(z.object({ refId: z.string(), datasource, expr: z.string() })).min(1),
      fieldConfig: z.object({ defaults: z.object({ unit: z.string() }), overrides: z.array(z.unknown()) }),
      options: z.object({}),
    }),
  ),
]);
const dashboard = z
  .object({
    uid: z.string(),
    title: z.string(),
    schemaVersion: z.int(),
    templating: z.object({
      list: z.array(
        z.object({ name: z.string(), type: z.string(), query: z.unknown(), definition: z.string().optional() }),
      ),
    }),
    panels: z.array(panel),
  })
  .parse(JSON.parse(read("grafana/director.json")));

describe("contrib/grafana/director.json", () => {
  const drawn = dashboard.panels.flatMap((each) => (each.type === "row" ? [] : [each]));

  for (const each of drawn)
    test(`"${each.title}" draws what there is`, () => {
      for (const { expr } of each.targets) {
        assert.deepEqual(strange(expr), []);
        assert.match(expr, /\b(director|process)_/);
        // Of several directors, and hundreds of services, those that were chosen.
        assert.match(expr, /instance=~"\$instance"/);
      }
      assert.equal(new Set(each.targets.map(({ refId }) => refId)).size, each.targets.length);
    });

  test("ids are unique, and so are titles", () => {
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    assert.equal(new Set(dashboard.panels.map(({ title }) => title)).size, dashboard.panels.length);
  });

  test("no panel lies upon another, or beyond the edge", () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${title} at ${x} ${y}`);
          taken.add(`${x} ${y}`);
        }
    }
  });

  test("its variables are a data source, and what director can be asked for", () => {
    const [first, ...others] = dashboard.templating.list;
    assert.deepEqual([first?.name, first?.type, first?.query], ["datasource", "datasource", "prometheus"]);
    for (const { definition } of others) assert.deepEqual(strange(definition!), []);
    const known = new Set([...dashboard.templating.list.map(({ name }) => name), "__rate_interval"]);
    for (const { targets } of drawn)
      for (const { expr } of targets)
        for (const [, name] of expr.matchAll(/\$\{?(\w+)/g)) assert.ok(known.has(name!), `$${name} in ${expr}`);
  });

  const promtool = spawnSync("promtool", ["--version"]).status === 0;
  test("promtool reads every expression", {
    skip: !promtool && "promtool is not in PATH (apt-get install prometheus)",
  }, () => {
    const exprs = drawn.flatMap(({ targets }) =>
      targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "1m").replace(/\$\w+/g, "x")),
    );
    const file = JSON.stringify({
      groups: [{ name: "g", rules: exprs.map((expr, i) => ({ record: `r${i}`, expr })) }],
    });
    const dir = mkdtempSync(join(tmpdir(), "director-dashboard-"));
    try {
      writeFileSync(join(dir, "rules.json"), file);
      const { status, stdout, stderr } = spawnSync("promtool", ["check", "rules", "rules.json"], {
        cwd: dir,
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout + stderr);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
