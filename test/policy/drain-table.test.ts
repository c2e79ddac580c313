import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import type { ServerKey } from "../../src/model/service.ts";
import {
  DEFAULT_DRAIN_POLICY,
  type Drain,
  type DrainPolicy,
  type DrainView,
  isActive,
  isStanding,
  type Participant,
} from "../../src/policy/drain.ts";
import { advance, command, followed, recovered } from "../../src/policy/drain-machine.ts";
import { type DrainCommand, TRANSITIONS, type Transition } from "../../src/policy/drain-table.ts";
import { drains, undrained } from "../../src/policy/undrain.ts";
import { at, drain, mono } from "./drains.ts";

type On = Transition["on"];
/** `shifting, step due, shifting`. */
type Occurrence = `${string}, ${string}, ${string}`;

const occurrence = (from: string, on: On, to: string): Occurrence => `${from}, ${on}, ${to}`;
const rows = TRANSITIONS.flatMap(({ from, on, to }) => from.flatMap((f) => to.map((t) => occurrence(f, on, t))));

const NAMES = ["a", "b", "c", "d", "e"] as const;
const key = (i: number) => NAMES[i]! as string as ServerKey;

interface World {
  readonly weights: readonly number[];
  readonly ready: readonly boolean[];
  readonly inFile: readonly boolean[];
  readonly service: boolean;
  readonly storable: boolean;
  readonly idle: boolean;
}

type Deed =
  | { readonly do: "health" | "file"; readonly server: number; readonly is: boolean }
  | { readonly do: "service" | "storable" | "idle"; readonly is: boolean }
  | { readonly do: "time"; readonly ms: number }
  | { readonly do: "order"; readonly word: DrainCommand }
  | { readonly do: "undrain"; readonly server: number }
  | { readonly do: "sibling" }
  | { readonly do: "restart"; readonly gap: number | undefined };

const server = fc.nat(4);
const mostly = fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("health" as const), server, is: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("file" as const), server, is: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("service" as const), is: mostly }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("storable" as const), is: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("idle" as const), is: fc.boolean() }) },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(1, 5_000, 10_000, 61_000, 700_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("order" as const),
      word: fc.constantFrom<DrainCommand>("pause", "resume", "resume", "finish", "rollback", "abort"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("undrain" as const), server }) },
  { weight: 1, arbitrary: fc.constant({ do: "sibling" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("restart" as const), gap: fc.constantFrom(1_000, 100_000, undefined) }),
  },
);

const policy: fc.Arbitrary<Partial<DrainPolicy>> = fc.record({
  onNewDown: fc.constantFrom("wait" as const, "rollback" as const),
  onRestart: fc.constantFrom("pause" as const, "resume" as const, "rollback" as const),
  idle: fc.constantFrom("active" as const, "active" as const, "all" as const, "none" as const),
  pauseAt: fc.constantFrom<readonly number[]>([], [], [0.5]),
  ttl: fc.constantFrom(undefined, undefined, 100_000),
});

const plan = fc.record({
  from: fc.constantFrom<readonly number[]>([0], [0, 1]),
  to: fc.constantFrom<readonly number[]>([2], [2, 3], []),
  count: fc.integer({ min: 1, max: 4 }),
  policy,
});

function viewOf(world: World, now: number): DrainView {
  const servers = new Map<ServerKey, Participant>();
  for (const [i, name] of NAMES.entries()) {
    if (!world.service || !world.inFile[i]) continue;
    const weight = world.weights[i]!;
    servers.set(key(i), {
      name,
      configured: weight,
      base: weight,
      weight,
      ready: world.ready[i]!,
      connections: world.idle ? 0 : 3,
      lingering: 0,
      idle: world.idle,
      empty: world.idle,
      ramping: false,
    });
  }
  return { now: at(now), servers, serviceExists: world.service, storable: world.storable };
}

