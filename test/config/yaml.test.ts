import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatProblem } from "../../src/config/parse.ts";
import { configOf, parse, problemsOf } from "./support.ts";

const SERVICE = "{ name: web, vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }] }";
const OK = `services: [${SERVICE}]\n`;

describe("YAML", () => {
  const refused: readonly [what: string, text: string, problems: readonly string[]][] = [
    [
      "a syntax error is reported alone",
      "flurb: 1\nservices: [\n",
      ["d.conf:3:1: YAML: Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ],
    ["a tab", "services:\n\t- x\n", ["d.conf:2:1: YAML: Tabs are not allowed as indentation"]],
    ["a colon in a plain text", "a: b: c\n", ["d.conf:1:4: YAML: Nested mappings are not allowed in compact mappings"]],
    ["two documents", `${OK}---\n${OK}`, ["d.conf:2:1: only one YAML document may stand in a file"]],
    [
      "a key given twice names both places",
      `log: { level: info }\n${OK}log: { level: debug }\n`,
      ["d.conf:3:1: log: given twice, first at d.conf:1:1"],
    ],
    [
      "merge keys are pointed to pools and defaults",
      `defaults: &d { weight: 5 }\nservices:\n  - <<: *d\n    name: web\n    vip: 192.0.2.1:80\n    servers: [{ address: 10.0.0.1 }]\n`,
      ['d.conf:3:5: services[0]["<<"]: merge keys are not read: share servers with pools, settings with defaults'],
    ],
    [
      "a tag",
      `log: !!map { level: !!int 5 }\n${OK}`,
      [
        "d.conf:1:27: log.level: tags (!...) are not read: every value is typed by its key",
        "d.conf:1:27: log.level: expected one of debug, info, warn, error",
      ],
    ],
    ["an alias to nothing", `log: *nothing\n${OK}`, ["d.conf:1:6: log: no anchor &nothing stands before this"]],
    [
      "an alias before its anchor",
      `log: *later\nstate: &later { directory: /x }\n${OK}`,
      ["d.conf:1:6: log: no anchor &later stands before this"],
    ],
    [
      "an anchor that contains itself",
      `log: &a { level: *a }\n${OK}`,
      [
        "d.conf:1:18: log.level: *a stands inside of &a itself",
        "d.conf:1:18: log.level: nothing is given: expected one of debug, info, warn, error",
      ],
    ],
    ["a key that is a list", `? [a, b]\n: c\n${OK}`, ["d.conf:1:3: a key must be plain text"]],
    [
      "a key that would reach into the program",
      `__proto__: { level: debug }\n${OK}`,
      ["d.conf:1:1: __proto__: unknown key"],
    ],
  ];
  for (const [what, text, problems] of refused)
    test(what, () => {
      const seen = problemsOf(text).filter((line) => !line.includes("nothing is given: expected a map"));
      assert.deepEqual(seen, problems);
      assert.equal(parse(text).config, undefined);
    });

  test("text without end nested without end is refused, not a crash", () => {
    for (const opening of ["[", "{a: ", "- ", "&a [*a,", "{? "]) {
      const { config, problems } = parse(opening.repeat(20_000));
      assert.equal(config, undefined);
      assert.ok(problems.some((p) => p.message === "YAML: nested too deeply"));
    }
    assert.deepEqual(problemsOf(`log: ${"[".repeat(60)}${"]".repeat(60)}\n${OK}`).slice(-1), [
      `d.conf:1:56: log${"[0]".repeat(50)}: nested too deeply`,
    ]);
  });

  test("an alias bomb is refused in no time", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    const started = performance.now();
    const { config, problems } = parse(`${lines.join("\n")}\n${OK}`);
    assert.equal(config, undefined);
    assert.ok(problems.some((p) => p.message === "more than 2000000 values once its aliases are resolved"));
    assert.ok(performance.now() - started < 5000);
  });

  test("aliases mean what they name, and a problem is reported where it was written", () => {
    const text = `defaults:
  check: &check { type: http, path: /a }
services:
  - name: a
    vip: 192.0.2.1:80
    check: *check
    servers: &servers [{ address: 10.0.0.1, wieght: 5 }]
  - name: b
    vip: 192.0.2.2:80
    servers: *servers
`;
    assert.deepEqual(problemsOf(text), [
      'd.conf:7:45: services[0].servers[0].wieght: unknown key, did you mean "weight"?',
    ]);
    const { services } = configOf(text.replace("wieght", "weight"));
    assert.deepEqual(
      services.map((s) => s.servers.map((r) => [r.name, r.weight, r.checks[0]!.label])),
      [[["10.0.0.1", 5, "http GET /a"]], [["10.0.0.1", 5, "http GET /a"]]],
    );
  });

  test("an anchor used anew is the latest before", () => {
    const text = `log: { level: &x info }\ncontrol: { group: &x ops }\nstate: { directory: /x }\nservices: [{ name: *x, vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }] }]\n`;
    assert.equal(configOf(text).services[0]!.name, "ops");
  });

  test("scalars are the text that was written", () => {
    const text = `control: { mode: 0660, group: 0x10 }
services:
  - name: 1
    vip: 192.0.2.1:80
    servers: [{ name: 1e3, address: 10.0.0.1, labels: { a: yes, b: 010, c: "null" } }]
`;
    const config = configOf(text);
    assert.equal(config.control.mode, 0o660);
    assert.equal(config.control.group, "0x10");
    assert.equal(config.services[0]!.name, "1");
    assert.equal(config.services[0]!.servers[0]!.name, "1e3");
    assert.deepEqual(config.services[0]!.servers[0]!.labels, { a: "yes", b: "010", c: "null" });
    assert.deepEqual(configOf(text.replace("mode: 0660", 'mode: "0660"')), config);
  });

  test("plain null and ~ are nothing, quoted they are text", () => {
    for (const nothing of ["~", "null", "NULL"])
      assert.deepEqual(problemsOf(`control: { group: ${nothing} }\n${OK}`), [
        "d.conf:1:19: control.group: nothing is given: expected text",
      ]);
    assert.deepEqual(problemsOf(`control:\n  group:\n${OK}`), [
      "d.conf:2:9: control.group: nothing is given: expected text",
    ]);
    assert.equal(configOf(`control: { group: "null" }\n${OK}`).control.group, "null");
  });

  test("a byte order mark and Windows line ends do not move places", () => {
    assert.deepEqual(problemsOf(`\uFEFFlog: { level: info }\r\nflurb: 1\r\n${OK}`), ["d.conf:2:1: flurb: unknown key"]);
    assert.deepEqual(problemsOf(`\uFEFFflurb: 1\n${OK}`), ["d.conf:1:1: flurb: unknown key"]);
  });
});

describe("printing problems", () => {
  test("one line each, whatever a key contains", () => {
    assert.deepEqual(problemsOf(`"a\\nb\\u2028c": 1\n${OK}`), ['d.conf:1:1: ["a\\nb\\u2028c"]: unknown key']);
  });

  test("a hundred are listed, the rest counted", () => {
    const keys = Array.from({ length: 250 }, (_, i) => `zz${i}: 1`).join("\n");
    const lines = problemsOf(`${keys}\n${OK}`);
    assert.equal(lines.length, 101);
    assert.equal(lines[0], "d.conf:1:1: zz0: unknown key");
    assert.equal(lines[100], "d.conf:100:1: and 150 more problems");
  });

  test("errors are listed before warnings where not all can be", () => {
    const services = Array.from(
      { length: 120 },
      (_, i) => `  - { name: s${i}, vip: '192.0.2.1:${i + 1}', check: none, servers: [{ address: 10.0.0.1 }] }`,
    );
    const { config, problems } = parse(`services:\n${services.join("\n")}\nflurb: 1\n`);
    assert.equal(config, undefined);
    assert.equal(problems.length, 101);
    assert.equal(formatProblem(problems[0]!), "d.conf:122:1: flurb: unknown key");
    assert.equal(problems[100]!.message, "and 21 more problems");
  });
});

describe("whatever the text", () => {
  const parts = ["services", ":", "\n", "  - ", "[", "]", "{", "}", "&a", "*a", "<<", "check", "none", "vip", "'", '"'];

  test("random mixtures of YAML never throw, and a configuration comes out exactly if nothing is an error", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...parts), fc.string()), { maxLength: 30 }), (pieces) => {
        agrees(pieces.join(""));
      }),
      { numRuns: 300 },
    );
  });

  test("mutilated files never throw", () => {
    const whole = `defaults: { check: { type: http, path: /d } }
pools: { app: { servers: [{ name: a, address: 10.0.0.1, weight: 5, labels: { x: y } }] } }
services:
  - { name: web, vips: ["192.0.2.1:80", "[2001:db8::1]:80"], pool: app, port: 80, quorum: { up: "50%" } }
  - name: dns
    vip: 192.0.2.1:53
    protocol: udp
    persistence: { timeout: 5m, netmask: 24 }
    check: { type: udp, send: { hex: 00ff }, expect: { hex: 00 } }
    servers: [{ address: "10.0.0.2:53", checks: [{ type: tcp, port: 53 }] }]
`;
    const tokens = whole.split(/(?<=[\s{}[\],:])/);
    const edit = fc.record({
      at: fc.nat(tokens.length),
      drop: fc.nat(3),
      put: fc.constantFrom("", ...parts, ...tokens),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const edited = [...tokens];
        for (const { at, drop, put } of edits) edited.splice(at, drop, put);
        agrees(edited.join(""));
      }),
      { numRuns: 300 },
    );
  });

  function agrees(text: string): void {
    const { config, problems } = parse(text);
    assert.equal(
      config === undefined,
      problems.some((p) => p.severity === "error"),
    );
    for (const p of problems) {
      assert.match(formatProblem(p), /^d\.conf:\d+:\d+: [^\n]+$/);
      assert.ok(p.line >= 1 && p.column >= 1 && p.line <= text.split("\n").length, formatProblem(p));
    }
  }
});

test("ten thousand servers take time in proportion, not to the square", () => {
  function file(servers: number): string {
    const lines = Array.from(
      { length: servers },
      (_, i) => `      - { name: s${i}, address: 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}, weight: ${i % 100} }`,
    );
    return `services:\n  - name: web\n    vips: ['192.0.2.1:80', '192.0.2.1:443']\n    port: 80\n    servers:\n${lines.join("\n")}\n`;
  }
  function time(servers: number): number {
    const text = file(servers);
    const started = performance.now();
    assert.equal(configOf(text).services[0]!.servers.length, servers);
    return performance.now() - started;
  }
  time(1000);
  const few = Math.min(time(1000), time(1000));
  const many = time(10_000);
  assert.ok(many < 30 * few, `1,000 servers took ${few} ms, 10,000 took ${many} ms`);
});
