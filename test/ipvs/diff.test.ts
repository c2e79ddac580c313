import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { apply, attempt } from "../../src/ipvs/apply.ts";
import { diff } from "../../src/ipvs/diff.ts";
import { sameTable } from "../../src/ipvs/equal.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsTable, ServiceEntry } from "../../src/ipvs/table.ts";
import type { ServiceKey } from "../../src/model/service.ts";
import { parseRule } from "./parse-rule.ts";
import { change, table } from "./random-table.ts";

/** A table from lines of `ipvsadm -Sn`, the shortest way to write one down. */
function tableFrom(...lines: readonly string[]): IpvsTable {
  const { table, unreadable } = parseListing(lines.join("\n"));
  assert.deepEqual(unreadable, []);
  return table;
}

const WEB = "-A -t 192.0.2.10:80 -s wrr";
const web = (...servers: readonly string[]) =>
  tableFrom(WEB, ...servers.map((server) => `-a -t 192.0.2.10:80 -r ${server}`));

/** The same by orders, for what `ipvsadm -Sn` does not print. */
const ordered = (...servers: readonly string[]) =>
  apply(new Map(), [WEB, ...servers.map((server) => `-a -t 192.0.2.10:80 -r ${server}`)].map(parseRule));

describe("diff, line by line", () => {
  const rows: readonly {
    name: string;
    desired: IpvsTable;
    actual: IpvsTable;
    owned?: readonly string[];
    lines: readonly string[];
  }[] = [
    {
      name: "a new service comes before its servers",
      desired: web("10.0.0.1:80 -m -w 5"),
      actual: tableFrom(),
      lines: ["-A -t 192.0.2.10:80 -s wrr", "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 5"],
    },
    {
      name: "what is equal is not rewritten",
      desired: web("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 0"),
      actual: web("10.0.0.2:80 -m -w 0", "10.0.0.1:80 -m -w 5"),
      lines: [],
    },
    {
      name: "weight is given before it is taken, deletions come last",
      desired: web("10.0.0.1:80 -m -w 1", "10.0.0.2:80 -m -w 9", "10.0.0.3:80 -m -w 0", "10.0.0.4:80 -m -w 4"),
      actual: web("10.0.0.1:80 -m -w 9", "10.0.0.2:80 -m -w 1", "10.0.0.5:80 -m -w 5"),
      lines: [
        "-e -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 9",
        "-a -t 192.0.2.10:80 -r 10.0.0.4:80 -m -w 4",
        "-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 1",
        "-a -t 192.0.2.10:80 -r 10.0.0.3:80 -m -w 0",
        "-d -t 192.0.2.10:80 -r 10.0.0.5:80",
      ],
    },
    {
      name: "another forwarding method is an edit in place",
      desired: web("10.0.0.1:80 -i -w 5 --tun-type gue --tun-port 7 --tun-csum"),
      actual: web("10.0.0.1:80 -m -w 5"),
      lines: ["-e -t 192.0.2.10:80 -r 10.0.0.1:80 -i --tun-type gue --tun-port 7 --tun-csum -w 5"],
    },
    {
      name: "one tunnel option alone is a difference",
      desired: web("10.0.0.1:80 -i -w 5 --tun-type gue --tun-port 7 --tun-csum"),
      actual: web("10.0.0.1:80 -i -w 5 --tun-type gue --tun-port 7 --tun-nocsum"),
      lines: ["-e -t 192.0.2.10:80 -r 10.0.0.1:80 -i --tun-type gue --tun-port 7 --tun-csum -w 5"],
    },
    {
      name: "limits on connections alone are a difference, whether lost, new or another",
      desired: ordered("10.0.0.1:80 -m -w 5 -x 9 -y 3", "10.0.0.2:80 -m -w 5 -x 9", "10.0.0.3:80 -m -w 5"),
      actual: ordered("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 5 -x 9 -y 3", "10.0.0.3:80 -m -w 5 -x 9"),
      lines: [
        "-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 5 -x 9 -y 3",
        "-e -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 5 -x 9",
        "-e -t 192.0.2.10:80 -r 10.0.0.3:80 -m -w 5",
      ],
    },
    {
      name: "another scheduler is an edit in place, before any weight",
      desired: tableFrom("-A -t 192.0.2.10:80 -s mh -b mh-port", "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 6"),
      actual: web("10.0.0.1:80 -m -w 5"),
      lines: ["-E -t 192.0.2.10:80 -s mh -b mh-port", "-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 6"],
    },
    {
      name: "what is new among the services comes before what is edited",
      desired: tableFrom("-A -t 192.0.2.10:80 -s rr", "-A -f 7 -s wrr"),
      actual: web(),
      lines: ["-A -f 7 -s wrr", "-E -t 192.0.2.10:80 -s rr"],
    },
    {
      name: "persistence that ends is said by leaving it out",
      desired: web(),
      actual: tableFrom("-A -t 192.0.2.10:80 -s wrr -p 300 -M 255.255.255.0"),
      lines: ["-E -t 192.0.2.10:80 -s wrr"],
    },
    {
      name: "an engine that somebody left without persistence is taken off",
      desired: web(),
      actual: tableFrom("-A -t 192.0.2.10:80 -s wrr --pe sip"),
      lines: ["-E -t 192.0.2.10:80 -s wrr"],
    },
    {
      name: "flags by number are those by name",
      desired: tableFrom("-A -t 192.0.2.10:80 -s mh -b flag-2,flag-1"),
      actual: tableFrom("-A -t 192.0.2.10:80 -s mh -b mh-fallback,mh-port"),
      lines: [],
    },
    {
      name: "an owned service that is no longer wanted goes, last of all and without its servers one by one",
      desired: tableFrom("-A -f 7 -s wrr"),
      actual: web("10.0.0.1:80 -m -w 5"),
      owned: ["tcp:192.0.2.10:80"],
      lines: ["-A -f 7 -s wrr", "-D -t 192.0.2.10:80"],
    },
    {
      name: "a service of others is none of our business",
      desired: tableFrom("-A -f 7 -s wrr"),
      actual: tableFrom("-A -f 7 -s wrr", "-A -f 7 -6 -s rr", "-a -f 7 -6 -r [fd00::1]:0 -m -w 1", WEB),
      lines: [],
    },
    {
      name: "an owned service that is not there needs no deletion",
      desired: tableFrom(),
      actual: tableFrom(),
      owned: ["tcp:192.0.2.10:80"],
      lines: [],
    },
  ];
  for (const { name, desired, actual, owned = [], lines } of rows)
    test(name, () => {
      assert.deepEqual(diff(desired, actual, new Set(owned as ServiceKey[])).map(ruleLine), lines);
    });
});

