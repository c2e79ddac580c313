import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { plain } from "../../src/cli/output.ts";
import { planText } from "../../src/cli/plan-text.ts";
import { apiPath, createClient, Refused } from "../../src/control/client.ts";
import type { PlanReply } from "../../src/control/shapes.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { type Bench, bench, cli } from "./support.ts";

describe("director plan and a daemon", () => {
  let b: Bench;
  let file: string;
  before(async () => {
    b = await bench();
    await b.daemon();
    file = readFileSync(b.conf, "utf8");
  });
  after(() => b.close());
  afterEach(() => b.reset());

  /** A file beside the daemon's own. */
  function written(text: string): string {
    const path = join(b.dir, "next.conf");
    writeFileSync(path, text);
    return path;
  }

  test("its own file as it is: nothing to change, exit 0 also with --exit-code", async () => {
    for (const more of [[], ["--exit-code"], ["-c", b.conf]])
      assert.deepEqual(await b.cli("plan", ...more), {
        code: 0,
        stdout: "nothing to change; 3 services untouched\n",
        stderr: "",
      });
  });

  test("its own file as it stands on the disk by now, before the reload; nothing is touched", async () => {
    writeFileSync(b.conf, file.replace("scheduler: rr", "scheduler: wlc"));
    const { code, stdout } = await b.cli("plan");
    assert.equal(code, 0);
    assert.equal(
      stdout,
      [
        "list  tcp 192.0.2.11:80",
        "  ~  virtual service    scheduler rr -> wlc",
        "",
        "a reload would write: 0 to add, 1 to change, 0 to remove; 2 services untouched",
        "",
      ].join("\n"),
    );
    assert.equal((await b.cli("plan", "--exit-code")).code, 3);
    assert.equal((await b.status()).services[1]!.scheduler, "rr");
    await b.cli("reload");
    assert.match((await b.cli("plan")).stdout, /^nothing to change/);
  });

  test("another file, from a place of the caller's, with what it includes", async () => {
    mkdirSync(join(b.dir, "more"));
    writeFileSync(
      join(b.dir, "more/extra.yaml"),
      `services:\n  - { name: extra, vip: "192.0.2.20:80", servers: [{ name: e, address: "127.0.0.5:${b.ports.a}" }] }\n`,
    );
    const next = written(`include: [more/*.yaml]\n${file.replace("weight: 0, ", "weight: 5, ")}`);
    const { code, stdout, stderr } = await b.cli("plan", next);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^web {2}tcp 192\.0\.2\.10:80\n {2}~ {2}new {2}127\.0\.0\.3:\d+ {2}weight 0 -> 5$/m);
    assert.match(
      stdout,
      /^extra {2}tcp 192\.0\.2\.20:80\n {2}\+ {2}virtual service +added: scheduler wrr\n {2}\+ {2}e +127\.0\.0\.5:\d+ +masquerade, weight /m,
    );
    assert.match(stdout, /2 to add, 1 to change, 0 to remove; 2 services untouched\n$/);
    const json = JSON.parse((await b.cli("plan", next, "--json")).stdout) as PlanReply;
    assert.deepEqual([json.file, json.mode, json.offline], [next, "manage", false]);
    assert.deepEqual(
      json.changes.map((c) => [c.sign, c.service, c.server?.name, c.rule?.split(" ")[0]]),
      [
        ["~", "web", "new", "-e"],
        ["+", "extra", undefined, "-A"],
        ["+", "extra", "e", "-a"],
      ],
    );
    assert.equal((await b.status()).services.length, 3);
  });

  test("what takes too much away would be refused, and is shown all the same", async () => {
    const next = written(file.slice(0, file.indexOf("  - name: list")));
    const { code, stdout } = await b.cli("plan", next);
    assert.equal(code, 0);
    assert.match(stdout, /refused without --force:\n {2}2 \(list, api\) of 3 services would be removed/);
    assert.match(
      stdout,
      /^ {2}- {2}a +127\.0\.0\.5:\d+ +weight 100 -> 0; deleted when idle, after 10m at the latest$/m,
    );
    assert.match(stdout, /would write, with --force only: 0 to add, 0 to change, 6 to remove; 1 service untouched\n$/);
    assert.equal((await b.cli("plan", next, "--exit-code")).code, 1);
  });

  test("a changed check is named: it takes nothing down before it has passed", async () => {
    const next = written(
      file.replace("scheduler: rr", `scheduler: rr\n    check: { type: tcp, port: ${b.ports.dead} }`),
    );
    const { stdout } = await b.cli("plan", next);
    assert.match(stdout, new RegExp(`each takes nothing down.*\\n {2}list: tcp port ${b.ports.dead}\n`));
    assert.match(stdout, /the file changes nothing|nothing to change/);
  });

  test("over the socket: a POST whose body fits, and nothing else", async () => {
    const api = createClient({ clock: systemClock, socket: b.socket, actor: "test", printable: true });
    const { signal } = new AbortController();
    const path = apiPath("plan");
    const refusal = (asked: Promise<unknown>) =>
      asked.then(
        () => "answered",
        (error: unknown) => (error instanceof Refused ? error.status : error),
      );
    assert.equal(await refusal(api.get(path, signal)), 405);
    assert.equal(await refusal(api.send("POST", path, { files: "x" }, signal)), 400);
    assert.equal(await refusal(api.send("POST", path, { file: b.conf }, signal)), 400, "it reads no file for others");
    assert.equal(await refusal(api.send("POST", path, { files: { file: "x", text: "services: 5" } }, signal)), 422);
    assert.equal(await refusal(api.send("POST", path, {}, signal)), "answered");
  });

  test("what is frozen is named", async () => {
    await b.cli("freeze", "list", "--for", "10m", "--reason", "by hand");
    const { code, stderr } = await b.cli("plan");
    assert.deepEqual([code, stderr], [0, "frozen: list: nothing of it is written before its freeze ends\n"]);
    assert.equal((await b.cli("thaw", "list")).code, 0);
  });

  test("a bad file: every problem, exit 78; one that is not there likewise", async () => {
    const bad = await b.cli("plan", written(file.replace("vip: 192.0.2.10:80", "vpi: 192.0.2.10:80")));
    assert.equal(bad.code, 78);
    assert.match(bad.stderr, /next\.conf:8:5: services\[0\]\.vpi: unknown key, did you mean "vip"\?/);
    const none = await b.cli("plan", join(b.dir, "none.conf"));
    assert.equal(none.code, 78);
    assert.match(none.stderr, /none\.conf:1:1: cannot be read: there is no such file/);
    const lost = await b.cli("plan", written(`include: [nowhere/*.yaml]\n${file}`));
    assert.equal(lost.code, 78);
    assert.match(lost.stderr, /next\.conf:1:11: include\[0\]: .*nowhere: cannot be read: there is no such folder/);
    assert.equal((await b.status()).config.lastReload?.ok, true, "a plan is no reload");
  });

  test("keys that need a restart are named; wrong usage is", async () => {
    const { stdout } = await b.cli(
      "plan",
      written(file.replace("{ backend: memory }", "{ backend: memory, timeout: 5s }")),
    );
    assert.match(stdout, /when director is restarted:\n {2}ipvs\.timeout changed/);
    assert.equal((await b.cli("plan", "a.conf", "--config", "b.conf")).code, 2);
  });

  test("offline: what a start would write; the state is read and the daemon is not asked", async () => {
    const { code, stdout } = await cli(["plan", "--offline", "-c", b.conf, "--socket", "/nonexistent"]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^ {2}\+ {2}old +127\.0\.0\.2:\d+ +masquerade, weight 0 until its checks have passed, then 100$/m,
    );
    assert.match(stdout, /a start would write: 10 to add, 0 to change, 0 to remove; 0 services untouched\n$/);
    const nobody = await cli(["plan", "--socket", "/nonexistent"]);
    assert.equal(nobody.code, 69);
    await b.cli("disable", "list", "a");
    const later = await cli(["plan", "--offline", b.conf]);
    assert.match(later.stdout, /^ {2}\+ {2}a +127\.0\.0\.5:\d+ +masquerade, weight 0 \(disabled\)$/m);
  });

  test("offline with ipvsadm that cannot be run, and with a bad file", async () => {
    const real = written(file.replace("backend: memory", "command: /nonexistent/ipvsadm"));
    const failed = await cli(["plan", "--offline", real]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /\/nonexistent\/ipvsadm.*install ipvsadm or name its path/);
    const bad = await cli(["plan", "--offline", written("services: 5\n")]);
    assert.equal(bad.code, 78);
  });
});

test("what stands already is told apart from what the file changes", () => {
  const change = (name: string, what: string): PlanReply["changes"][number] => ({
    sign: "~",
    service: "web",
    frontend: "tcp 192.0.2.10:80",
    server: { name, address: "10.0.0.1:80" },
    what,
    rule: "-e",
  });
  const plan: PlanReply = {
    file: "/etc/director/director.conf",
    mode: "observe",
    offline: false,
    changes: [],
    standing: [change("a", "weight 1 -> 100")],
    unproven: [],
    ends: [],
    untouched: ["web"],
    refusals: [],
    restart: [],
    warnings: [],
  };
  assert.deepEqual(planText(plan, { paint: plain }), [
    "table differs: director would write this, were it not observe mode",
    "web  tcp 192.0.2.10:80",
    "  ~  a  10.0.0.1:80  weight 1 -> 100",
    "",
    "the file changes nothing; 1 service untouched",
  ]);
  const more = planText({ ...plan, changes: [change("b", "weight 5 -> 6")] }, { paint: plain });
  assert.equal(
    more.at(-1),
    "a reload would show, and not write (observe mode): 0 to add, 1 to change, 0 to remove; 1 service untouched",
  );
});
