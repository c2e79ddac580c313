import type { IpvsTable } from "../ipvs/table.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import type { Config } from "../model/config.ts";
import type { ProbeOutcome, ProbeType } from "../model/probe.ts";
import { err, ok, type Result } from "../model/result.ts";
import {
  destinationKey,
  destinationPort,
  fits,
  type RealServer,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import { type EpochMs, formatDuration, type Millis, type MonotonicMs, type Now } from "../model/time.ts";
import { decide, desired, isReady } from "../policy/desired.ts";
import { type Drain, type DrainCommand, isActive, command as ordered, recovered } from "../policy/drain.ts";
import type { Condition } from "../policy/moves.ts";
import type { CheckRecord } from "../probe/engine.ts";
import { type CheckTransition, createEngine } from "../probe/engine.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Intent, type ServerIntent, withDrain, withServer } from "../state/intent.ts";
import type { IntentStore } from "../state/store.ts";
import { advanceAll, begin, type DrainContext, type DrainRequest, describe, findServer, viewFor } from "./drains.ts";
import type { EventLog, NewEvent } from "./events.ts";
import { createIntents, type Intents } from "./intents.ts";
import { createReconciler, type PassReport } from "./reconcile.ts";
import {
  adoptedBeliefs,
  type Beliefs,
  plannedChecks,
  proven,
  reloadedBeliefs,
  serviceFinder,
  verdictOf,
} from "./verdicts.ts";
import { writeWords } from "./words.ts";

/** READY waits this long at most for every check's first verdict. */
const FIRST_VERDICTS_MS: Millis = 10_000;
/** Notes on the disk that we are alive, for telling a short gap from a long one after a restart. */
const BEAT_EVERY_MS: Millis = 5_000;
/** Drains that ended and left nothing behind are kept for the list, this many. */
const KEPT_DRAINS = 100;

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
  readonly newId: () => string;
  /** Called after every pass that ended, refused entries or not: the watchdog's food. */
  readonly onPass: () => void;
  readonly onProbe?: (record: CheckRecord, outcome: ProbeOutcome, startedAt: EpochMs, tookMs: Millis) => void;
}

/** Why a command was not carried out; `problem` says what to do instead. */
export type Refusal = { readonly kind: "not-found" | "conflict" | "unwritable" | "invalid"; readonly problem: string };

export type Director = ReturnType<typeof createDirector>;

/** Who gives a command, as claimed, and why. */
export interface Order {
  readonly actor: string;
  readonly reason: string | undefined;
}

