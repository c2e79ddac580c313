import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseListing } from "../../src/ipvs/listing.ts";
import { type IpvsadmOptions, ipvsadmTable } from "../../src/kernel/ipvsadm.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { contract } from "./contract.ts";

const folder = mkdtempSync(join(tmpdir(), "director-ipvsadm-"));
after(() => rmSync(folder, { recursive: true }));
let scripts = 0;

/** A program that stands for ipvsadm. */
function program(script: string): string {
  const path = join(folder, `ipvsadm-${scripts++}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** One with a table of its own; it counts how often it was run. */
function fake(environment = ""): { readonly command: string; readonly runs: () => number; readonly state: string } {
  const state = join(folder, `table-${scripts}`);
  const runs = `${state}.runs`;
  const main = join(import.meta.dirname, "fake-ipvsadm.ts");
  const command = program(
    `echo run >>'${runs}'; ${environment} exec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' '${state}' "$@"`,
  );
  return { command, state, runs: () => (existsSync(runs) ? readFileSync(runs, "utf8").length / 4 : 0) };
}

function tableOf(command: string, options: Partial<IpvsadmOptions> = {}) {
  return ipvsadmTable({ command, timeoutMs: 20_000, ...options });
}

const never = new AbortController().signal;
const rules = (...lines: readonly string[]) => lines.map(parseRule);

describe("behind an ipvsadm that does as the real one", { concurrency: 2 }, () => {
  // It has no /proc and no counters: the clause that needs them is kept in the lab.
  for (const { name, keep } of contract.filter(({ name }) => !name.includes("glanced")))
    test(name, () => keep(tableOf(fake().command)));

  test("a pass in which all goes well is one run", async () => {
    const { command, runs } = fake();
    const lines = Array.from({ length: 300 }, (_, i) => `-A -t 10.0.${i >> 8}.${i & 255}:80 -s wrr`);
    assert.deepEqual(await tableOf(command).apply(rules(...lines), never), { complaints: [] });
    assert.equal(runs(), 1);
    assert.deepEqual(await tableOf(command).apply([], never), { complaints: [] });
    assert.equal(runs(), 1);
  });

  test("every run is told with its end and its time", async () => {
    const ends: (readonly [string, number])[] = [];
    const onCommand: IpvsadmOptions["onCommand"] = (...end) => void ends.push(end);
    const table = tableOf(fake().command, { onCommand });
    await table.read(never);
    await table.apply(rules("-A -t 10.0.0.1:80 -s wrr"), never);
    await table.apply(rules("-a -t 10.0.0.9:80 -r 10.1.0.1:80 -m -w 1", "-A -t 10.0.0.2:80 -s wrr"), never);
    await assert.rejects(tableOf(program("sleep 10"), { onCommand, timeoutMs: 100 }).read(never));
    await assert.rejects(tableOf(join(folder, "none"), { onCommand }).read(never));
    const words = ends.map(([end]) => end);
    assert.deepEqual([words[0], words[1], words.at(-2), words.at(-1)], ["ok", "ok", "failed", "failed"]);
    assert.ok(words.includes("refused"), `${words}`);
    assert.ok(ends.every(([, tookMs]) => tookMs >= 0) && ends.at(-2)![1] >= 100);
  });

  test("an ipvsadm too old for some lines does all the others, in few runs", async () => {
    const { command, runs, state } = fake("OLD=1");
    const lines = ["-A -t 10.0.0.1:80 -s wrr"];
    for (let i = 0; i < 60; i++)
      lines.push(
        `-a -t 10.0.0.1:80 -r 10.1.0.${i}:80 ${i % 20 === 7 ? "-i --tun-type gue --tun-port 5 --tun-nocsum" : "-m"} -w 1`,
      );
    const { complaints } = await tableOf(command).apply(rules(...lines), never);
    const bad = lines.filter((line) => line.includes("gue"));
    assert.deepEqual(
      complaints,
      bad.map((line) => `${line}: --tun-type: unknown option`),
    );
    assert.equal(readFileSync(state, "utf8").split("\n").length, 1 + 60 - 3 + 1);
    assert.ok(runs() <= 2 + 2 + 3, `${runs()} runs`);
  });

  test("a line that is refused and came alone costs one run: others wait for a refused entry that is tried again", async () => {
    const { command, runs } = fake();
    const line = "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1";
    const { complaints } = await tableOf(command).apply(rules(line), never);
    assert.deepEqual(complaints, [`${line}: Service not defined`]);
    assert.equal(runs(), 1);
  });

  test("lines that each end the run are set aside one by one, and what is behind them is done", async () => {
    const { command, runs, state } = fake();
    const lines = Array.from({ length: 80 }, (_, i) => `-A -t 10.0.0.${i}:80 -s wrr${i % 30 === 3 ? " -o" : ""}`);
    const { complaints } = await tableOf(command).apply(rules(...lines), never);
    assert.equal(complaints.length, 3);
    assert.equal(readFileSync(state, "utf8").trim().split("\n").length, 77);
    assert.ok(runs() < 15, `${runs()} runs`);
  });

  test("a refused service with hundreds of servers costs a few runs, and each of them is told", async () => {
    const { command, runs } = fake();
    const lines = ["-A -t 10.0.0.1:80 -s nosuch"];
    for (let i = 0; i < 300; i++) lines.push(`-a -t 10.0.0.1:80 -r 10.1.${i >> 8}.${i & 255}:80 -m -w 1`);
    const { complaints } = await tableOf(command).apply(rules(...lines), never);
    assert.deepEqual(complaints, [
      "-A -t 10.0.0.1:80 -s nosuch: Scheduler or persistence engine not found",
      ...lines.slice(1).map((line) => `${line}: Service not defined`),
    ]);
    assert.equal(runs(), 3);
  });

  test("of two orders for one server the last counts, the first is not given again", async () => {
    const { command, state } = fake();
    const server = "-t 10.0.0.1:80 -r 10.1.0.1:80 -m -w";
    const bad = "-A -t 10.0.0.2:80 -s nosuch";
    const { complaints } = await tableOf(command).apply(
      rules("-A -t 10.0.0.1:80 -s wrr", `-a ${server} 1`, bad, `-e ${server} 5`),
      never,
    );
    assert.deepEqual(complaints, [`${bad}: Scheduler or persistence engine not found`]);
    assert.match(readFileSync(state, "utf8"), / -w 5$/m);
  });

  test("an entry that is there already as wanted is no reason to complain of the line, but what was said is passed on", async () => {
    const { command } = fake();
    const table = tableOf(command);
    await table.apply(rules("-A -f 7 -s wrr"), never);
    assert.deepEqual(await table.apply(rules("-A -f 7 -s wrr", "-A -f 8 -s wrr"), never), {
      complaints: ["Service already exists"],
    });
    assert.equal((await table.read(never)).size, 2);
  });
});

