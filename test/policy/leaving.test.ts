import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { IpvsTable, Stats } from "../../src/ipvs/table.ts";
import type { DestinationKey, Frontend, ServiceKey } from "../../src/model/service.ts";
import { type Idleness, isIdle, type Leaving, look, withLeaving } from "../../src/policy/leaving.ts";
import { frontend } from "../support/services.ts";
import { at, glanceAt, linesBetween, listing, WEB, web } from "../support/tables.ts";
import { mono } from "./drains.ts";

const TCP = frontend("tcp 192.0.2.10:80");
const UDP = frontend("udp 192.0.2.10:53");
const MARK = frontend("fwmark 7");

describe("idle", () => {
  /** Looks at these seconds with so many active connections and so many packets. */
  function looks(...seen: readonly (readonly [second: number, active: number, packets?: number])[]): Idleness {
    let present: Idleness | undefined;
    for (const [second, active, packets] of seen) present = look(present, { active, packets }, mono(second * 1_000));
    return present!;
  }
  const rows: readonly (readonly [
    name: string,
    frontend: Frontend,
    idleness: Idleness | undefined,
    atSecond: number,
    idle: boolean,
  ])[] = [
    ["never looked at", TCP, undefined, 100, false],
    ["tcp: one look is not enough", TCP, looks([0, 0]), 100, false],
    ["tcp: two looks without a connection", TCP, looks([0, 0], [1, 0]), 1, true],
    ["tcp: two looks in the same second are one", TCP, looks([0, 0], [0.5, 0]), 100, false],
    ["tcp: looks that follow too closely still come to two in time", TCP, looks([0, 0], [0.5, 0], [1, 0]), 1, true],
    ["tcp: a connection in between", TCP, looks([0, 0], [1, 3], [2, 0]), 100, false],
    ["tcp: a connection in a look that follows closely counts too", TCP, looks([0, 0], [0.5, 1], [1, 0]), 100, false],
    ["tcp: packets do not matter", TCP, looks([0, 0, 1], [1, 0, 2]), 1, true],
    ["udp: active connections are always 0, packets tell", UDP, looks([0, 0, 5], [1, 0, 5]), 29, false],
    ["udp: no packet for 30s", UDP, looks([0, 0, 5], [30, 0, 5]), 30, true],
    ["udp: a packet begins the time anew", UDP, looks([0, 0, 5], [20, 0, 6], [40, 0, 6]), 40, false],
    [
      "udp: a packet seen in a look that follows closely begins it there",
      UDP,
      looks([0, 0, 5], [0.5, 0, 6], [30.4, 0, 6]),
      30.5,
      true,
    ],
    ["udp: packets unknown", UDP, looks([0, 0], [60, 0]), 60, false],
    ["fwmark: quiet is not enough, it may be udp", MARK, looks([0, 0, 5], [2, 0, 5]), 2, false],
    ["fwmark: silent is not enough, it may be tcp", MARK, looks([0, 1, 5], [40, 1, 5]), 40, false],
    ["fwmark: both", MARK, looks([0, 0, 5], [40, 0, 5]), 40, true],
  ];
  for (const [name, front, idleness, second, idle] of rows)
    test(name, () => assert.equal(isIdle(front, idleness, mono(second * 1_000)), idle));
});

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const GRACE = 600_000;

interface Round {
  readonly desired: IpvsTable;
  readonly actual: IpvsTable;
  readonly now: number;
  readonly before?: ReadonlyMap<string, Leaving>;
  readonly watched?: ReadonlyMap<string, Idleness>;
  readonly active?: Readonly<Record<string, number>>;
  readonly takenOut?: string;
  readonly owned?: readonly ServiceKey[];
  readonly stats?: Stats;
}

function round({ desired, actual, now, before = new Map(), active = {}, takenOut, owned = [WEB], ...more }: Round) {
  return withLeaving({
    desired,
    actual,
    owned: new Set(owned),
    before,
    watched: more.watched ?? new Map(),
    takenOut: (_, destination) => destination === takenOut,
    glance: glanceAt(actual, active),
    stats: more.stats,
    graceOf: () => GRACE,
    now: mono(now),
  });
}

