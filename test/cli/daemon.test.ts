import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import type { StatusReply } from "../../src/control/shapes.ts";
import { type Bench, bench } from "./support.ts";

describe("the command line and a daemon", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());
  afterEach(() => b.reset());

  test("status shows who serves and who does not, to people and to programs; one service where that is asked for", async () => {
    const { code, stdout } = await b.cli("status");
    assert.equal(code, 0);
    assert.match(stdout, /^problems: 1\n {2}warning {2}web dead: down for \d+s: connection refused; weight 0$/m);
    assert.match(stdout, /^ {2}old +127\.0\.0\.\d:\d+ +up \d+s +100 +0\/0 +0 +pass \d+s ago$/m);
    assert.match(
      stdout,
      /^ {2}dead +127\.0\.0\.\d:\d+ +DOWN \d+s +0\/100 down +0\/0 +0 +fail \d+s ago: connection refused$/m,
    );
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
    const json = await b.cli("status", "--json");
    assert.deepEqual(
      (JSON.parse(json.stdout) as StatusReply).services.map((s) => s.name),
      ["web", "list", "api"],
    );
    const one = await b.cli("status", "list");
    assert.match(one.stdout, /^list {2}rr {2}tcp 192\.0\.2\.11:80 {2}0 conn\/s$/m);
    assert.doesNotMatch(one.stdout, /^web {2}/m);
    const none = await b.cli("status", "nope");
    assert.deepEqual([none.code, none.stderr], [1, 'director: no service "nope"; there are: web, list, api\n']);
  });

  test("status --watch draws again until it is ended", async () => {
    const { child, seen, ended } = b.start("status", "--watch");
    await seen(/every 2s, [\s\S]*every 2s, /);
    child.kill("SIGINT");
    await ended;
  });

  test("disable, enable and weight act before they answer, say what else holds a server, and record who said it", async () => {
    const disabled = await b.cli("disable", "list", "a", "--reason", "kernel update", "--until", "2h");
    assert.match(disabled.stdout, /^list a: disabled until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/);
    assert.deepEqual(await b.weights("list"), { a: 0, b: 100 });
    assert.match(
      (await b.cli("explain", "list", "a")).stdout,
      /^list a: weight 0, rule disabled\n[\s\S]*: kernel update$/m,
    );
    assert.match((await b.cli("disable", "list", "b")).stdout, /^list b: disabled; list has no server left /);
    await b.cli("enable", "list", "b");
    assert.equal((await b.cli("enable", "list", "a")).stdout, "list a: enabled\n");
    assert.equal((await b.cli("weight", "list", "a", "7")).stdout, "list a: weight 7\n");
    assert.deepEqual(await b.weights("list"), { a: 7, b: 100 });
    assert.equal((await b.cli("weight", "list", "a", "configured", "--json")).stdout, "{}\n");
    assert.deepEqual(await b.weights("list"), { a: 100, b: 100 });
    assert.equal((await b.cli("enable", "web", "dead")).stdout, "web dead: enabled; still at weight 0: down\n");
    const events = await b.cli("events", "--json");
    const first = events.stdout.split("\n").find((line) => line.includes("kernel update"));
    assert.deepEqual((JSON.parse(first!) as { reason: string; actor: string }).reason, "kernel update");
    const unknown = await b.cli("disable", "web", "nobody");
    assert.deepEqual(
      [unknown.code, unknown.stderr],
      [1, 'director: no server "nobody" in web; there are: old, new, dead\n'],
    );
  });

  test("intent goes out and comes back; what was commanded since is not overwritten unless forced", async () => {
    const file = join(b.dir, "intent.json");
    await b.cli("disable", "list", "a");
    assert.equal((await b.cli("intent", "export", file)).code, 0);
    assert.match((await b.cli("intent", "import", file)).stdout, /^imported: 1 server, \d+ drains?; revision \d+\n$/);
    const stale = await b.cli("intent", "import", file);
    assert.equal(stale.code, 1);
    assert.match(stale.stderr, /at revision \d+ by now, not \d+.*--force/);
    await b.cli("enable", "list", "a");
    assert.equal((await b.cli("intent", "import", file, "--force")).code, 0);
    assert.deepEqual(await b.weights("list"), { a: 0, b: 100 });
    await b.cli("enable", "list", "a");
    const broken = { ...(JSON.parse(readFileSync(file, "utf8")) as object), servers: [{}] };
    writeFileSync(file, JSON.stringify(broken));
    const refused = await b.cli("intent", "import", file, "--force");
    assert.match(refused.stderr, /servers\.0\.\w+: /);
    assert.equal(refused.code, 1);
  });

  test("reload: good is done, bad ends with 78 and its problems, too much taken away with 1; --force does it", async () => {
    const good = readFileSync(b.conf, "utf8");
    assert.deepEqual(await b.cli("reload"), { code: 0, stdout: "reloaded\n", stderr: "" });
    writeFileSync(b.conf, good.replace("vip: 192.0.2.10:80", "vpi: 192.0.2.10:80"));
    const bad = await b.cli("reload");
    assert.equal(bad.code, 78);
    assert.match(
      bad.stderr,
      new RegExp(`^${b.conf}:8:5: services\\[0\\]\\.vpi: unknown key, did you mean "vip"\\?$`, "m"),
    );
    assert.match((await b.cli("status")).stdout, /error +the last reload was refused/);
    writeFileSync(b.conf, `${good.slice(0, good.indexOf("services:"))}services: []\nallow_empty: true\n`);
    const empty = await b.cli("reload");
    assert.equal(empty.code, 1);
    assert.match(
      empty.stderr,
      /3 \(web, list, api\) of 3 services would be removed.*\ndirector: not reloaded: .*--force/,
    );
    assert.equal((await b.cli("reload", "--force")).code, 0);
    assert.deepEqual((await b.status()).services, []);
    writeFileSync(b.conf, good);
    assert.equal((await b.cli("reload")).code, 0);
  });

  test("reload --wait names the checks that pass nowhere and ends with 1; and with 0 once they do", async () => {
    const good = readFileSync(b.conf, "utf8");
    writeFileSync(
      b.conf,
      good.replace("scheduler: rr", `scheduler: rr\n    check: { type: tcp, port: ${b.ports.dead} }`),
    );
    const { code, stdout, stderr } = await b.cli("reload", "--wait", "200ms");
    assert.deepEqual([code, stdout], [1, "reloaded\n"]);
    assert.match(stderr, new RegExp(`unproven: .* within 0\\.2s; .*\n {2}list: tcp port ${b.ports.dead}\n$`));
    const status = await b.cli("status", "list");
    assert.match(status.stdout, /^ {2}a .*unproven: fail/m);
    assert.deepEqual(await b.weights("list"), { a: 100, b: 100 }, "it takes nothing down");
    writeFileSync(b.conf, good);
    assert.equal((await b.cli("reload", "--wait", "--json")).code, 0);
  });

  test("events of some services, of some kinds, of late", async () => {
    const named = async (...args: readonly string[]) =>
      (await b.cli("events", "--json", ...args)).stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { service?: string; kind: string; to?: string; at: number });
    const all = await named();
    const web = await named("--service", "web");
    assert.ok(web.length > 0 && web.length < all.length && web.every(({ service }) => service === "web"));
    const downs = await named("--kind", "server.down");
    assert.deepEqual([...new Set(downs.map(({ kind, to }) => `${kind} ${to}`))], ["server down"]);
    const both = await named("--kind", "server.down,weight", "--service", "list,api");
    assert.deepEqual([...new Set(both.map(({ kind }) => kind))], ["weight"]);
    assert.deepEqual(await named("--since", "1h"), all);
    assert.deepEqual(await named("--since", "2999-01-01 00:00"), []);
    const last = all.at(-1)!.at;
    assert.deepEqual(
      await named("--since", new Date(last).toISOString()),
      all.filter(({ at }) => at >= last),
    );
    for (const [args, says] of [
      [["--kind", "sever"], /--kind sever: expected server, /],
      [["--kind", "server.dead"], /--kind server\.dead: expected/],
      [["--since", "yesterday"], /--since yesterday: expected 10m/],
    ] as const) {
      const { code, stderr } = await b.cli("events", ...args);
      assert.equal(code, 2);
      assert.match(stderr, says);
    }
  });

  test("events are numbered lines; --after goes on behind one; a follower sees what happens next", async () => {
    const all = (await b.cli("events")).stdout.trimEnd().split("\n");
    assert.match(all[0]!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +1 info +web: virtual service/);
    const rest = (await b.cli("events", "--after", "2")).stdout.trimEnd().split("\n");
    assert.equal(rest[0], all[2]);
    const { child, seen, ended } = b.start("events", "--follow");
    await seen(new RegExp(all.at(-1)!.slice(0, 40)));
    await b.cli("weight", "list", "b", "55");
    await seen(/list b: weight 100 -> 55/);
    child.kill("SIGINT");
    assert.ok((await ended).stdout.trimEnd().split("\n").length < all.length, "only the last of the past");
    await b.cli("weight", "list", "b", "configured");
  });
});
