import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeOutcome } from "../../src/model/probe.ts";
import { execProbe } from "../../src/probe/exec.ts";
import { line, open, probe, probeOnce, target } from "../support/drive.ts";

const folder = mkdtempSync(join(tmpdir(), "director-exec-"));
// Whoever runs the tests as root has the programs run without the right to look into other people's folders.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

const sh = (script: string) => ["/bin/sh", "-c", script];
const once = (script: string, options: Record<string, unknown> = {}, timeout = 20_000): Promise<ProbeOutcome> =>
  probeOnce(execProbe, target(8080, timeout, "::1"), { command: sh(script), ...options });

async function pidIn(file: string): Promise<number> {
  while (!existsSync(file) || !readFileSync(file, "utf8").endsWith("\n")) await sleep(5);
  return Number(readFileSync(file, "utf8"));
}

async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    if (/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
    await sleep(10);
  }
  assert.fail(`${pid} is still alive`);
}

describe("the verdict is the exit code", () => {
  const table: readonly [what: string, script: string, options: Record<string, unknown>, outcome: unknown][] = [
    ["0 passes", "exit 0", {}, { kind: "pass", detail: "exit code 0" }],
    ["0 passes with its first line", "echo; echo fine; echo more", {}, { kind: "pass", detail: "fine" }],
    ["1 fails", "exit 1", {}, { kind: "fail", reason: "exit code 1" }],
    ["others fail with their first line", "echo lost >&2; exit 2", {}, { kind: "fail", reason: "exit code 2: lost" }],
    ["stdout comes before stderr", "echo a >&2; echo b; exit 9", {}, { kind: "fail", reason: "exit code 9: b" }],
    [
      "control characters are left out",
      "printf '\\033[31mred\\a\\n'; exit 3",
      {},
      { kind: "fail", reason: "exit code 3: [31mred" },
    ],
    ["a signal fails", "kill -SEGV $$", {}, { kind: "fail", reason: "ended by SIGSEGV" }],
    [
      "dynamic: 0 passes with the configured weight",
      "exit 0",
      { dynamic_weight: "true" },
      { kind: "pass", detail: "exit code 0", report: { weight: undefined } },
    ],
    ["dynamic: 1 fails", "echo no; exit 1", { dynamic_weight: "true" }, { kind: "fail", reason: "exit code 1: no" }],
    [
      "dynamic: 2 is weight 0",
      "exit 2",
      { dynamic_weight: "true" },
      { kind: "pass", detail: "weight 0", report: { weight: 0 } },
    ],
    [
      "dynamic: 52 is weight 50",
      "echo busy; exit 52",
      { dynamic_weight: "true" },
      { kind: "pass", detail: "weight 50: busy", report: { weight: 50 } },
    ],
    [
      "dynamic: 255 is weight 253",
      "exit 255",
      { dynamic_weight: "true" },
      { kind: "pass", detail: "weight 253", report: { weight: 253 } },
    ],
    ["dynamic: a signal fails", "kill -9 $$", { dynamic_weight: "true" }, { kind: "fail", reason: "ended by SIGKILL" }],
  ];
  for (const [what, script, options, outcome] of table)
    test(what, async () => assert.deepEqual(await once(script, options), outcome));

  test("a long line is cut", async () => {
    const outcome = await once("head -c 3000 /dev/zero | tr '\\0' x; exit 1");
    assert.match(line(outcome), /^fail: exit code 1: x{199}…$/);
  });

  test("a hundred megabytes of output are read and thrown away", async () => {
    assert.deepEqual(await once("echo begin; head -c 100000000 /dev/zero; exit 4"), {
      kind: "fail",
      reason: "exit code 4: begin",
    });
  });
});

describe("its name", () => {
  const table: readonly [command: readonly string[], name: string][] = [
    [["/usr/lib/checks/db", "-p", "secret"], "exec db"],
    [["/bin/sh", "/etc/checks/lag", "{address}"], "exec lag"],
    [["/usr/bin/python3.11", "/etc/checks/lag.py"], "exec lag.py"],
    [["/bin/sh", "-c", "exit 0"], "exec sh"],
    [["/bin/cat", "/etc/passwd"], "exec cat"],
  ];
  for (const [command, name] of table)
    test(`${command.join(" ")} is ${name}`, () =>
      assert.equal(execProbe.label(execProbe.options.parse({ command })), name));
});

