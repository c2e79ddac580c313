import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parse as parseYaml } from "yaml";
import { jsonSchema } from "../../src/config/schema.ts";
import { accepts } from "./json-schema.ts";
import { randomFile } from "./random-file.ts";
import { probeTypes, problemsOf } from "./support.ts";

const schema = jsonSchema(probeTypes);

/** What an editor sees: plain scalars typed as YAML 1.2 types them. */
function seen(text: string): readonly string[] {
  return accepts(schema, parseYaml(text));
}

describe("every check type there is", () => {
  for (const name of probeTypes.keys())
    test(`${name} refuses keys it does not know`, () => {
      const check = `check: { type: ${name}, port: 80, xyzzy: 1 }`;
      const text = `services: [{ name: web, vip: '192.0.2.1:80', ${check}, servers: [{ address: 10.0.0.1 }] }]\n`;
      const column = text.indexOf("xyzzy") + 1;
      const line = `d.conf:1:${column}: services[0].check.xyzzy: unknown key in a check of type ${name}`;
      assert.ok(problemsOf(text).includes(line));
    });
});

describe("the JSON Schema for editors", () => {
  for (const name of ["contract-example.conf", "../../config/director.conf"])
    test(`takes ${name}`, () => assert.deepEqual(seen(readFileSync(new URL(name, import.meta.url), "utf8")), []));

  test("takes whatever file is right", () => {
    fc.assert(
      fc.property(randomFile, (file) => assert.deepEqual(seen(file), [])),
      { numRuns: 50 },
    );
  });

  const SERVICE = "services: [{ name: web, vip: '192.0.2.1:80', servers: [{ address: 10.0.0.1 }] }]\n";
  const refused: readonly [what: string, text: string, place: string][] = [
    ["an unknown key of the file", `flurb: 1\n${SERVICE}`, "/flurb"],
    ["an unknown key of a service", SERVICE.replace("name", "nam: x, name"), "/services/0/nam"],
    ["a service without name", SERVICE.replace("name: web, ", ""), "/services/0"],
    ["a server without address", SERVICE.replace("address: 10.0.0.1", "weight: 5"), "/services/0/servers/0"],
    [
      "a weight above the limit",
      SERVICE.replace("10.0.0.1", "10.0.0.1, weight: 65536"),
      "/services/0/servers/0/weight",
    ],
    ["a bare number as duration", `ipvs: { timeout: 10 }\n${SERVICE}`, "/ipvs/timeout"],
    ["a mistyped word", `log: { level: loud }\n${SERVICE}`, "/log/level"],
    ["another type's key", `defaults: { check: { type: tcp, path: /x } }\n${SERVICE}`, "/defaults/check"],
    ["a mistyped key of a check", `pools: { a: { check: { fal: 3 } } }\n${SERVICE}`, "/pools/a/check"],
    ["one check where a list stands", `defaults: { checks: { type: tcp } }\n${SERVICE}`, "/defaults/checks"],
  ];
  for (const [what, text, place] of refused)
    test(`refuses ${what}, as the parser does`, () => {
      assert.ok(problemsOf(text).length > 0);
      assert.ok(
        seen(text).some((line) => line.startsWith(place)),
        seen(text).join("\n"),
      );
    });

  test("describes and defaults are there for the reader", () => {
    const text = JSON.stringify(schema);
    assert.match(text, /"description":"Share of new connections; 0 is a standby","default":"100"/);
    assert.ok((text.match(/"description"/g) ?? []).length > 40);
  });
});
