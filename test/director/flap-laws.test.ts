import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFlaps } from "../../src/director/flaps.ts";
import { isUp, type ServerVerdict } from "../../src/health/server.ts";
import type { Config } from "../../src/model/config.ts";
import type { RealServer, ServerKey } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs } from "../../src/model/time.ts";
import { decidePool } from "../../src/policy/decide.ts";
import type { ServiceIntent } from "../../src/policy/moves.ts";
import { server, service } from "../support/services.ts";

const MINUTE = 60_000;

/** One thing after another that happens to a service of four, the last of which is a standby. */
const happenings = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("flips" as const), who: fc.constantFrom(0, 0, 0, 1, 1, 2, 3) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("disabled" as const), who: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("enabled" as const), who: fc.nat(3) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("passes" as const), seconds: fc.constantFrom(1, 10, 20, 30, 200) }),
    },
  ),
  { minLength: 20, maxLength: 120 },
);

test("a hold never empties a pool, loses a quorum or brings in what checks say is dead; with time every hold ends", () => {
  let holds = 0;
  fc.assert(
    fc.property(happenings, fc.constantFrom(1, 1, 2, 3), (all, quorum) => {
      const servers = [1, 2, 3].map((i) => server(`10.0.0.${i}:80 100`));
      servers.push(server("10.0.0.4:80 0"));
      const mark = { kind: "servers", count: quorum } as const;
      const web = service(servers, {
        flap: { count: 3, within: 20 * MINUTE, hold: MINUTE, max: 10 * MINUTE },
        quorum: { up: mark, down: mark },
      });
      const config = { services: [web] } as unknown as Config;
      let mono = 1_000 * MINUTE;
      const now = () => ({ mono: mono as MonotonicMs, epoch: (1_790_000_000_000 + mono) as EpochMs });
      const checks = new Map<ServerKey, ServerVerdict>();
      const say = (key: ServerKey, up: boolean) =>
        checks.set(
          key,
          up
            ? { kind: "up", since: now().mono, recoveredAt: undefined }
            : { kind: "down", since: now().mono, reason: "connection refused" },
        );
      for (const { key } of servers) say(key, true);
      const disabled = new Set<ServerKey>();
      const intentOf = (): ServiceIntent => ({
        servers: new Map(
          [...disabled].map((key) => [
            key,
            {
              services: [web.key],
              server: key,
              weight: undefined,
              stateLost: undefined,
              disabled: { by: "ops", at: 0 as EpochMs, reason: undefined, until: undefined },
            },
          ]),
        ),
        drains: [],
      });
      const plain = (_: unknown, { key }: RealServer) => checks.get(key)!;
      const flaps = createFlaps({ now, verdict: plain, intentOf, record: () => {} });
      flaps.take(config);

      const look = (): void => {
        const without = decidePool(web, intentOf(), (each) => plain(web, each));
        const damped = decidePool(web, intentOf(), (each) => flaps.verdict(web, each));
        const serving = ({ servers: of }: typeof damped) => [...of.values()].filter((d) => d.weight > 0).length;
        assert.equal(serving(damped) > 0, serving(without) > 0, "a hold emptied the pool");
        if (without.quorum.held) assert.ok(damped.quorum.held, "a hold lost the quorum");
        for (const each of servers) {
          const verdict = flaps.verdict(web, each);
          if (!isUp(plain(web, each))) assert.equal(verdict.kind, "down");
          else if (verdict.kind === "down") {
            holds++;
            assert.match(verdict.reason, /^flapping: down 3 times in 20m, held until /);
          }
        }
      };

      for (const what of all) {
        const key = servers["who" in what ? what.who : 0]!.key;
        if (what.kind === "flips") say(key, !isUp(checks.get(key)!));
        else if (what.kind === "disabled") disabled.add(key);
        else if (what.kind === "enabled") {
          disabled.delete(key);
          flaps.release(web, servers[what.who]!);
          assert.equal(flaps.verdict(web, servers[what.who]!).kind, checks.get(key)!.kind, "enabled, and still held");
        } else mono += what.seconds * 1000;
        flaps.notice(config);
        const next = flaps.expire();
        assert.ok(next === undefined || (next > mono && next <= mono + 10 * MINUTE));
        look();
      }
      mono += 10 * MINUTE;
      assert.equal(flaps.expire(), undefined);
      for (const each of servers) assert.equal(flaps.verdict(web, each).kind, checks.get(each.key)!.kind);
    }),
    { numRuns: 300 },
  );
  assert.ok(holds > 20, `only ${holds} holds were seen`);
});
