import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { apply } from "../../src/ipvs/apply.ts";
import { cautiously } from "../../src/ipvs/caution.ts";
import { diff } from "../../src/ipvs/diff.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { IpvsChange, IpvsTable, ServiceEntry } from "../../src/ipvs/table.ts";
import { changesBetween, WEB, web } from "../support/tables.ts";
import { change } from "./random-table.ts";

const OLD = "10.0.0.1:80";
const NEW = "10.0.0.2:80";
const THIRD = "10.0.0.3:80";
const nobody = () => false;

describe("lowering waits for the raise it rests on", () => {
  const rows: readonly (readonly [
    name: string,
    actual: IpvsTable,
    wanted: IpvsTable,
    held: readonly string[],
    urgent?: string,
  ])[] = [
    ["the last server goes as another comes", web(`${OLD} 100`), web(`${OLD} 0`, `${NEW} 100`), [`${OLD} -m -w 0`]],
    [
      "the last goes as one that stood at 0 is raised",
      web(`${OLD} 100`, `${NEW} 0`),
      web(`${OLD} 0`, `${NEW} 100`),
      [`${OLD} -m -w 0`],
    ],
    ["the last is deleted as another comes", web(`${OLD} 100`), web(`${NEW} 100`), [OLD]],
    [
      "a third one that stays carries it",
      web(`${OLD} 100`, `${THIRD} 5`),
      web(`${OLD} 0`, `${NEW} 100`, `${THIRD} 5`),
      [],
    ],
    [
      "a third one that is lowered, not to 0, carries it",
      web(`${OLD} 100`, `${THIRD} 5`),
      web(`${OLD} 0`, `${NEW} 100`, `${THIRD} 1`),
      [],
    ],
    ["less, not nothing", web(`${OLD} 100`), web(`${OLD} 1`, `${NEW} 100`), []],
    ["one comes at weight 0: nobody to wait for", web(`${OLD} 100`), web(`${OLD} 0`, `${NEW} 0`), []],
    ["nobody comes: whoever wants nobody gets nobody", web(`${OLD} 100`), web(`${OLD} 0`), []],
    [
      "all of several go",
      web(`${OLD} 100`, `${THIRD} 50`),
      web(`${OLD} 0`, `${NEW} 1`, `${THIRD} 0`),
      [`${OLD} -m -w 0`, `${THIRD} -m -w 0`],
    ],
    ["a dead one never waits", web(`${OLD} 100`), web(`${OLD} 0`, `${NEW} 100`), [], OLD],
    [
      "the dead go, the living wait",
      web(`${OLD} 100`, `${THIRD} 50`),
      web(`${OLD} 0`, `${NEW} 1`, `${THIRD} 0`),
      [`${THIRD} -m -w 0`],
      OLD,
    ],
    [
      "who is at 0 already may be deleted",
      web(`${OLD} 0`, `${THIRD} 9`),
      web(`${NEW} 5`, `${THIRD} 0`),
      [`${THIRD} -m -w 0`],
    ],
  ];
  for (const [name, actual, wanted, held, urgent] of rows)
    test(name, () => {
      const changes = changesBetween(actual, wanted);
      const split = cautiously(changes, actual, (service, destination) => service === WEB && destination === urgent);
      assert.deepEqual(
        split.held.map((c) => ruleLine(c).split(" -r ")[1]),
        held,
      );
      assert.deepEqual([...split.now, ...split.held].map(ruleLine).sort(), changes.map(ruleLine).sort());
    });

  test("other services do not wait with it", () => {
    const other = (table: IpvsTable): IpvsTable =>
      new Map([...table].map(([key, entry]) => [`${key}1` as typeof key, entry]));
    const actual = new Map([...web(`${OLD} 100`), ...other(web(`${OLD} 100`, `${THIRD} 7`))]);
    const wanted = new Map([...web(`${OLD} 0`, `${NEW} 100`), ...other(web(`${OLD} 0`, `${THIRD} 9`))]);
    assert.deepEqual(
      cautiously(changesBetween(actual, wanted), actual, nobody).held.map((c) => c.service),
      [WEB],
    );
  });
});

describe("laws of caution, over random tables", () => {
  const weightOf = (entry: ServiceEntry | undefined) =>
    [...(entry?.destinations.values() ?? [])].reduce((sum, d) => sum + d.weight, 0);
  const raises = (c: IpvsChange) =>
    (c.op === "add-server" && c.destination.weight > 0) ||
    (c.op === "edit-server" && c.destination.weight > c.was.weight);

  test("even if the kernel refuses every raise, no service that had weight and is to have weight is left without", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const { now } = cautiously(diff(desired, actual, owned), actual, nobody);
        const after = apply(
          actual,
          now.filter((c) => !raises(c)),
        );
        for (const [key, entry] of desired)
          if (weightOf(entry) > 0 && weightOf(actual.get(key)) > 0) assert.ok(weightOf(after.get(key)) > 0, key);
      }),
    );
  });

  test("it ends: once the raises stand nothing waits any more", () => {
    fc.assert(
      fc.property(change, ({ desired, actual, owned }) => {
        const first = cautiously(diff(desired, actual, owned), actual, nobody);
        const between = apply(actual, first.now);
        assert.deepEqual(cautiously(diff(desired, between, owned), between, nobody).held, []);
      }),
    );
  });
});
