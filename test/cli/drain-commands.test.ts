import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import type { DrainStatus, SettleReply } from "../../src/control/shapes.ts";
import { type Bench, bench, type Played } from "./support.ts";

const WEB = "tcp:192.0.2.10:80";
const OLD_TO_NEW = ["drain", "web", "--from", "old", "--to", "new"];
/** Nothing happens before a test is over. */
const SLOW = ["--over", "60s", "--every", "1s"];

/** What was printed, without the time each line begins with. */
const lines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));

describe("drains on the command line", () => {
  let b: Bench;
  let daemon: Played;
  before(async () => {
    b = await bench();
    daemon = await b.daemonWithClients();
  });
  after(() => b.close());
  afterEach(() => b.reset());

  const drains = async (...args: readonly string[]) =>
    (JSON.parse((await b.cli("drain", ...args, "--json")).stdout) as { drains: readonly DrainStatus[] }).drains;
  /** A drain that has just begun has its first step behind it. */
  const underWay = async (step = 1) => {
    for (;;) {
      const all = await drains("status");
      if (all.length > 0 && all.every((d) => d.step >= step)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  test("watched to its end: a line for each step, 0 when no connection is left; rolled back, the weights are those of before", async () => {
    const { code, stdout, stderr } = await b.cli(...OLD_TO_NEW, "--over=1600ms", "--every=400ms");
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^drain (d-\w+): web: old -> new, 4 steps, one every 400ms; follow it with: director drain watch \1\n/,
    );
    const steps = [
      "web old -> new: step 1/4: 25% asked, 25% given, 0 open on old",
      "web old -> new: step 2/4: 50% asked, 50% given, 0 open on old",
      "web old -> new: step 3/4: 75% asked, 75% given, 0 open on old",
    ];
    const printed = lines(stdout);
    assert.deepEqual(printed.filter((line) => line.includes(" step ")).slice(0, 3), steps);
    assert.equal(printed.at(-1), "web old -> new: done, no connection left");
    assert.deepEqual(await b.weights("web"), { old: 0, new: 100, dead: 0 });
    assert.match((await b.cli("drain", "list")).stdout, /^d-\w+ +web +\d+s ago +4\/4 +100% +100% +done +old -> new$/m);
    assert.match((await b.cli("drain", "rollback", "web")).stdout, /^d-\w+ web: rolled back\n$/);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
    const id = stderr.slice(6, 16);
    assert.ok(!(await b.cli("drain", "list")).stdout.includes(id), "what is over is not in the list");
    assert.match((await b.cli("drain", "list")).stdout, /(^|\n)(1 is|\d+ are) over: director drain list --all\n$/);
    assert.match((await b.cli("drain", "list", "--all")).stdout, new RegExp(`^${id} .* rolled-back +old -> new`, "m"));
  });

  test("a client that stays: 3 when the grace is over, with the number of connections left", async () => {
    daemon.connect(WEB);
    const { code, stdout, stderr } = await b.cli(...OLD_TO_NEW, "--now", "--grace", "500ms");
    assert.equal(code, 3);
    assert.equal(lines(stdout).at(-1), "web old -> new: done, its grace is over with 1 connections left");
    assert.match(stderr, /\ndrain d-\w+ old -> new: done, its grace is over with 1 connections left\n$/);
    assert.deepEqual(await b.weights("web"), { old: 0, new: 100, dead: 0 });
    daemon.leave();
  });

  test("--idle none does not wait for clients", async () => {
    daemon.connect(WEB);
    assert.equal((await b.cli(...OLD_TO_NEW, "--now", "--idle", "none")).code, 0);
    daemon.leave();
  });

  test("4 when the new never gets healthy, or --ttl undoes it", async () => {
    const failed = await b.cli("drain", "web", "--from=old", "--to=dead", "--now", "--new-down-timeout=300ms");
    assert.equal(failed.code, 4);
    assert.match(failed.stderr, /dead not healthy within 300ms; nothing was changed\)\n$/);

    daemon.connect(WEB);
    const undone = await b.cli(...OLD_TO_NEW, "--now", "--ttl", "700ms");
    assert.equal(undone.code, 4);
    assert.match(undone.stderr, /rolled back \(its --ttl of 700ms is over\)\n$/);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
    daemon.leave();
  });

  test("5 at --pause-at, with what to do next; watched again it still stands there; finished it goes to its end", async () => {
    const paused = await b.cli(...OLD_TO_NEW, "--steps", "20,50,100", "--every", "200ms", "--pause-at", "50");
    assert.equal(paused.code, 5);
    assert.equal(
      lines(paused.stdout).at(-1),
      "web old -> new: PAUSED at step 2/3 (pause-at): 50% asked, 50% given, 0 open on old",
    );
    const id = /^drain (d-\w+): web: old -> new, 3 steps, one every 200ms/.exec(paused.stderr)?.[1];
    assert.match(
      paused.stderr,
      new RegExp(`go on with: director drain resume ${id}; go back with: director drain rollback ${id}\n$`),
    );
    assert.equal((await b.cli("drain", "watch")).code, 5);
    assert.match((await b.cli("drain", "finish", "web")).stdout, /^d-\w+ web: step 3\/3\n$/);
    const done = await b.cli("drain", "watch", "web");
    assert.deepEqual([done.code, lines(done.stdout).at(-1)], [0, "web old -> new: done, no connection left"]);
  });

  test("a dry run prints the steps and changes nothing", async () => {
    const { code, stdout } = await b.cli(...OLD_TO_NEW, "--over=1m", "--every=30s", "--pause-at=50", "--dry-run");
    assert.match(stdout, /^web: old -> new: 2 steps, one every 30s; the last after 30s; then waits/);
    assert.match(stdout, /^net\.ipv4\.vs\.conn_reuse_mode/m);
    assert.match(stdout, /^ +0s +50% +50% +50 +50 +100 +\d+ {2}then waits for resume$/m);
    assert.match(stdout, /^ +30s +100% +100% +0 +100 +100 /m);
    assert.equal(code, 0);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
    assert.match((await b.cli("drain", "status")).stdout, /^no drain is under way/);
    const planned = JSON.parse((await b.cli(...OLD_TO_NEW, "--now", "--dry-run", "--json")).stdout) as {
      plan: readonly { asked: number; weights: Readonly<Record<string, number>> }[];
    };
    assert.deepEqual(
      planned.plan.map(({ asked, weights }) => [asked, weights.old, weights.new]),
      [[1, 0, 100]],
    );
  });

  const refusals: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [["web", "--from", "gone"], /--from gone: service web has old \(color=blue\), new \(color=green\), dead/],
    [["web", "--from", "label=color=red"], /--from label=color=red: service web has/],
    [["web", "--from", "old", "--to", "old"], /old stands in --from and in --to/],
    [["--service", "list", "--from", "a"], /scheduled by rr.*--force/],
    [["nope", "--from", "a"], /no service "nope"/],
    [["--host", "10.9.9.9"], /no service has a server 10\.9\.9\.9/],
    [["--host", "127.0.0.2"], /web: only 0% of the healthy weight would be left, below --min-capacity 50%/],
    [["web", "--from", "old", "--to", "fresh", "--add"], /--to fresh: an added server needs its address/],
    [["api", "--from", "api-old", "--min-capacity", "60%"], /only 50% .* below --min-capacity 60%/],
  ];
  for (const [args, says] of refusals)
    test(`refused with the reason and 1, nothing begins: drain ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await b.cli("drain", ...args, ...SLOW);
      assert.match(stderr, says);
      assert.deepEqual([code, stdout], [1, ""]);
    });

  test("a name that nobody has, and no name where there is none to mean", async () => {
    for (const word of ["pause", "status", "watch", "finish"] as const) {
      const { code, stderr } = await b.cli("drain", word, "d-none");
      assert.match(stderr, /no drain "d-none"/);
      assert.equal(code, 1);
    }
    assert.match((await b.cli("drain", "pause")).stderr, /no drain is under way/);
  });

  test("Ctrl-C leaves the drain running and says how to come back; the same request id is the same drain", async () => {
    const order = [...OLD_TO_NEW, ...SLOW, "--request-id", "ci-7"];
    const watching = b.start(...order);
    await watching.seen(/step 1\/60/);
    watching.child.kill("SIGINT");
    const left = await watching.ended;
    assert.equal(left.code, 130);
    assert.match(
      left.stderr,
      /no longer watching; drain (d-\w+) goes on by itself\n {2}follow it with: director drain watch \1\n {2}hold it/,
    );
    const again = await b.cli(...order, "--detach");
    assert.match(left.stderr, new RegExp(`drain ${again.stdout.trim()}:`));
  });

  test("who waits is told of a pause (5) and of a rollback (4) that somebody else orders", async () => {
    const id = (await b.cli(...OLD_TO_NEW, ...SLOW, "--detach")).stdout.trim();
    const paused = b.begin("drain", "status", "--wait");
    await paused.seen(/step 1/);
    const pause = await b.cli("drain", "pause", "--reason", "lunch");
    assert.match(pause.stdout, /PAUSED at step \d+\/60 \(operator\)/);
    const five = await paused.ended;
    assert.equal(five.code, 5);
    assert.match(five.stderr, new RegExp(`lunch[\\s\\S]*director drain resume ${id}`));
    assert.match((await b.cli("status")).stdout, /PAUSED at step/);

    await b.cli("drain", "resume", id);
    const undone = b.begin("drain", "watch", "--json", id);
    await undone.seen(/"state":"shifting"/);
    await b.cli("drain", "rollback", "--reason", "errors");
    const four = await undone.ended;
    assert.equal(four.code, 4);
    const last = JSON.parse(four.stdout.trimEnd().split("\n").at(-1)!) as DrainStatus;
    assert.deepEqual([last.id, last.state], [id, "rolled-back"]);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
  });

  test("two drains under way: which one is asked, not guessed; --all means both, one that refuses holds up no other", async () => {
    const one = (await b.cli(...OLD_TO_NEW, ...SLOW, "--detach")).stdout.trim();
    const two = (await b.cli("drain", "api", "--from=api-old", ...SLOW, "--detach")).stdout.trim();
    await underWay();
    const asked = await b.cli("drain", "abort");
    assert.deepEqual([asked.code, asked.stderr], [2, `director: which one? ${one} (web), ${two} (api); or --all\n`]);
    const watching = b.begin("drain", "watch", "--all");
    await watching.seen(/api api-old -> the rest: step/);

    const paused = await b.cli("drain", "pause", "--all", "--reason", "lunch");
    assert.match(paused.stdout, new RegExp(`^${two} api: PAUSED .*\n${one} web: PAUSED .*\n$`));
    const watched = await watching.ended;
    assert.equal(watched.code, 5);
    assert.match(watched.stderr, /^2 drains: web, api; [\s\S]*director drain resume --all/);

    const resumed = JSON.parse((await b.cli("drain", "resume", "--all", "--json")).stdout) as {
      drains: readonly DrainStatus[];
      refused: readonly unknown[];
    };
    assert.deepEqual([resumed.drains.map((d) => d.state), resumed.refused], [["shifting", "shifting"], []]);
    assert.equal((await b.cli("drain", "resume", "--all")).stdout, "of 2 under way none is paused\n");

    await b.cli("disable", "web", "new");
    const finished = await b.cli("drain", "finish", "--all");
    assert.equal(finished.code, 1);
    assert.match(finished.stdout, new RegExp(`^${two} api: step 60/60\n$`));
    assert.match(finished.stderr, new RegExp(`^director: ${one}: new not healthy`));

    assert.equal((await b.cli("drain", "rollback", "--all")).code, 0);
    for (const word of ["pause", "rollback", "abort", "watch"]) {
      const nothing = await b.cli("drain", word, "--all");
      assert.deepEqual([nothing.code, nothing.stdout], [0, "no drain is under way\n"], word);
    }
    assert.deepEqual(await b.weights("api"), { "api-old": 100, "api-new": 100 });
  });

  describe("a machine", () => {
    const HOST = ["drain", "--host", "127.0.0.2", "--to", "127.0.0.3"];

    test("is drained in all its services; the worst of their ends counts", async () => {
      daemon.connect(WEB);
      const { code, stdout, stderr } = await b.cli(...HOST, "--now", "--grace", "500ms");
      assert.equal(code, 3);
      assert.match(stderr, /^drain h-\w+: machine 127\.0\.0\.2 in 2 services \(web, api\), 1 step; follow it with/);
      const ends = lines(stdout).filter((line) => line.includes(" done"));
      assert.deepEqual(ends.sort(), [
        "api api-old -> api-new: done, no connection left",
        "web old -> new: done, its grace is over with 1 connections left",
      ]);
      daemon.leave();
      const [web, api] = await drains("list");
      assert.deepEqual([web?.parent, web?.parent?.host], [api?.parent, "127.0.0.2"]);
      const list = await b.cli("drain", "list");
      assert.match(list.stdout, new RegExp(` machine 127\\.0\\.0\\.2 \\(${web?.parent?.id}\\)$`, "m"));
      const back = await b.cli("drain", "rollback", web!.parent!.id);
      assert.deepEqual(
        lines(back.stdout).map((line) => line.slice(11)),
        ["web: rolled back", "api: rolled back"],
      );
    });

    test("has one name for all words; undrain gives it back everywhere, and waits", async () => {
      const id = (await b.cli(...HOST, "--steps=50,100", "--every=5s", "--ttl=10m", "--detach")).stdout.trim();
      assert.match(id, /^h-/);
      await underWay();
      assert.deepEqual(
        (await drains("pause")).map((d) => [d.service, d.state]),
        [
          ["web", "paused"],
          ["api", "paused"],
        ],
        "without a name it is the only one",
      );
      const detail = await b.cli("drain", "status", id);
      assert.match(detail.stdout, new RegExp(`^d-\\w+ web: old -> new, machine 127\\.0\\.0\\.2 \\(${id}\\)$`, "m"));
      assert.match(detail.stdout, /^ {2}undoes itself in (10m|9m\d+s)$/m);
      const back = await b.cli("undrain", "--host", "127.0.0.2", "--reason", "false alarm");
      assert.equal(back.code, 0, back.stderr);
      assert.match(back.stdout, /^web old: undrained \(d-\w+\)$/m);
      assert.deepEqual(lines(back.stdout).slice(-2).sort(), ["api api-old: weight 100", "web old: weight 100"]);
      assert.deepEqual(await b.weights("api"), { "api-old": 100, "api-new": 100 });
      const twice = await b.cli("undrain", "--host", "127.0.0.2");
      assert.deepEqual([twice.code, twice.stderr], [1, "director: 127.0.0.2 is not drained in any service\n"]);
      assert.match((await b.cli("undrain", "--host", "nobody")).stderr, /no service has a server nobody/);
    });

    test("a dry run shows a table for each service, and leaves out those where it has nothing", async () => {
      const both = await b.cli(...HOST, "--now", "--dry-run");
      assert.match(
        both.stdout,
        /^machine 127\.0\.0\.2: 2 services; all of them or none\n\nweb: [\s\S]*\n\napi: api-old/,
      );
      const one = await b.cli("drain", "--host", "127.0.0.3", "--now", "--dry-run");
      assert.match(
        one.stdout,
        /^machine 127\.0\.0\.3: 1 service; all of them or none\n\napi: api-new -> the rest: 1 step/,
      );
    });
  });

  test("undrain says what still holds a server at 0, and ends with 1 when the time is over; and 1 where nothing is drained", async () => {
    await b.cli(...OLD_TO_NEW, "--now", "--idle", "none");
    await b.cli("disable", "web", "old", "--reason", "kernel");
    const late = await b.cli("undrain", "web", "old", "--timeout", "300ms");
    assert.equal(late.code, 1);
    assert.match(late.stdout, /^web old: undrained \(d-\w+\)\n\S+ web old: waiting: disabled by /);
    assert.match(late.stderr, /^director: web old: not back within 300ms: disabled by \w+ \(kernel\): director enable/);
    const refused = await b.cli("undrain", "web", "old");
    assert.deepEqual([refused.code, refused.stderr], [1, "director: old is not drained\n"]);
    await b.cli("enable", "web", "old");

    await b.cli(...OLD_TO_NEW, "--now", "--idle", "none");
    const back = await b.cli("undrain", "web", "127.0.0.2", "--json");
    const reply = JSON.parse(back.stdout) as { drains: readonly DrainStatus[]; servers: readonly unknown[] };
    assert.deepEqual(
      [back.code, reply.drains.map((d) => d.state), reply.servers],
      [0, ["rolled-back"], [{ service: "web", server: "127.0.0.2", weight: 100, reached: true }]],
    );
  });

  test("settle prints what the file would have to say; once it says so, nothing is left to settle and no weight changes", async () => {
    assert.match((await b.cli("drain", "settle")).stdout, /^nothing to settle/);
    await b.cli(...OLD_TO_NEW, "--now", "--idle", "none");
    await b.cli("weight", "api", "api-new", "70");
    const [drain] = await drains("list");
    const { old, new: fresh } = b.ports;
    const told = await b.cli("drain", "settle");
    assert.equal(
      told.stdout,
      `web
  old  127.0.0.2:${old}  weight: 0    # now 100; drain ${drain?.id}
  new  127.0.0.3:${fresh}  weight: 100  # now 0; drain ${drain?.id}
api
  api-new  127.0.0.3:${fresh}  weight: 70  # now 100; set by ${await whoSet()}

Write all of them, then reload: the table stays as it is, and the drains behind it are over.
If that takes away more than reload.max_removed: director reload --force
`,
    );
    const before = await b.weights("web");
    writeFileSync(
      b.conf,
      readFileSync(b.conf, "utf8")
        .replace(/(name: old, .*?"),/, "$1, weight: 0,")
        .replace("weight: 0, labels: { color: green }", "weight: 100, labels: { color: green }")
        .replace(/(name: api-new, .*?") /, "$1, weight: 70 "),
    );
    assert.equal((await b.cli("reload", "--force")).code, 0);
    assert.deepEqual((JSON.parse((await b.cli("drain", "settle", "--json")).stdout) as SettleReply).lines, []);
    assert.deepEqual(await b.weights("web"), before);
  });

  async function whoSet(): Promise<string | undefined> {
    const { services } = await b.status();
    return services.flatMap((s) => s.servers).find((s) => s.override)?.override?.by;
  }

  test("--add brings a server in, --then remove takes one out: settle names the line that is missing and the one that may go", async () => {
    const added = `127.0.0.5:${b.ports.a}`;
    const order = ["drain", "api", "--from=api-old", `--to=${added}`, "--add", "--now", "--idle=none", "--then=remove"];
    const done = await b.cli(...order);
    assert.equal(done.code, 0, done.stderr);
    const told = (await b.cli("drain", "settle")).stdout;
    assert.match(told, /^ {2}api-old +\S+ +the line may go +# now 100; drain d-\w+$/m);
    assert.match(told, new RegExp(`^ {2}${added} +a line for it, weight: 100 +# not in the file; drain d-\\w+$`, "m"));
    assert.equal((await b.weights("api"))[added], 100);
    await b.cli("drain", "rollback", "api");
    const weights = await b.weights("api");
    assert.deepEqual([weights["api-old"], weights["api-new"]], [100, 100]);
  });
});

describe("drains and events over a restart of the daemon", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
  });
  after(() => b.close());

  test("who waits for a drain and who follows events are there again afterwards, and say so once", async () => {
    const first = await b.daemon();
    const drain = b.begin(...OLD_TO_NEW, ...SLOW);
    const events = b.start("events", "-f");
    await drain.seen(/step 1\/60/);
    await events.seen(/step 1\/60/);
    first.child.kill("SIGTERM");
    await first.ended;
    await drain.seen(/connection to director lost .*trying again for up to 2m/);
    await b.daemon();
    await drain.seen(/director is back[\s\S]*/);
    await b.cli("drain", "abort", "web", "--reason", "enough");
    await events.seen(/aborted at .*enough/);
    events.child.kill("SIGINT");
    const { code, stderr } = await drain.ended;
    assert.equal(code, 4);
    assert.equal(stderr.match(/connection to director lost/g)?.length, 1);
    const shown = (await events.ended).stdout.trimEnd().split("\n");
    const numbers = shown.map((line) => Number(/^\S+ \S+ +(\d+)/.exec(line)?.[1]));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((x, y) => x - y),
      "each event once, in order",
    );
  });
});
