import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { noTmux, type Terminal, type TerminalOptions, terminal } from "../support/tmux.ts";
import { type Bench, bench, cli, type Spawned } from "./support.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const program = `'${process.execPath}' --disable-warning=ExperimentalWarning '${main}'`;

describe("director top on a terminal", { skip: noTmux }, () => {
  let b: Bench;
  let daemon: Spawned;
  before(async () => {
    b = await bench();
    daemon = await b.daemon();
  });
  after(() => b.close());

  /** What stood on the terminal before is to be there again afterwards. */
  async function top(options: TerminalOptions = {}): Promise<Terminal> {
    const t = await terminal(`echo what stood there; ${program} --socket '${b.socket}' top`, options);
    await t.shows(/q leave/);
    return t;
  }

  /** With its process. */
  async function known(
    name: string,
    options: TerminalOptions = {},
  ): Promise<{ readonly t: Terminal; readonly pid: number }> {
    const file = join(b.dir, `top-${name}.pid`);
    // exec keeps the number that the shell wrote down.
    const noting = `sh -c 'echo $$ > ${file}; exec "$0" "$@"' ${program} --socket '${b.socket}' top`;
    const t = await terminal(`echo what stood there; ${noting}`, options);
    await t.shows(/q leave/);
    return { t, pid: Number(readFileSync(file, "utf8")) };
  }

  async function left(t: Terminal, code: number): Promise<void> {
    const screen = await t.shows(new RegExp(`ended: ${code}$`, "m"));
    assert.match(screen, /^what stood there$/m);
    assert.doesNotMatch(screen, /q leave/);
    assert.deepEqual(await t.modes(), { alternate: false, cursor: true, wraps: true });
    // Who types sees it again, and lines are lines: cat gives them back.
    await t.type("typed");
    await t.press("Enter");
    await t.shows(/^typed\ntyped$/m);
    await t.close();
  }

  test("shows who is down first, sorts and filters by keys, and leaves the terminal as it was", async () => {
    const t = await top();
    assert.deepEqual(await t.modes(), { alternate: true, cursor: false, wraps: false });
    const first = await t.shows(/^! web dead: down for \d+s: connection refused; weight 0$/m);
    assert.match(first, /^3 services, 7 servers: 6 up, 1 DOWN$/m);
    assert.match(
      first,
      /^web {2}wrr {2}tcp 192\.0\.2\.10:80 {2}0\/s +▁+\n {2}old +up \d+s +100 +0\/0 +0 +▁+ +pass \d+s ago$/m,
    );
    await t.press("s");
    await t.shows(/^server|^service server.*\nweb dead +DOWN \d+s +0\/100 +0\/0 +0 +connection refused\napi api-new/m);
    await t.type("/list");
    await t.shows(/by state, \/list_ {2}1-2 of 2$/m);
    await t.press("Enter", "p");
    await t.shows(/by state, problems only, \/list {2}nothing fits$/m);
    await t.press("Escape");
    await t.shows(/by state {2}1-7 of 7$/m);
    await t.press("?");
    await t.shows(/most new connections a second/);
    await t.press("x", "q");
    await left(t, 0);
  });

  test("follows another size, up and down; what does not fit is scrolled", async () => {
    const t = await top({ columns: 80, rows: 9 });
    await t.shows(/1-4 of 10$/m);
    await t.press("G");
    assert.match(await t.shows(/7-10 of 10$/m), /^ {2}api-new .*\n\?/m);
    await t.resize(130, 30);
    const wide = await t.shows(/q leave {2,}by file {2}1-10 of 10$/m);
    assert.equal(wide.split("\n").at(-1)!.length, 130);
    await t.resize(60, 12);
    await t.shows(/1-7 of 10$/m);
    await t.press("C-c");
    await left(t, 0);
  });

  test("a daemon that goes is missed loudly, one that comes back is shown again", async () => {
    const t = await top();
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    const lost = await t.shows(/^NO ANSWER from director for \d+s: there is no such socket; trying again$/m);
    assert.match(lost, /^ {2}old /m, "what was is still shown");
    daemon = await b.daemon();
    await t.shows(/^director \S+, up \d+s .*\n3 services, 7 servers: /m);
    await t.press("q");
    await left(t, 0);
  });

  for (const [signal, code] of [
    ["TERM", 143],
    ["INT", 130],
    ["HUP", 129],
  ] as const)
    test(`SIG${signal} ends it with ${code}, and the terminal is as it was`, async () => {
      const { t, pid } = await known(signal);
      process.kill(pid, `SIG${signal}`);
      await left(t, code);
    });

  test("a crash is read on the terminal as it was", async () => {
    const bug = encodeURIComponent('process.on("SIGUSR2", () => { throw new Error("a bug"); })');
    const { t, pid } = await known("crash", { env: { NODE_OPTIONS: `--import data:text/javascript,${bug}` } });
    process.kill(pid, "SIGUSR2");
    await t.shows(/Error: a bug/);
    await left(t, 1);
  });

  test("Ctrl-Z gives the terminal back until fg", async () => {
    const t = await terminal("bash --norc -i");
    await t.type(`PS1='$ '; ${program} --socket '${b.socket}' top`);
    await t.press("Enter");
    await t.shows(/q leave/);
    await t.press("C-z");
    await t.shows(/Stopped/);
    assert.deepEqual(await t.modes(), { alternate: false, cursor: true, wraps: true });
    await t.type("fg");
    await t.press("Enter");
    await t.shows(/q leave/);
    assert.equal((await t.modes()).alternate, true);
    await t.press("q");
    await t.shows(/\$$/m);
    await t.close();
  });

  test("a terminal without UTF-8 and without colours gets neither", async () => {
    const t = await top({ env: { LC_ALL: "C", NO_COLOR: "1" } });
    assert.match(await t.shows(/^web .* _+$/m), /^director \d/m);
    assert.doesNotMatch((await t.screen()).join(""), /[▁-█]/);
    await t.press("q");
    await left(t, 0);
  });

  test("who is not there at the start is told of in words that stay", async () => {
    const t = await terminal(`${program} --socket '${b.dir}/nobody.sock' top`);
    assert.match(await t.shows(/^ended: 69$/m), /cannot reach the daemon/);
    await t.close();
  });
});

for (const [args, says] of [
  [["top"], /top needs a terminal; without one: director status/],
  [["top", "--json"], /for programs: director status --json/],
] as const)
  test(`where it cannot be: ${args.join(" ")}`, async () => {
    const { code, stderr } = await cli(args);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
