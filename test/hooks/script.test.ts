import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { scriptEnvironment } from "../../src/hooks/script.ts";
import { err } from "../../src/model/result.ts";
import { withoutCapabilities } from "../../src/runtime/unprivileged.ts";
import { bench, down, linesIn, lives, scriptHook, until } from "./support.ts";

const KEEP = 'cat >> "$DIR/told"';

describe("a script", () => {
  test("gets the event as one line of JSON on stdin, and only its own arguments", async () => {
    await using b = bench();
    const path = b.script("keep", `echo "$# $1" > "$DIR/arguments"; ${KEEP}`);
    b.hooks.use([scriptHook("keep", path, { action: { kind: "command", argv: [path, "$(id) ; x"] } })]);
    b.hooks.offer(down(7, { reason: 'status 500 `reboot` "$(x)"\n\u001b[2J' }));
    await until("delivered", () => b.status("keep").delivered === 1);
    assert.deepEqual(linesIn(join(b.dir, "arguments")), ["1 $(id) ; x"]);
    assert.deepEqual(b.told("told"), [
      {
        version: 1,
        time: "2026-09-21T14:13:20.000Z",
        sequence: 7,
        hostname: "lb1",
        hook: "keep",
        kind: "server",
        severity: "warning",
        service: "web",
        server: "s7",
        address: "10.0.0.1:80",
        from: "up",
        to: "down",
        reason: 'status 500 `reboot` "$(x)"\n\u001b[2J',
        message: "web s7: tcp up -> down: connection refused",
      },
    ]);
    assert.deepEqual(b.log, []);
    const { last, queued, running, failed } = b.status("keep");
    assert.deepEqual([last!.ok, last!.reason, queued, running, failed], [true, undefined, 0, false, 0]);
  });

  test("is told of a hundred events in their order, one at a time", async () => {
    await using b = bench();
    const path = b.script("one", `mkdir "$DIR/lock" || echo overlap >> "$DIR/overlaps"; ${KEEP}; rmdir "$DIR/lock"`);
    b.hooks.use([scriptHook("one", path)]);
    for (let i = 1; i <= 100; i++) b.hooks.offer(down(i));
    await until("all", () => b.status("one").delivered === 100);
    assert.deepEqual(
      b.told("told").map(({ sequence }) => sequence),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assert.deepEqual(linesIn(join(b.dir, "overlaps")), []);
  });

  const failing: readonly (readonly [what: string, text: string, reason: RegExp])[] = [
    ["fails", "echo first >&2; echo second >&2; exit 3", /^exit code 3: first$/],
    ["fails without a word", "exit 3", /^exit code 3$/],
    ["is killed", "kill -KILL $$", /^ended by SIGKILL$/],
    ["commands the terminal", "printf '\\n\\033[2J\\007boo\\n' >&2; exit 1", /^exit code 1: \[2J boo$/],
    ["says very much", "yes x | head -c 100000 | tr -d '\\n' >&2; exit 1", /^exit code 1: x{300}…$/],
  ];
  for (const [what, text, reason] of failing)
    test(`that ${what} is not run again: a warning with its first line, counted, and the next event goes its way`, async () => {
      await using b = bench();
      const path = b.script("bad", `echo run >> "$DIR/runs"; cat > /dev/null; ${text}`);
      b.hooks.use([scriptHook("bad", path)]);
      b.hooks.offer(down(1));
      b.hooks.offer(down(2));
      await until("both", () => b.status("bad").failed === 2);
      assert.equal(linesIn(join(b.dir, "runs")).length, 2);
      assert.match(b.status("bad").last!.reason!, reason);
      assert.equal(b.log.length, 2);
      assert.match(b.log[0]!, /^warning hook bad: event 1 \(server\.down web s1\) was not delivered: /);
      assert.ok(!b.log.join("").includes("\u001b"));
    });

  test("that is missing, or no program, is a failure that says so", async () => {
    await using b = bench();
    writeFileSync(join(b.dir, "plain"), "#!/bin/sh\n", { mode: 0o644 });
    b.hooks.use([scriptHook("gone", join(b.dir, "gone")), scriptHook("plain", join(b.dir, "plain"))]);
    b.hooks.offer(down(1));
    await until("both", () => b.status("gone").failed === 1 && b.status("plain").failed === 1);
    assert.match(b.status("gone").last!.reason!, /^cannot run .*\/gone: .*ENOENT/);
    assert.match(b.status("plain").last!.reason!, /^cannot run .*\/plain: .*EACCES/);
  });

  test("that reads no stdin, and one that writes a megabyte, are as good as any", async () => {
    await using b = bench();
    const deaf = b.script("deaf", "exec 0<&-; exit 0");
    const loud = b.script("loud", `head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; ${KEEP}`);
    b.hooks.use([scriptHook("deaf", deaf), scriptHook("loud", loud)]);
    // More than a pipe holds: the write meets EPIPE.
    b.hooks.offer(down(1, { message: "x".repeat(300_000) }));
    await until("both", () => b.status("deaf").delivered === 1 && b.status("loud").delivered === 1);
    assert.deepEqual(b.log, []);
    assert.equal(b.told("told")[0]!.sequence, 1);
  });

  test("that hangs is ended with its children, children's children included", async () => {
    await using b = bench();
    const path = b.script(
      "hang",
      `sh -c 'sleep 1000 & echo $! >> "$DIR/pids"; sh -c "trap : TERM; echo \\$\\$ >> $DIR/pids; sleep 1001; sleep 1002"' &
       echo $$ >> "$DIR/pids"; wait`,
    );
    b.hooks.use([scriptHook("hang", path, { timeout: 2_000 })]);
    b.hooks.offer(down(1));
    await until("three of them", () => linesIn(join(b.dir, "pids")).length === 3);
    await until("over", () => b.status("hang").failed === 1);
    assert.equal(b.status("hang").last!.reason, "did not end within 2s and was killed");
    const pids = linesIn(join(b.dir, "pids")).map(Number);
    await until("all gone", () => !pids.some(lives));
  });

  test("that must not run, because our capabilities cannot be taken from it, does not", async () => {
    await using b = bench([], { unprivileged: () => err("setpriv is missing") });
    b.hooks.use([scriptHook("keep", b.script("keep", KEEP))]);
    b.hooks.offer(down(1));
    await until("failed", () => b.status("keep").failed === 1);
    assert.equal(b.status("keep").last!.reason, "setpriv is missing");
    assert.equal(existsSync(join(b.dir, "told")), false);
  });

  test("has no capability, as the daemon starts it", async () => {
    await using b = bench([], { unprivileged: (argv) => withoutCapabilities(argv) });
    b.hooks.use([scriptHook("caps", b.script("caps", 'grep ^Cap /proc/self/status > "$DIR/seen"'))]);
    b.hooks.offer(down(1));
    await until("delivered", () => b.status("caps").delivered === 1);
    const effective = linesIn(join(b.dir, "seen")).find((line) => line.startsWith("CapEff"));
    assert.match(effective!, /^CapEff:\t0+$/);
  });

  test("at most four run at a time, however many hooks there are; hanging ones hold up the fifth until they are killed", async () => {
    await using b = bench();
    const hang = b.script("hang", 'echo $$ >> "$DIR/begun"; sleep 1000');
    const quick = b.script("quick", KEEP);
    const slow = ["a", "b", "c", "d", "e"].map((name) => scriptHook(name, hang, { timeout: 2_000 }));
    b.hooks.use([...slow, scriptHook("quick", quick)]);
    b.hooks.offer(down(1));
    await until("four", () => linesIn(join(b.dir, "begun")).length === 4);
    assert.equal(b.status("e").running, false);
    await until("quick had its turn", () => b.status("quick").delivered === 1);
    await until("the fifth too", () => b.status("e").failed === 1);
  });
});

test("systemd's own variables stay with us, the rest is handed on", () => {
  const own = { PATH: "/bin", NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "3", JOURNAL_STREAM: "1:2", HTTPS_PROXY: "p" };
  assert.deepEqual(scriptEnvironment(own), { PATH: "/bin", HTTPS_PROXY: "p" });
});
