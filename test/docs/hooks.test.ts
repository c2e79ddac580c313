import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadConfigText } from "../../src/cli/config-file.ts";
import type { HookMessage } from "../../src/hooks/message.ts";
import { EVENT_WORDS, eventName, isKnownEvent } from "../../src/model/event-words.ts";
import { BODY_FIELDS } from "../../src/model/hook.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/hooks.md"), "utf8");
const blocks = (language: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);
/** Below a heading, the words in the first column of its table. */
const firstColumn = (heading: string): readonly string[] => {
  const section = text.slice(text.indexOf(`## ${heading}\n`)).split(/\n##+ /)[1] ?? "";
  const own = text.slice(text.indexOf(`## ${heading}\n`) + heading.length + 4).split(/\n##+ /)[0] ?? section;
  return own
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(" | ")[0]!);
};
const words = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

const messages = blocks("json")[0]!
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as HookMessage);
const types: Readonly<Record<string, string>> = {
  version: "number",
  sequence: "number",
  weight: "number",
  missed: "number",
};

describe("docs/hooks.md", () => {
  for (const [i, yaml] of blocks("yaml").entries())
    test(`its file ${i + 1} is a good one`, () => {
      const { config, problems } = loadConfigText(yaml, "hooks.md", ".");
      assert.deepEqual(
        problems.filter((p) => !p.message.includes("is not there, or cannot be run")),
        [],
      );
      assert.ok(config!.hooks.length > 0);
    });

  test("names every event there is, and no other", () => {
    const named = firstColumn("Events").flatMap((cell) => {
      const [first = "", ...rest] = words(cell);
      const kind = first.split(".")[0]!;
      return [first, ...rest.map((word) => (word.startsWith(".") ? kind + word : word))];
    });
    const known = Object.entries(EVENT_WORDS).flatMap(([kind, all]) =>
      all === "number" || all.length === 0 ? [kind] : all.map((word) => `${kind}.${word}`),
    );
    assert.deepEqual(named.filter((name) => name !== "weight.0").sort(), known.sort());
  });

  test("names every field, and what it shows is made of them", () => {
    const fields = firstColumn("The JSON").flatMap(words);
    assert.deepEqual([...fields, "event"].sort(), ["version", ...BODY_FIELDS].sort());
    for (const message of messages)
      for (const [field, value] of Object.entries(message)) {
        assert.ok(fields.includes(field), field);
        assert.equal(typeof value, types[field] ?? "string", field);
      }
  });

  test("shows an event of each kind that is there often, all of them real ones", () => {
    assert.deepEqual([...new Set(messages.map(({ kind }) => kind))].sort(), [
      "admin",
      "check",
      "drain",
      "drift",
      "reload",
      "server",
      "service",
      "weight",
    ]);
    for (const message of messages) assert.ok(isKnownEvent(message), eventName(message));
  });

  test("names every key", () => {
    const schema = readFileSync(join(import.meta.dirname, "../../src/config/hook-keys.ts"), "utf8");
    const keys = schema.slice(schema.indexOf("hookSchema = ")).matchAll(/^ {2}(\w+):/gm);
    assert.deepEqual(firstColumn("Keys").flatMap(words).sort(), [...keys].map(([, key]) => key!).sort());
  });

  const jq = spawnSync("jq", ["--version"]).status === 0;
  test("its mail is a mail, whatever the event says", { skip: !jq && "needs jq" }, () => {
    const dir = mkdtempSync(join(tmpdir(), "director-docs-"));
    try {
      const put = (name: string, script: string) => {
        writeFileSync(join(dir, name), script);
        chmodSync(join(dir, name), 0o755);
      };
      put("mail", blocks("bash")[0]!);
      put("curl", `#!/bin/sh\nprintf '%s\\n' "$@" > ${dir}/arguments\ncat > ${dir}/mail.txt\n`);
      const evil = { ...messages[2]!, message: "down\r\nBcc: all@example.com\n\nbody", reason: "$(touch x)" };
      const env = { ...process.env, PATH: `${dir}:${process.env.PATH}` };
      execFileSync(join(dir, "mail"), ["ops@example.com"], { input: `${JSON.stringify(evil)}\n`, env, cwd: dir });
      const [head = "", ...body] = readFileSync(join(dir, "mail.txt"), "utf8").split("\n\n");
      assert.deepEqual(
        head.split("\n").map((line) => line.split(": ")[0]),
        ["From", "To", "Date", "Subject"],
      );
      assert.match(head, /^Subject: \[warning\] down Bcc: all@example\.com body$/m);
      assert.match(body.join("\n\n"), /"reason": "\$\(touch x\)"/);
      assert.match(readFileSync(join(dir, "arguments"), "utf8"), /^director@lb1$/m);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
