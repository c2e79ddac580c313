import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Director } from "../../src/director/director.ts";
import type { DrainRequest } from "../../src/director/drain-request.ts";
import { GLANCE_EVERY_MS } from "../../src/director/reconcile.ts";
import { isUp } from "../../src/health/server.ts";
import type { ProbeOutcome, Report } from "../../src/model/probe.ts";
import type { RealServer, Service } from "../../src/model/service.ts";
import type { ServiceDecision } from "../../src/policy/decide.ts";
import { type Desired, desired } from "../../src/policy/desired.ts";
import { isActive, isStanding } from "../../src/policy/drain.ts";
import { freezeOf, inForce } from "../../src/policy/freeze.ts";
import { ideal } from "../../src/policy/moves.ts";
import { type Daemon, OPS, WEB, world } from "./daemon.ts";

// A whole director, on one service whose quorum, sorry server, fail_open, slow_start and freezes take part in random histories.

const NAMES = ["a", "b", "c"] as const;
const ADDRESSES = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"] as const;
const SORRY = "10.0.0.99:80";

interface File {
  readonly weights: readonly number[];
  readonly up: number;
  readonly down: number;
  readonly sorry: boolean;
  readonly failOpen: boolean;
  readonly slowStart: string;
  readonly kind: string;
  readonly moreVips: boolean;
}

const file: fc.Arbitrary<File> = fc.record({
  weights: fc.constantFrom([100, 100, 100], [1, 1, 1], [100, 50, 0], [3, 1, 1]),
  up: fc.constantFrom(1, 2, 3),
  down: fc.constantFrom(1, 2),
  sorry: fc.boolean(),
  failOpen: fc.boolean(),
  slowStart: fc.constantFrom("none", "10s", "60s"),
  kind: fc.constantFrom(
    "scheduler: wrr",
    "scheduler: mh",
    "persistence: { timeout: 5m }",
    "on_failure: remove",
    "on_failure: quiesce",
  ),
  moreVips: fc.boolean(),
});

function written({ weights, up, down, sorry, failOpen, slowStart, kind, moreVips }: File): string {
  return [
    "reload: { max_removed: 100% }",
    "services:",
    "  - name: web",
    `    vips: [${moreVips ? "192.0.2.11:80, " : ""}192.0.2.10:80]`,
    "    check: { type: scripted, interval: 1s, fast_interval: 1s, down_interval: 1s, timeout: 500ms, fall: 2, rise: 1 }",
    "    removal_grace: 5s",
    `    quorum: { up: ${up}, down: ${Math.min(up, down)} }`,
    `    fail_open: ${failOpen ? "all-down" : "never"}`,
    `    slow_start: ${slowStart}`,
    `    ${kind}`,
    ...(sorry ? [`    sorry_server: { address: "${SORRY}", check: { type: scripted } }`] : []),
    "    servers:",
    ...NAMES.map((name, i) => `      - { name: ${name}, address: "${ADDRESSES[i]}", weight: ${weights[i]} }`),
  ].join("\n");
}

