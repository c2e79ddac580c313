import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { diff } from "../../src/ipvs/diff.ts";
import { driftBetween, only, sameThing, tolerating } from "../../src/ipvs/drift.ts";
import { sameTable } from "../../src/ipvs/equal.ts";
import { overlaid } from "../../src/ipvs/overlay.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { Glance, IpvsTable } from "../../src/ipvs/table.ts";
import { at, glanceAt, listing, WEB, web } from "../support/tables.ts";
import { change, table } from "./random-table.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";
const OURS = web(`${A} 100`, `${B} 50`);

describe("what somebody else did to our services", () => {
  const rows: readonly (readonly [deed: string, actual: IpvsTable, repairs: readonly string[]])[] = [
    ["nothing", OURS, []],
    ["another weight", web(`${A} 7`, `${B} 50`), [`-e -t 192.0.2.10:80 -r ${A} -m -w 100`]],
    ["a server deleted", web(`${B} 50`), [`-a -t 192.0.2.10:80 -r ${A} -m -w 100`]],
    ["a server added", web(`${A} 100`, `${B} 50`, "10.0.0.9:80 1"), ["-d -t 192.0.2.10:80 -r 10.0.0.9:80"]],
    [
      "another scheduler",
      listing(
        "-A -t 192.0.2.10:80 -s rr",
        `-a -t 192.0.2.10:80 -r ${A} -m -w 100`,
        `-a -t 192.0.2.10:80 -r ${B} -m -w 50`,
      ),
      ["-E -t 192.0.2.10:80 -s wrr"],
    ],
    ["the service deleted, its servers with it: one deed", listing(), ["-A -t 192.0.2.10:80 -s wrr"]],
    ["a service of their own added", new Map([...OURS, ...listing("-A -t 192.0.2.99:80 -s wrr")]), []],
  ];
  for (const [deed, actual, repairs] of rows)
    test(deed, () => {
      const drift = driftBetween(OURS, actual);
      assert.deepEqual(
        drift.map((d) => ruleLine(d.repair)),
        repairs,
      );
      assert.equal(new Set(drift.map((d) => d.key)).size, drift.length);
    });

  test("the same thing has the same name each time, whatever is done to it", () => {
    const [first] = driftBetween(OURS, web(`${A} 7`, `${B} 50`));
    const [second] = driftBetween(OURS, web(`${B} 50`));
    assert.equal(first!.key, second!.key);
  });

  test("law: leaving everything that drifted as it is leaves nothing to write", () => {
    fc.assert(
      fc.property(change, ({ desired, actual }) => {
        let target = desired;
        for (const item of driftBetween(desired, actual)) {
          assert.ok(!sameThing(desired, actual, item), `${item.key} did not drift`);
          target = tolerating(target, actual, item);
        }
        assert.deepEqual(diff(target, actual, new Set(desired.keys())).map(ruleLine), []);
      }),
    );
  });

  test("law: leaving one thing as it is changes nothing else", () => {
    fc.assert(
      fc.property(change, fc.nat(), ({ desired, actual }, pick) => {
        const drift = driftBetween(desired, actual);
        const item = drift[pick % Math.max(1, drift.length)];
        if (!item) return;
        const left = driftBetween(tolerating(desired, actual, item), actual);
        assert.deepEqual(
          left.map((d) => d.key).sort(),
          drift
            .map((d) => d.key)
            .filter((key) => key !== item.key)
            .sort(),
        );
      }),
    );
  });

  test("only: our services and nothing of the others", () => {
    const both = new Map([...OURS, ...listing("-A -t 192.0.2.99:80 -s wrr")]);
    assert.deepEqual([...only(both, new Set([WEB])).keys()], [WEB]);
  });
});

describe("a glance laid over the last full reading", () => {
  test("present weights with the options that a glance does not show", () => {
    const known = listing("-A -t 192.0.2.10:80 -s mh -p 300 -b mh-fallback", `-a -t 192.0.2.10:80 -r ${A} -m -w 100`);
    const now = listing("-A -t 192.0.2.10:80 -s mh", `-a -t 192.0.2.10:80 -r ${A} -m -w 7`);
    const table = overlaid(known, glanceAt(now))!;
    assert.equal(table.get(WEB)!.persistence?.timeoutSec, 300);
    assert.deepEqual(table.get(WEB)!.flags, ["mh-fallback"]);
    assert.equal(table.get(WEB)!.destinations.get(at(A))!.weight, 7);
  });

  test("what is gone is gone", () => {
    assert.deepEqual(
      [
        ...overlaid(OURS, glanceAt(web(`${B} 50`)))!
          .get(WEB)!
          .destinations.keys(),
      ],
      [B],
    );
    assert.equal(overlaid(OURS, new Map())!.size, 0);
  });

  const news: readonly (readonly [string, Glance])[] = [
    ["a service", glanceAt(new Map([...OURS, ...listing("-A -t 192.0.2.99:80 -s wrr")]))],
    ["a server", glanceAt(web(`${A} 100`, `${B} 50`, "10.0.0.9:80 1"))],
    [
      "another scheduler",
      glanceAt(
        listing(
          "-A -t 192.0.2.10:80 -s rr",
          `-a -t 192.0.2.10:80 -r ${A} -m -w 100`,
          `-a -t 192.0.2.10:80 -r ${B} -m -w 50`,
        ),
      ),
    ],
    [
      "another forwarding method",
      glanceAt(
        listing(
          "-A -t 192.0.2.10:80 -s wrr",
          `-a -t 192.0.2.10:80 -r ${A} -i -w 100`,
          `-a -t 192.0.2.10:80 -r ${B} -m -w 50`,
        ),
      ),
    ],
  ];
  for (const [what, glance] of news)
    test(`${what} that the reading did not have: only a full reading tells`, () =>
      assert.equal(overlaid(OURS, glance), undefined));

  test("law: a glance of the very table gives the very entries", () => {
    fc.assert(
      fc.property(table, (any) => {
        const same = overlaid(any, glanceAt(any))!;
        assert.ok(sameTable(same, any));
        for (const [key, entry] of any) assert.equal(same.get(key), entry);
      }),
    );
  });
});
