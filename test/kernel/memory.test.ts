import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { diff } from "../../src/ipvs/diff.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import type { IpvsTable } from "../../src/ipvs/table.ts";
import { type MemoryTable, memoryTable } from "../../src/kernel/memory.ts";
import type { DestinationKey, ServiceKey } from "../../src/model/service.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { contract } from "./contract.ts";

const never = new AbortController().signal;

describe("the table in memory keeps what the kernel keeps", () => {
  for (const { name, keep } of contract) test(name, () => keep(memoryTable()));
});

const WEB = "tcp:10.0.0.1:80" as ServiceKey;
const DNS = "udp:10.0.0.1:53" as ServiceKey;
const A = "10.1.0.1:80" as DestinationKey;
const B = "10.1.0.2:80" as DestinationKey;

async function ordered(...lines: readonly string[]): Promise<MemoryTable> {
  const table = memoryTable();
  await order(table, ...lines);
  return table;
}

async function order(table: MemoryTable, ...lines: readonly string[]): Promise<void> {
  assert.deepEqual(await table.apply(lines.map(parseRule), never), { complaints: [] });
}

async function web(scheduler: string, a: number, b: number): Promise<MemoryTable> {
  return ordered(
    `-A -t 10.0.0.1:80 -s ${scheduler}`,
    `-a -t 10.0.0.1:80 -r ${A} -m -w ${a}`,
    `-a -t 10.0.0.1:80 -r ${B} -m -w ${b}`,
  );
}

function picks(table: MemoryTable, count: number): readonly [a: number, b: number] {
  const picked = Array.from({ length: count }, () => table.pick(WEB));
  return [picked.filter((at) => at === A).length, picked.filter((at) => at === B).length];
}

async function connections(table: MemoryTable, service: ServiceKey, at: DestinationKey): Promise<string> {
  const seen = (await table.glance(new Map(), never)).get(service)?.destinations.get(at);
  const counted = (await table.stats(never)).get(service)?.get(at);
  return `${seen?.active}+${seen?.inactive}, ${counted?.connections} connections, ${counted?.packetsIn} packets`;
}

describe("who gets the next connection", () => {
  test("wrr goes by weight, and any edit sends it back to the newest server", async () => {
    assert.deepEqual(picks(await web("wrr", 90, 10), 200), [180, 20]);
    const table = await web("wrr", 90, 10);
    for (let i = 0; i < 60; i++) {
      await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 90`);
      assert.equal(table.pick(WEB), B);
    }
  });

  test("what is refused, or done elsewhere, leaves the scheduler where it was", async () => {
    const table = await web("wrr", 1, 1);
    assert.equal(table.pick(WEB), B);
    await table.apply([parseRule("-e -t 10.0.0.1:80 -r 10.9.9.9:80 -m -w 1")], never);
    await order(table, "-A -f 7 -s wrr", "-a -f 7 -r 10.1.0.1:0 -m -w 1", "-E -t 10.0.0.1:80 -s wrr -p 60");
    assert.equal(table.pick(WEB), A);
  });

  test("another scheduler begins anew", async () => {
    const table = await web("wrr", 90, 10);
    await order(table, "-E -t 10.0.0.1:80 -s rr");
    assert.deepEqual(picks(table, 100), [50, 50]);
  });

  test("rr takes turns whatever the weights, and skips weight 0", async () => {
    const table = await web("rr", 90, 10);
    assert.deepEqual(picks(table, 100), [50, 50]);
    await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 0`);
    assert.deepEqual(picks(table, 10), [0, 10]);
    await order(table, `-a -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 5`, `-d -t 10.0.0.1:80 -r ${B}`);
    assert.equal(table.pick(WEB), "10.1.0.3:80");
  });

  test("rr goes on from its place through edits and additions, and from the one before when its place is deleted", async () => {
    const table = await ordered("-A -t 10.0.0.1:80 -s rr");
    const add = (name: number): string => `-a -t 10.0.0.1:80 -r 10.1.0.${name}:80 -m -w 1`;
    const next = (): string => table.pick(WEB)!.slice("10.1.0.".length, -":80".length);
    await order(table, add(1), add(2), add(3));
    assert.deepEqual([next(), next()], ["3", "2"]);
    await order(table, "-e -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 5", add(4));
    assert.deepEqual([next(), next(), next()], ["1", "4", "3"]);
    await order(table, "-d -t 10.0.0.1:80 -r 10.1.0.3:80");
    assert.deepEqual([next(), next()], ["2", "1"]);
    await order(table, "-d -t 10.0.0.1:80 -r 10.1.0.1:80", "-d -t 10.0.0.1:80 -r 10.1.0.2:80");
    assert.deepEqual([next(), next()], ["4", "4"]);
  });

  test("the others go by weight, the same way every time", async () => {
    const [one, two] = [await web("wlc", 3, 1), await web("wlc", 3, 1)];
    const [a, b] = picks(one, 1000);
    assert.ok(a > 700 && a < 800 && a + b === 1000, `${a}:${b}`);
    assert.deepEqual(picks(two, 1000), [a, b]);
  });

  test("nobody where nobody has weight, or where there is no service", async () => {
    for (const scheduler of ["wrr", "rr", "wlc", "sh"]) {
      const table = await web(scheduler, 0, 0);
      assert.equal(table.pick(WEB), undefined);
      assert.equal(table.open(WEB), undefined);
      assert.equal(table.pick(DNS), undefined);
    }
  });
});

