import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse as parseYaml } from "yaml";
import { effective } from "../../src/config/effective.ts";
import { jsonSchema } from "../../src/config/schema.ts";
import { EVENT_WORDS } from "../../src/model/event-words.ts";
import { BODY_FIELDS } from "../../src/model/hook.ts";
import { accepts } from "./json-schema.ts";
import { configOf, probeTypes, problemsOf } from "./support.ts";

const WEB = "services: [{ name: web, vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }] }]\n";
const withHooks = (...hooks: readonly string[]) => `hooks:\n${hooks.map((hook) => `  - ${hook}\n`).join("")}${WEB}`;

const ALL = `hooks:
  - { on: [server, drain.*, server.down, weight.0], services: [web], command: [/usr/local/bin/page me, --level, 0660, ""], timeout: 3s, queue: 5 }
  - { name: chat, on: [all], url: "https://chat.example.com/hooks/T0?x=y", headers: { Authorization: Bearer x }, verify: false, body: { text: "{hostname}: {message} {x y}", list: [a, { b: "{event}" }] } }
  - { on: [service.quorum-lost], url: "http://[2001:db8::1]:8080", timeout: 1m }
  - { name: ca, on: [reload], url: "https://a.example/", ca: /etc/ssl/ca.pem }
${WEB}`.replace("/usr/local/bin/page me", "/usr/local/bin/page");

test("hooks are read with every default filled in", () => {
  const webhook = { kind: "webhook", headers: {}, verify: true, ca: undefined, body: undefined } as const;
  assert.deepEqual(configOf(ALL).hooks, [
    {
      name: "page",
      on: ["server", "drain", "server.down", "weight.0"],
      services: ["web"],
      action: { kind: "command", argv: ["/usr/local/bin/page", "--level", "0660", ""] },
      timeout: 3_000,
      queue: 5,
    },
    {
      name: "chat",
      on: ["all"],
      services: undefined,
      action: {
        ...webhook,
        url: "https://chat.example.com/hooks/T0?x=y",
        headers: { Authorization: "Bearer x" },
        verify: false,
        body: { text: "{hostname}: {message} {x y}", list: ["a", { b: "{event}" }] },
      },
      timeout: 10_000,
      queue: 1_000,
    },
    {
      name: "[2001:db8::1]",
      on: ["service.quorum-lost"],
      services: undefined,
      action: { ...webhook, url: "http://[2001:db8::1]:8080/" },
      timeout: 60_000,
      queue: 1_000,
    },
    {
      name: "ca",
      on: ["reload"],
      services: undefined,
      action: { ...webhook, url: "https://a.example/", ca: "/etc/ssl/ca.pem" },
      timeout: 10_000,
      queue: 1_000,
    },
  ]);
  assert.deepEqual(configOf(WEB).hooks, []);
  assert.deepEqual(configOf(`hooks: []\n${WEB}`).hooks, []);
});

test("the effective configuration means the same, and is its own", () => {
  const config = configOf(ALL);
  const written = effective(config, probeTypes);
  assert.deepEqual(configOf(written), config);
  assert.equal(effective(configOf(written), probeTypes), written);
});

test("editors' schema takes them, and knows mistakes", () => {
  const schema = jsonSchema(probeTypes);
  assert.deepEqual(accepts(schema, parseYaml(ALL)), []);
  for (const hook of ["{ on: [server.dwon.x], url: 'http://a/' }", "{ onn: [all] }", "{ on: [], command: [/x] }"])
    assert.notDeepEqual(accepts(schema, parseYaml(withHooks(hook))), [], hook);
});

test("every event there is can be chosen, by kind and by word", () => {
  const names = Object.entries(EVENT_WORDS).flatMap(([kind, words]) => [
    kind,
    `${kind}.*`,
    ...(words === "number" ? [`${kind}.65535`] : words.map((word) => `${kind}.${word}`)),
  ]);
  assert.ok(names.length > 40);
  assert.deepEqual(problemsOf(withHooks(`{ on: [${names.map((n) => `"${n}"`).join(", ")}], command: [/x] }`)), []);
});