/** Everything that happens in thousands of random lives of a drain. */
function lived(): ReadonlySet<Occurrence> {
  const seen = new Set<Occurrence>();
  const start: World = {
    weights: [100, 60, 0, 40, 100],
    ready: [true, true, true, true, true],
    inFile: [true, true, true, true, true],
    service: true,
    storable: true,
    idle: false,
  };
  const life = (
    given: { from: readonly number[]; to: readonly number[]; count: number; policy: Partial<DrainPolicy> },
    deeds: readonly Deed[],
  ) => {
    let world = start;
    let now = 0;
    const { ttl } = given.policy;
    let present = drain({
      from: given.from.map(key),
      to: given.to.map(key),
      steps: Array.from({ length: given.count }, (_, k) => (k + 1) / given.count),
      every: 10_000,
      policy: { ...DEFAULT_DRAIN_POLICY, ...given.policy },
      configured: Object.fromEntries([...given.from, ...given.to].map((i) => [key(i), start.weights[i]!])),
      expires: ttl === undefined ? undefined : { mono: mono(ttl), epoch: at(ttl).epoch },
      parent: { id: "h-1", host: "a" },
    });
    const goes = (on: On, next: Drain): void => {
      seen.add(occurrence(present.phase.kind, on, next.phase.kind));
      present = next;
    };
    for (const each of deeds) {
      switch (each.do) {
        case "health":
          world = { ...world, ready: world.ready.with(each.server, each.is) };
          break;
        case "file":
          world = { ...world, inFile: world.inFile.with(each.server, each.is) };
          break;
        case "service":
        case "storable":
        case "idle":
          world = { ...world, [each.do]: each.is };
          break;
        case "time":
          now += each.ms;
          break;
        case "order": {
          const ordered = command(present, each.word, "said so", viewOf(world, now));
          if (ordered.ok) goes(each.word, ordered.value);
          break;
        }
        case "undrain": {
          if (!drains(present, key(each.server))) break;
          const back = undrained(present, key(each.server), "said so", at(now));
          if (back.ok) goes("undrain", back.value);
          break;
        }
        case "sibling":
          if (isActive(present) || isStanding(present))
            goes("machine undone", followed(present, drain({ id: "d-2" }), at(now)));
          break;
        case "restart": {
          const after = recovered(present, each.gap, at(now));
          const same = after.phase.kind === present.phase.kind && pausedFor(after) === pausedFor(present);
          if (same) present = after;
          else goes("long gap", after);
          break;
        }
      }
      for (let turn = 0; ; turn++) {
        assert.ok(turn < 8, "it does not come to rest");
        const { drain: next, event } = advance(present, viewOf(world, now));
        assert.equal(
          event === undefined,
          next === present,
          "what changes has a name, and what has none changes nothing",
        );
        if (event === undefined) break;
        goes(event, next);
      }
    }
  };
  fc.assert(fc.property(plan, fc.array(deed, { minLength: 10, maxLength: 40 }), life), { numRuns: 6_000, seed: 1 });
  return seen;
}

function pausedFor({ phase }: Drain): string | undefined {
  return phase.kind === "paused" ? phase.why : undefined;
}

describe("the one table of transitions", () => {
  let seen: ReadonlySet<Occurrence> = new Set();
  before(() => {
    seen = lived();
  });

  test("whatever happens to a drain stands in it", () => {
    assert.deepEqual([...seen].filter((each) => !rows.includes(each)).sort(), []);
  });

  test("whatever stands in it happens", () => {
    assert.deepEqual(
      rows.filter((row) => !seen.has(row)),
      [],
    );
  });

  test("nothing stands in it twice", () => {
    const twice = rows.filter((row, i) => rows.indexOf(row) !== i);
    assert.deepEqual(twice, []);
  });

  test("docs/drains.md shows it, word for word", () => {
    const text = readFileSync(join(import.meta.dirname, "../../docs/drains.md"), "utf8");
    const shown = TRANSITIONS.map(
      ({ from, on, to, does }) => `| ${named(from)} | ${on} | ${to.join(", ")} | ${does} |`,
    );
    const heading = "| a drain that is | and what happens | becomes | |";
    const lines = text.split("\n");
    const first = lines.indexOf(heading);
    assert.ok(first >= 0, `no table with the heading ${heading}`);
    const end = lines.indexOf("", first);
    assert.deepEqual(lines.slice(first + 2, end), shown);
  });
});

/** Five states are said as one word. */
function named(from: Transition["from"]): string {
  const active = ["pending", "shifting", "paused", "draining"];
  if (!active.every((state) => (from as readonly string[]).includes(state))) return from.join(", ");
  return ["under way", ...from.filter((state) => !active.includes(state))].join(", ");
}
