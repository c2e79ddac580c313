import type { ServerVerdict } from "../health/server.ts";
import type { IpvsTable, Rates } from "../ipvs/table.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import type { Config } from "../model/config.ts";
import type { CheckSpec, ProbeOutcome, ProbeType, Report } from "../model/probe.ts";
import { err, ok, type Result } from "../model/result.ts";
import { type RealServer, type Service, type ServiceKey, serviceKey } from "../model/service.ts";
import { type EpochMs, formatDuration, type Millis, type MonotonicMs } from "../model/time.ts";
import { decide, isReady, type Memory, rampOf } from "../policy/decide.ts";
import { type Desired, type DesiredInput, desired, desiring } from "../policy/desired.ts";
import { type Drain, isActive } from "../policy/drain.ts";
import { recovered } from "../policy/drain-machine.ts";
import { freezeOf, frozenBy, inForce } from "../policy/freeze.ts";
import { type AddedServer, EMPTY_INTENT } from "../policy/intent.ts";
import { needsPackets } from "../policy/leaving.ts";
import type { Condition } from "../policy/moves.ts";
import { withoutOvertaken } from "../policy/overtaken.ts";
import { type CheckRecord, type CheckTransition, createEngine } from "../probe/engine.ts";
import type { Clock } from "../runtime/clock.ts";
import { inTurns } from "../runtime/in-turns.ts";
import type { IntentStore } from "../state/store.ts";
import { stillNeeded } from "./added.ts";
import { adoptedReports, heldQuiesced } from "./adoption.ts";
import { createBeside, type Surroundings } from "./beside.ts";
import { checkWords, provenWords } from "./check-words.ts";
import { findServer } from "./drain-request.ts";
import { createDrainSteps } from "./drain-steps.ts";
import type { DrainContext } from "./drains.ts";
import { createEndings } from "./endings.ts";
import type { EventLog, NewEvent } from "./events.ts";
import { createFlaps } from "./flaps.ts";
import { createIntents, type Intents } from "./intents.ts";
import { createOrders } from "./orders.ts";
import { entriesOf, placesOf, serviceWith } from "./places.ts";
import { predecessors } from "./predecessors.ts";
import { createReconciler, type PassReport } from "./reconcile.ts";
import { reloadPlan, type TablePlan, type Want } from "./reload-plan.ts";
import { serviceWords } from "./service-words.ts";
import {
  adoptedBeliefs,
  type Beliefs,
  plannedChecks,
  proven,
  reloadedBeliefs,
  rememberingVerdicts,
  unprovenKeys,
  verdictOf,
} from "./verdicts.ts";
import { writeWords } from "./words.ts";

/** READY waits this long at most for every check's first verdict. */
const FIRST_VERDICTS_MS: Millis = 10_000;
/** Notes on the disk that we are alive, for telling a short gap from a long one after a restart. */
const BEAT_EVERY_MS: Millis = 5_000;

export interface DirectorOptions {
  readonly clock: Clock;
  readonly kernel: KernelTable;
  readonly store: IntentStore;
  readonly probeTypes: ReadonlyMap<string, ProbeType>;
  readonly config: Config;
  readonly events: EventLog;
  readonly bootId: string;
  /** A passing pass at least this often (half the watchdog's period). */
  readonly heartbeat: Millis;
  /** A number of net.ipv4.vs; undefined: not known. */
  readonly sysctl: (name: string) => number | undefined;
  /** The file's configuration with these servers beside its own; or why that cannot be. Without it nothing can be added. */
  readonly withAdded?: (added: readonly AddedServer[]) => Result<Config, string>;
  readonly newId: (kind: "d" | "h") => string;
  /** Called after every pass that ended, refused entries or not: the watchdog's food. */
  readonly onPass: () => void;
  /** Where to keep what stands beside the table. Without it timeouts, sync daemons and addresses are left alone. */
  readonly surroundings?: Surroundings;
  readonly onProbe?: (record: CheckRecord, outcome: ProbeOutcome, startedAt: EpochMs, tookMs: Millis) => void;
}

export type Director = ReturnType<typeof createDirector>;

