import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { plain } from "../../../src/cli/output.ts";
import { rateHistory, sparkline } from "../../../src/cli/top/rates.ts";
import { isTroubled, rowsOf } from "../../../src/cli/top/rows.ts";
import { type Picture, screen } from "../../../src/cli/top/screen.ts";
import { FIRST_VIEW, type View } from "../../../src/cli/top/view.ts";
import type { ServerStatus, StatusReply } from "../../../src/control/shapes.ts";
import { aCheck, aDrain, aServer, aService, aStatus, HOUR, MINUTE, NOON, SECOND } from "../support.ts";

const SMALL = { columns: 80, rows: 24 };

function pictureOf(status: StatusReply, view: Partial<View> = {}, more: Partial<Picture> = {}): Picture {
  const rates = rateHistory();
  rates.take(status);
  return {
    status,
    now: status.now,
    rates,
    view: { ...FIRST_VIEW, ...view },
    lost: undefined,
    unicode: true,
    paint: plain,
    ...more,
  };
}

const draw = (status: StatusReply, view: Partial<View> = {}, size = SMALL, more: Partial<Picture> = {}) =>
  screen(pictureOf(status, view, more), size);

const down = (name: string, more: Partial<ServerStatus> = {}) =>
  aServer(name, {
    state: "down",
    since: NOON - 3 * MINUTE,
    reason: "connection refused",
    weight: 0,
    rule: "down",
    active: 0,
    inactive: 0,
    connectionsPerSecond: 0,
    checks: [aCheck({ state: "down", last: "fail", detail: "connection refused" })],
    ...more,
  });

const SOME = aStatus({
  problems: [{ severity: "warning", message: "web app2: down for 3m: connection refused; weight 0" }],
  services: [
    aService([aServer("app1", { connectionsPerSecond: 12.5 }), down("app2", { address: "10.0.0.9:80" })], {
      connectionsPerSecond: 12.5,
    }),
    aService([aServer("db1", { active: 90, connectionsPerSecond: 2 }), aServer("db10", { connectionsPerSecond: 7 })], {
      name: "db",
      frontends: ["tcp 192.0.2.20:5432", "tcp [2001:db8::20]:5432", "udp 192.0.2.20:5432"],
    }),
  ],
});

