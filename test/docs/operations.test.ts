import assert from "node:assert/strict";
import { globSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Command } from "commander";
import { theProgram } from "../../docs/generate/command-page.ts";
import { type Bench, bench } from "../cli/support.ts";

const docs = join(import.meta.dirname, "../../docs");
const operations = readFileSync(join(docs, "operations.md"), "utf8");

/** Every call of director in a page: what stands between backticks, and lines that are indented or follow a `$`. */
function callsIn(text: string): readonly string[] {
  const lines = [...text.matchAll(/^(?: {4}|\$ )(.*)$/gm)].map(([, line]) => line!);
  const spans = [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, span]) =>
    span!.replace(/\s+/g, " "),
  );
  return [...lines, ...spans]
    .flatMap((line) =>
      line
        .replace(/ # .*| \\$/, "")
        .replaceAll(/\$\([^)]*\)/g, "X")
        .split(/\s*(?:\||&&|;|>)\s*/),
    )
    .map((part) => part.replace(/^sudo /, ""))
    .filter(
      (part) => /^director( -| {1,2}[a-z]+)/.test(part) && !part.includes("…") && !/^director [a-z]+:/.test(part),
    );
}

/** What is wrong with a call: a command, an option or an argument that there is not. */
function trouble(call: string): string | undefined {
  const words = call.match(/"[^"]*"|'[^']*'|\S+/g)!.slice(1);
  let command: Command = theProgram();
  let below = 0;
  const known = () => {
    const above = [
      command,
      ...(command.parent ? [command.parent, ...(command.parent.parent ? [command.parent.parent] : [])] : []),
    ];
    return above.flatMap((each) => each.options);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--help" || word === "-h") continue;
    if (word.startsWith("-") && word !== "-") {
      const option = known().find(({ long, short }) => word === long || word === short);
      if (option === undefined) return `${call}: no option ${word}`;
      if (option.required) i++;
      continue;
    }
    const next = below === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (next) {
      command = next;
      continue;
    }
    if (++below > command.registeredArguments.length && !command.registeredArguments.at(-1)?.variadic)
      return `${call}: ${command.name()} takes no "${word}"`;
  }
  return command.parent === null && words.length > 0 && !words[0]!.startsWith("-")
    ? `${call}: no such command`
    : undefined;
}

describe("commands in the documentation", () => {
  for (const file of globSync("**/*.md", { cwd: docs }).sort())
    test(`those of ${basename(file)} are there, with their options`, () => {
      const calls = callsIn(readFileSync(join(docs, file), "utf8"));
      assert.deepEqual(
        calls.flatMap((call) => trouble(call) ?? []),
        [],
      );
    });

  test("a mistake in one is noticed", () => {
    assert.ok(callsIn(operations).length > 60, `${callsIn(operations).length}`);
    assert.match(trouble("director drain web --form old") ?? "", /no option --form/);
    assert.match(trouble("director statsu") ?? "", /statsu/);
    assert.match(trouble("director explain web old more") ?? "", /takes no "more"/);
    assert.equal(trouble('director drain abort web --reason "as agreed"'), undefined);
  });
});

/** What docs/operations.md quotes is what the daemon says: both hold each of these. */
describe("docs/operations.md and a daemon", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());

  const page = operations.replace(/\s+/g, " ");
  async function says(words: string, ...args: readonly string[]): Promise<void> {
    assert.ok(page.includes(words), `the page does not say: ${words}`);
    const { stdout, stderr } = await b.cli(...args);
    assert.ok(
      (stdout + stderr).replace(/\s+/g, " ").includes(words),
      `${args.join(" ")} does not say: ${words}\n${stdout}${stderr}`,
    );
  }

  test("somebody's word, a freeze and a paused drain", async (t) => {
    t.after(() => b.reset());
    await b.cli("disable", "list", "a", "--reason", "kernel update");
    await says("(kernel update)", "status");
    await says(": disabled by ", "status");
    await b.cli("disable", "list", "b");
    await says(": no server gets clients", "status");
    await b.cli("freeze", "api", "--for", "30m", "--reason", "firewall");
    await says("(firewall): nothing is written", "status");
    await b.cli("thaw");
    await b.cli("drain", "web", "--from", "old", "--to", "new", "--over", "10m", "--every", "30s", "--detach");
    await b.cli("drain", "pause", "web", "--reason", "looking");
    await says("% (operator: looking)", "status");
  });

  test("a reload that is refused, and a check that has passed nowhere", async (t) => {
    t.after(() => b.reset());
    const good = readFileSync(b.conf, "utf8");
    writeFileSync(b.conf, good.replace("weight: 0", "wieght: 0"));
    await says('.wieght: unknown key, did you mean "weight"?', "reload");
    await says("the last reload was refused: ", "status");
    writeFileSync(b.conf, good.slice(0, good.indexOf("  - name: list")));
    await says("services would be removed, max_removed is 50%", "reload");
    writeFileSync(b.conf, good.replace("type: tcp,", "type: http, path: /helthz2, expect: { status: 204 },"));
    assert.equal((await b.cli("reload")).code, 0);
    await says(
      "check http GET /helthz2 is unproven since the reload: it has passed nowhere and takes nothing down",
      "status",
    );
  });

  test("a state directory that cannot be written", async (t) => {
    const state = join(b.dir, "state");
    const file = join(b.dir, "no-directory");
    writeFileSync(file, "");
    // In one go: the daemon writes there now and then.
    renameSync(state, `${state}.was`);
    renameSync(file, state);
    t.after(async () => {
      rmSync(state, { force: true });
      await b.cli("disable", "list", "a");
      await b.reset();
    });
    assert.match((await b.cli("disable", "list", "a")).stderr, /with free space \(state\.directory names it\)/);
    await says("commands are refused and drains stand still: cannot write ", "status");
    await says("director, with free space (state.directory names it)", "status");
  });

  test("fail_open in a reload gives clients to everybody who is down, as the page advises", async (t) => {
    t.after(() => b.reset());
    const good = readFileSync(b.conf, "utf8");
    const alone = good
      .replace(/ {6}- \{ name: (old|new), address: "127.*\n/g, "")
      .replace(/ {2}- name: api[\s\S]*/, "");
    writeFileSync(b.conf, alone);
    await b.cli("reload", "--force");
    while ((await b.status()).services[0]!.servers.some(({ state }) => state !== "down"))
      await new Promise(setImmediate);
    assert.equal((await b.weights("web")).dead, 0);
    await says("connection refused; weight 0", "status");
    writeFileSync(b.conf, alone.replace("vip: 192.0.2.10:80", "vip: 192.0.2.10:80\n    fail_open: all-down"));
    assert.equal((await b.cli("reload")).code, 0);
    while ((await b.weights("web")).dead !== 100) await new Promise(setImmediate);
    await says("FAILING OPEN: every server is down by its checks, so all of them get clients", "status");
  });

  test("nobody at the socket, and a second director", async () => {
    await says(
      "there is no such socket is director running? systemctl status director",
      "--socket",
      join(b.dir, "no.sock"),
      "status",
    );
    const second = await b.start("run", "-c", b.conf).ended;
    assert.equal(second.code, 1);
    const words = "another director answers there; stop it first, or give this one its own control.socket";
    assert.ok(page.includes(words));
    assert.ok((second.stdout + second.stderr).includes(words), second.stdout);
  });
});
