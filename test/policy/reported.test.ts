import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Report } from "../../src/model/probe.ts";
import type { ServerKey } from "../../src/model/service.ts";
import type { MonotonicMs } from "../../src/model/time.ts";
import { decidePool, GIVES_ZERO, isReady } from "../../src/policy/decide.ts";
import { NO_INTENT } from "../../src/policy/moves.ts";
import { server, service } from "../support/services.ts";

const up = (reported?: Report) =>
  ({ kind: "up", since: 0 as MonotonicMs, recoveredAt: undefined, ...(reported && { reported }) }) as const;
const down = (reported: Report) =>
  ({ kind: "down", since: 0 as MonotonicMs, reason: "connection refused", reported }) as const;

describe("what a server reports, in its weight and its rule", () => {
  const table: readonly [
    what: string,
    verdict: ReturnType<typeof up> | ReturnType<typeof down>,
    configured: number,
    weight: number,
    rule: string,
  ][] = [
    ["nothing", up(), 100, 100, "configured"],
    ["half", up({ factor: 0.5 }), 100, 50, "reported"],
    ["all of it", up({ factor: 1 }), 100, 100, "configured"],
    ["twice of it", up({ factor: 2 }), 100, 200, "reported"],
    ["more than the kernel takes", up({ factor: 9_999 }), 100, 65_535, "reported"],
    ["next to nothing", up({ factor: 0.001 }), 100, 1, "reported"],
    ["nothing of it", up({ factor: 0 }), 100, 0, "reported-0"],
    ["a weight", up({ weight: 7 }), 100, 7, "reported"],
    ["its own weight", up({ weight: 100 }), 100, 100, "configured"],
    ["a weight, of a standby", up({ weight: 7 }), 0, 0, "configured-0"],
    ["a part, of a standby", up({ factor: 2 }), 0, 0, "configured-0"],
    ["drain", up({ hold: "drain" }), 100, 0, "agent-drain"],
    ["maint, with a part", up({ hold: "maint", factor: 0.5 }), 100, 0, "agent-maint"],
    ["drain, and it is down", down({ hold: "drain" }), 100, 0, "down"],
  ];
  for (const [what, verdict, configured, weight, rule] of table)
    test(what, () => {
      const web = service([server(`10.0.0.1:80 ${configured}`)]);
      const decision = decidePool(web, NO_INTENT, () => verdict).servers.get("10.0.0.1:80" as ServerKey)!;
      assert.deepEqual([decision.weight, decision.rule], [weight, rule]);
    });
});

describe("a server that wants no clients", () => {
  const web = service([server("10.0.0.1:80"), server("10.0.0.2:80")], { failOpen: "all-down" });
  const verdicts = (first: Report) =>
    decidePool(web, NO_INTENT, ({ name }) => (name.includes(".1:") ? up(first) : down({})));

  for (const report of [{ hold: "drain" }, { hold: "maint" }, { factor: 0 }, { weight: 0 }] as const)
    test(`is not healthy, nor ready to take over: ${JSON.stringify(report)}`, () => {
      assert.equal(isReady(up(report), undefined), false);
      const pool = verdicts(report);
      assert.deepEqual([pool.quorum.held, pool.quorum.healthy], [false, 0]);
      assert.equal(pool.servers.get("10.0.0.1:80" as ServerKey)!.weight, 0);
    });

  test("does not stand in the way of fail_open, and is left out of it", () => {
    const pool = decidePool(web, NO_INTENT, ({ name }) => down(name.includes(".1:") ? { hold: "maint" } : {}));
    assert.equal(pool.failOpen, true);
    const rules = [...pool.servers.values()].map(({ weight, rule }) => [weight, rule]);
    assert.deepEqual(rules, [
      [0, "down"],
      [100, "fail-open"],
    ]);
  });
});

test("weights are whole, 0 by a rule that gives 0 and by no other, and within what the kernel takes", () => {
  const report = fc.record(
    {
      factor: fc.double({ min: 0, max: 50, noNaN: true }),
      weight: fc.nat(65_535),
      hold: fc.constantFrom("drain" as const, "maint" as const, undefined),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(65_535), report), { minLength: 1, maxLength: 6 }), (pool) => {
      const web = service(pool.map(([weight], i) => server(`10.0.0.${i + 1}:80 ${weight}`)));
      const index = new Map(web.servers.map(({ key }, i) => [key, i]));
      const { servers } = decidePool(web, NO_INTENT, ({ key }) => up(pool[index.get(key)!]![1]));
      for (const { weight, rule } of servers.values()) {
        assert.ok(Number.isInteger(weight) && weight >= 0 && weight <= 65_535, `${weight}`);
        assert.equal(weight === 0, GIVES_ZERO.has(rule), `${weight} by ${rule}`);
      }
    }),
    { numRuns: 500 },
  );
});
