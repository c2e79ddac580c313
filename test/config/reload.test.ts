import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { matchServices, removalRefusals } from "../../src/config/reload.ts";
import type { Config } from "../../src/model/config.ts";
import { configOf } from "./support.ts";

/** `web 192.0.2.1:80 = a:100 b:0` is a service with its frontends and its servers with weights; server `a` is 10.0.0.97. */
function config(lines: readonly string[], head = ""): Config {
  const services = lines.map((line) => {
    const [left = "", right = ""] = line.split(" = ");
    const [name, ...vips] = left.split(" ");
    const servers = right
      .split(" ")
      .filter((word) => word !== "")
      .map((word) => {
        const [server = "", weight] = word.split(":");
        return `{ name: ${server}, address: 10.0.0.${server.charCodeAt(0)}, weight: ${weight} }`;
      });
    const list = vips.map((vip) => `'${vip}'`).join(", ");
    return `  - { name: ${name}, vips: [${list}], allow_empty: true, servers: [${servers.join(", ")}] }`;
  });
  return configOf(`allow_empty: true\n${head}services:\n${services.join("\n")}\n`);
}

const A = "a 192.0.2.1:80 = a:100";
const B = "b 192.0.2.2:80 = b:100";
const C = "c 192.0.2.3:80 = c:100";
const D = "d 192.0.2.4:80 = d:100";

const rows: readonly [
  what: string,
  old: readonly string[],
  next: readonly string[],
  refusals: readonly string[],
  head?: string,
][] = [
  ["nothing changes", [A, B], [A, B], []],
  ["a service is added", [A], [A, B], []],
  ["there was nothing", [], [A], []],
  ["half of the services leave", [A, B, C, D], [A, B], []],
  [
    "more than half of them leave",
    [A, B, C, D],
    [A],
    ["3 (b, c, d) of 4 services would be removed, max_removed is 50%"],
  ],
  ["the only service leaves", [A], [], ["1 (a) of 1 service would be removed, max_removed is 50%"]],
  ["a service is renamed", [A], ["z 192.0.2.1:80 = a:100"], []],
  [
    "a service moves to another address",
    [A],
    ["a 192.0.2.9:80 = a:100"],
    ["1 (a) of 1 service would be removed, max_removed is 50%"],
  ],
  [
    "a service keeps one of three addresses",
    ["a 192.0.2.1:80 192.0.2.2:80 192.0.2.3:80 = a:100"],
    ["a 192.0.2.2:80 = a:100"],
    ["0.67 (a (tcp:192.0.2.1:80, tcp:192.0.2.3:80)) of 1 service would be removed, max_removed is 50%"],
  ],
  ["half of the weight leaves", ["a 192.0.2.1:80 = a:100 b:100"], ["a 192.0.2.1:80 = a:100"], []],
  [
    "more than half of the weight leaves",
    ["a 192.0.2.1:80 = a:100 b:101"],
    ["a 192.0.2.1:80 = a:100"],
    ["service a would lose 101 of its configured weight 201 (b removed), max_removed is 50%"],
  ],
  [
    "weights are set to 0",
    ["a 192.0.2.1:80 = a:100 b:50 c:30"],
    ["a 192.0.2.1:80 = a:0 c:30 b:0"],
    ["service a would lose 150 of its configured weight 180 (a 100 -> 0, b 50 -> 0), max_removed is 50%"],
  ],
  ["weights are lowered", ["a 192.0.2.1:80 = a:100 b:100"], ["a 192.0.2.1:80 = a:1 b:1"], []],
  [
    "all servers are replaced",
    ["a 192.0.2.1:80 = a:100"],
    ["a 192.0.2.1:80 = b:100"],
    ["service a would lose 100 of its configured weight 100 (a removed), max_removed is 50%"],
  ],
  ["standbys leave", ["a 192.0.2.1:80 = a:100 b:0 c:0"], ["a 192.0.2.1:80 = a:100"], []],
  ["a service without weight loses its servers", ["a 192.0.2.1:80 = a:0"], ["a 192.0.2.1:80 = "], []],
  ["a service that leaves is not counted by its weight too", [A, B], [A], []],
  [
    "the limit of the running configuration counts",
    [A, B, C, D],
    [A, B, C],
    ["1 (d) of 4 services would be removed, max_removed is 10%"],
    "reload: { max_removed: 10% }\n",
  ],
  ["at 100% everything may leave", [A, B], [], [], "reload: { max_removed: 100% }\n"],
  [
    "at 0% nothing may",
    ["a 192.0.2.1:80 = a:100 b:1"],
    ["a 192.0.2.1:80 = a:100 b:0"],
    ["service a would lose 1 of its configured weight 101 (b 1 -> 0), max_removed is 0%"],
    "reload: { max_removed: 0% }\n",
  ],
];

describe("what a reload may not take away unforced", () => {
  for (const [what, old, next, refusals, head] of rows)
    test(what, () => assert.deepEqual(removalRefusals(config(old, head), config(next)), refusals));

  test("a server whose port is written in another way is the same server", () => {
    const service = (address: string) =>
      configOf(`services: [{ name: a, vip: '192.0.2.1:80', servers: [{ address: '${address}' }] }]`);
    assert.deepEqual(removalRefusals(service("10.0.0.1"), service("10.0.0.1:80")), []);
    assert.equal(removalRefusals(service("10.0.0.1"), service("10.0.0.1:81")).length, 1);
  });

  test("a server that fits no frontend is not lost by staying", () => {
    const service = configOf("services: [{ name: a, vip: '192.0.2.1:80', servers: [{ address: 2001:db8::1 }] }]");
    assert.deepEqual(removalRefusals(service, service), []);
  });

  test("the new configuration's own limit does not count", () => {
    const next = config([A], "reload: { max_removed: 100% }\n");
    assert.equal(removalRefusals(config([A, B, C]), next).length, 1);
  });
});

describe("which service takes another's place", () => {
  function heirs(old: readonly string[], next: readonly string[]): readonly string[] {
    return Array.from(
      matchServices(config(old), config(next)),
      ([from, to]) => `${from.name} -> ${to?.name ?? "nobody"}`,
    );
  }

  test("the one that shares a frontend, whatever the names", () => {
    assert.deepEqual(heirs([A, B], ["b 192.0.2.1:80 = a:1", "a 192.0.2.2:80 = b:1"]), ["a -> b", "b -> a"]);
  });

  test("the one that shares most, then the one with the same name", () => {
    const old = ["a 192.0.2.1:80 192.0.2.2:80 192.0.2.3:80 = a:1"];
    const most = ["x 192.0.2.1:80 = a:1", "y 192.0.2.2:80 192.0.2.3:80 = a:1"];
    assert.deepEqual(heirs(old, most), ["a -> y"]);
    assert.deepEqual(heirs(old, ["x 192.0.2.1:80 = a:1", "a 192.0.2.2:80 = a:1"]), ["a -> a"]);
  });

  test("nobody, if no frontend is left", () => assert.deepEqual(heirs([A], [B]), ["a -> nobody"]));
});
