import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { DrainStatus } from "../../src/control/shapes.ts";
import { type Bench, bench } from "./support.ts";

describe("drains on the command line", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());
  afterEach(() => b.reset());

  test("a drain is watched to its end: a line for each step, 0 when no connection is left; its rollback brings the weights back", async () => {
    const { code, stdout, stderr } = await b.cli(
      "drain",
      "web",
      "--from=old",
      "--to=new",
      "--over=2s",
      "--every=500ms",
    );
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^drain (d-\w+): web: old -> new, 4 steps, one every 500ms; follow it with: director drain status \1 --wait\n/,
    );
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^\d\d:\d\d:\d\d web old -> new: /, ""));
    const steps = [
      "step 1/4: 25% asked, 25% given, 0 open on old",
      "step 2/4: 50% asked, 50% given, 0 open on old",
      "step 3/4: 75% asked, 75% given, 0 open on old",
    ];
    assert.deepEqual(lines.filter((line) => line.startsWith("step")).slice(0, 3), steps);
    assert.equal(lines.at(-1), "done, no connection left");
    assert.deepEqual(await b.weights("web"), { old: 0, new: 100, dead: 0 });
    assert.match((await b.cli("drain", "list")).stdout, /^d-\w+ +web +\d+s ago +4\/4 +100% +100% +done +old -> new$/m);
    assert.match((await b.cli("drain", "rollback", "web")).stdout, /^d-\w+ web: rolled back\n$/);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
  });

  test("a dry run prints the steps and changes nothing", async () => {
    const { code, stdout } = await b.cli(
      "drain",
      "web",
      "--from",
      "old",
      "--to",
      "new",
      "--over",
      "1m",
      "--every",
      "30s",
      "--dry-run",
    );
    assert.match(stdout, /^ +0s +50% +50% +50 +50 +100 /m);
    assert.match(stdout, /^ +30s +100% +100% +0 +100 +100 /m);
    assert.equal(code, 0);
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
    assert.match((await b.cli("drain", "status")).stdout, /^no drain is under way/);
  });

  test("what is refused says why and ends with 1; nothing begins", async () => {
    const refusals: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [["drain", "web", "--from", "gone"], /--from gone: service web has old, new, dead/],
      [["drain", "web", "--from", "old", "--to", "old"], /old stands in --from and in --to/],
      [["drain", "--service", "list", "--from", "a"], /scheduled by rr.*--force/],
      [["drain", "nope", "--from", "a"], /no service "nope"/],
    ];
    for (const [args, says] of refusals) {
      const { code, stdout, stderr } = await b.cli(...args, "--over", "10s", "--every", "1s");
      assert.match(stderr, says);
      assert.deepEqual([code, stdout], [1, ""]);
    }
    for (const word of ["pause", "status"] as const) {
      const { code, stderr } = await b.cli("drain", word, "d-none");
      assert.match(stderr, /no drain "d-none"/);
      assert.equal(code, 1);
    }
    assert.match((await b.cli("drain", "pause")).stderr, /no drain is under way/);
  });

  test("Ctrl-C leaves the drain running and says how to come back; a pause ends the wait with 5, a rollback with 4", async () => {
    const order = [
      "drain",
      "web",
      "--from",
      "old",
      "--to",
      "new",
      "--over",
      "60s",
      "--every",
      "1s",
      "--request-id",
      "ci-7",
    ];
    const watching = b.start(...order);
    await watching.seen(/step 1\/60/);
    watching.child.kill("SIGINT");
    const left = await watching.ended;
    assert.equal(left.code, 130);
    assert.match(
      left.stderr,
      /no longer watching; drain (d-\w+) goes on by itself\n {2}follow it with: director drain status \1 --wait/,
    );

    const again = await b.cli(...order, "--detach");
    const id = again.stdout.trim();
    assert.match(left.stderr, new RegExp(`drain ${id}:`), "the same request id is the same drain");

    const paused = b.start("drain", "status", "--wait");
    await paused.seen(/step \d/);
    const pause = await b.cli("drain", "pause", "--reason", "lunch");
    assert.match(pause.stdout, /PAUSED at step \d+\/60 \(operator\)/);
    const five = await paused.ended;
    assert.equal(five.code, 5);
    assert.match(five.stderr, new RegExp(`lunch[\\s\\S]*director drain resume ${id}`));
    assert.match((await b.cli("status")).stdout, /PAUSED at step/);

    await b.cli("drain", "resume", id);
    const undone = b.start("drain", "status", "--wait", "--json", id);
    await undone.seen(/"state":"shifting"/);
    await b.cli("drain", "rollback", "--reason", "errors");
    const four = await undone.ended;
    assert.equal(four.code, 4);
    const states = four.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as DrainStatus).state);
    assert.equal(states.at(-1), "rolled-back");
    assert.deepEqual(await b.weights("web"), { old: 100, new: 0, dead: 0 });
  });

  test("two drains under way: which one is asked, not guessed", async () => {
    const slow = ["--over", "60s", "--every", "1s", "--detach"];
    const one = (await b.cli("drain", "web", "--from", "old", "--to", "new", ...slow)).stdout.trim();
    const two = (await b.cli("drain", "--service", "list", "--from", "a", "--force", ...slow)).stdout.trim();
    const { code, stderr } = await b.cli("drain", "abort");
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`which one\\? ${one} \\(web\\), ${two} \\(list\\)`));
    for (const id of [two, one]) assert.equal((await b.cli("drain", "rollback", id)).code, 0);
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
    const drain = b.start("drain", "web", "--from", "old", "--to", "new", "--over", "60s", "--every", "1s");
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
