import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sameDestination, sameForwarding, sameOptions, sameTable } from "../../src/ipvs/equal.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import type { IpvsTable } from "../../src/ipvs/table.ts";
import { service, table, tableOf } from "./random-table.ts";
import { renderListing, renderThresholds } from "./render.ts";

describe("the same for the kernel", () => {
  test("two services have the same options if ipvsadm would print the same of them, and only then", () => {
    fc.assert(
      fc.property(service, service, (a, other) => {
        // The same frontend, or no two would ever be the same.
        const b = { ...other, frontend: a.frontend };
        const printed = [a, b].map((entry) => renderListing(tableOf([{ ...entry, destinations: new Map() }])));
        assert.equal(sameOptions(a, b), printed[0] === printed[1]);
        assert.ok(sameOptions(a, structuredClone(a)));
      }),
    );
  });

  test("two tables are the same if ipvsadm would print the same lines of them, in whatever order", () => {
    const lines = (text: string): readonly string[] => text.split("\n").sort();
    const blocks = (text: string): readonly string[] =>
      text
        .split(/\n(?! )/)
        .map((block) => block.split(/\n/).sort().join())
        .sort();
    fc.assert(
      fc.property(table, table, (a, b) => {
        const printed = (t: IpvsTable) => JSON.stringify([lines(renderListing(t)), blocks(renderThresholds(t))]);
        const same = printed(a) === printed(b);
        assert.equal(sameTable(a, b), same);
        assert.ok(sameTable(a, new Map([...structuredClone(a)].reverse())));
      }),
    );
  });
});

/** Each differs from each other in one thing the kernel keeps. */
const SERVICES = [
  "-s wrr",
  "-s rr",
  "-s wrr -o",
  "-s wrr -b flag-1",
  "-s wrr -b flag-1,flag-2",
  "-s wrr -b flag-3",
  "-s sh",
  "-s sh -b sh-fallback",
  "-s sh -b sh-port",
  "-s mh -b mh-port",
  "-s wrr -p 60",
  "-s wrr -p 61",
  "-s wrr -p 60 -M 255.255.255.0",
  "-s wrr -p 60 -M 255.255.254.0",
  "-s wrr -p 60 --pe sip",
  "-s wrr --pe sip",
];
const SERVERS = [
  "10.0.0.1:80 -m -w 1",
  "10.0.0.1:80 -m -w 0",
  "10.0.0.1:81 -m -w 1",
  "10.0.0.2:80 -m -w 1",
  "10.0.0.1:80 -g -w 1",
  "10.0.0.1:80 -i -w 1 --tun-type ipip",
  "10.0.0.1:80 -i -w 1 --tun-type gre --tun-nocsum",
  "10.0.0.1:80 -i -w 1 --tun-type gre --tun-csum",
  "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 5 --tun-nocsum",
  "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6 --tun-nocsum",
  "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 5 --tun-csum",
  "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 5 --tun-remcsum",
];

describe("every single difference counts", () => {
  for (const [i, a] of SERVICES.entries())
    test(`service ${a}`, () => {
      for (const [j, b] of SERVICES.entries()) {
        const [one, two] = [a, b].map(
          (options) => [...parseListing(`-A -u 10.0.0.1:53 ${options}`).table.values()][0]!,
        );
        assert.equal(sameOptions(one!, two!), i === j, `${a} and ${b}`);
      }
    });

  for (const [i, a] of SERVERS.entries())
    test(`server ${a}`, () => {
      for (const [j, b] of SERVERS.entries()) {
        const [one, two] = [a, b].map((words) => {
          const { table } = parseListing(`-A -t 10.0.0.9:80 -s wrr\n-a -t 10.0.0.9:80 -r ${words}`);
          return [...[...table.values()][0]!.destinations.values()][0]!;
        });
        assert.equal(sameDestination(one!, two!), i === j, `${a} and ${b}`);
        if (i >= 4 || j >= 4) assert.equal(sameForwarding(one!.forwarding, two!.forwarding), i === j, `${a} and ${b}`);
      }
    });
});

test("flags by number are flags by name for sh and mh, whose third flag is not listed", () => {
  const flags = (scheduler: string, ...flags: readonly string[]) => ({
    ...[...parseListing(`-A -t 10.0.0.1:80 -s ${scheduler}`).table.values()][0]!,
    flags,
  });
  assert.ok(sameOptions(flags("mh", "flag-1", "flag-2"), flags("mh", "mh-port", "mh-fallback")));
  assert.ok(sameOptions(flags("sh", "flag-1", "flag-3"), flags("sh", "sh-fallback")));
  assert.ok(!sameOptions(flags("mh", "flag-1"), flags("mh", "mh-port")));
  assert.ok(!sameOptions(flags("wrr", "flag-1", "flag-3"), flags("wrr", "flag-1")));
});
