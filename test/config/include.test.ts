import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configOf, parse, problemsOf } from "./support.ts";

const service = (name: string, vip: string, words = "servers: [{ address: 10.0.0.1 }]") =>
  `services: [{ name: ${name}, vip: '${vip}', ${words} }]\n`;

describe("include", () => {
  const main = `include: [conf.d/*.yaml]\n${service("web", "192.0.2.1:80")}`;
  const pattern = (files: Readonly<Record<string, string>>) => ({ "conf.d/*.yaml": files });

  test("adds services and pools, and pools are everybody's", () => {
    const others = pattern({
      "conf.d/a.yaml": service("api", "192.0.2.2:80", "pool: app"),
      "conf.d/b.yaml": "pools: { app: { servers: [{ address: 10.0.0.2 }] } }\n",
    });
    const { services } = configOf(`defaults: { weight: 7 }\n${main}`, others);
    assert.deepEqual(
      services.map((s) => [s.name, s.servers.map((r) => `${r.name}=${r.weight}`).join()]),
      [
        ["web", "10.0.0.1=7"],
        ["api", "10.0.0.2=7"],
      ],
    );
  });

  test("a pattern that finds nothing is no mistake", () =>
    assert.equal(configOf(main, pattern({})).services.length, 1));

  test("the main file may leave all services to the others", () => {
    const { services } = configOf("include: [conf.d/*.yaml]\n", pattern({ a: service("api", "192.0.2.2:80") }));
    assert.deepEqual(
      services.map((s) => s.name),
      ["api"],
    );
  });

  test("patterns are asked for relative to the main file, in their order", () => {
    const asked: string[] = [];
    parse(`include: [b, a/*]\n${service("web", "192.0.2.1:80")}`, {
      get b() {
        asked.push("b");
        return {};
      },
      get "a/*"() {
        asked.push("a/*");
        return {};
      },
    });
    assert.deepEqual(asked, ["b", "a/*"]);
  });

  const rows: readonly [what: string, files: Readonly<Record<string, string>>, problems: readonly string[]][] = [
    [
      "a duplicate service names both places",
      { "conf.d/a.yaml": service("web", "192.0.2.2:80") },
      ['conf.d/a.yaml:1:20: services[0].name: the service "web" stands already at d.conf:2:20'],
    ],
    [
      "a duplicate frontend names both places",
      { "conf.d/a.yaml": service("api", "192.0.2.1:80") },
      ['conf.d/a.yaml:1:30: services[0].vip: tcp 192.0.2.1:80 belongs to service "web" already, at d.conf:2:30'],
    ],
    [
      "a duplicate pool names both places",
      {
        "conf.d/a.yaml": "pools: { app: { servers: [{ address: 10.0.0.2 }] } }\n",
        "conf.d/b.yaml": "pools: { app: { servers: [{ address: 10.0.0.3 }] } }\n",
      },
      ['conf.d/b.yaml:1:10: pools.app: the pool "app" stands already at conf.d/a.yaml:1:10'],
    ],
    [
      "anything but services and pools is refused",
      { "conf.d/a.yaml": "log: { level: info }\ninclude: [x]\npools: {}\n" },
      ["conf.d/a.yaml:1:1: log: unknown key", "conf.d/a.yaml:2:1: include: unknown key"],
    ],
    [
      "a file that rendered nothing is refused",
      { "conf.d/a.yaml": "" },
      [
        "conf.d/a.yaml:1:1: nothing in it: a template that rendered nothing is not an order; if nothing is meant, say allow_empty: true",
      ],
    ],
    [
      "so are services that rendered nothing",
      { "conf.d/a.yaml": "services:\n" },
      [
        "conf.d/a.yaml:1:10: services: empty: a template that rendered nothing is not an order; if no services are meant, say allow_empty: true",
      ],
    ],
    ["unless that is meant", { "conf.d/a.yaml": "services:\nallow_empty: true\n" }, []],
    [
      "a syntax error anywhere is reported alone, with those of other files",
      { "conf.d/a.yaml": "flurb: 1\n", "conf.d/b.yaml": "a: [\n", "conf.d/c.yaml": "a: 'x" },
      [
        "conf.d/b.yaml:2:1: YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
        "conf.d/c.yaml:1:6: YAML: Missing closing 'quote",
      ],
    ],
  ];
  for (const [what, files, problems] of rows)
    test(what, () => assert.deepEqual(problemsOf(main, pattern(files)), problems));

  test("a file that cannot be read is reported at its pattern", () => {
    assert.deepEqual(problemsOf(main), ["d.conf:1:11: include[0]: conf.d/*.yaml: no such file"]);
  });

  test("a file included twice is reported, and read once", () => {
    const files = { "conf.d/a.yaml": service("api", "192.0.2.2:80") };
    const text = `include: [conf.d/*.yaml, conf.d/a.yaml, self]\n${service("web", "192.0.2.1:80")}`;
    assert.deepEqual(problemsOf(text, { "conf.d/*.yaml": files, "conf.d/a.yaml": files, self: { "d.conf": text } }), [
      "d.conf:1:26: include[1]: conf.d/a.yaml is included twice: it is included at d.conf:1:11",
      "d.conf:1:41: include[2]: d.conf is included twice: it is the main file",
    ]);
  });
});
