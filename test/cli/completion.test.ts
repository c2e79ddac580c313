import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { noTmux, terminal } from "../support/tmux.ts";
import { type Bench, bench, cli } from "./support.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const has = (program: string) => spawnSync(program, ["--version"]).error === undefined;

describe("completion", () => {
  let b: Bench;
  let drain: string;
  before(async () => {
    b = await bench();
    await b.daemon();
    drain = (
      await b.cli("drain", "web", "--from", "old", "--to", "new", "--over", "1h", "--every", "1m", "--detach")
    ).stdout.trim();
    // A program as shells find it.
    mkdirSync(join(b.dir, "bin"));
    const command = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' "$@"\n`;
    writeFileSync(join(b.dir, "bin/director"), command);
    chmodSync(join(b.dir, "bin/director"), 0o755);
  });
  after(() => b.close());

  /** What may stand at the end of a line: `drain web --from o`. */
  async function offered(line: string, socket = b.socket): Promise<readonly string[]> {
    const { stdout, code, stderr } = await cli(["__complete", "--", ...line.split(" ")], { DIRECTOR_SOCKET: socket });
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout
      .split("\n")
      .filter((text) => text !== "")
      .map((text) => text.split("\t")[0]!);
  }

  const lines: readonly (readonly [line: string, expected: readonly string[]])[] = [
    ["und", ["undrain"]],
    ["drain pa", ["pause"]],
    ["drain w", ["watch", "web"]],
    ["status ", ["web", "list", "api"]],
    ["status web l", ["list"]],
    ["top ap", ["api"]],
    ["disable web ", ["old", "new", "dead"]],
    ["disable web n", ["new"]],
    ["enable nosuch ", []],
    ["weight list a ", ["configured"]],
    ["undrain api api-o", ["api-old"]],
    ["drain web --from ", ["old", "new", "dead"]],
    ["drain web --from old,", ["old,new", "old,dead"]],
    ["drain web --from=old,n", ["--from=old,new"]],
    ["drain --from old --service api --to api-n", ["api-new"]],
    ["drain --host ne", ["new"]],
    ["drain web --idle ", ["active", "all", "none"]],
    ["drain web --then=k", ["--then=keep"]],
    ["drain web --over ", []],
    ["drain web --from old --fr", []],
    ["events --service web --s", ["--since", "--socket"]],
    ["events --kind drain.p", ["drain.pending", "drain.paused"]],
    ["freeze web --fo", ["--for"]],
    ["reload --wait --fo", ["--force"]],
    ["completion ", ["bash", "zsh", "fish"]],
    ["config ", ["test", "show", "init", "schema", "help"]],
    ["config test ", [":files"]],
    ["run -c ", [":files"]],
    ["run --config=/e", [":files"]],
    ["status -- --wa", []],
    ["nosuch ", []],
  ];
  for (const [line, expected] of lines)
    test(`director ${line}<Tab>: ${expected.join(" ") || "nothing"}`, async () => {
      assert.deepEqual(await offered(line), expected);
    });

  test("drains by id and by service, each with what it is", async () => {
    assert.deepEqual(await offered("drain pause "), [drain, "web"]);
    const { stdout } = await cli(["__complete", "--", "drain", "rollback", "d-"], { DIRECTOR_SOCKET: b.socket });
    assert.match(stdout, /^d-\w+\tweb: old -> new: step 1\/60\n$/);
  });

  test("--socket on the line is the one that is asked", async () => {
    assert.deepEqual(await offered(`--socket ${b.socket} status l`, "/nonexistent"), ["list"]);
  });

  test("nothing, and not a word, where nobody answers; soon, where somebody listens and says nothing", async () => {
    assert.deepEqual(await offered("status ", join(b.dir, "nobody.sock")), []);
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(join(b.dir, "mute.sock"), resolve));
    const began = performance.now();
    assert.deepEqual(await offered("status ", join(b.dir, "mute.sock")), []);
    assert.ok(performance.now() - began < 5_000);
    mute.close();
  });

  describe("in bash", { skip: has("bash") ? false : "there is no bash" }, () => {
    /** As bash calls it: the words split at its own breaks, and the line. */
    async function completed(line: string): Promise<readonly string[]> {
      const script = `source <(director completion bash)
        COMP_LINE=$1 COMP_POINT=\${#1} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
        _director director
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { ...process.env, PATH: `${b.dir}/bin:${process.env.PATH}`, DIRECTOR_SOCKET: b.socket };
      const { stdout, stderr } = await promisify(execFile)("bash", ["--norc", "-c", script, "bash", line], { env });
      assert.equal(stderr, "");
      return stdout.trimEnd().split("\n");
    }

    const words: readonly (readonly [line: string, expected: readonly string[]])[] = [
      ["director stat", ["status"]],
      ["director drain  web   --from ol", ["old"]],
      ["director disable web ", ["old", "new", "dead"]],
      ["director drain web --from=old,n", ["old,new"]],
      ["director drain --host 127.0.0.3", ["127.0.0.3"]],
    ];
    for (const [line, expected] of words)
      test(`${line}<Tab>`, async () => assert.deepEqual(await completed(line), expected));

    test("on a terminal: Tab completes the word, Tab twice shows what there is", { skip: noTmux }, async () => {
      const t = await terminal("bash --norc -i", {
        columns: 100,
        env: { PATH: `${b.dir}/bin:${process.env.PATH}`, DIRECTOR_SOCKET: b.socket },
      });
      await t.type("PS1='> '; source <(director completion bash); echo re''ady");
      await t.press("Enter");
      await t.shows(/^ready$/m);
      await t.type("director disable we");
      await t.press("Tab");
      await t.shows(/^> director disable web$/m);
      await t.press("Tab", "Tab");
      await t.shows(/^old +new +dead *$/m);
      await t.type("de");
      await t.press("Tab");
      await t.shows(/^> director disable web dead$/m);
      await t.close();
    });
  });

  for (const shell of ["zsh", "fish"] as const)
    test(`the script for ${shell} can be read by it`, {
      skip: has(shell) ? false : `there is no ${shell}`,
    }, async () => {
      const { stdout } = await cli(["completion", shell]);
      const { status, stderr } = spawnSync(shell, ["-n", "/dev/stdin"], { input: stdout, encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    });

  test("another shell is wrong usage", async () => {
    const { code, stderr } = await cli(["completion", "csh"]);
    assert.equal(code, 2);
    assert.match(stderr, /Allowed choices are bash, zsh, fish/);
  });
});