describe("an ipvsadm in trouble", () => {
  const cannot = (what: string) => program(`echo "${what}" >&2; exit 255`);
  const rows: readonly { name: string; command: () => string; timeoutMs?: number; says: readonly RegExp[] }[] = [
    {
      name: "is missing",
      command: () => join(folder, "nowhere/ipvsadm"),
      says: [/nowhere\/ipvsadm/, /ENOENT/, /install ipvsadm/, /ipvs\.command/],
    },
    {
      name: "is no program",
      command: () => {
        const path = program("exit 0");
        chmodSync(path, 0o644);
        return path;
      },
      says: [/EACCES/, /ipvs\.command/],
    },
    {
      name: "may not",
      command: () => cannot("Can't initialize ipvs: Permission denied (you must be root)"),
      says: [/Permission denied \(you must be root\)/, /CAP_NET_ADMIN/],
    },
    {
      name: "has no kernel to talk to",
      command: () =>
        cannot(
          "modprobe: FATAL: Module ip_vs not found.\nCan't initialize ipvs: Protocol not available\nAre you sure that IP Virtual Server is built in the kernel or as module?",
        ),
      says: [/Protocol not available/, /modprobe ip_vs/, /AF_NETLINK/],
    },
    {
      name: "hangs, and so does what it started",
      command: () => program(`sleep 60 & echo $$ >'${folder}/hanging'; sleep 60`),
      timeoutMs: 300,
      says: [/did not end within 300 ms and was killed/, /in part/],
    },
    { name: "is killed", command: () => program("kill -TERM $$"), says: [/was killed by SIGTERM/] },
  ];
  for (const { name, command, timeoutMs = 20_000, says } of rows)
    test(name, async () => {
      const path = command();
      const table = tableOf(path, { timeoutMs });
      for (const attempt of [
        () => table.read(never),
        () => table.stats(never),
        () => table.apply(rules("-A -f 1 -s wrr"), never),
      ])
        await assert.rejects(attempt, (error: Error) => {
          assert.ok(error.message.includes(path), error.message);
          for (const pattern of says) assert.match(error.message, pattern);
          return true;
        });
    });

  test("fails without a listing: it is not taken for an empty table", async () => {
    const table = tableOf(program("echo boom >&2; exit 1"));
    await assert.rejects(table.read(never), /-Sn failed with exit code 1: boom/);
    await assert.rejects(table.stats(never), /-Ln --stats --exact failed with exit code 1: boom/);
  });

  test("dies before it has read what it is told, of which there is more than fits a pipe", async () => {
    const table = tableOf(program(`[ "$1" = -Sn ] && exit 0; echo "no good" >&2; exit 2`));
    const lines = Array.from({ length: 20_000 }, (_, i) => `-A -f ${i + 1} -s wrr`);
    const { complaints } = await table.apply(rules(...lines), never);
    assert.equal(complaints.length, 20_000);
    assert.equal(complaints[0], "-A -f 1 -s wrr: no good");
    assert.match(complaints.at(-1)!, /^-A -f 20000 -s wrr: not tried/);
  });

  test("fails without a word", async () => {
    const table = tableOf(program(`[ "$1" = -Sn ] || exit 3`));
    assert.deepEqual(await table.apply(rules("-A -f 1 -s wrr"), never), {
      complaints: ["-A -f 1 -s wrr: exit code 3 without a word"],
    });
  });

  test("is killed when the caller gives up, who hears his own reason", async () => {
    const controller = new AbortController();
    const pidFile = join(folder, "given-up");
    const table = tableOf(program(`echo $$ >'${pidFile}'; sleep 60`));
    const reason = new Error("shutting down");
    const reading = assert.rejects(table.read(controller.signal), reason);
    while (!existsSync(pidFile) || readFileSync(pidFile, "utf8") === "") await new Promise((r) => setTimeout(r, 5));
    controller.abort(reason);
    await reading;
    assert.throws(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0), /ESRCH/);
  });
});