describe("what the program gets", () => {
  test("address and port, in its arguments and its environment, and nothing of ours", async () => {
    process.env.DIRECTOR_SECRET = "ours";
    const command = [
      ...sh(`echo "$1 $2 $3"; env | grep -v -e '^_=' -e '^PWD=' | sort | tr '\\n' ' ' >&2; exit 7`),
      "sh",
      "{address}",
      "http://[{address}]:{port}/",
      "",
    ];
    const plain = await probeOnce(execProbe, target(8080, 20_000, "::1"), { command });
    assert.equal(line(plain), "fail: exit code 7: ::1 http://[::1]:8080/");
    const environment = await once("env | grep -v -e '^_=' -e '^PWD=' -e '^SHLVL=' | sort | tr '\\n' ' '; exit 7", {
      env: { KEY: "value" },
    });
    delete process.env.DIRECTOR_SECRET;
    assert.equal(
      line(environment),
      "fail: exit code 7: DIRECTOR_ADDRESS=::1 DIRECTOR_CHECK_TIMEOUT_MS=20000 DIRECTOR_PORT=8080 KEY=value PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
  });

  test("no shell: what looks like one is an argument like any other", async () => {
    const outcome = await probeOnce(execProbe, target(80), { command: ["/bin/echo", "$(id)", ";", "a b", "*"] });
    assert.equal(line(outcome), "pass: $(id) ; a b *");
  });

  test("no capability", async () => {
    const script = "grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status | tr -s '\\t\\n' ' '; exit 1";
    const none = "0000000000000000";
    assert.equal(line(await once(script)), `fail: exit code 1: CapPrm: ${none} CapEff: ${none} CapAmb: ${none}`);
  });
});

describe("a program that does not end", () => {
  test("is killed at the deadline, deaf to SIGTERM or not, with everything it started", async () => {
    const file = join(folder, "grandchild");
    const startedAt = performance.now();
    const outcome = await once(`trap '' TERM INT HUP; (trap '' TERM; sleep 600) & echo $! >'${file}'; wait`, {}, 1_500);
    assert.equal(line(outcome), "fail: timed out after 1s500ms, killed");
    assert.ok(performance.now() - startedAt >= 1_500);
    await gone(await pidIn(file));
  });

  test("leaves nobody behind when it ends by itself", async () => {
    const file = join(folder, "left");
    assert.equal(line(await once(`sleep 600 & echo $! >'${file}'; exit 0`)), "pass: exit code 0");
    await gone(await pidIn(file));
  });

  test("ends with its check, and tells nobody", async () => {
    const file = join(folder, "closed");
    const prober = open(execProbe, target(80, 600_000), { command: sh(`echo $$ >'${file}'; sleep 600`) });
    prober.start(() => assert.fail("it told"));
    const pid = await pidIn(file);
    prober.close();
    await gone(pid);
  });
});

describe("trouble on this machine says nothing about the server", () => {
  test("a program that is missing", async () => {
    const outcome = await probeOnce(execProbe, target(80), { command: [join(folder, "missing")] });
    assert.deepEqual(outcome, {
      kind: "inconclusive",
      reason: `${join(folder, "missing")} is not there, or not to be run by director's user`,
    });
  });

  test("one that cannot be run", async () => {
    const file = join(folder, "no-program");
    writeFileSync(file, "#!/nonexistent/interpreter\n", { mode: 0o755 });
    const outcome = await probeOnce(execProbe, target(80), { command: [file] });
    assert.equal(outcome.kind, "inconclusive");
    assert.match(line(outcome), /no-program(: | was not run: setpriv: failed to execute )/);
  });
});

test("many at once take turns; the wait is shown, and not the server's fault", async () => {
  const timeout = 9_000;
  const probers = Array.from({ length: 45 }, () =>
    open(execProbe, target(80, timeout), { command: sh("sleep 1; echo ok") }),
  );
  const outcomes = await Promise.all(probers.map((prober) => probe(prober, timeout)));
  for (const prober of probers) prober.close();
  assert.deepEqual(new Set(outcomes.map((outcome) => outcome.kind)), new Set(["pass"]));
  const lines = outcomes.map(line);
  assert.ok(lines.filter((each) => /^pass: ok$/.test(each)).length >= 1, lines.join("\n"));
  assert.ok(
    lines.some((each) => /^pass: ok \(waited [\d.ms]+ for its turn\)$/.test(each)),
    lines.join("\n"),
  );
});

test("twenty runs, good and bad, leave nothing behind", async () => {
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      once(["exit 0", "exit 1", "kill -9 $$", "sleep 60"][i % 4]!, {}, i % 4 === 3 ? 200 : 20_000),
    ),
  );
  assert.equal(readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim(), "");
});
