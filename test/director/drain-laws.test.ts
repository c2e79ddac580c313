import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DrainRequest, Pace } from "../../src/director/drain-request.ts";
import { advanceAll, type DrainContext } from "../../src/director/drains.ts";
import { pruned } from "../../src/director/history.ts";
import { createIntents, type Intents } from "../../src/director/intents.ts";
import { createOrders, type Orders } from "../../src/director/orders.ts";
import type { ServerVerdict } from "../../src/health/server.ts";
import { apply } from "../../src/ipvs/apply.ts";
import { cautiously } from "../../src/ipvs/caution.ts";
import { diff } from "../../src/ipvs/diff.ts";
import type { IpvsChange, IpvsTable } from "../../src/ipvs/table.ts";
import type { Config } from "../../src/model/config.ts";
import { err, ok } from "../../src/model/result.ts";
import type { RealServer, ServerKey, Service } from "../../src/model/service.ts";
import type { EpochMs, MonotonicMs, Now } from "../../src/model/time.ts";
import { type Decision, decide, isReady } from "../../src/policy/decide.ts";
import { type Desired, desired, placeOf } from "../../src/policy/desired.ts";
import { type Drain, type DrainPolicy, isActive, isStanding } from "../../src/policy/drain.ts";
import { recovered } from "../../src/policy/drain-machine.ts";
import type { DrainCommand } from "../../src/policy/drain-table.ts";
import { EMPTY_INTENT, type Intent, withDrain } from "../../src/policy/intent.ts";
import { withoutOvertaken } from "../../src/policy/overtaken.ts";
import { standingUpon } from "../../src/policy/undrain.ts";
import { parseIntent } from "../../src/state/store.ts";
import { frontend, server, service } from "../support/services.ts";

// A whole director but for its wiring: orders, intent on a disk, drains, weights and the table, over random histories of everything that can happen
// to them. What is only wired (probes, passes, the socket) is in drain.test.ts.

const SIZE = 5;
const SERVICES = ["web", "api"] as const;
const EVERY = 10_000;
const ORDER = { actor: "ops", reason: undefined };

type VerdictKind = ServerVerdict["kind"];

type Deed =
  | { readonly do: "verdict"; readonly service: number; readonly server: number; readonly is: VerdictKind }
  | { readonly do: "weight"; readonly service: number; readonly server: number; readonly weight: number }
  | { readonly do: "in-file"; readonly service: number; readonly server: number; readonly is: boolean }
  | { readonly do: "service"; readonly service: number; readonly is: boolean }
  | { readonly do: "time" | "wall"; readonly ms: number }
  | { readonly do: "disk" | "idle"; readonly is: boolean }
  | {
      readonly do: "drain";
      readonly scope: number | "host";
      readonly from: readonly number[];
      readonly to: readonly number[];
      readonly pace: Pace;
      readonly policy: Partial<DrainPolicy>;
    }
  | { readonly do: "order"; readonly which: number; readonly whole: boolean; readonly word: DrainCommand }
  | { readonly do: "undrain" | "disable" | "enable"; readonly service: number; readonly server: number }
  | { readonly do: "set"; readonly service: number; readonly server: number; readonly weight: number | undefined }
  | { readonly do: "crash"; readonly gap: "short" | "long" | "reboot" }
  /** The next write does not come back: the machine dies before it is on the disk, or right after. */
  | { readonly do: "crash-writing"; readonly written: boolean };

