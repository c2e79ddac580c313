import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { verdictOn } from "../../src/cli/check-verdict.ts";
import type { ServiceStatus, StatusReply } from "../../src/control/shapes.ts";
import { aCheck, aDrain, aServer, aService, aStatus, type Bench, bench, cli, MINUTE, NOON, SECOND } from "./support.ts";

const AT = { warning: 0.7, critical: 0.5 };
const [up, down] = [
  aServer("app1"),
  aServer("app2", { state: "down", weight: 0, rule: "down", reason: "connection refused" }),
];
const quorum = (share: number, held = true) => ({ held, healthy: 1, share });
const table = (more: Partial<StatusReply["table"]>) => aStatus({ table: { ...aStatus().table, ...more } });
const serving = (service: ServiceStatus) => aStatus({ services: [service] });
const CHANGE = { what: "-e -t 192.0.2.10:80", reason: "no", since: NOON, attempts: 1 };

describe("what monitoring is told", () => {
  const cases: readonly (readonly [what: string, status: StatusReply, level: number, words: RegExp | undefined])[] = [
    ["all is well", aStatus(), 0, undefined],
    ["a server is down, the rest is enough", serving(aService([up, down], { quorum: quorum(0.75) })), 0, undefined],
    ["exactly at the threshold", serving(aService([up, down], { quorum: quorum(0.7) })), 0, undefined],
    [
      "below the first threshold",
      serving(aService([up, down], { quorum: quorum(0.69) })),
      1,
      /^web: 69% of its weight is healthy$/,
    ],
    ["at the second", serving(aService([up, down], { quorum: quorum(0.5) })), 1, /^web: 50%/],
    ["below the second", serving(aService([up, down], { quorum: quorum(0.499) })), 2, /^web: 49%/],
    [
      "nobody serves",
      serving(aService([down], { up: false, trouble: "no server gets clients", quorum: quorum(0) })),
      2,
      /^web: no server gets clients$/,
    ],
    [
      "quorum is lost, a sorry server serves",
      serving(
        aService([up], {
          up: false,
          trouble: "quorum lost (1 of 3 servers healthy): the sorry server serves",
          quorum: quorum(0.9, false),
        }),
      ),
      2,
      /^web: quorum lost/,
    ],
    ["fail-open", serving(aService([down], { failOpen: true, quorum: quorum(0) })), 2, /^web: failing open/],
    [
      "the table cannot be kept",
      table({ lastError: "ipvsadm timed out", inSync: false }),
      2,
      /^the IPVS table cannot be kept: ipvsadm timed out$/,
    ],
    ["no pass for two minutes", table({ lastSuccessAt: NOON - 121 * SECOND }), 2, /last looked at 2m1s ago$/],
    ["the kernel refuses an entry", table({ refused: [CHANGE], inSync: false }), 2, /^the kernel refuses 1 entry$/],
    ["drift fight", table({ leftAlone: [{ what: "x", why: "fight", until: NOON }] }), 1, /^drift fight: .* 1 entry$/],
    [
      "drift that is only reported",
      table({ leftAlone: [{ what: "x", why: "reported", until: undefined }] }),
      0,
      undefined,
    ],
    ["not in sync for no known reason", table({ inSync: false }), 1, /^the IPVS table is not in sync$/],
    ["not ready", aStatus({ ready: false }), 1, /^not ready yet/],
    [
      "everything is frozen",
      aStatus({
        freezes: [{ by: "alice", at: NOON, reason: undefined, until: NOON + 10 * MINUTE, service: undefined }],
      }),
      1,
      /^everything is frozen by alice for another 10m$/,
    ],
    [
      "a reload was refused",
      aStatus({ config: { ...aStatus().config, lastReload: { at: NOON, ok: false, problems: ["x"] } } }),
      1,
      /^the last reload was refused/,
    ],
    [
      "state cannot be written",
      aStatus({ state: { writable: false, problem: "disk full" } }),
      1,
      /^state cannot be written/,
    ],
    [
      "a drain is paused",
      aStatus({ drains: [aDrain({ state: "paused", pausedBy: "new-down" })] }),
      1,
      /^web: drain d-1a2b3c4d is paused$/,
    ],
    [
      "unchecked",
      serving(aService([aServer("app1", { checks: [aCheck({ unchecked: true })] })])),
      1,
      /^web: 1 server could not be checked for 30s$/,
    ],
    [
      "unproven",
      serving(aService([up], { unproven: ["http GET /x"] })),
      1,
      /^web: 1 check passed nowhere since the reload$/,
    ],
  ];
  for (const [what, status, level, words] of cases)
    test(`${what}: ${["OK", "WARNING", "CRITICAL"][level]}`, () => {
      const verdict = verdictOn(status, status.services, AT);
      assert.equal(verdict.level, level, JSON.stringify(verdict.problems));
      if (words) assert.match(verdict.problems[0]!.message, words);
      else assert.deepEqual(verdict.problems, []);
    });

  test("the worst comes first, and decides", () => {
    const status = aStatus({ ready: false, services: [aService([down], { up: false, quorum: quorum(0) })] });
    assert.deepEqual(
      verdictOn(status, status.services, AT).problems.map((p) => p.level),
      [2, 1],
    );
  });

  test("of services that were not asked for nothing is said: neither states, nor freezes, nor drains", () => {
    const other = aService([down], { name: "other", up: false, quorum: quorum(0) });
    const freeze = { by: "a", at: NOON, reason: undefined, until: NOON + MINUTE, service: "other" };
    const status = aStatus({
      services: [aService([up]), other],
      freezes: [freeze],
      drains: [aDrain({ service: "other", state: "paused" })],
    });
    const verdict = verdictOn(status, [status.services[0]!], AT);
    assert.deepEqual([verdict.level, verdict.summary], [0, "1 of 1 service up, 1 server"]);
  });

  test("perfdata is as the guidelines have it; with many services the totals alone", () => {
    const one = serving(aService([up, down], { name: "my web's", quorum: quorum(0.7512) }));
    assert.deepEqual(verdictOn(one, one.services, AT).perfdata, [
      "services_up=1;;;0;1",
      "servers_down=1;;;0;2",
      "active=24;;;0;",
      "'my web_s_capacity'=75.1%;70:;50:;0;",
      "'my web_s_active'=24;;;0;",
    ]);
    const many = aStatus({ services: Array.from({ length: 21 }, (_, i) => aService([up], { name: `s${i}` })) });
    assert.equal(verdictOn(many, many.services, AT).perfdata.length, 3);
    assert.equal(verdictOn(many, many.services.slice(0, 20), AT).perfdata.length, 43);
  });
});