describe("connections", () => {
  test("of TCP are active, of UDP inactive, until released; counters stay", async () => {
    const table = await ordered(
      "-A -t 10.0.0.1:80 -s wrr",
      `-a -t 10.0.0.1:80 -r ${A} -m -w 1`,
      "-A -u 10.0.0.1:53 -s wrr",
      `-a -u 10.0.0.1:53 -r ${A} -m -w 1`,
    );
    assert.equal(table.open(WEB), A);
    assert.equal(table.open(WEB), A);
    assert.equal(table.open(DNS), A);
    table.packet(DNS, A);
    assert.equal(await connections(table, WEB, A), "2+0, 2 connections, 2 packets");
    assert.equal(await connections(table, DNS, A), "0+1, 1 connections, 2 packets");
    table.release(WEB, A);
    table.release(DNS, A);
    assert.equal(await connections(table, WEB, A), "1+0, 2 connections, 2 packets");
    assert.equal(await connections(table, DNS, A), "0+0, 1 connections, 2 packets");
    table.release(WEB, A);
    assert.throws(() => table.release(WEB, A), /no connection/);
  });

  test("survive edits and weight 0, and a server deleted with connections has them again when it comes back", async () => {
    const table = await web("wrr", 1, 0);
    table.open(WEB);
    await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 0`, "-E -t 10.0.0.1:80 -s wlc");
    assert.equal(await connections(table, WEB, A), "1+0, 1 connections, 1 packets");
    await order(table, `-d -t 10.0.0.1:80 -r ${A}`);
    assert.equal(await connections(table, WEB, A), "undefined+undefined, undefined connections, undefined packets");
    await order(table, `-a -t 10.0.0.1:80 -r ${A} -m -w 0`);
    assert.equal(await connections(table, WEB, A), "1+0, 1 connections, 1 packets");
    table.release(WEB, A);
    await order(table, "-D -t 10.0.0.1:80", "-A -t 10.0.0.1:80 -s wrr", `-a -t 10.0.0.1:80 -r ${A} -m -w 0`);
    assert.equal(await connections(table, WEB, A), "0+0, 0 connections, 0 packets");
  });
});

describe("limits on connections", () => {
  const limited = (limits: string) => [
    "-A -t 10.0.0.1:80 -s wrr",
    `-a -t 10.0.0.1:80 -r ${A} -m -w 9 ${limits}`,
    `-a -t 10.0.0.1:80 -r ${B} -m -w 1`,
  ];
  const open = (table: MemoryTable, count: number) => Array.from({ length: count }, () => table.open(WEB));
  const count = (list: readonly unknown[], what: unknown) => list.filter((each) => each === what).length;

  for (const scheduler of ["wrr", "rr", "wlc"])
    test(`${scheduler}: at the upper one a server gets no more, until it is below the lower one`, async () => {
      const table = await ordered(...limited("-x 4 -y 2"));
      await order(table, `-E -t 10.0.0.1:80 -s ${scheduler}`);
      assert.equal(count(open(table, 50), A), 4);
      table.release(WEB, A);
      table.release(WEB, A);
      assert.equal(count(open(table, 20), A), 0);
      table.release(WEB, A);
      assert.equal(count(open(table, 50), A), 3);
    });

  test("without a lower one it is below three quarters of the upper", async () => {
    const table = await ordered(...limited("-x 8"));
    assert.equal(count(open(table, 50), A), 8);
    for (let i = 0; i < 2; i++) table.release(WEB, A);
    assert.equal(count(open(table, 20), A), 0);
    table.release(WEB, A);
    assert.equal(count(open(table, 50), A), 3);
  });

  test("nobody where everybody is full, and the walk of wrr is where it was", async () => {
    const table = await ordered(...limited("-x 2 -y 2").slice(0, 2));
    assert.deepEqual(open(table, 3), [A, A, undefined]);
    table.release(WEB, A);
    assert.deepEqual(open(table, 2), [A, undefined]);
  });

  test("an edit that lifts or ends them frees the server at once, one that lowers them does not fill it", async () => {
    const table = await ordered(...limited("-x 4"));
    open(table, 50);
    await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 9 -x 6`);
    assert.equal(count(open(table, 50), A), 2);
    await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 9`);
    assert.equal(count(open(table, 50), A), 45);
    await order(table, `-e -t 10.0.0.1:80 -r ${A} -m -w 9 -x 4`);
    assert.equal(count(open(table, 50), A), 1);
  });
});

test("a table that was read does not change under its reader", async () => {
  const table = await web("wrr", 1, 1);
  const before = await table.read(never);
  await order(table, `-d -t 10.0.0.1:80 -r ${A}`, "-A -f 7 -s wrr");
  assert.equal(before.get(WEB)?.destinations.size, 2);
  assert.equal(before.size, 1);
});

test("begins with the table it is given, and schedules it", () => {
  const { table: initial } = parseListing(`-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r ${A} -m -w 1\n`);
  assert.equal(memoryTable(initial).pick(WEB), A);
});

test("10,000 servers in 200 services are written in well under a second", async () => {
  const lines = Array.from({ length: 200 }, (_, s) => [
    `-A -t 10.0.0.${s}:80 -s wrr`,
    ...Array.from({ length: 50 }, (_, i) => `-a -t 10.0.0.${s}:80 -r 10.1.${s}.${i}:80 -m -w ${i}`),
  ]).flat();
  const table = memoryTable();
  const wanted: IpvsTable = parseListing(lines.join("\n")).table;
  const startedAt = performance.now();
  await table.apply(diff(wanted, new Map(), new Set()), never);
  const took = performance.now() - startedAt;
  assert.equal((await table.read(never)).size, 200);
  assert.ok(took < 2000, `${took} ms`);
});
