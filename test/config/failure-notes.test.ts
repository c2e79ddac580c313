import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureNotes, noteText } from "../../src/config/failure-notes.ts";
import { configOf } from "./support.ts";

const service = (name: string, lines: readonly string[] = [], vip = "192.0.2.10:80") =>
  [
    `  - name: ${name}`,
    `    vip: ${vip}`,
    ...lines.map((line) => `    ${line}`),
    '    servers: [ { address: "10.0.0.1:80" }, { address: "10.0.0.2:80" } ]',
  ].join("\n");

const notes = (text: string, expire?: boolean) => failureNotes(configOf(`services:\n${text}`), expire).map(noteText);

describe("what a failure will do, where weight 0 is not all", () => {
  const rows: readonly (readonly [
    name: string,
    lines: readonly string[],
    expire: boolean | undefined,
    note: RegExp | undefined,
  ])[] = [
    ["wrr over tcp", [], false, undefined],
    ["wlc", ["scheduler: wlc"], false, undefined],
    ["mh", ["scheduler: mh"], true, /taken out .* refuse its share .*scheduler_flags: \[mh-fallback\]/],
    [
      "sh with only its port",
      ["scheduler: sh", "scheduler_flags: [sh-port]"],
      true,
      /scheduler_flags: \[sh-fallback\]/,
    ],
    ["mh with fallback", ["scheduler: mh", "scheduler_flags: [mh-fallback]"], true, undefined],
    ["dh", ["scheduler: dh"], true, /taken out .* refuse .*dh has no fallback/],
    ["mh, kept", ["scheduler: mh", "on_failure: quiesce"], true, /keeps its entry.*refuses its share/],
    ["mh, removed as asked", ["scheduler: mh", "on_failure: remove"], true, undefined],
    ["persistence, not known", ["persistence: { timeout: 5m }"], undefined, /taken out .*expire_quiescent_template=1/],
    ["persistence, templates expire", ["persistence: { timeout: 5m }"], true, undefined],
    ["udp", ["protocol: udp", "check: none"], true, /taken out .*udp flows.*expire_nodest_conn=1/],
    ["udp, removed as asked", ["protocol: udp", "check: none", "on_failure: remove"], true, /expire_nodest_conn=1/],
    ["udp, kept", ["protocol: udp", "check: none", "on_failure: quiesce"], true, /keeps its entry.*udp flows stay/],
  ];
  for (const [name, lines, expire, note] of rows)
    test(`${name}: ${note ?? "nothing to say"}`, () => {
      const found = notes(service("web", lines), expire);
      assert.equal(found.length, note === undefined ? 0 : 1);
      if (note) assert.match(found[0]!, note);
    });

  test("one line for all services of which the same holds; of many the first five are named", () => {
    const many = Array.from({ length: 8 }, (_, i) => service(`s${i}`, ["scheduler: mh"], `192.0.2.${i + 1}:80`));
    const found = notes([...many, service("other", ["scheduler: dh"], "192.0.2.99:80")].join("\n"));
    assert.equal(found.length, 2);
    assert.match(found[0]!, /^s0, s1, s2, s3, s4 and 3 more: a server that fails/);
    assert.match(found[1]!, /^other: /);
  });
});