const who = fc.nat(2);
const deed = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("answer" as const), who: fc.nat(3), pass: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("report" as const),
      who,
      report: fc.constantFrom<Report>(
        { hold: "drain" },
        { hold: undefined, factor: 0.5 },
        { hold: undefined, factor: 0 },
        { hold: undefined, factor: 1 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("disable" as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("enable" as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("weight" as const), who, weight: fc.constantFrom(0, 1, 7) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("drain" as const), who, to: fc.option(who, { nil: undefined }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("order" as const),
      word: fc.constantFrom("rollback" as const, "resume" as const, "finish" as const, "abort" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("freeze" as const),
      all: fc.boolean(),
      ms: fc.constantFrom(10_000, 40_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("thaw" as const), all: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reload" as const), file }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wall" as const), ms: fc.constantFrom(-30_000, 30_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(1_000, 3_000, 7_000, 20_000) }),
  },
);
type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never;

/** So that a law is not held only because nothing happens. */
const seen = { sorry: 0, failOpen: 0, slowStart: 0, frozen: 0, remembered: 0 };

async function live(first: File, deeds: readonly Deed[]): Promise<void> {
  const machine = world();
  let now = first;
  let daemon: Daemon = await machine.start(written(first));
  const frozen = (): boolean =>
    inForce(daemon.director.intent(), machine.clock.now().epoch).length > 0 &&
    freezeOf(inForce(daemon.director.intent(), machine.clock.now().epoch), theService(daemon)) !== undefined;

  async function act(each: Deed): Promise<void> {
    const { director } = daemon;
    switch (each.do) {
      case "answer":
        machine.servers.answer(ADDRESSES[each.who] ?? SORRY, each.pass ? "pass" : "fail");
        return;
      case "report": {
        const outcome: ProbeOutcome = { kind: "pass", detail: "", report: each.report };
        machine.servers.answer(ADDRESSES[each.who]!, outcome);
        return;
      }
      case "disable":
        await daemon.wait(director.disable("web", NAMES[each.who]!, OPS, undefined));
        return;
      case "enable":
        await daemon.wait(director.enable("web", NAMES[each.who]!, OPS));
        return;
      case "weight":
        await daemon.wait(director.setWeight("web", NAMES[each.who]!, each.weight, OPS));
        return;
      case "drain": {
        const to = each.to === undefined || each.to === each.who ? [] : [NAMES[each.to]!];
        const request = { ...DRAIN, from: [NAMES[each.who]!], to };
        await daemon.wait(director.startDrain({ kind: "service", name: "web" }, request, OPS, false));
        return;
      }
      case "order": {
        const last = director.intent().drains.at(-1);
        if (last) await daemon.wait(director.orderDrain(last.id, each.word, OPS));
        return;
      }
      case "freeze":
        await daemon.wait(director.freeze(each.all ? undefined : "web", each.ms, OPS));
        return;
      case "thaw":
        await daemon.wait(director.thaw(each.all ? undefined : "web", OPS));
        return;
      case "reload":
        now = each.file;
        return daemon.reload(written(now));
      case "restart":
        daemon = await machine.start(written(now));
        return;
      case "wall":
        // Nobody is told that: the next pass sees it.
        machine.clock.setWallClock(each.ms);
        return machine.clock.advance(GLANCE_EVERY_MS);
      case "time":
        await machine.clock.advance(each.ms);
        return;
    }
  }

  for (const each of deeds) {
    const wasFrozen = frozen();
    const lines = machine.kernel.written.length;
    await act(each);
    await machine.clock.advance(700);
    if (wasFrozen && frozen()) {
      seen.frozen++;
      // A vip that left the file before the freeze is none of the service's.
      const its = machine.kernel.written.slice(lines).filter((line) => now.moreVips || !line.includes("192.0.2.11"));
      assert.deepEqual(its, [], "written while frozen");
    }
    lawOfMemory(daemon.director, machine.clock.now().mono);
    if (frozen()) continue;
    for (const vip of theService(daemon).frontends.length > 1 ? [WEB, "tcp:192.0.2.11:80"] : [WEB])
      lawsOfAPool(daemon.director, (await machine.weights(vip)) ?? "", now);
  }
  daemon.kill();
}

const DRAIN: DrainRequest = {
  from: [],
  to: [],
  pace: { kind: "over", over: 20_000, every: 5_000 },
  policy: { grace: 10_000, newDownTimeout: 10_000 },
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
};

function theService({ director }: Daemon): Service {
  return director.config().services[0]!;
}

function decisionOf({ config, reconciler }: Director): ServiceDecision {
  return reconciler().desired!.services.get(config().services[0]!.key)!;
}

function lawsOfAPool(director: Director, listing: string, { up, sorry }: File): void {
  const weights = new Map(
    listing
      .split(", ")
      .filter(Boolean)
      .map((line): [string, number] => [line.split(" ")[0]!, Number(line.split(" ")[1])]),
  );
  const { servers, service, quorum, failOpen, sorry: standIn } = decisionOf(director);
  const { drains, servers: said } = director.intents().of(service);
  const sorryWeight = weights.get(SORRY) ?? 0;
  const able = [...servers].filter(([key, d]) => !said.get(key)?.disabled && ideal(d) > 0 && isWilling(d));
  const healthy = able.filter(([, { verdict }]) => isUp(verdict));
  const moved = new Set([
    ...drains.filter(isActive).flatMap((drain) => drain.from),
    ...drains.filter(isStanding).flatMap((drain) => Object.keys(drain.result!.given)),
  ]);
  const claims = healthy.filter(([key]) => !moved.has(key));
  if (sorryWeight === 0)
    assert.ok(claims.length === 0 || [...weights.values()].some((w) => w > 0), `nobody serves: ${listing}`);
  else seen.sorry++;
  if (healthy.length >= up || !sorry) assert.equal(sorryWeight, 0, `the sorry server serves without need: ${listing}`);
  if (sorryWeight > 0) {
    assert.equal(quorum.held, false);
    for (const [key, weight] of weights)
      if (key !== SORRY) assert.equal(weight, 0, `beside the sorry server: ${listing}`);
  }
  if (!quorum.held && standIn && standIn.verdict.kind !== "down") assert.equal(sorryWeight, 1, listing);
  if (failOpen) {
    seen.failOpen++;
    for (const [key] of able)
      assert.ok((weights.get(key) ?? 0) > 0 || sorryWeight > 0, `fail-open without ${key}: ${listing}`);
  }
  for (const [key, { weight, rule, scale, factor }] of servers) {
    assert.equal(weights.get(key) ?? 0, weight, `${key} of ${listing}`);
    if (rule === "slow-start") seen.slowStart++;
    // Finer weights are for those who need them.
    if (drains.length === 0 && ![...servers.values()].some((d) => d.rule === "slow-start")) assert.equal(scale, 1);
    assert.ok(factor > 0 && factor <= 1);
  }
}

function isWilling({
  verdict: { reported },
  reported: factor,
}: {
  verdict: { reported?: Report };
  reported: number;
}): boolean {
  return reported?.hold === undefined && factor > 0;
}

/** What is remembered of the pass before is what would be worked out anew. */
function lawOfMemory(director: Director, now: Parameters<typeof desired>[0]["now"]): void {
  const view = director.reconciler();
  const remembered = view.desired!;
  const config = director.config();
  const known = new Map<RealServer, ServiceDecision["servers"] extends ReadonlyMap<unknown, infer D> ? D : never>();
  const originals = new Map<Service, Service>();
  const services = config.services.map((service) => {
    const clone = { ...service };
    originals.set(clone, service);
    const decision = remembered.services.get(service.key)!;
    for (const server of service.servers) known.set(server, decision.servers.get(server.key)!);
    return clone;
  });
  const fresh = desired({
    config: { ...config, services },
    intent: (service) => director.intents().of(originals.get(service)!),
    verdict: (service, server) => known.get(server)?.verdict ?? remembered.services.get(service.key)!.sorry!.verdict,
    expireQuiescentTemplate: false,
    actual: view.actual,
    now,
    before: (service) => remembered.services.get(service.key),
  });
  seen.remembered++;
  assert.deepEqual(plain(remembered), plain(fresh));
}

/** Without the objects that are cloned. */
function plain({ services, table, takenOut, removed, urgent, nextChangeAt }: Desired) {
  const decisions = [...services.values()].map(({ service: _, ...decision }) => decision);
  return { decisions, table, takenOut, removed, urgent, nextChangeAt };
}

test("laws of quorum, sorry server, fail_open, slow_start and freeze over random histories", async () => {
  await fc.assert(fc.asyncProperty(file, fc.array(deed, { minLength: 15, maxLength: 40 }), live), { numRuns: 100 });
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 20, `${what}: ${times}`);
});