describe("laws of diff, over random tables", () => {
  test("a table does not differ from itself", () => {
    fc.assert(fc.property(table, (a) => assert.deepEqual(diff(a, a, new Set(a.keys())), [])));
  });

  test("applying a difference makes ours as wanted, leaves the rest alone, and nothing of it is refused", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const { table: after, refused } = attempt(actual, diff(desired, actual, owned));
        assert.deepEqual(refused, []);
        const foreign = [...actual].filter(([key]) => !owned.has(key) && !desired.has(key));
        assert.ok(sameTable(after, new Map([...desired, ...foreign])));
        for (const [key, entry] of foreign) assert.equal(after.get(key), entry);
        assert.deepEqual(diff(desired, after, owned), []);
      }),
    );
  });

  test("a service with weight before and after has weight after every single step, and exists throughout", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const serving = [...desired.keys()].filter((key) => hasWeight(actual.get(key)) && hasWeight(desired.get(key)));
        let now = actual;
        for (const step of diff(desired, actual, owned)) {
          now = apply(now, [step]);
          for (const key of serving) assert.ok(hasWeight(now.get(key)), `${key} is empty after ${ruleLine(step)}`);
        }
      }),
    );
  });

  test("no item is changed twice", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const lines = diff(desired, actual, owned).map(ruleLine);
        const items = lines.map((line) => line.replace(/^-(?=[AED])\w/, "S").replace(/^-[aed]/, "s"));
        const ids = items.map((line) => /^s?\S* (-[tuf]|--sctp-service) \S+( -6)?( -r \S+)?/.exec(line)?.[0]);
        assert.equal(new Set(ids).size, ids.length);
      }),
    );
  });
});

test("what was equal once is found changed as soon as either side has changed, and equal again after that", () => {
  const wanted = web("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 5");
  const same = web("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 5");
  const lines = (desired: IpvsTable, actual: IpvsTable) => diff(desired, actual, new Set(desired.keys())).map(ruleLine);
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(lines(wanted, same), []);
    assert.equal(lines(wanted, web("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 6")).length, 1);
    assert.equal(lines(wanted, web("10.0.0.1:80 -m -w 5")).length, 1);
    assert.equal(lines(wanted, web("10.0.0.1:80 -m -w 5", "10.0.0.2:80 -m -w 5", "10.0.0.3:80 -m -w 0")).length, 1);
    assert.equal(
      lines(
        wanted,
        tableFrom(
          `${WEB} -p 300`,
          "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 5",
          "-a -t 192.0.2.10:80 -r 10.0.0.2:80 -m -w 5",
        ),
      ).length,
      1,
    );
  }
});

function hasWeight(entry: ServiceEntry | undefined): boolean {
  return [...(entry?.destinations.values() ?? [])].some(({ weight }) => weight > 0);
}