describe("mistakes are told each at its place", () => {
  const KINDS = `expected all, or a kind of event: ${Object.keys(EVENT_WORDS).join(", ")}`;
  const words = EVENT_WORDS.server as readonly string[];
  const SERVER = `expected server or one of ${words.map((word) => `server.${word}`).join(", ")}`;
  const X = "command: [/bin/x]";
  const cases: readonly (readonly [hook: string, place: string, message: string])[] = [
    [`{ on: [server.dwon], ${X} }`, "12: hooks[0].on[0]", `${SERVER}, did you mean "server.down"?`],
    [`{ on: [servr], ${X} }`, "12: hooks[0].on[0]", `${KINDS}, did you mean "server"?`],
    [`{ on: [quorum-lost], ${X} }`, "12: hooks[0].on[0]", `${KINDS}, did you mean "service.quorum-lost"?`],
    [`{ on: [foo], ${X} }`, "12: hooks[0].on[0]", KINDS],
    [`{ on: [process.x], ${X} }`, "12: hooks[0].on[0]", "expected process: these events have no further word"],
    [`{ on: [weight.low], ${X} }`, "12: hooks[0].on[0]", "expected weight, or weight.0 for one weight"],
    [`{ on: [], ${X} }`, "11: hooks[0].on", "may not be empty"],
    [`{ ${X} }`, "5: hooks[0].on", "missing: expected a list"],
    [`{ on: all, ${X} }`, "11: hooks[0].on", 'expected a list, not "all"'],
    [`{ on: [all], services: [weeb], ${X} }`, "29: hooks[0].services[0]", 'no service "weeb", did you mean "web"?'],
    [`{ on: [all], services: [], ${X} }`, "28: hooks[0].services", "may not be empty: leave services out for all"],
    ["{ on: [all] }", "5: hooks[0].command", "missing: say which command to run, or which url to call"],
    [
      `{ on: [all], ${X}, url: "http://a/" }`,
      "42: hooks[0].url",
      "the hook has a command already: it is either a script or a webhook",
    ],
    [
      "{ on: [all], command: /bin/x }",
      "27: hooks[0].command",
      'expected a list: [/path/of/program, argument, ...], not "/bin/x"',
    ],
    ["{ on: [all], command: [mail, x] }", "28: hooks[0].command[0]", "expected an absolute path, beginning with /"],
    ["{ on: [all], command: [] }", "27: hooks[0].command[0]", "missing: expected an absolute path"],
    ["{ on: [all], command: [/x, ~] }", "32: hooks[0].command[1]", "nothing is given: expected text"],
    ['{ on: [all], url: "ftp://a/" }', "23: hooks[0].url", "expected a URL such as https://chat.example.com/hooks/abc"],
    [
      '{ on: [all], url: "https://u:p@a/" }',
      "23: hooks[0].url",
      "may not hold a user or password: use headers: { Authorization: ... }",
    ],
    [
      '{ on: [all], url: "https://a/#b" }',
      "23: hooks[0].url",
      "may not have a fragment (#...): it would never be sent",
    ],
    ['{ on: [all], url: "http://a/", ca: /x }', "40: hooks[0].ca", "means something with an https url only"],
    [
      '{ on: [all], url: "https://a/", verify: false, ca: /x }',
      "56: hooks[0].ca",
      "means nothing with verify: false, where any certificate will do",
    ],
    [`{ on: [all], ${X}, headers: { A: b } }`, "46: hooks[0].headers", "means something with url only"],
    [
      '{ on: [all], url: "http://a/", headers: { Content-Type: x } }',
      "61: hooks[0].headers.Content-Type",
      "cannot be set: it follows from the request",
    ],
    [
      '{ on: [all], url: "http://a/", body: { a: [b, "{mesage}"] } }',
      "51: hooks[0].body.a[1]",
      `no field {mesage}; there are ${BODY_FIELDS.join(", ")}, did you mean "message"?`,
    ],
    [
      '{ on: [all], url: "http://a/", body: { a: ~ } }',
      "47: hooks[0].body.a",
      "nothing is given: expected text, a list or a map",
    ],
    ['{ on: [all], url: "http://a/", body: text }', "42: hooks[0].body", 'expected a map, not "text"'],
    [`{ on: [all], ${X}, body: { a: b } }`, "43: hooks[0].body", "means something with url only"],
    [`{ on: [all], ${X}, timeout: 11m }`, "46: hooks[0].timeout", "must be at most 10m"],
    [`{ on: [all], ${X}, queue: 0 }`, "44: hooks[0].queue", "expected a whole number from 1 to 100000"],
    ["{ on: [all], comand: [/x] }", "18: hooks[0].comand", 'unknown key, did you mean "command"?'],
    ['{ on: [all], command: ["/bin/a b"] }', "5: hooks[0].name", 'missing: "a b" would not do'],
    ["x", "5: hooks[0]", "expected a hook: a map with on, and command or url"],
  ];
  for (const [hook, place, message] of cases)
    test(hook, () =>
      assert.ok(
        problemsOf(withHooks(hook)).includes(`d.conf:2:${place}: ${message}`),
        problemsOf(withHooks(hook)).join("\n"),
      ),
    );

  test("two of a name", () => {
    const named = "{ name: a, on: [all], command: [/bin/x] }";
    const unnamed = "{ on: [all], command: [/bin/x] }";
    assert.deepEqual(problemsOf(withHooks(named, named, unnamed, unnamed)), [
      'd.conf:3:13: hooks[1].name: the hook "a" stands already at d.conf:2:5',
      'd.conf:5:5: hooks[3].name: missing: the hook at d.conf:4:5 is called "x"',
    ]);
  });

  test("no list at all; and a mistake elsewhere hides none", () => {
    assert.deepEqual(problemsOf(`hooks:\n${WEB}`), ["d.conf:1:7: hooks: nothing is given: expected a list"]);
    assert.deepEqual(problemsOf(`hooks: { on: [all] }\n${WEB}`), ["d.conf:1:8: hooks: expected a list of hooks"]);
    const both = problemsOf(`log: { level: loud }\n${withHooks("{ on: [all] }")}`.replace("vip:", "vpi:"));
    assert.deepEqual(
      both.map((line) => line.split(": ")[1]),
      ["log.level", "hooks[0].command", "services[0].vpi"],
    );
  });

  test("hooks stand in the main file only", () => {
    const main = `include: [x]\n${WEB}`;
    const others = {
      x: { "x.yaml": "hooks: []\nservices: [{ name: b, vip: '192.0.2.2:80', servers: [{ address: 10.0.0.1 }] }]" },
    };
    assert.match(problemsOf(main, others).join("\n"), /^x\.yaml:1:1: hooks: unknown key/);
  });
});
