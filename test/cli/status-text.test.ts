import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { plain } from "../../src/cli/output.ts";
import { fitted, statusText } from "../../src/cli/status-text.ts";
import type { ServerStatus, StatusReply } from "../../src/control/shapes.ts";
import { aCheck, aDrain, aServer, aService, aStatus, HOUR, MINUTE, NOON, SECOND } from "./support.ts";

const text = (status: StatusReply, width?: number) => statusText(status, { paint: plain, width }).join("\n");

/** The line of one server, without its heading. */
function line(more: Partial<ServerStatus>): string {
  const lines = text(aStatus({ services: [aService([aServer("app1", more)])] })).split("\n");
  return lines.at(-1)!.trim();
}

describe("director status", () => {
  test("a quiet director fits on a few lines", () => {
    const status = aStatus({
      services: [
        aService([
          aServer("app1"),
          aServer("application2", { weight: 50, configuredWeight: 50, active: 7, inactive: 0 }),
        ]),
      ],
    });
    assert.equal(
      text(status),
      `director 1.2.3, up 3d; /etc/director/director.conf, loaded 2h ago
table in sync, 4s ago
1 service, 2 servers: 2 up
no problems

web  wrr  tcp 192.0.2.10:80
  server        address       state  weight  act/in  last check
  app1          10.0.0.4:80   up 3h  100       12/3  pass 1s ago
  application2  10.0.0.12:80  up 3h  50         7/0  pass 1s ago`,
    );
  });

  test("what is wrong stands first, a dead service is loud in plain text, drains come last", () => {
    const down = aServer("app2", {
      state: "down",
      since: NOON - 3 * MINUTE,
      reason: "connection refused",
      weight: 0,
      rule: "down",
      checks: [aCheck({ state: "down", last: "fail", detail: "connection refused" })],
    });
    const status = aStatus({
      problems: [
        { severity: "error", message: "web: no server gets clients" },
        { severity: "warning", message: "web app2: down for 3m: connection refused" },
      ],
      services: [aService([down], { up: false, trouble: "no server gets clients" })],
      drains: [
        aDrain(),
        aDrain({ id: "d-0", state: "done", left: 0 }),
        aDrain({ id: "d-1", state: "rolled-back", stands: false }),
      ],
    });
    assert.equal(
      text(status),
      `director 1.2.3, up 3d; /etc/director/director.conf, loaded 2h ago
table in sync, 4s ago
1 service (1 IN TROUBLE), 1 server: 1 DOWN

problems: 2
  error    web: no server gets clients
  warning  web app2: down for 3m: connection refused

differs from the file (director drain settle prints the lines that make it agree)
  web: old -> new: what drain d-0 moved 4m ago by alice stands

web  wrr  tcp 192.0.2.10:80  NO SERVER GETS CLIENTS
  server  address      state    weight      act/in  last check
  app2    10.0.0.4:80  DOWN 3m  0/100 down    12/3  fail 1s ago: connection refused

drains
  d-1a2b3c4d web: old -> new: step 8/20, next in 12s
    [########............] 40% asked, 39.6% given, 34 open on old
  2 ended, the shares of 1 stand: director drain list --all`,
    );
  });

  test("observe mode, a table out of sync, a start and what is leaving are said at the top", () => {
    const status = aStatus({
      mode: "observe",
      ready: false,
      services: [],
      table: {
        ...aStatus().table,
        inSync: false,
        lastSuccessAt: undefined,
        leaving: [
          { what: "tcp:192.0.2.10:80 10.0.0.9:80", since: NOON - 3 * MINUTE, until: NOON + 7 * MINUTE, active: 4 },
        ],
        differences: ["-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 0"],
      },
    });
    assert.equal(
      text(status),
      `director 1.2.3, up 3d; /etc/director/director.conf, loaded 2h ago
OBSERVE MODE: nothing is written; table NOT IN SYNC, last good pass never read
0 services, 0 servers
STARTING: not every check has its first verdict
no problems

would be written, were this not observe mode
  -e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 0

leaving the table
  tcp:192.0.2.10:80 10.0.0.9:80: weight 0 for 3m, 4 active connections, deleted in 7m at the latest`,
    );
  });

  test("a list of many differences is counted, not shown to its end", () => {
    const differences = Array.from({ length: 25 }, (_, i) => `change ${i}`);
    const shown = text(aStatus({ mode: "observe", services: [], table: { ...aStatus().table, differences } }));
    assert.match(shown, /change 19\n {2}and 5 more$/);
  });

  const weights: readonly (readonly [why: string, server: Partial<ServerStatus>, expected: RegExp])[] = [
    ["the file's weight stands alone", {}, / 100 +12\/3 /],
    ["a drain says both weights and its rule", { weight: 60, rule: "drain" }, / 60\/100 drain +12\/3/],
    ["a drained one", { weight: 0, rule: "drained" }, / 0\/100 drained /],
    [
      "a standby with weight 0 in the file is nothing special",
      { weight: 0, configuredWeight: 0, rule: "configured-0" },
      / 0 +12\/3/,
    ],
    ["one set by command", { weight: 30, rule: "set-by-command" }, / 30\/100 set-by-command /],
    [
      "disabled until later today",
      { weight: 0, rule: "disabled", disabled: { by: "bob", at: NOON, reason: undefined, until: NOON + 2 * HOUR } },
      / 0\/100 disabled, until 14:00 /,
    ],
    [
      "disabled until another day",
      { weight: 0, rule: "disabled", disabled: { by: "bob", at: NOON, reason: undefined, until: NOON + 30 * HOUR } },
      / 0\/100 disabled, until 11-25 18:00 /,
    ],
    ["a disabled standby", { weight: 0, configuredWeight: 0, rule: "disabled" }, / 0 disabled /],
    ["the kernel has something else still", { kernelWeight: 70 }, / 100 kernel has 70 /],
    [
      "not in the table",
      { kernelWeight: undefined, active: undefined, inactive: undefined },
      / 100 not in the table +- /,
    ],
    [
      "taken out on purpose",
      { weight: 0, rule: "down", kernelWeight: undefined, takenOut: "udp flows" },
      / 0\/100 down, taken out /,
    ],
  ];
  for (const [why, server, expected] of weights) test(`weight: ${why}`, () => assert.match(line(server), expected));

  const states: readonly (readonly [why: string, server: Partial<ServerStatus>, expected: RegExp])[] = [
    ["presumed up", { state: "presumed-up" }, /presumed up 3h/],
    ["no check", { state: "no-check", since: undefined, checks: [] }, /no check +100 +12\/3$/],
    ["not probed", { state: "unknown", since: NOON - 5 * SECOND }, /not probed 5s/],
    ["down in capitals, for those who see no red", { state: "down" }, /DOWN 3h/],
    [
      "a name that is the address is not said twice",
      { name: "10.0.0.1:80", address: "10.0.0.1:80" },
      /^10\.0\.0\.1:80 +up 3h/,
    ],
  ];
  for (const [why, server, expected] of states) test(`state: ${why}`, () => assert.match(line(server), expected));

  const fail = aCheck({ check: "tcp", state: "down", last: "fail", detail: "connection refused" });
  const checks: readonly (readonly [why: string, checks: ServerStatus["checks"], expected: RegExp])[] = [
    ["a pass needs no words", [aCheck()], / pass 1s ago$/],
    ["a failure has its reason", [fail], / fail 1s ago: connection refused$/],
    ["of several the failing one is named", [aCheck(), fail, aCheck()], / tcp fail 1s ago: connection refused$/],
    ["none yet", [aCheck({ state: "unknown", last: undefined, at: undefined })], / none yet$/],
    [
      "unchecked is said, and why",
      [aCheck({ unchecked: true, last: "inconclusive", detail: "no route to 10.0.0.4" })],
      / UNCHECKED: inconclusive 1s ago: no route to 10\.0\.0\.4$/,
    ],
    [
      "unproven is said, even if it fails",
      [{ ...fail, unproven: true }],
      / unproven: fail 1s ago: connection refused$/,
    ],
  ];
  for (const [why, list, expected] of checks)
    test(`last check: ${why}`, () => assert.match(line({ checks: list }), expected));

  test("new connections a second stand beside those that are open, where they are known", () => {
    const servers = [
      aServer("app1", { connectionsPerSecond: 12.5 }),
      aServer("app2", { connectionsPerSecond: undefined, kernelWeight: undefined, active: undefined }),
    ];
    const lines = text(aStatus({ services: [aService(servers, { connectionsPerSecond: 12.5 })] })).split("\n");
    assert.deepEqual(lines.slice(-4), [
      "web  wrr  tcp 192.0.2.10:80  12.5 conn/s",
      "  server  address      state  weight                act/in  conn/s  last check",
      "  app1    10.0.0.4:80  up 3h  100                     12/3    12.5  pass 1s ago",
      "  app2    10.0.0.4:80  up 3h  100 not in the table       -       -  pass 1s ago",
    ]);
  });

  test("a server that a drain brought in is named until the file has it", () => {
    assert.match(
      text(aStatus({ services: [aService([aServer("app9", { added: true })])] })),
      /^ {2}web app9: a drain brought it in, the file does not have it$/m,
    );
  });

  test("on a terminal of 80 columns a server's line is cut at its end, a problem's never", () => {
    const detail = "status 503, expected 200-299, and a long story about what the body should have held";
    const status = aStatus({
      problems: [{ severity: "warning", message: `web app1: down for 3m: ${detail}` }],
      services: [aService([aServer("app1", { checks: [aCheck({ last: "fail", detail })] })])],
    });
    const lines = text(status, 80).split("\n");
    assert.ok(
      lines.some((l) => l.includes(detail)),
      "the problem is whole",
    );
    assert.ok(lines.at(-1)!.length <= 80 && lines.at(-1)!.endsWith("..."), lines.at(-1));
  });

  test("a screen that is too small says how much it does not show", () => {
    assert.deepEqual(fitted(["a", "b", "c", "d"], 3), ["a", "b", "... 2 more lines"]);
    assert.deepEqual(fitted(["a", "b", "c"], 3), ["a", "b", "c"]);
  });
});