describe("what leaves the table, and when", () => {
  test("first to weight 0; deleted when idle in two looks at weight 0", () => {
    const first = round({ desired: web(`${B} 100`), actual: web(`${A} 100`, `${B} 100`), now: 0 });
    assert.deepEqual(linesBetween(web(`${A} 100`, `${B} 100`), first.table), [`-e -t 192.0.2.10:80 -r ${A} -m -w 0`]);
    assert.equal(first.lookAgainAt, 1_000);
    const atZero = web(`${A} 0`, `${B} 100`);
    const second = round({ desired: web(`${B} 100`), actual: atZero, now: 1_000, before: first.leaving });
    assert.deepEqual(linesBetween(atZero, second.table), []);
    const third = round({ desired: web(`${B} 100`), actual: atZero, now: 2_000, before: second.leaving });
    assert.deepEqual(linesBetween(atZero, third.table), [`-d -t 192.0.2.10:80 -r ${A}`]);
    assert.equal(third.leaving.size, 0);
    assert.deepEqual(third.overdue, []);
  });

  test("as long as it has connections it stays; at the end of its grace it goes, and their number is told", () => {
    const actual = web(`${A} 0`, `${B} 100`);
    let before: ReadonlyMap<string, Leaving> = new Map();
    for (const now of [0, 1_000, 300_000, GRACE - 1]) {
      const result = round({ desired: web(`${B} 100`), actual, now, before, active: { [A]: 3 } });
      assert.deepEqual(linesBetween(actual, result.table), []);
      assert.ok(result.lookAgainAt! > now && result.lookAgainAt! <= now + 1_000);
      before = result.leaving;
    }
    const over = round({ desired: web(`${B} 100`), actual, now: GRACE, before, active: { [A]: 3 } });
    assert.deepEqual(linesBetween(actual, over.table), [`-d -t 192.0.2.10:80 -r ${A}`]);
    assert.deepEqual(
      over.overdue.map((item) => [item.destination, item.active]),
      [[A, 3]],
    );
  });

  test("looks before it was at weight 0 do not count: the next client might still have come", () => {
    const actual = web(`${A} 100`, `${B} 100`);
    let before: ReadonlyMap<string, Leaving> = new Map();
    for (const now of [0, 1_000, 2_000, 3_000])
      before = round({ desired: web(`${B} 100`), actual, now, before }).leaving;
    const atZero = web(`${A} 0`, `${B} 100`);
    const result = round({ desired: web(`${B} 100`), actual: atZero, now: 4_000, before });
    assert.deepEqual(linesBetween(atZero, result.table), []);
  });

  test("the time that a drain has waited for its connections counts; connections since then count against it", () => {
    const place = `${WEB} ${A}`;
    const watched = new Map([[place, { lookedAt: mono(0), quietLooks: 2, packets: undefined, packetsSince: mono(0) }]]);
    const atZero = web(`${A} 0`, `${B} 100`);
    const wait = { desired: web(`${B} 100`), actual: atZero, now: 500, watched };
    assert.deepEqual(linesBetween(atZero, round(wait).table), [`-d -t 192.0.2.10:80 -r ${A}`]);
    assert.deepEqual(linesBetween(atZero, round({ ...wait, active: { [A]: 1 } }).table), []);
    const raised = round({ ...wait, actual: web(`${A} 5`, `${B} 100`) });
    assert.equal(raised.leaving.get(place)!.idleness, undefined);
  });

  test("an address that comes back takes over its entry", () => {
    const gone = round({ desired: web(`${B} 100`), actual: web(`${A} 100`, `${B} 100`), now: 0 });
    const back = round({
      desired: web(`${A} 30`, `${B} 100`),
      actual: web(`${A} 0`, `${B} 100`),
      now: 5_000,
      before: gone.leaving,
    });
    assert.deepEqual(linesBetween(web(`${A} 0`, `${B} 100`), back.table), [`-e -t 192.0.2.10:80 -r ${A} -m -w 30`]);
    assert.equal(back.leaving.size, 0);
  });

  test("what is taken out on purpose goes at once", () => {
    const actual = web(`${A} 100`, `${B} 100`);
    const result = round({ desired: web(`${B} 100`), actual, now: 0, takenOut: A, active: { [A]: 9 } });
    assert.deepEqual(linesBetween(actual, result.table), [`-d -t 192.0.2.10:80 -r ${A}`]);
  });

  test("a service that left the file goes server by server, itself last, and keeps its options meanwhile", () => {
    const actual = listing(
      "-A -t 192.0.2.10:80 -s wrr -p 300",
      `-a -t 192.0.2.10:80 -r ${A} -m -w 5`,
      `-a -t 192.0.2.10:80 -r ${B} -m -w 0`,
    );
    const first = round({ desired: new Map(), actual, now: 0, active: { [A]: 1 } });
    assert.deepEqual(linesBetween(actual, first.table), [`-e -t 192.0.2.10:80 -r ${A} -m -w 0`]);
    const atZero = listing(
      "-A -t 192.0.2.10:80 -s wrr -p 300",
      `-a -t 192.0.2.10:80 -r ${A} -m -w 0`,
      `-a -t 192.0.2.10:80 -r ${B} -m -w 0`,
    );
    const second = round({ desired: new Map(), actual: atZero, now: 1_000, before: first.leaving, active: { [A]: 1 } });
    assert.deepEqual(linesBetween(atZero, second.table), [`-d -t 192.0.2.10:80 -r ${B}`]);
    const alone = listing("-A -t 192.0.2.10:80 -s wrr -p 300", `-a -t 192.0.2.10:80 -r ${A} -m -w 0`);
    const third = round({ desired: new Map(), actual: alone, now: 2_000, before: second.leaving });
    const fourth = round({ desired: new Map(), actual: alone, now: 3_000, before: third.leaving });
    assert.deepEqual(linesBetween(alone, fourth.table), ["-D -t 192.0.2.10:80"]);
  });

  test("an empty service that left the file goes at once", () => {
    assert.deepEqual(linesBetween(web(), round({ desired: new Map(), actual: web(), now: 0 }).table), [
      "-D -t 192.0.2.10:80",
    ]);
  });

  test("services that are not ours do not appear at all", () => {
    const result = round({ desired: new Map(), actual: web(`${A} 5`), now: 0, owned: [] });
    assert.equal(result.table.size, 0);
    assert.equal(result.leaving.size, 0);
  });

  test("udp goes when no packet came for 30s, whatever its connections", () => {
    const dns = "udp:192.0.2.10:53" as ServiceKey;
    const entry = (weight: number) =>
      listing("-A -u 192.0.2.10:53 -s wrr", `-a -u 192.0.2.10:53 -r 10.0.0.1:53 -m -w ${weight}`);
    const packets = (packetsIn: number): Stats =>
      new Map([[dns, new Map([[at("10.0.0.1:53"), { connections: 1, packetsIn }]])]]);
    let before: ReadonlyMap<string, Leaving> = new Map();
    let table = entry(100);
    for (const [now, count, deleted] of [
      [0, 5, false],
      [1_000, 5, false],
      [20_000, 9, false],
      [49_999, 9, false],
      [50_000, 9, true],
    ] as const) {
      const result = round({
        desired: listing("-A -u 192.0.2.10:53 -s wrr"),
        actual: table,
        now,
        before,
        owned: [dns],
        stats: packets(count),
      });
      assert.equal(result.table.get(dns)!.destinations.size === 0, deleted, `at ${now} ms`);
      before = result.leaving;
      table = entry(0);
    }
  });

  test("idleness is known by the pair: the same server leaving another service does not count here", () => {
    const other = "tcp:192.0.2.11:80" as ServiceKey;
    const leaving = round({ desired: web(), actual: web(`${A} 0`), now: 0 }).leaving;
    const twin = listing("-A -t 192.0.2.11:80 -s wrr", `-a -t 192.0.2.11:80 -r ${A} -m -w 0`);
    const result = round({
      desired: listing("-A -t 192.0.2.11:80 -s wrr"),
      actual: twin,
      now: 5_000,
      before: leaving,
      owned: [other],
    });
    assert.ok(result.table.get(other)!.destinations.has(A as DestinationKey));
  });
});
