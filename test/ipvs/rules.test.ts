import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { apply } from "../../src/ipvs/apply.ts";
import { diff } from "../../src/ipvs/diff.ts";
import { sameTable } from "../../src/ipvs/equal.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsChange } from "../../src/ipvs/table.ts";
import { parseRule } from "./parse-rule.ts";
import { change, service, tableOf } from "./random-table.ts";

describe("rule lines", () => {
  test("a line read as ipvsadm reads it orders what was meant", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const changes = diff(desired, actual, owned);
        const read = changes.map((step) => parseRule(ruleLine(step)));
        assert.deepEqual(
          read.map(({ op, service }) => [op, service]),
          changes.map(({ op, service }) => [op, service]),
        );
        assert.ok(sameTable(apply(actual, read), apply(actual, changes)));
      }),
    );
  });

  test("-E and -e say as much as -A and -a: nothing is left to what was there before", () => {
    fc.assert(
      fc.property(service, (entry) => {
        const [key] = tableOf([entry]).keys();
        const add: IpvsChange = { op: "add-service", service: key!, entry };
        const edit: IpvsChange = { op: "edit-service", service: key!, entry, was: entry };
        assert.equal(ruleLine(edit), ruleLine(add).replace("-A", "-E"));
        for (const destination of entry.destinations.values()) {
          const { frontend } = entry;
          const line = ruleLine({ op: "add-server", service: key!, frontend, destination });
          assert.match(line, / -r \S+ (-m|-g|-i) /);
          assert.match(line, destination.limits ? / -w \d+ -x \d+( -y \d+)?$/ : / -w \d+$/);
          assert.equal(
            ruleLine({ op: "edit-server", service: key!, frontend, destination, was: destination }),
            line.replace("-a", "-e"),
          );
        }
      }),
    );
  });

  test("every word is a number, an option, an address or a kernel's name: nothing to quote or to resolve", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        for (const step of diff(desired, actual, owned))
          assert.match(
            ruleLine(step),
            /^-[AEDaed]( (--?[a-zA-Z0-9-]+|[0-9a-z,-]+|[0-9.]+(:\d+)?|\[[0-9a-f:]+\]:\d+))+$/,
          );
      }),
    );
  });

  test("a netmask with holes, which is only ever read, is not written as another one", () => {
    fc.assert(
      fc.property(service, (entry) => {
        const four = (entry.frontend.kind === "fwmark" ? entry.frontend.family : entry.frontend.address.family) === 4;
        fc.pre(four);
        const odd = { ...entry, persistence: { timeoutSec: 60, prefix: -1, engine: undefined } };
        const [key] = tableOf([entry]).keys();
        assert.throws(() => ruleLine({ op: "add-service", service: key!, entry: odd }), /netmask/);
      }),
    );
  });
});