test("speaks English, and is given nothing of our environment", async () => {
  const out = join(folder, "environment");
  process.env.DIRECTOR_TEST_SECRET = "x";
  process.env.LC_MESSAGES = "de_DE.UTF-8";
  await tableOf(program(`env >'${out}'`)).read(never);
  delete process.env.DIRECTOR_TEST_SECRET;
  delete process.env.LC_MESSAGES;
  const names = readFileSync(out, "utf8").match(/^\w+(?==)/gm)!;
  assert.deepEqual(names.filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name)).sort(), ["LC_ALL", "PATH"]);
  assert.match(readFileSync(out, "utf8"), /^LC_ALL=C$/m);
});

describe("lines of the listing that cannot be read", () => {
  test("are told once, and again when they change", async () => {
    const state = join(folder, "listing");
    const told: (readonly string[])[] = [];
    const table = tableOf(program(`cat '${state}'`), { onUnreadable: (lines) => told.push(lines) });
    const listings = ["-A -f 1 -s wrr", "-A -f 1 -s wrr --new", "-A -f 1 -s wrr --new", "-A -f 1 -s wrr"];
    for (const listing of listings) {
      writeFileSync(state, `${listing}\n`);
      assert.equal((await table.read(never)).size, 1);
    }
    assert.deepEqual(told, [["-A -f 1 -s wrr --new"], []]);
  });
});

describe("a glance", () => {
  test("reads the file, and only that", async () => {
    const procFile = join(folder, "ip_vs");
    writeFileSync(
      procFile,
      "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n" +
        "TCP  0A000001:0050 wrr  \n  -> 0A010001:0050      Masq    5      1          2         \n",
    );
    const glance = await tableOf("/nowhere", { procFile }).glance(new Map(), never);
    assert.deepEqual(
      [...glance].map(([key, { destinations }]) => [key, [...destinations]]),
      [["tcp:10.0.0.1:80", [["10.1.0.1:80", { weight: 5, forwarding: "masquerade", active: 1, inactive: 2 }]]]],
    );
  });

  test("asks ipvsadm where the file leaves out a service that is known", async () => {
    const procFile = join(folder, "ip_vs");
    const whole =
      "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n" +
      "TCP  10.0.0.1:80 wrr persistent 50\n  -> 10.1.0.1:80                  Masq    5      1          2         \n" +
      "FWM  7 IPv6 mh (mh-port)\n  -> [fd00::2]:0                  Tunnel  0      0          3         \n";
    writeFileSync(join(folder, "Ln"), whole);
    writeFileSync(procFile, "TCP  0A000001:0050 wrr  \n  -> 0A010001:0050      Masq    5      1          2         \n");
    const ipvsadm = program(`[ "$*" = -Ln ] && cat '${join(folder, "Ln")}'`);
    const known = parseListing("-A -t 10.0.0.1:80 -s wrr\n-A -f 7 -6 -s mh").table;
    assert.deepEqual(
      [...(await tableOf(ipvsadm, { procFile }).glance(known, never))].map(([key, { scheduler, destinations }]) => [
        key,
        scheduler,
        [...destinations],
      ]),
      [
        ["tcp:10.0.0.1:80", "wrr", [["10.1.0.1:80", { weight: 5, forwarding: "masquerade", active: 1, inactive: 2 }]]],
        ["fwmark6:7", "mh", [["[fd00::2]:0", { weight: 0, forwarding: "tunnel", active: 0, inactive: 3 }]]],
      ],
    );
  });

  test("without the file names the remedy", async () => {
    const procFile = join(folder, "missing");
    await assert.rejects(tableOf("/nowhere", { procFile }).glance(new Map(), never), (error: Error) => {
      assert.match(error.message, new RegExp(`cannot read ${procFile}`));
      assert.match(error.message, /modprobe ip_vs/);
      return true;
    });
  });
});
