import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { loadConfigText } from "../../src/cli/config-file.ts";
import { defaultText } from "../../src/config/defaults.ts";
import { globalKeys } from "../../src/config/global-keys.ts";
import { formatProblem } from "../../src/config/parse.ts";
import { serverSchema, serviceSchema } from "../../src/config/service-keys.ts";
import { SCHEDULERS } from "../../src/ipvs/apply.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/services.md"), "utf8");
const section = (title: string): string => text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
const rowOf = (title: string, key: string) => new RegExp(`^\\| \`${key}\` \\|.*$`, "m").exec(section(title))?.[0];
const keysOf = (schema: z.ZodType) =>
  Object.keys(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }).properties ?? {});

describe("docs/services.md", () => {
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  test("has examples", () => assert.ok(blocks.length >= 6, `${blocks.length}`));

  for (const [i, block] of blocks.entries())
    test(`example ${i + 1} is a good file`, () => {
      assert.deepEqual(loadConfigText(block, "services.md", ".").problems.map(formatProblem), []);
    });

  const server = keysOf(serverSchema);
  test("has every key of a server", () => {
    for (const key of server) assert.ok(rowOf("Keys of a server", key), `no row for ${key}`);
  });
  test("has every key of a service that is not its servers'", () => {
    const own = keysOf(serviceSchema).filter((key) => key === "name" || !server.includes(key));
    for (const key of own) assert.ok(rowOf("Keys of a service", key), `no row for ${key}`);
  });
  test("has every key of vips, timeouts and sync", () => {
    for (const key of keysOf(globalKeys.vips)) assert.ok(rowOf("The addresses themselves", key), `no row for ${key}`);
    for (const [title, key] of [
      ["Timeouts", "tcp"],
      ["Timeouts", "tcp_fin"],
      ["Timeouts", "udp"],
      ["The sync daemon", "role"],
      ["The sync daemon", "interface"],
      ["The sync daemon", "id"],
    ] as const)
      assert.match(section(title), new RegExp(`\\b${key}:`), key);
  });

  test("says the defaults that are in force", () => {
    const rows: readonly [title: string, key: string, word: string][] = [
      ...(["protocol", "scheduler", "one_packet", "on_failure", "initial", "fail_open", "removal_grace"] as const).map(
        (key) => ["Keys of a service", key, defaultText(`service.${key}`)] as const,
      ),
      ...(["weight", "forward", "max_connections", "min_connections"] as const).map(
        (key) => ["Keys of a server", key, defaultText(`server.${key}`)] as const,
      ),
      ["Keys of a server", "tunnel", defaultText("tunnel.type")],
      ["The addresses themselves", "withdraw", defaultText("vips.withdraw")],
    ].map(([title, key, word]) => [title!, key!, word!]);
    for (const [title, key, word] of rows)
      assert.match(rowOf(title, key)!, new RegExp(`\`${word}\`[^|]*\\|$`), `${key} is ${word}`);
  });

  test("tells of every scheduler what it makes of weights", () => {
    for (const name of SCHEDULERS)
      assert.match(section("Schedulers"), new RegExp(`^\\|.*\`${name}\`.*\\|.*\\|.*\\|$`, "m"), name);
  });

  test("what it says is refused is refused", () => {
    const file = (service: string) =>
      loadConfigText(`services: [{ name: web, check: { port: 80 }, ${service} }]`, "services.md", ".").config;
    const good = "vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }]";
    assert.ok(file(good));
    for (const bad of ["010.0.0.1", "10.1", "www.example.com"]) {
      assert.ok(section("What is refused").includes(bad));
      assert.equal(file(good.replace("10.0.0.1", bad)), undefined, bad);
    }
    for (const bad of [
      "'192.0.2.1:http'",
      "'2001:db8::1:80'",
      "'224.0.0.1:80'",
      "'255.255.255.255:80'",
      "'0.0.0.0:80'",
      "'[fe80::1]:80'",
    ])
      assert.equal(file(good.replace("'192.0.2.1:80'", bad)), undefined, bad);
    for (const bad of [
      "scheduler: ''",
      "scheduler: mh, scheduler_flags: [flag-3]",
      "one_packet: true",
      "weight: 0x10",
      "weight: 010",
      "weight: -1",
      "max_connections: 1, min_connections: 2",
      "persistence: { timeout: 745h }",
      "forward: direct, port: 81",
      "forward: tunnel, port: 81",
    ])
      assert.equal(file(`${good}, ${bad}`), undefined, bad);
  });

  test("what it links to is there", () => {
    const headings = (page: string) =>
      [...page.matchAll(/^#+ (.*)$/gm)].map(([, h]) =>
        h!
          .toLowerCase()
          .replace(/[^a-z0-9 -]/g, "")
          .replaceAll(" ", "-"),
      );
    for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(headings(text).includes(target!), target);
    for (const [, path, target] of text.matchAll(/\]\(([a-z][^)#:]*\.md)(?:#([^)]+))?\)/g)) {
      const page = readFileSync(join(import.meta.dirname, "../../docs", path!), "utf8");
      if (target !== undefined) assert.ok(headings(page).includes(target), `${path}#${target}`);
    }
  });
});
