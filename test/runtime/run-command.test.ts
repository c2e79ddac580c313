import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, runCommand } from "../../src/runtime/run-command.ts";

const folder = mkdtempSync(join(tmpdir(), "director-run-"));
after(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;
const patient = { timeoutMs: 20_000 };
const sh = (script: string, ...args: readonly string[]) => ["/bin/sh", "-c", script, "sh", ...args] as const;

async function trouble(promise: Promise<unknown>): Promise<CommandError> {
  const error = await promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof CommandError, String(error));
  return error;
}

/** Waits until a script has written its process number into this file. */
async function pidIn(file: string): Promise<number> {
  while (!existsSync(file) || !readFileSync(file, "utf8").endsWith("\n")) await sleep(5);
  return Number(readFileSync(file, "utf8"));
}

async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    // A grandchild is reaped by whoever adopted it: a zombie is as good as gone.
    if (/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
    await sleep(10);
  }
  assert.fail(`${pid} is still alive`);
}

describe("a command that ends by itself", () => {
  test("tells its code and both outputs", async () => {
    const result = await runCommand(sh("echo out; echo err >&2; exit 7"), patient, never);
    assert.deepEqual(result, { code: 7, signal: null, stdout: "out\n", stderr: "err\n" });
  });

  test("tells the signal that ended it", async () => {
    const { code, signal } = await runCommand(sh("kill -TERM $$"), patient, never);
    assert.deepEqual([code, signal], [null, "SIGTERM"]);
  });

  test("gets its input whole, and its end", async () => {
    const stdin = "ä".repeat(300_000);
    const { stdout } = await runCommand(["/bin/cat"], { ...patient, stdin }, never);
    assert.equal(stdout, stdin);
    assert.equal((await runCommand(["/bin/cat"], patient, never)).stdout, "");
  });

  test("may end without reading its input", async () => {
    const { code } = await runCommand(sh("exec <&-; exit 4"), { ...patient, stdin: "x".repeat(1_000_000) }, never);
    assert.equal(code, 4);
  });

  test("has our environment, or exactly the one given", async () => {
    process.env.DIRECTOR_TEST = "ours";
    assert.equal((await runCommand(sh("echo $DIRECTOR_TEST"), patient, never)).stdout, "ours\n");
    const given = await runCommand(sh("echo $DIRECTOR_TEST$OTHER"), { ...patient, env: { OTHER: "given" } }, never);
    assert.equal(given.stdout, "given\n");
    delete process.env.DIRECTOR_TEST;
  });

  test("is not waited for longer because of what it left behind", async () => {
    const pidFile = join(folder, "left-behind");
    const startedAt = performance.now();
    const { code, stdout } = await runCommand(sh(`sleep 60 & echo $! >'${pidFile}'; echo done`), patient, never);
    const took = performance.now() - startedAt;
    assert.deepEqual([code, stdout], [0, "done\n"]);
    assert.ok(took < 10_000, `${took} ms`);
    process.kill(await pidIn(pidFile), "SIGKILL");
  });

  test("in time is not called late because what it left behind holds its pipes beyond the timeout", async () => {
    const pidFile = join(folder, "holds");
    const { code } = await runCommand(sh(`sleep 60 & echo $! >'${pidFile}'`), { timeoutMs: 300 }, never);
    assert.equal(code, 0);
    process.kill(await pidIn(pidFile), "SIGKILL");
  });
});

describe("a command that does not end", () => {
  test("is killed after the timeout with everything it started", async () => {
    const pidFile = join(folder, "late");
    const startedAt = performance.now();
    const script = `trap "" TERM INT; sleep 60 & echo $! >'${pidFile}'; wait`;
    const error = await trouble(runCommand(sh(script), { timeoutMs: 300 }, never));
    assert.equal(error.trouble, "timed-out");
    assert.match(error.message, /^\/bin\/sh did not end within 300 ms and was killed$/);
    assert.ok(performance.now() - startedAt < 5_000);
    await gone(await pidIn(pidFile));
  });

  test("is killed when the caller gives up, who gets his own reason", async () => {
    const pidFile = join(folder, "given-up");
    const controller = new AbortController();
    const running = runCommand(sh(`echo $$ >'${pidFile}'; sleep 60`), { timeoutMs: 60_000 }, controller.signal);
    const pid = await pidIn(pidFile);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(running, reason);
    await gone(pid);
  });

  test("does not start for a caller who has given up already", async () => {
    const file = join(folder, "never");
    const reason = new Error("too late");
    await assert.rejects(runCommand(sh(`touch '${file}'`), patient, AbortSignal.abort(reason)), reason);
    await sleep(50);
    assert.ok(!existsSync(file));
  });

  test("is killed when it writes too much", async () => {
    const error = await trouble(runCommand(["/usr/bin/yes"], { ...patient, maxOutput: 100_000 }, never));
    assert.equal(error.trouble, "too-much-output");
    const both = await runCommand(
      sh("yes | head -c 50000; yes | head -c 50000 >&2"),
      {
        ...patient,
        maxOutput: 100_000,
      },
      never,
    );
    assert.equal(both.stdout.length + both.stderr.length, 100_000);
  });
});