/** Wires checks, intent and reconciling together; the only place that holds the state of the whole. */
export function createDirector(options: DirectorOptions) {
  const { clock, kernel, store, events, bootId } = options;
  let config = options.config;
  let beliefs: Beliefs = { presumedUp: new Map(), unproven: new Map() };
  /** What servers reported in an earlier life, until they are heard in this one. */
  let lastReports: ReadonlyMap<RealServer, Report> = new Map();
  /** Keys of the checks that nobody has passed yet; follows the beliefs. */
  let unprovenChecks: ReadonlySet<string> = new Set();
  let intents: Intents;
  let freshState = false;
  let adopted = false;
  /** Drains stand still until the servers have had the time for their first verdicts: one that nobody has asked yet is not down. */
  let drainsMove = false;
  let lastBeatAt: MonotonicMs | undefined;
  /** What services were when events last told of them. */
  let told: Desired | undefined;
  let leavingGraces = new Map<ServiceKey, Millis>();
  const withAdded = options.withAdded ?? (() => err("servers cannot be added to this configuration"));
  const stopping = new AbortController();
  /** Work that goes on beside the passes; the stop waits for it. */
  const finishing = new Set<Promise<void>>();

  function track(work: Promise<unknown>): void {
    const settled: Promise<void> = work.then(
      () => void finishing.delete(settled),
      (error) => {
        finishing.delete(settled);
        record({
          kind: "process",
          severity: "error",
          message: `internal: ${error instanceof Error ? error.message : error}`,
        });
      },
    );
    finishing.add(settled);
  }

  const engine = createEngine({
    clock,
    probeTypes: options.probeTypes,
    isUnproven: (key) => unprovenChecks.size > 0 && unprovenChecks.has(key),
    onTransitions,
    onProbe: options.onProbe,
  });

  const stateOf = (key: string) => engine.get(key);
  const record = (event: NewEvent) => events.record(event);
  const mayReport = ({ type, options: o }: CheckSpec) => options.probeTypes.get(type)?.reports?.(o) ?? false;
  const isUnheard = (check: CheckSpec) => {
    const { passes = 0, failures = 0 } = stateOf(check.key) ?? {};
    return passes + failures === 0 && mayReport(check);
  };
  const verdicts = rememberingVerdicts(stateOf, engine.version);
  const byChecks = (service: Service, server: RealServer): ServerVerdict => {
    const said = verdicts(service, server, beliefs);
    const last = said.reported === undefined ? lastReports.get(server) : undefined;
    return last && server.checks.some(isUnheard) ? { ...said, reported: last } : said;
  };
  const flaps = createFlaps({
    now: () => clock.now(),
    verdict: byChecks,
    intentOf: (service) => intents.of(service),
    record,
  });
  const verdict = (service: Service, server: RealServer) => flaps.verdict(service, server);
  // Where it cannot be read the kernel's own default counts.
  const whole = (given: Parameters<Want>[0]): DesiredInput => ({
    ...given,
    expireQuiescentTemplate: options.sysctl("expire_quiescent_template") === 1,
    now: clock.now().mono,
    before: decisionOf,
  });
  const want: Want = (given) => desired(whole(given));
  const decisionOf = predecessors(() => reconciler.view().desired?.services);
  const memoryOf = (service: Service): Memory => {
    const last = decisionOf(service);
    return { now: clock.now().mono, quorumHeld: last?.quorum.held, failOpen: last?.failOpen ?? false };
  };

  const { surroundings } = options;
  const beside =
    surroundings &&
    createBeside({
      ...surroundings,
      clock,
      record,
      config: () => config,
      intents: () => intents,
      view: () => reconciler.view(),
    });

  const reconciler = createReconciler({
    clock,
    kernel,
    heartbeat: options.heartbeat,
    settings: () => ({ mode: config.ipvs.mode, drift: config.ipvs.drift, resync: config.ipvs.resync }),
    hooks: {
      desired: wantedNow,
      adopt,
      declare: async (services) => {
        const saved = await intents.change(
          (intent) => ok({ ...intent, bootId, owned: [...new Set([...intent.owned, ...services])] }),
          { evenUnsaved: true },
        );
        if (!saved.ok) throw new Error(saved.error);
      },
      owned: () => new Set(intents.current().owned),
      disown: (services) => {
        if (services.length === 0) return;
        const gone = new Set(services);
        track(
          intents
            .change((intent) => ok({ ...intent, owned: intent.owned.filter((key) => !gone.has(key)) }), {
              evenUnsaved: true,
            })
            .then(() => {}),
        );
      },
      graceOf,
      frozen: () => frozenBy(inForce(intents.current(), clock.now().epoch), config.services),
      watched: () =>
        intents
          .current()
          .drains.filter(isActive)
          .flatMap((drain) => watchedBy(drain)),
      passed,
      failed: (error, retryIn) =>
        record({
          kind: "reconcile",
          severity: "error",
          message: `${error.message}; next try in ${formatDuration(retryIn)}`,
          reason: error.message,
        }),
      ended: options.onPass,
    },
  });

  /** What is worked out while other things go on may be overtaken by a reload; then it is worked out anew. */
  async function wantedNow(actual: IpvsTable): Promise<Desired> {
    for (;;) {
      const present = config;
      const given = { config: present, intent: (service: Service) => intents.of(service), verdict, actual };
      const found = await inTurns(desiring(whole(given)), clock);
      if (config === present) return found;
    }
  }

  function graceOf(key: ServiceKey): Millis {
    return serviceOf(key)?.removalGrace ?? leavingGraces.get(key) ?? 600_000;
  }

  function serviceOf(key: ServiceKey): Service | undefined {
    return serviceWith(config, [key]);
  }

  function watchedBy(drain: Drain) {
    const service = serviceWith(config, drain.service);
    const olds = service?.servers.filter((server) => drain.from.includes(server.key)) ?? [];
    return olds.flatMap((server) => placesOf(service!, server));
  }

  /** The first full reading: who was serving, and what was held at 0 by somebody we do not know of. */
  async function adopt(actual: IpvsTable): Promise<void> {
    adopted = true;
    beliefs = { ...beliefs, presumedUp: adoptedBeliefs(config, actual).presumedUp };
    lastReports = adoptedReports(config, actual, (service) => intents.of(service), mayReport);
    if (!freshState) return;
    freshState = false;
    const held = heldQuiesced(config, actual, intents.current(), clock.now().epoch);
    for (const event of held.events) record(event);
    if (held.events.length > 0) await intents.change(() => ok(held.intent), { evenUnsaved: true });
  }

  function believe(next: Beliefs): void {
    if (next.unproven !== beliefs.unproven) unprovenChecks = unprovenKeys(next, config);
    beliefs = next;
  }

  function startProbing(): void {
    // As long as the table could not be read anybody may be serving: nobody is to be taken for dead by a single failure.
    const presumedUp = (service: Service, server: RealServer) =>
      !adopted || (beliefs.presumedUp.get(service.key)?.has(server.key) ?? false);
    engine.update(
      plannedChecks(config, (service, server) => ({ kind: "new", presumedUp: presumedUp(service, server) })),
    );
    flaps.take(config);
  }

  function onTransitions(batch: readonly CheckTransition[]): void {
    const passed = batch.filter((t) => t.firstPass).map((t) => t.record.spec.key);
    const before = beliefs;
    if (passed.length > 0) believe(proven(beliefs, config, new Set(passed)));
    const first = new Map(batch.toReversed().map((t) => [t.record.spec.key, t.from]));
    const stateBefore = (key: string) => {
      const [check, state] = [stateOf(key), first.get(key)];
      return check && state ? { ...check, state } : check;
    };
    const was = (service: Service, server: RealServer) =>
      flaps.verdict(service, server, verdictOf(service, server, before, stateBefore));
    const words = checkWords(batch, config, { was, is: verdict });
    for (const event of [...provenWords(before, beliefs, config), ...words]) record(event);
    // A check that is proven counts for everybody who has it.
    const changed = batch.filter((t) => t.from !== t.to).map((t) => t.record.spec.key);
    flaps.notice(config, passed.length > 0 ? undefined : new Set(changed));
    reconciler.wake();
  }

  // ---- after each pass ---------------------------------------------------------------------------------------------

  function passed(report: PassReport, mono: MonotonicMs): MonotonicMs | undefined {
    const { desired: decided } = reconciler.view();
    if (decided) for (const event of serviceWords(told, decided)) record(event);
    told = decided;
    for (const event of writeWords(report, reconciler.view(), config, (s) => intents.of(s))) record(event);
    beside?.passed();
    const now = clock.now();
    if (lastBeatAt === undefined || mono - lastBeatAt >= BEAT_EVERY_MS) {
      lastBeatAt = mono;
      track(store.beat(bootId, mono).catch(() => {}));
    }
    if (intents.problem() !== undefined) track(intents.retry());
    const drainsAt = drainsMove ? steps.move(now) : undefined;
    const times = [drainsAt, endings.end(now), flaps.expire()].filter((t) => t !== undefined);
    return times.length === 0 ? undefined : (Math.min(...times) as MonotonicMs);
  }

  function contextOf(service: Service): DrainContext {
    const intent = intents.of(service);
    return {
      service,
      intent,
      condition: (server) => conditionOf(service, server),
      now: clock.now(),
      storable: intents.problem() === undefined,
      frozen: freezeOf(inForce(intents.current(), clock.now().epoch), service) !== undefined,
    };
  }

  function conditionOf(service: Service, server: RealServer): Condition {
    const places = placesOf(service, server);
    const seen = places.map((p) => reconciler.connections(p.service, p.frontend, p.destination));
    // Where the kernel counts all or some of what is open as inactive, `active` has them already.
    const closing = seen.map((s, i) => (needsPackets(places[i]!.frontend) ? 0 : s.inactive));
    return {
      ready: isReady(verdict(service, server), intents.of(service).servers.get(server.key)),
      connections: total(seen.map((s) => s.active)),
      lingering: total([...closing, ...seen.map((s) => s.templates)]),
      idle: seen.every((s) => s.idle),
      empty: seen.every((s) => s.empty),
      ramping: rampOf(service, verdict(service, server), clock.now().mono).factor < 1,
    };
  }

  function sumsOf(service: Service, server: RealServer) {
    const seen = placesOf(service, server).map((p) => reconciler.connections(p.service, p.frontend, p.destination));
    return {
      active: total(seen.map((s) => s.active)),
      inactive: total(seen.map((s) => s.inactive)),
      templates: total(seen.map((s) => s.templates)),
    };
  }

  async function useConfig(next: Config): Promise<void> {
    const old = config;
    leavingGraces = new Map(leavingGraces);
    for (const service of old.services)
      for (const frontend of service.frontends) leavingGraces.set(serviceKey(frontend), service.removalGrace);
    const byProbe = new Map<string, CheckRecord>();
    for (const check of engine.records()) byProbe.set(check.spec.probe, check);
    const { beliefs: kept, checks } = reloadedBeliefs({
      old,
      next,
      beliefs,
      stateOf,
      stateOfProbe: (probe) => byProbe.get(probe),
      actual: reconciler.view().actual,
    });
    config = next;
    believe(kept);
    engine.update(checks);
    flaps.take(next);
    await intents.change((intent) => ok(withoutOvertaken(intent, next)), { evenUnsaved: true });
    reconciler.resync();
    beside?.wake();
    await reconciler.settled();
  }

  /** Servers that drains brought in beside the file's, at start. */
  function takeAdded(added: readonly AddedServer[]): void {
    const full = withAdded(added);
    if (full.ok) config = full.value;
    else record({ kind: "drain", severity: "error", message: `added servers are left out: ${full.error}` });
  }

  /** Brings servers in, at weight 0 and probed like all others. They are stored with the drain that wants them.
   *  @returns all that are beside the file then */
  async function bringIn(
    service: Service,
    addresses: readonly string[],
  ): Promise<Result<readonly AddedServer[], string>> {
    const services = entriesOf(service);
    const present = intents.current().added;
    const asked = addresses.map((address) => ({ services, address, server: address as RealServer["key"] }));
    const full = withAdded([...present, ...asked]);
    if (!full.ok) return full;
    const home = serviceWith(full.value, services);
    const added = asked.map((a) => ({ ...a, server: (home && findServer(home, a.address))?.key ?? a.server }));
    await useConfig(full.value);
    return ok([...present, ...added]);
  }

  /** Lets go of added servers that no drain needs any more. */
  async function dropUnneeded(): Promise<void> {
    const changed = await intents.change(
      (intent) => ok({ ...intent, bootId, added: stillNeeded(intent.added, intent.drains) }),
      { evenUnsaved: true },
    );
    const full = withAdded(changed.ok ? changed.value.added : []);
    if (full.ok) await useConfig(full.value);
  }

  const afterPasses = {
    config: () => config,
    intents: () => intents,
    bootId,
    record,
    track,
    wake: () => reconciler.wake(),
  };
  const steps = createDrainSteps({ ...afterPasses, contextOf, dropUnneeded });
  const endings = createEndings(afterPasses);

  const orders = createOrders({
    config: () => config,
    intents: () => intents,
    now: () => clock.now(),
    bootId,
    newId: options.newId,
    record,
    drainContext: contextOf,
    decision: (service, server) =>
      decide(service, intents.of(service), (s) => verdict(service, s), memoryOf(service)).get(server.key)!,
    reportDrain: steps.report,
    release: flaps.release,
    bringIn,
    dropUnneeded,
    wake: () => reconciler.wake(),
    settled: () => reconciler.settled(),
  });

  // ---- the life of it ----------------------------------------------------------------------------------------------

  return {
    events,
    config: () => config,
    intents: () => intents,
    intent: () => intents.current(),
    reconciler: () => reconciler.view(),
    /** What is not in order beside the table. */
    besideProblems: () => beside?.problems() ?? [],
    wake: () => reconciler.wake(),
    settled: () => reconciler.settled(),
    record: (key: string) => engine.get(key),
    records: () => engine.records(),
    checkLag: () => engine.lagMs(),
    unprovenOf: (service: Service): ReadonlySet<string> => beliefs.unproven.get(service.key) ?? new Set(),
    unproven: () => beliefs.unproven,
    connectionsOf: (service: Service, server: RealServer) => sumsOf(service, server),
    ...orders,
    drainContext: contextOf,
    sysctl: options.sysctl,
    rates: (): Promise<Rates> => kernel.rates(stopping.signal).catch(() => new Map()),
    /** New connections a second, while somebody drains; undefined: not known. */
    rateOf: (service: Service | undefined): number | undefined => {
      const known = service?.frontends.map((f) => reconciler.view().rates?.get(serviceKey(f))?.perSecond) ?? [];
      return known.every((r) => r === undefined) ? undefined : known.reduce<number>((sum, r) => sum + (r ?? 0), 0);
    },

    /** Reads the stored intent; to be called before anything else. */
    async load(): Promise<void> {
      const now = clock.now();
      const loaded = await store.load();
      freshState = loaded.kind === "none";
      if (loaded.kind !== "found" && loaded.problem !== undefined)
        record({
          kind: "process",
          severity: "error",
          message: `state: ${loaded.problem}${loaded.kind === "previous" ? "; going on with the copy before it" : ""}`,
        });
      const stored = loaded.kind === "none" ? { ...EMPTY_INTENT, bootId } : loaded.intent;
      if (stored.added.length > 0) takeAdded(stored.added);
      const beat = stored.bootId === bootId ? await store.lastBeat(bootId) : undefined;
      const gap = beat === undefined ? undefined : Math.max(0, now.mono - beat);
      intents = createIntents(store, stored, () => {});
      const drains = stored.drains.map((d) => recovered(d, gap, now));
      const held = drains.filter((drain, i) => drain !== stored.drains[i]);
      // Stored at once: the next restart, perhaps after a short gap, must find them paused as well.
      await intents.change(
        (intent) => ok(withoutOvertaken(held.length > 0 ? { ...intent, bootId, drains } : intent, config)),
        { evenUnsaved: true },
      );
      for (const drain of held) steps.report(drain);
    },

    /** Adopts the table, probes, writes. Resolves when every check has its first verdict and the table was written once, or after 10s with
     *  the checks that are still open. */
    async start(): Promise<readonly string[]> {
      track(reconciler.run(stopping.signal));
      if (beside) track(beside.run(stopping.signal));
      await reconciler.settled();
      startProbing();
      await firstVerdicts();
      drainsMove = true;
      await reconciler.settled();
      return waiting();
    },

    /** Replaces the configuration. The caller has parsed it and asked what it removes; from here on it cannot fail. */
    reload: useConfig,

    /** What a reload with this configuration would change, over the table as it is read now; nothing is touched.
     *  @throws when the table cannot be read */
    async plan(next: Config): Promise<TablePlan> {
      const actual = await kernel.read(stopping.signal);
      const intent = intents.current();
      const running = { config, beliefs, records: engine.records(), stateOf, intent, view: reconciler.view(), graceOf };
      return reloadPlan(
        { ...running, damped: flaps.verdict },
        next,
        withoutOvertaken(intent, next),
        actual,
        want,
        clock.now(),
      );
    },

    /** Ends probing and the pass in hand; the table stays as it is. */
    async stop(): Promise<void> {
      engine.stop();
      stopping.abort();
      await Promise.allSettled([...finishing]);
    },
  };

  async function firstVerdicts(): Promise<void> {
    const deadline = clock.now().mono + FIRST_VERDICTS_MS;
    const open = () => waiting().length > 0 || reconciler.view().lastSuccessAt === undefined;
    while (open() && clock.now().mono < deadline && !stopping.signal.aborted)
      await new Promise<void>((resolve) => clock.after(20, resolve));
  }

  /** Checks without a first conclusive outcome, if one is needed. */
  function waiting(): readonly string[] {
    const open: string[] = [];
    for (const { spec, passes, failures, state } of engine.records())
      if (passes + failures === 0 && state.kind === "unknown") open.push(spec.key);
    return open;
  }
}

/** The sum, if all are known. */
function total(counts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const count of counts) {
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}