describe("director check", () => {
  let b: Bench;
  before(async () => {
    b = await bench();
    await b.daemon();
  });
  after(() => b.close());

  test("one line with numbers, and the code of the worst that was asked for", async () => {
    const all = await b.cli("check");
    assert.equal(all.code, 1, all.stdout);
    assert.match(
      all.stdout,
      /^DIRECTOR WARNING - web: 50% of its weight is healthy \| services_up=3;;;0;3 servers_down=1;;;0;7 .*'web_capacity'=50%;70:;50:;0; .*\n$/,
    );
    const list = await b.cli("check", "list");
    assert.deepEqual([list.code, list.stdout.split(" | ")[0]], [0, "DIRECTOR OK - 1 of 1 service up, 2 servers"]);
    const strict = await b.cli("check", "--critical-capacity", "60%");
    assert.deepEqual([strict.code, strict.stdout.slice(0, 25)], [2, "DIRECTOR CRITICAL - web: "]);
    const lax = await b.cli("check", "web", "--warning-capacity", "40%", "--critical-capacity", "20%");
    assert.equal(lax.code, 0);
    const json = await b.cli("check", "web", "--json");
    const { level, code, problems } = JSON.parse(json.stdout) as {
      level: string;
      code: number;
      problems: readonly unknown[];
    };
    assert.deepEqual([json.code, level, code, problems.length], [1, "WARNING", 1, 1]);
  });

  const wrong: readonly (readonly [what: string, args: readonly string[], words: RegExp])[] = [
    ["a service that is not there", ["nope"], /^DIRECTOR UNKNOWN - no service "nope"\n$/],
    [
      "a threshold that is none",
      ["--warning-capacity", "70"],
      /^DIRECTOR UNKNOWN - --warning-capacity 70: expected a share such as 70%\n$/,
    ],
    ["a timeout that is none", ["--timeout", "soon"], /^DIRECTOR UNKNOWN - --timeout soon: /],
    ["an option that is not there", ["--warn"], /unknown option '--warn'/],
  ];
  for (const [what, args, words] of wrong)
    test(`${what} is UNKNOWN, not CRITICAL`, async () => {
      const { code, stdout, stderr } = await b.cli("check", ...args);
      assert.equal(code, 3);
      assert.match(stdout + stderr, words);
    });

  test("no daemon, one that hangs, and a file that is no socket: UNKNOWN, in time", async () => {
    const dir = mkdtempSync(join(tmpdir(), "director-check-"));
    const mute = createServer((socket) => socket.on("error", () => {}));
    try {
      mute.listen(join(dir, "mute.sock"));
      await once(mute, "listening");
      writeFileSync(join(dir, "file"), "");
      const at = (name: string) => cli(["--socket", join(dir, name), "check", "--timeout", "1"]);
      const answers = await Promise.all(["none.sock", "mute.sock", "file"].map(at));
      assert.deepEqual(
        answers.map(({ code }) => code),
        [3, 3, 3],
      );
      assert.match(answers[0]!.stdout, /^DIRECTOR UNKNOWN - the daemon is not reachable at .*none\.sock: [^\n]*\n$/);
      assert.equal(answers[1]!.stdout, "DIRECTOR UNKNOWN - the daemon did not answer within 1s\n");
    } finally {
      mute.close();
      rmSync(dir, { recursive: true });
    }
  });
});