const nth = fc.nat(SIZE - 1);
const home = fc.nat(SERVICES.length - 1);
const weight = fc.oneof(fc.constantFrom(0, 1, 50, 100, 100, 100), fc.nat(300));
const verdictKind = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<VerdictKind>("up", "presumed-up", "no-check") },
  { weight: 2, arbitrary: fc.constantFrom<VerdictKind>("down", "down", "unknown") },
);
const policy: fc.Arbitrary<Partial<DrainPolicy>> = fc.record({
  newDownTimeout: fc.constantFrom(60_000, 5_000),
  grace: fc.constantFrom(600_000, 20_000),
  minCapacity: fc.constantFrom(0, 0, 0.5, 0.8),
  allowEmpty: fc.constantFrom(false, false, false, true),
  onNewDown: fc.constantFrom("wait" as const, "rollback" as const),
  onRestart: fc.constantFrom("pause" as const, "resume" as const, "rollback" as const),
  idle: fc.constantFrom("active" as const, "all" as const, "none" as const),
  afterwards: fc.constantFrom("keep" as const, "remove" as const),
  atGrace: fc.constantFrom("keep" as const, "remove" as const),
  pauseAt: fc.constantFrom<readonly number[]>([], [], [0.5]),
  ttl: fc.constantFrom(undefined, undefined, 100_000),
});
const pace: fc.Arbitrary<Pace> = fc.oneof(
  fc.record({
    kind: fc.constant("over" as const),
    over: fc.constantFrom(20_000, 50_000, 120_000),
    every: fc.constant(EVERY),
  }),
  fc.constant<Pace>({ kind: "steps", shares: [0.05, 0.1, 0.25, 0.5, 1], every: EVERY }),
  fc.constant<Pace>({ kind: "now" }),
);
const some = (deed: string) => ({ do: fc.constant(deed), service: home, server: nth });
const deed = fc.oneof(
  { weight: 8, arbitrary: fc.record({ ...some("verdict"), is: verdictKind }) },
  { weight: 2, arbitrary: fc.record({ ...some("weight"), weight }) },
  { weight: 2, arbitrary: fc.record({ ...some("in-file"), is: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("service"), service: home, is: fc.boolean() }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("time"),
      ms: fc.constantFrom(1, 1_000, 5_000, EVERY, 2 * EVERY, 61_000, 700_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wall"), ms: fc.integer({ min: -1e9, max: 1e9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("disk", "idle"), is: fc.boolean() }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant("drain"),
      scope: fc.oneof({ weight: 3, arbitrary: home }, { weight: 1, arbitrary: fc.constant("host" as const) }),
      from: fc.oneof(fc.tuple(nth), fc.uniqueArray(nth, { minLength: 1, maxLength: 2 })),
      to: fc.uniqueArray(nth, { maxLength: 2 }),
      pace,
      policy,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("order"),
      which: fc.nat(3),
      whole: fc.boolean(),
      word: fc.constantFrom<DrainCommand>("pause", "resume", "resume", "finish", "rollback", "abort"),
    }),
  },
  { weight: 1, arbitrary: fc.record(some("undrain")) },
  { weight: 1, arbitrary: fc.record({ ...some("disable"), do: fc.constantFrom("disable", "enable", "enable") }) },
  { weight: 1, arbitrary: fc.record({ ...some("set"), weight: fc.option(weight, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash"), gap: fc.constantFrom("short", "long", "reboot") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("crash-writing"), written: fc.boolean() }) },
) as fc.Arbitrary<Deed>;

/** A pool of five and a small one, which is empty sooner; two of the machines are in both. */
const START: readonly (readonly number[])[] = [
  [100, 100, 0, 50, 100],
  [100, 0, 100],
];

/** Thrown where the process dies. */
class Died extends Error {}

async function live(deeds: readonly Deed[]): Promise<void> {
  // The machine: its clocks, its kernel's table, its disk, the servers as they are.
  let mono = 1_000_000;
  let epoch = 1_790_000_000_000;
  let bootId = "boot-1";
  let table: IpvsTable = new Map();
  let stored: Intent | undefined;
  let full = false;
  let dying: "before" | "after" | undefined;
  let idle = false;
  const verdicts = START.map((each) => each.map((): VerdictKind => "up"));
  const weights = START.map((each) => [...each]);
  const inFile = START.map((each) => each.map(() => true));
  const declared = SERVICES.map(() => true);
  let ids = 0;

  const now = (): Now => ({ mono: mono as MonotonicMs, epoch: epoch as EpochMs });
  const address = (i: number, s: number) => `10.0.0.${i + 1}:${8080 + s}` as string as ServerKey;

  function configured(): Config {
    const services = SERVICES.flatMap((name, s) => {
      const servers = START[s]!.map((_, i) => i)
        .filter((i) => inFile[s]![i])
        .map((i) => server(`${address(i, s)} ${weights[s]![i]}`, { name: `app${i}` }));
      const frontends = [frontend(`tcp 192.0.2.${s + 10}:80`)];
      return declared[s] && servers.length > 0 ? [service(servers, { name, frontends })] : [];
    });
    return { services, ipvs: { mode: "manage" } } as unknown as Config;
  }
  let config = configured();

  function verdict(of: Service, { name }: RealServer): ServerVerdict {
    const kind = verdicts[SERVICES.indexOf(of.name as (typeof SERVICES)[number])]![Number(name.slice(3))]!;
    const since = 0 as MonotonicMs;
    return kind === "no-check"
      ? { kind }
      : kind === "up"
        ? { kind, since, recoveredAt: undefined }
        : kind === "presumed-up"
          ? { kind, since }
          : { kind, since, reason: kind };
  }

  const store = {
    load: async () => ({ kind: "none" as const, problem: undefined }),
    beat: async () => {},
    lastBeat: async () => undefined,
    async save(intent: Intent) {
      if (dying === "before") throw new Died();
      if (full) throw new Error("no space left on device");
      stored = intent;
      if (dying === "after") throw new Died();
    },
  };

  // The process: gone with a crash.
  let intents: Intents = createIntents(store, EMPTY_INTENT, () => {});
  let orders: Orders;

  function context(of: Service): DrainContext {
    const intent = intents.of(of);
    return {
      service: of,
      intent,
      condition: (each) => ({
        ready: isReady(verdict(of, each), intent.servers.get(each.key)),
        connections: idle ? 0 : 3,
        lingering: 0,
        idle,
        empty: idle,
        ramping: false,
      }),
      now: now(),
      storable: intents.problem() === undefined,
    };
  }

  const decisions = (of: Service, drains = intents.of(of).drains): ReadonlyMap<ServerKey, Decision> =>
    decide(of, { ...intents.of(of), drains }, (each) => verdict(of, each));

  function start(): void {
    const read = stored === undefined ? ok(EMPTY_INTENT) : parseIntent(JSON.stringify(stored), "intent.json");
    assert.ok(read.ok, "what was stored cannot be read back");
    intents = createIntents(store, read.value, () => {});
    orders = createOrders({
      config: () => config,
      intents: () => intents,
      now,
      bootId,
      newId: (kind) => `${kind}-${++ids}`,
      record: () => {},
      release: () => {},
      drainContext: context,
      decision: (of, each) => decisions(of).get(each.key)!,
      reportDrain: () => {},
      bringIn: async () => err("not here"),
      dropUnneeded: async () => {},
      wake: () => {},
      settled: async () => {},
    });
  }

  async function restart(gap: "short" | "long" | "reboot"): Promise<void> {
    const before = intents.current().drains;
    const unsaved = intents.problem() !== undefined;
    dying = undefined;
    const ms = { short: 1_000, long: 500_000, reboot: 90_000 }[gap];
    epoch += ms;
    if (gap === "reboot") {
      bootId = `boot-${epoch}`;
      mono = 5_000;
      table = new Map();
    } else mono += ms;
    start();
    const kept = new Map(intents.current().drains.map((d) => [d.id, d]));
    for (const drain of before) {
      const after = kept.get(drain.id);
      if (unsaved) continue;
      assert.ok(after, `drain ${drain.id} is lost`);
      assert.ok(
        Math.abs(after.step - drain.step) <= 1 || after.step === after.steps.length,
        `${drain.id}: ${drain.step} -> ${after.step}`,
      );
    }
    const known = gap === "reboot" ? undefined : ms;
    await intents.change(
      (intent) =>
        ok(
          withoutOvertaken({ ...intent, bootId, drains: intent.drains.map((d) => recovered(d, known, now())) }, config),
        ),
      { evenUnsaved: true },
    );
  }

  async function reload(): Promise<void> {
    config = configured();
    await intents.change((intent) => ok(withoutOvertaken(intent, config)), { evenUnsaved: true });
  }

  /** Passes until nothing moves any more, as the daemon does, with every law held after each of them. */
  async function passes(): Promise<void> {
    for (let pass = 0; ; pass++) {
      assert.ok(pass < 30, "it does not come to rest");
      const wanted = desired({
        config,
        intent: (of) => intents.of(of),
        verdict,
        expireQuiescentTemplate: true,
        actual: table,
        now: mono as MonotonicMs,
        before: () => undefined,
      });
      lawsOfWeights(wanted);
      reconcile(wanted);
      if (dying) return;
      if (intents.problem() !== undefined) await intents.retry();
      const storable = intents.problem() === undefined;
      const before = intents.current();
      const { moved } = advanceAll(config, before, context, now(), storable);
      if (moved.length === 0) break;
      for (const { before: was, after } of moved) lawsOfAMove(was, after);
      const stopped = moved.every((m) => m.after.phase.kind === "paused");
      await intents.change(
        (intent) => ok(pruned(moved.reduce<Intent>((all, m) => withDrain(all, m.after), { ...intent, bootId }))),
        {
          evenUnsaved: stopped,
        },
      );
      if (dying && intents.problem() !== undefined) throw new Died();
    }
    lawsAtRest();
  }

  function lawsOfAMove(was: Drain, is: Drain): void {
    assert.ok(is.step >= 0 && is.step <= is.steps.length, "progress is beyond the plan");
    assert.ok(Math.abs(is.step - was.step) <= 1, "more than a step at once");
    assert.ok(isActive(was) || (isStanding(was) && is.phase.kind === "rolled-back"), "what has ended moves");
  }

  function lawsOfWeights(wanted: Desired): void {
    for (const of of config.services) {
      const { drains, servers } = intents.of(of);
      const all = wanted.services.get(of.key)!.servers;
      const finished = new Set(drains.filter(isStanding).flatMap((d) => Object.keys(d.result!.given)));
      const let_go = new Set(
        drains.filter((d) => isActive(d) && d.policy.allowEmpty).flatMap((d) => d.from as readonly string[]),
      );
      const ready = of.servers.filter((each) => isReady(verdict(of, each), servers.get(each.key)));
      const claims = ready.filter(
        (each) => all.get(each.key)!.base > 0 && !finished.has(each.key) && !let_go.has(each.key),
      );
      const serves = [...all.values()].some((d) => d.weight > 0);
      assert.ok(serves || claims.length === 0, `${of.name}: nobody serves, though ${claims.map((c) => c.name)} could`);
      for (const [id, { weight, given }] of all) {
        assert.ok(Number.isInteger(weight) && weight >= 0);
        if (!ready.some((each) => each.key === id)) assert.equal(weight, 0, "somebody who is not ready gets clients");
        if (given > 0)
          assert.ok(
            drains.some((d) => d.from.includes(id)),
            "somebody gives who takes no part",
          );
      }
    }
  }

  /** Rollback leads back to what there would be without this drain, to the last number. */
  function lawOfRollback(drain: Drain): void {
    const of = config.services.find((each) => intents.of(each).drains.includes(drain));
    if (!of || !(isActive(drain) || isStanding(drain))) return;
    const { drains } = intents.of(of);
    const undone: Drain = { ...drain, result: undefined, phase: { kind: "rolled-back", at: now().epoch, text: "" } };
    const rolled = decisions(
      of,
      drains.map((d) => (d === drain ? undone : d)),
    );
    const never = decisions(
      of,
      drains.filter((d) => d !== drain),
    );
    for (const [id, { weight }] of never) assert.equal(rolled.get(id)!.weight, weight);
  }

  function lawsAtRest(): void {
    const { drains } = intents.current();
    for (const drain of drains.slice(-2)) lawOfRollback(drain);
    if (intents.problem() !== undefined) return;
    for (const drain of drains.filter(isActive)) {
      const undone = drains.find(
        (d) => d.parent && d.parent.id === drain.parent?.id && ["rolled-back", "failed"].includes(d.phase.kind),
      );
      assert.ok(!undone, `${drain.id} goes on, though ${undone?.id} of the same machine was undone`);
      for (const other of drains.filter(
        (d) => isActive(d) && d.id < drain.id && d.service.some((k) => drain.service.includes(k)),
      ))
        assert.deepEqual(
          [...other.from, ...other.to].filter((k) => [...drain.from, ...drain.to].includes(k)),
          [],
        );
    }
  }

  /** Brings the table to what is wanted, one change at a time: the olds are never lowered before the news are raised. */
  function reconcile(wanted: Desired): void {
    const owned = new Set([...table.keys(), ...wanted.table.keys()]);
    const urgent = (s: Parameters<typeof placeOf>[0], d: Parameters<typeof placeOf>[1]) =>
      wanted.urgent.has(placeOf(s, d));
    for (let round = 0; ; round++) {
      assert.ok(round < 3, "the table does not come to rest");
      const wrong = diff(wanted.table, table, owned);
      if (wrong.length === 0) return;
      const { now: changes } = cautiously(wrong, table, urgent);
      raisedFirst(changes);
      const before = table;
      for (const change of changes) {
        table = apply(table, [change]);
        for (const [id, entry] of wanted.table)
          if (hasWeight(before.get(id)) && hasWeight(entry))
            assert.ok(hasWeight(table.get(id)), "nobody had weight in between");
      }
    }
  }

  async function act(deed: Deed): Promise<void> {
    const each = "server" in deed ? { ...deed, server: deed.server % START[deed.service]!.length } : deed;
    switch (each.do) {
      case "verdict":
        verdicts[each.service]![each.server] = each.is;
        break;
      case "weight":
        weights[each.service]![each.server] = each.weight;
        return reload();
      case "in-file":
        inFile[each.service]![each.server] = each.is;
        return reload();
      case "service":
        declared[each.service] = each.is;
        return reload();
      case "time":
        mono += each.ms;
        epoch += each.ms;
        break;
      case "wall":
        epoch = Math.max(1, epoch + each.ms);
        break;
      case "disk":
        full = !each.is;
        break;
      case "idle":
        idle = each.is;
        break;
      case "drain":
        return drainOrder(each);
      case "order": {
        const { drains } = intents.current();
        const drain = drains.at(-1 - each.which);
        if (drain) await orders.orderDrain(each.whole ? (drain.parent?.id ?? drain.id) : drain.id, each.word, ORDER);
        break;
      }
      case "undrain": {
        const place = orders.locate(SERVICES[each.service]!, `app${each.server}`);
        if (place.ok) await orders.undrain(place.value.service, place.value.server.key, ORDER);
        break;
      }
      case "disable":
        await orders.disable(SERVICES[each.service]!, `app${each.server}`, ORDER, undefined);
        break;
      case "enable":
        await orders.enable(SERVICES[each.service]!, `app${each.server}`, ORDER);
        break;
      case "set":
        await orders.setWeight(SERVICES[each.service]!, `app${each.server}`, each.weight, ORDER);
        break;
      case "crash":
        return restart(each.gap);
      case "crash-writing":
        dying = each.written ? "after" : "before";
        break;
    }
  }

  async function drainOrder({ scope, from, to, pace, policy }: Deed & { do: "drain" }): Promise<void> {
    const size = START[scope === "host" ? 0 : scope]!.length;
    const names = (all: readonly number[]) => all.map((i) => `app${i % size}`);
    const request: DrainRequest = {
      from: scope === "host" ? [] : names(from),
      to: names(to.filter((i) => !from.includes(i))),
      pace,
      policy,
      add: false,
      force: false,
      reason: undefined,
      requestId: undefined,
    };
    const where =
      scope === "host"
        ? ({ kind: "host", host: `app${from[0]}` } as const)
        : ({ kind: "service", name: SERVICES[scope]! } as const);
    const begun = await orders.startDrain(where, scope === "host" ? { ...request, to: [] } : request, ORDER, false);
    if (!begun.ok) return;
    seen.begun++;
    for (const drain of begun.value) assert.equal(standingUpon(intents.current(), drain), undefined);
  }

  start();
  await passes();
  for (const each of deeds) {
    try {
      await act(each);
      if (dying && intents.problem() !== undefined) throw new Died();
      await passes();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
      seen.died++;
      await restart("short");
      await passes();
    }
  }
  for (const drain of intents.current().drains) seen.ends.add(drain.phase.kind);
}

/** So that a law is not held only because nothing happens. */
const seen = { begun: 0, died: 0, ends: new Set<string>() };

function hasWeight(
  entry: { readonly destinations: ReadonlyMap<unknown, { readonly weight: number }> } | undefined,
): boolean {
  return [...(entry?.destinations.values() ?? [])].some((d) => d.weight > 0);
}

function raisedFirst(changes: readonly IpvsChange[]): void {
  const takes = (c: IpvsChange) =>
    c.op === "delete-server" || (c.op === "edit-server" && c.destination.weight < c.was.weight);
  const gives = (c: IpvsChange) =>
    (c.op === "add-server" && c.destination.weight > 0) ||
    (c.op === "edit-server" && c.destination.weight > c.was.weight);
  const firstTake = changes.findIndex(takes);
  assert.ok(firstTake < 0 || !changes.slice(firstTake).some(gives), "somebody was lowered before another was raised");
}

test("laws of drains over random histories of probes, orders, reloads, crashes at every write, full disks and clocks that jump", async () => {
  const runs = 800;
  await fc.assert(fc.asyncProperty(fc.array(deed, { minLength: 20, maxLength: 60 }), live), { numRuns: runs });
  assert.ok(seen.begun > runs && seen.died > runs / 10, JSON.stringify(seen));
  assert.deepEqual([...seen.ends].sort(), [
    "aborted",
    "done",
    "draining",
    "failed",
    "paused",
    "pending",
    "rolled-back",
    "shifting",
  ]);
});