describe("director top", () => {
  test("80 by 24: what is wrong, drains with their progress, then every server below its service", () => {
    const { lines } = draw({ ...SOME, drains: [aDrain(), aDrain({ id: "d-0", state: "done" })] });
    assert.deepEqual(lines, [
      "director 1.2.3, up 3d                                                   12:00:00",
      "2 services, 4 servers: 3 up, 1 DOWN",
      "! web app2: down for 3m: connection refused; weight 0",
      "web [######..........] step 8/20, next in 12s, 40% asked, 39.6% given, 34 open",
      "server  state    weight  act/in  conn/s  new connections, notes",
      "web  wrr  tcp 192.0.2.10:80  12.5/s            █",
      "  app1  up 3h    100       12/3    12.5             █  pass 1s ago",
      "  app2  DOWN 3m  0/100      0/0       0  connection refused",
      "db  wrr  tcp 192.0.2.20:5432 and 2 more",
      "  db1   up 3h    100       90/3       2             █  pass 1s ago",
      "  db10  up 3h    100       12/3       7             █  pass 1s ago",
      ...Array.from({ length: 12 }, () => ""),
      "? help  / filter  p problems  f s o r n order  q leave         by file  1-6 of 6",
    ]);
  });

  const orders: readonly (readonly [why: string, view: Partial<View>, names: string])[] = [
    ["as the file has them", {}, "web: app1 app2 db: db1 db10"],
    ["services from the last to the first", { inverted: true }, "db: db1 db10 web: app1 app2"],
    ["worst first, others by name", { order: "state" }, "app2 db1 db10 app1"],
    ["most open first", { order: "open" }, "db1 db10 app1 app2"],
    ["most new first", { order: "rate" }, "app1 db10 db1 app2"],
    ["least new first", { order: "rate", inverted: true }, "app2 db1 db10 app1"],
    ["by name: 1 before 10", { order: "name" }, "db1 db10 app1 app2"],
    ["words that all have to be there, in capitals or not", { filter: "DB b10" }, "db: db10"],
    ["by reason", { filter: "refused", order: "name" }, "app2"],
    ["nobody", { filter: "nope" }, ""],
    ["those with a problem", { onlyTroubled: true }, "web: app2"],
  ];
  for (const [why, view, names] of orders)
    test(`order and filter: ${why}`, () => {
      const rows = rowsOf(SOME.services, { ...FIRST_VIEW, ...view });
      assert.equal(
        rows.map((row) => (row.kind === "service" ? `${row.service.name}:` : row.server.name)).join(" "),
        names,
      );
    });

  const troubles: readonly (readonly [Partial<ServerStatus>, boolean])[] = [
    [{}, false],
    [{ weight: 0, configuredWeight: 0, kernelWeight: 0, rule: "configured-0" }, false],
    [{ state: "down" }, true],
    [{ weight: 60, kernelWeight: 60, rule: "drain" }, true],
    [{ kernelWeight: 70 }, true],
    [{ kernelWeight: undefined }, true],
    [{ disabled: { by: "bob", at: NOON, reason: undefined, until: undefined } }, true],
    [{ override: { weight: 100, by: "bob", at: NOON, reason: undefined } }, true],
    [{ checks: [aCheck({ unchecked: true })] }, true],
    [{ state: "unknown", reason: "flapping" }, true],
    [{ state: "unknown" }, false],
  ];
  for (const [more, is] of troubles)
    test(`${is ? "a problem" : "no problem"}: ${JSON.stringify(more)}`, () =>
      assert.equal(isTroubled(aServer("a", more)), is));

  const thousand = aStatus({
    problems: Array.from({ length: 30 }, (_, i) => ({ severity: "error" as const, message: `problem ${i}` })),
    drains: Array.from({ length: 9 }, (_, i) =>
      aDrain({ id: `d-${i}`, service: `a-service-with-a-very-long-name-${i}` }),
    ),
    services: Array.from({ length: 20 }, (_, s) =>
      aService(
        Array.from({ length: 50 }, (_, i) =>
          i % 7 === 0
            ? down(`a-server-with-a-long-name-${i}.example.org`, { reason: "status 503, expected 200-299 ".repeat(5) })
            : aServer(`app${i}`, {
                connectionsPerSecond: i * 100,
                active: 12345,
                inactive: 54321,
                weight: 30,
                rule: "set-by-command",
              }),
        ),
        {
          name: `service-${s}`,
          connectionsPerSecond: 99_999,
          trouble: s === 3 ? "no server gets clients" : undefined,
          frontends: ["tcp [2001:db8:1:2:3:4:5:6]:8443"],
        },
      ),
    ),
  });
  for (const [columns, rows] of [
    [80, 24],
    [40, 8],
    [20, 5],
    [132, 43],
    [250, 70],
    [10, 3],
  ] as const)
    for (const view of [
      {},
      { order: "state" as const },
      { offset: 5_000 },
      { help: true },
      { filter: "nobody", typing: true },
    ])
      test(`a thousand servers on ${columns} by ${rows}: every line fits, ${JSON.stringify(view)}`, () => {
        const { lines } = draw(thousand, view, { columns, rows });
        assert.equal(lines.length, rows);
        assert.deepEqual(
          lines.filter((line) => line.length > columns),
          [],
        );
      });

  test("scrolled to the end the last row is there, and nothing jumps sideways", () => {
    const first = draw(thousand, { order: "name" });
    const last = draw(thousand, { order: "name", offset: first.rows });
    assert.match(last.lines.at(-1)!, /-1000 of 1000$/);
    assert.match(last.lines.at(-2)!, /^service-19 app/);
    const heading = (lines: readonly string[]) => lines.find((line) => line.startsWith("service server"));
    assert.equal(heading(first.lines), heading(last.lines));
  });

  test("drawing a thousand servers takes milliseconds", () => {
    draw(thousand);
    const began = performance.now();
    for (let i = 0; i < 10; i++) draw(thousand, { order: "state" });
    assert.ok(performance.now() - began < 1_500, "150 ms each on a slow machine");
  });

  test("what is wrong with a service is not cut off by its addresses", () => {
    const line = draw(thousand, { filter: "service-3" }).lines.find((l) => l.startsWith("service-3"));
    assert.match(line!, /^service-3 {2}NO SERVER GETS CLIENTS/);
  });

  test("a daemon that is gone is the second line, everything else stands as it was", () => {
    const lost = { silentMs: 12 * SECOND, why: "there is no such socket" };
    const { lines } = draw(SOME, {}, SMALL, { lost });
    assert.equal(lines[1], "NO ANSWER from director for 12s: there is no such socket; trying again");
    assert.equal(lines[3], draw(SOME).lines[3]);
  });

  test("frozen, observing, starting, out of sync, held: in the first line", () => {
    const status = {
      ...SOME,
      mode: "observe" as const,
      ready: false,
      table: { ...SOME.table, inSync: false },
      freezes: [{ service: undefined, by: "bob", at: NOON, reason: undefined, until: NOON + HOUR }],
    };
    assert.match(
      draw(status, { held: true }, { columns: 120, rows: 24 }).lines[0]!,
      /^director 1\.2\.3, up 3d, OBSERVE MODE, FROZEN, STARTING, table NOT IN SYNC +HELD 12:00:00$/,
    );
  });
});

describe("sparklines", () => {
  const table: readonly (readonly [
    rates: readonly (number | null)[],
    width: number,
    unicode: boolean,
    expected: string,
  ])[] = [
    [[], 4, true, "    "],
    [[0, 0], 4, true, "  ▁▁"],
    [[0, 1, 2, 3, 4, 5, 6, 7], 8, true, "▁▂▃▄▅▆▇█"],
    [[0, 1, 2, 3, 4, 5, 6, 7], 8, false, "_.-=+*#@"],
    [[100, 1, 2], 2, true, "▅█"],
    [[0.1, 1000], 2, true, "▂█"],
    [[5, null, 5], 3, true, "█ █"],
  ];
  for (const [rates, width, unicode, expected] of table)
    test(`${JSON.stringify(rates)} on ${width}`, () => assert.equal(sparkline(rates, width, unicode), expected));

  test("two minutes are kept, and nothing of servers that are gone", () => {
    const history = rateHistory();
    for (let i = 0; i < 100; i++)
      history.take(aStatus({ services: [aService([aServer("a", { connectionsPerSecond: i })])] }));
    assert.deepEqual([history.of("web", "10.0.0.1:80").length, history.of("web", "10.0.0.1:80").at(-1)], [60, 99]);
    history.take(aStatus({ services: [] }));
    assert.deepEqual(history.of("web", "10.0.0.1:80"), []);
  });
});