describe("somebody else's program", () => {
  /** Enough for a shell on a busy machine to set its traps. */
  const others = { timeoutMs: 1_500, graceMs: 200 };

  test("gets SIGTERM at the deadline, and may say why it ends", async () => {
    const file = join(folder, "told");
    const error = await trouble(
      runCommand(
        sh(`trap "echo told >'${file}'; exit 0" TERM; while :; do sleep 0.01; done`),
        { ...others, graceMs: 20_000 },
        never,
      ),
    );
    assert.equal(error.trouble, "timed-out");
    assert.equal(readFileSync(file, "utf8"), "told\n");
  });

  test("that ignores it gets SIGKILL a little later, with everything it started", async () => {
    const pidFile = join(folder, "deaf");
    const script = `trap "" TERM INT; (trap "" TERM; sleep 60) & echo $! >'${pidFile}'; wait`;
    const startedAt = performance.now();
    const error = await trouble(runCommand(sh(script), others, never));
    assert.equal(error.trouble, "timed-out");
    assert.ok(performance.now() - startedAt >= 1_680, "no time was left after SIGTERM");
    await gone(await pidIn(pidFile));
  });

  test("leaves nobody deaf behind when it obeys itself", async () => {
    const pidFile = join(folder, "deaf-child");
    const script = `(trap "" TERM; sleep 60 & wait) & echo $! >'${pidFile}'; exec sleep 60`;
    await trouble(runCommand(sh(script), { ...others, graceMs: 20_000 }, never));
    await gone(await pidIn(pidFile));
  });

  test("takes what it started along when it ends by itself", async () => {
    const pidFile = join(folder, "taken-along");
    const { code } = await runCommand(
      sh(`sleep 60 & echo $! >'${pidFile}'; exit 3`),
      { ...others, timeoutMs: 20_000 },
      never,
    );
    assert.equal(code, 3);
    await gone(await pidIn(pidFile));
  });

  test("in its grace has none any more when the caller gives up", async () => {
    const pidFile = join(folder, "no-grace");
    const controller = new AbortController();
    const running = runCommand(
      sh(`trap "" TERM; echo $$ >'${pidFile}'; while :; do sleep 0.01; done`),
      { ...others, graceMs: 60_000 },
      controller.signal,
    );
    const pid = await pidIn(pidFile);
    await sleep(1_700);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(running, reason);
    await gone(pid);
  });

  test("may write a hundred megabytes, of which the first bytes are kept", async () => {
    const script = "echo first; head -c 100000000 /dev/zero; exit 5";
    const { code, stdout } = await runCommand(sh(script), { ...patient, maxOutput: 4096, discardMore: true }, never);
    assert.deepEqual([code, stdout.length, stdout.slice(0, 6)], [5, 4096, "first\n"]);
  });
});

describe("a command that does not start", () => {
  const file = join(folder, "no-program");
  for (const [path, code] of [
    [join(folder, "missing"), "ENOENT"],
    [file, "EACCES"],
  ] as const)
    test(code, async () => {
      writeFileSync(file, "", { mode: 0o644 });
      const error = await trouble(runCommand([path], { ...patient, stdin: "unread" }, never));
      assert.equal(error.trouble, "not-started");
      assert.match(error.message, new RegExp(`^cannot run ${path}: .*${code}`));
      assert.equal((error.cause as NodeJS.ErrnoException).code, code);
    });

  test("for want of descriptors is told, leaves none open, and does not end the process", () => {
    const url = new URL("../../src/runtime/run-command.ts", import.meta.url);
    const program = `
      import { openSync, closeSync, readdirSync } from "node:fs";
      import { runCommand } from "${url}";
      const run = () => runCommand(["/bin/true"], { timeoutMs: 20000 }, new AbortController().signal);
      await run();
      const open = () => readdirSync("/proc/self/fd").length;
      const before = open();
      const taken = [];
      try { for (;;) taken.push(openSync("/dev/null")); } catch {}
      const outcomes = [];
      for (let spare = 0; spare < 16; spare++) {
        outcomes.push(await run().then(() => "ok", (e) => e.trouble ?? e));
        closeSync(taken.pop());
      }
      for (const fd of taken) closeSync(fd);
      console.log(JSON.stringify({ outcomes, left: open() - before }));`;
    const limited = `ulimit -n 60; exec '${process.execPath}' --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync("/bin/sh", ["-c", limited, "sh", program], { encoding: "utf8" });
    assert.ok(stdout.startsWith("{"), stderr);
    const { outcomes, left } = JSON.parse(stdout) as { outcomes: readonly string[]; left: number };
    assert.equal(outcomes[0], "not-started");
    assert.equal(outcomes.at(-1), "ok");
    assert.equal(left, 0);
  });
});

test("a hundred runs, good and bad, leave neither descriptors nor processes nor listeners", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const counted = new Proxy(signal, {
    get(target, name) {
      if (name === "addEventListener") listeners++;
      if (name === "removeEventListener") listeners--;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  await runCommand(["/bin/true"], patient, counted);
  const before = readdirSync("/proc/self/fd").length;
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => {
      const script = ["exit 0", "exit 1", "kill -9 $$", "sleep 60"][i % 4]!;
      const timeoutMs = script === "sleep 60" ? 200 : 20_000;
      return runCommand(sh(script), { timeoutMs, stdin: "x" }, counted).catch(() => {});
    }),
  );
  assert.equal(listeners, 0);
  assert.equal(readdirSync("/proc/self/fd").length, before);
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim();
  assert.equal(children, "");
});
