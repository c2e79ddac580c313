import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { HookMessage } from "../../src/hooks/message.ts";
import { type Bench, bench } from "./support.ts";

describe("a daemon tells its hooks", () => {
  let b: Bench;
  beforeEach(async () => {
    b = await bench();
  });
  afterEach(() => b.close());

  function script(name: string, text: string): string {
    const path = join(b.dir, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }
  const original = new WeakMap<Bench, string>();
  function configure(...hooks: readonly string[]): void {
    const text = original.get(b) ?? readFileSync(b.conf, "utf8");
    original.set(b, text);
    writeFileSync(b.conf, `hooks:\n${hooks.map((hook) => `  - ${hook}\n`).join("")}${text}`);
  }
  const keep = (file: string) => `cat >> ${join(b.dir, file)}`;
  function told(file: string): readonly HookMessage[] {
    const path = join(b.dir, file);
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as HookMessage);
  }
  async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; i < 600; i++) {
      if (await ask()) return;
      await sleep(50);
    }
    assert.fail(`not within 30s: ${what}`);
  }

  test("of what happens, without capabilities and without systemd's variables; a reload brings others; status says how they are", async () => {
    const bad = "echo this is why >&2; exit 4";
    const first = script(
      "first",
      `${keep("first.told")}; grep ^CapEff /proc/self/status > ${b.dir}/caps; env > ${b.dir}/env`,
    );
    configure(
      `{ on: [server.down, admin], services: [web, list], command: [${first}] }`,
      `{ name: bad, on: [admin.disabled], command: [${script("bad.sh", bad)}] }`,
    );
    await b.daemon();
    await until("the dead server", () => told("first.told").some(({ server }) => server === "dead"));
    await b.cli("disable", "list", "a", "--reason", "kernel update");
    await until("the order", () => told("first.told").some(({ kind }) => kind === "admin"));
    const { actor, hostname, time, sequence, ...order } = told("first.told").find(({ kind }) => kind === "admin")!;
    assert.deepEqual(order, {
      version: 1,
      hook: "first",
      kind: "admin",
      severity: "info",
      service: "list",
      server: "a",
      address: `127.0.0.5:${b.ports.a}`,
      to: "disabled",
      reason: "kernel update",
      message: `list a: disabled by ${actor}: kernel update`,
    });
    assert.ok(sequence > 0 && Date.parse(time) > 0 && hostname !== "" && actor !== "");
    assert.match(readFileSync(join(b.dir, "caps"), "utf8"), /^CapEff:\t0+\n$/);
    assert.doesNotMatch(readFileSync(join(b.dir, "env"), "utf8"), /NOTIFY_SOCKET|JOURNAL_STREAM/);

    await until("the failure", async () => (await b.status()).hooks[1]?.failed === 1);
    const { hooks, problems } = await b.status();
    assert.deepEqual(
      hooks.map(({ name, target, failed, queued }) => [name, target, failed, queued]),
      [
        ["first", first, 0, 0],
        ["bad", join(b.dir, "bad.sh"), 1, 0],
      ],
    );
    const words = "hook bad: the last event was not delivered: exit code 4: this is why (1 of 1 failed)";
    assert.ok(
      problems.some(({ message }) => message === words),
      JSON.stringify(problems),
    );
    assert.match((await b.cli("events")).stdout, /list a: disabled/);
    assert.doesNotMatch(
      (await b.cli("events")).stdout,
      /this is why/,
      "a hook's failure is no event: another hook would be told of it",
    );

    const second = script("second", keep("second.told"));
    configure(`{ on: [reload, admin], command: [${second}] }`);
    assert.equal((await b.cli("reload")).code, 0);
    await b.cli("enable", "list", "a");
    await until("the new one is told", () => told("second.told").length === 2);
    assert.deepEqual(
      told("second.told").map(({ kind, to }) => [kind, to]),
      [
        ["reload", "done"],
        ["admin", "enabled"],
      ],
    );
    assert.deepEqual(
      (await b.status()).hooks.map(({ name }) => name),
      ["second"],
    );
    const before = told("first.told").length;
    configure("{ on: [relaod], command: [/bin/true] }");
    assert.equal((await b.cli("reload")).code, 78);
    await until("the refusal", () => told("second.told").some(({ kind, to }) => kind === "reload" && to === "refused"));
    assert.equal(told("first.told").length, before);
  });

  test("and ends while one hangs: two seconds later, leaving no process behind", async () => {
    configure(`{ on: [server], command: [${script("hang", `echo $$ > ${b.dir}/pid; sleep 1000`)}], timeout: 10m }`);
    const daemon = await b.daemon();
    await until(
      "it hangs",
      () => existsSync(join(b.dir, "pid")) && readFileSync(join(b.dir, "pid"), "utf8").endsWith("\n"),
    );
    const pid = Number(readFileSync(join(b.dir, "pid"), "utf8"));
    await b.cli("status");
    daemon.child.kill("SIGTERM");
    const { code, stdout } = await daemon.ended;
    assert.equal(code, 0);
    assert.match(stdout, /hooks end with director; not delivered: hang \d+/);
    assert.match(stdout, /"msg":"stopped"/);
    assert.throws(() => process.kill(pid, 0));
  });

  test("a program that is not there is a warning, no more", async () => {
    configure("{ on: [all], command: [/nonexistent/page] }");
    const { code, stdout, stderr } = await b.cli("config", "test", b.conf);
    assert.equal(code, 0);
    assert.match(
      stdout + stderr,
      /:2:\d+: hooks\[0\]\.command: warning: \/nonexistent\/page is not there, or cannot be run/,
    );
  });
});