/** Wires checks, intent and reconciling together; the only place that holds the state of the whole. */
export function createDirector(options: DirectorOptions) {
  const { clock, kernel, store, events, bootId } = options;
  let config = options.config;
  let beliefs: Beliefs = { presumedUp: new Map(), unproven: new Map() };
  let intents: Intents;
  let freshState = false;
  let probing = false;
  let lastBeatAt: MonotonicMs | undefined;
  let leavingGraces = new Map<ServiceKey, Millis>();
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
    onTransitions,
    onProbe: options.onProbe,
  });

  const stateOf = (key: string) => engine.get(key);
  const verdict = (service: Service, server: RealServer) => verdictOf(service, server, beliefs, stateOf);
  const record = (event: NewEvent) => events.record(event);

  const reconciler = createReconciler({
    clock,
    kernel,
    heartbeat: options.heartbeat,
    settings: () => ({ mode: config.ipvs.mode, drift: config.ipvs.drift, resync: config.ipvs.resync }),
    hooks: {
      desired: (actual) =>
        desired({
          config,
          intent: (service) => intents.of(service),
          verdict,
          // Where it cannot be read the kernel's own default counts.
          expireQuiescentTemplate: options.sysctl("expire_quiescent_template") === 1,
          actual,
        }),
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
      graceOf: (key) => serviceOf(key)?.removalGrace ?? leavingGraces.get(key) ?? 600_000,
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

  function serviceOf(key: ServiceKey): Service | undefined {
    return config.services.find((service) => service.frontends.some((f) => serviceKey(f) === key));
  }

  function watchedBy(drain: Drain) {
    const service = config.services.find((s) => s.frontends.some((f) => drain.service.includes(serviceKey(f))));
    if (!service) return [];
    const olds = service.servers.filter((server) => drain.from.includes(server.key));
    return olds.flatMap((server) => placesOf(service, server));
  }

  function placesOf(service: Service, server: RealServer) {
    return service.frontends
      .filter((frontend) => fits(frontend, server))
      .map((frontend) => ({
        service: serviceKey(frontend),
        frontend,
        destination: destinationKey(server.address, destinationPort(frontend, server.port)),
      }));
  }

  /** The first full reading: who was serving, and what was held at 0 by somebody we do not know of. */
  async function adopt(actual: IpvsTable): Promise<void> {
    if (!probing) beliefs = adoptedBeliefs(config, actual);
    if (freshState) await holdQuiesced(actual);
    freshState = false;
  }

  async function holdQuiesced(actual: IpvsTable): Promise<void> {
    let intent = intents.current();
    const at = clock.now().epoch;
    for (const service of config.services)
      for (const server of service.servers) {
        const held = placesOf(service, server).map(
          (p) => actual.get(p.service)?.destinations.get(p.destination)?.weight,
        );
        const known = held.filter((weight) => weight !== undefined);
        if (known.length === 0 || known.some((weight) => weight > 0) || server.weight === 0) continue;
        intent = withServer(intent, service.frontends.map(serviceKey), server.key, (entry) => ({
          ...entry,
          stateLost: { at },
        }));
        record({
          kind: "admin",
          severity: "warning",
          message: `${service.name} ${server.name}: held at weight 0: the kernel has it at 0 and director has no record of why; \`director enable ${service.name} ${server.name}\` lets it serve`,
          service: service.name,
          server: server.name,
          reason: "state-lost",
        });
      }
    const wanted = intent;
    if (wanted !== intents.current()) await intents.change(() => ok(wanted), { evenUnsaved: true });
  }

  function startProbing(): void {
    probing = true;
    engine.update(
      plannedChecks(config, (service, server) => ({
        kind: "new",
        presumedUp: beliefs.presumedUp.get(service.key)?.has(server.key) ?? false,
      })),
    );
  }

  function onTransitions(batch: readonly CheckTransition[]): void {
    const passed = batch.filter((t) => t.firstPass).map((t) => t.record.spec.key);
    if (passed.length > 0 && beliefs.unproven.size > 0) {
      const before = beliefs;
      beliefs = proven(beliefs, config, new Set(passed));
      for (const [key, open] of before.unproven)
        for (const template of open)
          if (!beliefs.unproven.get(key)?.has(template)) {
            const service = serviceOf(key);
            const label = service?.servers.flatMap((s) => s.checks).find((c) => c.template === template)?.label ?? "";
            record({
              kind: "check",
              severity: "info",
              message: `${service?.name ?? key}: check ${label} is proven: it passed`,
              service: service?.name ?? key,
            });
          }
    }
    reportChecks(batch);
    reconciler.wake();
  }

  function reportChecks(batch: readonly CheckTransition[]): void {
    const users = usersOf(new Set(batch.map((t) => t.record.spec.key)));
    for (const { record: check, from, to, uncheckedChanged } of batch) {
      for (const { service, server } of users.get(check.spec.key) ?? []) {
        const where = { service: service.name, server: server.name };
        if (uncheckedChanged) {
          const reason =
            check.lastOutcome && check.lastOutcome.kind === "inconclusive" ? check.lastOutcome.reason : undefined;
          record({
            kind: "check",
            severity: check.unchecked ? "warning" : "info",
            message: check.unchecked
              ? `${service.name} ${server.name}: unchecked: no probe could be made for 30s (${reason}); its weight is kept`
              : `${service.name} ${server.name}: checked again`,
            ...where,
            ...(reason === undefined ? {} : { reason }),
          });
        }
        if (from.kind === to.kind) continue;
        const reason = to.kind === "down" ? to.reason : undefined;
        record({
          kind: "server",
          severity: to.kind === "down" ? "warning" : "info",
          message: `${service.name} ${server.name}: ${check.spec.label} ${from.kind} -> ${to.kind}${reason === undefined ? "" : `: ${reason}`}`,
          ...where,
          from: from.kind,
          to: to.kind,
          ...(reason === undefined ? {} : { reason }),
        });
      }
    }
  }

  function usersOf(
    keys: ReadonlySet<string>,
  ): ReadonlyMap<string, readonly { service: Service; server: RealServer }[]> {
    const users = new Map<string, { service: Service; server: RealServer }[]>();
    for (const service of config.services)
      for (const server of service.servers)
        for (const { key } of server.checks)
          if (keys.has(key)) users.set(key, [...(users.get(key) ?? []), { service, server }]);
    return users;
  }

  // ---- after each pass ---------------------------------------------------------------------------------------------

  function passed(report: PassReport, mono: MonotonicMs): MonotonicMs | undefined {
    for (const event of writeWords(report, reconciler.view(), config)) record(event);
    const now = clock.now();
    if (lastBeatAt === undefined || mono - lastBeatAt >= BEAT_EVERY_MS) {
      lastBeatAt = mono;
      track(store.beat(bootId, mono).catch(() => {}));
    }
    if (intents.problem() !== undefined) track(intents.retry());
    const looked = advanceAll(config, intents.current(), contextOf, now, intents.problem() === undefined);
    if (looked.moved.length > 0) track(storeMoves(looked.moved.map((m) => m.after)));
    const expiry = expire(now);
    const times = [looked.lookAgainAt, expiry].filter((t) => t !== undefined);
    return times.length === 0 ? undefined : (Math.min(...times) as MonotonicMs);
  }

  /** Stored first, then in force: a crash in between loses the step, never the record of one that acted. */
  async function storeMoves(moved: readonly Drain[]): Promise<void> {
    const before = new Map(intents.current().drains.map((d) => [d.id, d]));
    const stopped = moved.every((d) => d.phase.kind === "paused");
    const result = await intents.change(
      (intent) => {
        let next: Intent = { ...intent, bootId };
        // Only what nobody changed meanwhile: an operator's word given during this pass is newer.
        for (const drain of moved)
          if (intent.drains.find((d) => d.id === drain.id) === before.get(drain.id)) next = withDrain(next, drain);
        return ok(pruned(next));
      },
      { evenUnsaved: stopped },
    );
    if (result.ok) for (const drain of moved) reportDrain(drain);
    else record({ kind: "drain", severity: "error", message: `drains stand still: ${result.error}` });
    reconciler.wake();
  }

  function reportDrain(drain: Drain, actor?: string): void {
    const bad = drain.phase.kind === "paused" || drain.phase.kind === "failed" || drain.phase.kind === "rolled-back";
    const service = config.services.find((s) => s.frontends.some((f) => drain.service.includes(serviceKey(f))));
    record({
      kind: "drain",
      severity: bad ? "warning" : "info",
      message: `${drain.serviceName}: ${describe(drain, (key) => service?.servers.find((s) => s.key === key)?.name ?? key)}`,
      service: drain.serviceName,
      drain: drain.id,
      to: drain.phase.kind,
      ...(actor === undefined ? {} : { actor }),
    });
  }

  /** Ends what was disabled until a time that has come. Returns when the next one ends. */
  function expire(now: Now): MonotonicMs | undefined {
    let next: number | undefined;
    for (const entry of intents.current().servers) {
      const until = entry.disabled?.until;
      if (until === undefined) continue;
      if (now.epoch < until) {
        next = Math.min(next ?? Number.POSITIVE_INFINITY, now.mono + (until - now.epoch));
        continue;
      }
      track(
        change(entry.services, entry.server, (e) => ({ ...e, disabled: undefined })).then(() => {
          record({
            kind: "admin",
            severity: "info",
            message: `${entry.server}: enabled again, its time is over`,
            to: "enabled",
          });
          reconciler.wake();
        }),
      );
    }
    return next as MonotonicMs | undefined;
  }

  function contextOf(service: Service): DrainContext {
    const intent = intents.of(service);
    return {
      service,
      intent,
      condition: (server) => conditionOf(service, server),
      now: clock.now(),
      storable: intents.problem() === undefined,
    };
  }

  function conditionOf(service: Service, server: RealServer): Condition {
    const seen = placesOf(service, server).map((p) => reconciler.connections(p.service, p.frontend, p.destination));
    const unknown = seen.some((s) => s.active === undefined);
    return {
      ready: isReady(verdict(service, server), intents.of(service).servers.get(server.key)),
      connections: unknown ? undefined : seen.reduce((sum, s) => sum + s.active!, 0),
      idle: seen.every((s) => s.idle),
    };
  }

  // ---- commands ------------------------------------------------------------------------------------------------------

  function change(
    services: readonly ServiceKey[],
    server: RealServer["key"],
    edit: (entry: ServerIntent) => ServerIntent,
  ) {
    return intents.change((intent) => ok(withServer({ ...intent, bootId }, services, server, edit)));
  }

  function locate(serviceName: string, serverName: string): Result<{ service: Service; server: RealServer }, Refusal> {
    const service = config.services.find((s) => s.name === serviceName);
    if (!service)
      return err({
        kind: "not-found",
        problem: `no service "${serviceName}"; there are: ${config.services.map((s) => s.name).join(", ")}`,
      });
    const server = findServer(service, serverName);
    if (!server)
      return err({
        kind: "not-found",
        problem: `no server "${serverName}" in ${service.name}; there are: ${service.servers.map((s) => s.name).join(", ")}`,
      });
    return ok({ service, server });
  }

  async function setServer(
    serviceName: string,
    serverName: string,
    order: Order,
    words: string,
    edit: (entry: ServerIntent, at: EpochMs) => ServerIntent,
  ): Promise<Result<{ service: Service; server: RealServer }, Refusal>> {
    const place = locate(serviceName, serverName);
    if (!place.ok) return place;
    const { service, server } = place.value;
    const at = clock.now().epoch;
    const saved = await change(service.frontends.map(serviceKey), server.key, (entry) => edit(entry, at));
    if (!saved.ok) return err({ kind: "unwritable", problem: saved.error });
    record({
      kind: "admin",
      severity: "info",
      message: `${service.name} ${server.name}: ${words} by ${order.actor}${order.reason === undefined ? "" : `: ${order.reason}`}`,
      service: service.name,
      server: server.name,
      actor: order.actor,
      to: words,
      ...(order.reason === undefined ? {} : { reason: order.reason }),
    });
    await reconciler.settled();
    return place;
  }

  async function startDrain(
    serviceName: string,
    request: DrainRequest,
    order: Order,
    dryRun: boolean,
  ): Promise<Result<Drain, Refusal>> {
    const service = config.services.find((s) => s.name === serviceName);
    if (!service)
      return err({
        kind: "not-found",
        problem: `no service "${serviceName}"; there are: ${config.services.map((s) => s.name).join(", ")}`,
      });
    const known = intents
      .current()
      .drains.find((d) => request.requestId !== undefined && d.requestId === request.requestId);
    if (known) return ok(known);
    const id = options.newId();
    if (dryRun) {
      const drain = begin(request, contextOf(service), id, order.actor);
      return drain.ok ? drain : err({ kind: "conflict", problem: drain.error });
    }
    let started: Drain | undefined;
    // Judged inside the change: two orders at once must not both find the service free.
    const saved = await intents.change((intent) => {
      const drain = begin(request, contextOf(service), id, order.actor);
      if (!drain.ok) return drain;
      started = drain.value;
      return ok(withDrain({ ...intent, bootId }, drain.value));
    });
    if (!saved.ok)
      return err({ kind: intents.problem() === undefined ? "conflict" : "unwritable", problem: saved.error });
    reportDrain(started!, order.actor);
    reconciler.wake();
    return ok(started!);
  }

  async function orderDrain(id: string, word: DrainCommand, order: Order): Promise<Result<Drain, Refusal>> {
    if (!intents.current().drains.some((d) => d.id === id))
      return err({ kind: "not-found", problem: `no drain "${id}": \`director drain list\` shows them` });
    let after: Drain | undefined;
    const saved = await intents.change(
      (intent) => {
        const drain = intent.drains.find((d) => d.id === id)!;
        const newer = word === "rollback" ? standsUpon(intent, drain) : undefined;
        if (newer) return err(`drain ${newer.id} moved weight of the same servers afterwards: roll that back first`);
        const service = config.services.find((s) => s.frontends.some((f) => drain.service.includes(serviceKey(f))));
        const view = service
          ? viewFor(drain, contextOf(service))
          : { now: clock.now(), servers: new Map(), serviceExists: false, storable: true };
        const next = ordered(drain, word, order.reason ?? `by ${order.actor}`, view);
        if (!next.ok) return next;
        after = next.value;
        return ok(pruned(withDrain({ ...intent, bootId }, next.value)));
      },
      // Going back must work with a full disk as well; the record follows when it can be written.
      { evenUnsaved: word === "rollback" || word === "abort" || word === "pause" },
    );
    if (!saved.ok)
      return err({ kind: intents.problem() === undefined ? "conflict" : "unwritable", problem: saved.error });
    reportDrain(after!, order.actor);
    await reconciler.settled();
    return ok(after!);
  }

  // ---- the life of it ----------------------------------------------------------------------------------------------

  return {
    events,
    config: () => config,
    intents: () => intents,
    intent: () => intents.current(),
    reconciler: () => reconciler.view(),
    wake: () => reconciler.wake(),
    settled: () => reconciler.settled(),
    record: (key: string) => engine.get(key),
    records: () => engine.records(),
    unprovenOf: (service: Service): ReadonlySet<string> => beliefs.unproven.get(service.key) ?? new Set(),
    unproven: () => beliefs.unproven,
    connectionsOf: (service: Service, server: RealServer) => conditionOf(service, server).connections,
    locate,
    contextOf: (name: string): DrainContext | undefined => {
      const service = config.services.find((s) => s.name === name);
      return service && contextOf(service);
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
      const stored =
        loaded.kind === "none"
          ? { version: 1 as const, revision: 0, bootId, owned: [], servers: [], drains: [] }
          : loaded.intent;
      const beat = stored.bootId === bootId ? await store.lastBeat(bootId) : undefined;
      const gap = beat === undefined ? undefined : Math.max(0, now.mono - beat);
      const intent = { ...stored, drains: stored.drains.map((d) => recovered(d, gap, now.mono)) };
      intents = createIntents(store, intent, () => {});
      for (const [i, drain] of intent.drains.entries()) if (drain !== stored.drains[i]) reportDrain(drain);
    },

    /** Adopts the table, probes, writes. Resolves when every check has its first verdict and the table was written once, or after 10s with
     *  the checks that are still open. */
    async start(): Promise<readonly string[]> {
      track(reconciler.run(stopping.signal));
      await reconciler.settled();
      startProbing();
      await firstVerdicts();
      await reconciler.settled();
      return waiting();
    },

    /** Replaces the configuration. The caller has parsed it and asked what it removes; from here on it cannot fail. */
    async reload(next: Config): Promise<void> {
      const old = config;
      const previous = serviceFinder(next);
      leavingGraces = new Map(leavingGraces);
      for (const service of old.services)
        if (!previous(service))
          for (const f of service.frontends) leavingGraces.set(serviceKey(f), service.removalGrace);
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
      beliefs = kept;
      engine.update(checks);
      reconciler.resync();
      await reconciler.settled();
    },

    async enable(service: string, server: string, order: Order): Promise<Result<string | undefined, Refusal>> {
      const done = await setServer(service, server, order, "enabled", (e) => ({
        ...e,
        disabled: undefined,
        stateLost: undefined,
      }));
      if (!done.ok) return done;
      const decision = decide(done.value.service, intents.of(done.value.service), (s) =>
        verdict(done.value.service, s),
      ).get(done.value.server.key)!;
      return ok(decision.weight > 0 ? undefined : `still at weight 0: ${decision.rule}`);
    },

    async disable(
      service: string,
      server: string,
      order: Order,
      until: EpochMs | undefined,
    ): Promise<Result<string | undefined, Refusal>> {
      const done = await setServer(service, server, order, "disabled", (e, at) => ({
        ...e,
        disabled: { by: order.actor, at, reason: order.reason, until },
      }));
      if (!done.ok) return done;
      const left = done.value.service.servers.filter((s) =>
        isReady(verdict(done.value.service, s), intents.of(done.value.service).servers.get(s.key)),
      );
      return ok(left.length === 0 ? `${done.value.service.name} has no server left to serve` : undefined);
    },

    async setWeight(
      service: string,
      server: string,
      weight: number | undefined,
      order: Order,
    ): Promise<Result<string | undefined, Refusal>> {
      const place = locate(service, server);
      if (!place.ok) return place;
      const { key, name, weight: configured } = place.value.server;
      const drain = intents
        .of(place.value.service)
        .drains.find((d) => (isActive(d) || d.result) && (d.from.includes(key) || d.to.includes(key)));
      if (drain)
        return err({
          kind: "conflict",
          problem: `${name} takes part in drain ${drain.id} (${drain.phase.kind}): roll that back first`,
        });
      const words = weight === undefined ? `weight as configured (${configured})` : `weight ${weight}`;
      const done = await setServer(service, server, order, words, (e, at) => ({
        ...e,
        weight:
          weight === undefined ? undefined : { by: order.actor, at, reason: order.reason, value: weight, configured },
      }));
      if (!done.ok) return done;
      const decision = decide(place.value.service, intents.of(place.value.service), (s) =>
        verdict(place.value.service, s),
      ).get(key)!;
      return ok(decision.weight > 0 || weight === 0 ? undefined : `still at weight 0: ${decision.rule}`);
    },

    startDrain,
    orderDrain,

    /** Replaces the whole intent, if it is still the revision the caller saw. */
    async putIntent(next: Intent, revision: number, order: Order): Promise<Result<Intent, Refusal>> {
      let stale = false;
      const saved = await intents.change((intent) => {
        stale = intent.revision !== revision;
        if (stale) return err(`the intent is at revision ${intent.revision} by now, not ${revision}: read it again`);
        const now = clock.now();
        const drains = next.bootId === bootId ? next.drains : next.drains.map((d) => recovered(d, undefined, now.mono));
        return ok({
          ...next,
          bootId,
          drains,
          owned: [...new Set([...intent.owned, ...next.owned.filter((key) => serviceOf(key))])],
        });
      });
      if (!saved.ok) return err({ kind: stale ? "conflict" : "unwritable", problem: saved.error });
      record({ kind: "admin", severity: "warning", message: `intent replaced by ${order.actor}`, actor: order.actor });
      await reconciler.settled();
      return saved;
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
    while (waiting().length > 0 && clock.now().mono < deadline && !stopping.signal.aborted)
      await new Promise<void>((resolve) => clock.after(20, resolve));
  }

  /** Checks without a first conclusive outcome. */
  function waiting(): readonly string[] {
    const open: string[] = [];
    for (const check of engine.records()) if (check.passes + check.failures === 0) open.push(check.spec.key);
    return open;
  }

  /** A drain that moved weight of the same servers later and still counts. */
  function standsUpon(intent: Intent, drain: Drain): Drain | undefined {
    const servers = new Set([...drain.from, ...drain.to]);
    const later = intent.drains.slice(intent.drains.indexOf(drain) + 1);
    return later.find(
      (d) =>
        (isActive(d) || d.result !== undefined) &&
        d.service.some((key) => drain.service.includes(key)) &&
        [...d.from, ...d.to].some((key) => servers.has(key)),
    );
  }
}

/** Ended drains that left nothing standing are history, of which some is kept. */
function pruned(intent: Intent): Intent {
  const history = intent.drains.filter((d) => !isActive(d) && d.result === undefined);
  if (history.length <= KEPT_DRAINS) return intent;
  const gone = new Set(history.slice(0, history.length - KEPT_DRAINS));
  return { ...intent, drains: intent.drains.filter((d) => !gone.has(d)) };
}
