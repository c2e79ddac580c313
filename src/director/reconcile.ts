import { cautiously } from "../ipvs/caution.ts";
import { diff } from "../ipvs/diff.ts";
import { type Drift, destinationOf, driftBetween, only, sameThing } from "../ipvs/drift.ts";
import { sameForwarding, sameLimits } from "../ipvs/equal.ts";
import { overlaid } from "../ipvs/overlay.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { Glance, GlanceDestination, IpvsChange, IpvsTable, Rates, Stats, Templates } from "../ipvs/table.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import type { DestinationKey, Frontend, ServiceKey } from "../model/service.ts";
import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import { type Desired, placeOf } from "../policy/desired.ts";
import type { IsFrozen } from "../policy/freeze.ts";
import {
  type Idleness,
  isIdle,
  type Leaving,
  LOOK_APART_MS,
  look,
  needsPackets,
  withLeaving,
} from "../policy/leaving.ts";
import type { Clock } from "../runtime/clock.ts";
import { createAlarm } from "./alarm.ts";
import { createRefusals, type Refused } from "./refusals.ts";
import { createRepairs, type DriftVerdict, type Tolerated } from "./repairs.ts";

/** /proc/net/ip_vs is compared this often; it costs no process. */
export const GLANCE_EVERY_MS: Millis = 5_000;
/** Counters move every 2 seconds in the kernel; asking takes a process. */
const STATS_EVERY_MS: Millis = 5_000;
const FAILED_RETRY_MS: readonly Millis[] = [1_000, 2_000, 5_000, 10_000, 30_000];

/** What one pass did; for logs, events, metrics. */
export interface PassReport {
  readonly drift: readonly (readonly [Drift, DriftVerdict])[];
  /** Written and read back. */
  readonly written: readonly IpvsChange[];
  readonly complaints: readonly string[];
  readonly refused: readonly Refused[];
  /** Went after their grace with connections left. */
  readonly overdue: readonly (Leaving & { readonly active: number })[];
  /** Wanted, but not written: observe mode, or frozen. */
  readonly differences: readonly IpvsChange[];
}

export type Watched = readonly {
  readonly service: ServiceKey;
  readonly frontend: Frontend;
  readonly destination: DestinationKey;
}[];

export interface ReconcileHooks {
  /** The table as it should be, given what the kernel has. */
  desired(actual: IpvsTable): Promise<Desired>;
  /** Called with the first full reading, before anything is wanted of it: adoption. */
  adopt(actual: IpvsTable): Promise<void>;
  /** Services that are about to be written for the first time: to be stored before they are. */
  declare(services: readonly ServiceKey[]): Promise<void>;
  /** Services that are ours to delete. */
  owned(): ReadonlySet<ServiceKey>;
  /** Gone from the table: nothing to delete any more. */
  disown(services: readonly ServiceKey[]): void;
  graceOf(service: ServiceKey): Millis;
  /** Entries for which nothing is to be written now. */
  frozen(): IsFrozen;
  /** Destinations whose connections somebody waits for. */
  watched(): Watched;
  /** A pass ended well; connections and idleness are fresh. Returns when it wants the next look at the latest. */
  passed(report: PassReport, now: MonotonicMs): MonotonicMs | undefined;
  /** A pass ended badly: reading or writing was not possible at all. */
  failed(error: Error, retryIn: Millis): void;
  /** Every pass that ended, well or badly: the loop is alive. */
  ended(): void;
}

export interface ReconcilerOptions {
  readonly clock: Clock;
  readonly kernel: KernelTable;
  readonly settings: () => {
    readonly mode: "manage" | "observe";
    readonly drift: "repair" | "report";
    readonly resync: Millis;
  };
  /** Passes at least this often. */
  readonly heartbeat: Millis;
  readonly hooks: ReconcileHooks;
}

export interface ReconcilerView {
  readonly desired: Desired | undefined;
  readonly actual: IpvsTable;
  readonly glance: Glance;
  /** As of the last drain; undefined: there was none. */
  readonly rates: Rates | undefined;
  readonly leaving: ReadonlyMap<string, Leaving>;
  readonly tolerated: readonly Tolerated[];
  readonly refused: readonly Refused[];
  readonly differences: readonly IpvsChange[];
  readonly inSync: boolean;
  readonly lastSuccessAt: MonotonicMs | undefined;
  readonly lastError: string | undefined;
  readonly passes: number;
}

/** What is open at one destination; undefined numbers: the table was never read. */
export interface Connections {
  readonly active: number | undefined;
  readonly inactive: number | undefined;
  readonly templates: number | undefined;
  readonly idle: boolean;
  /** Idle, and no closing connection or template either. */
  readonly empty: boolean;
}

export interface Reconciler {
  /** Something changed: pass soon. Any number of calls before the pass are one. */
  wake(): void;
  /** Reads everything anew with the next pass. */
  resync(): void;
  /** Wakes, and resolves when a pass that began after this call has ended, with everything that it held back. */
  settled(): Promise<void>;
  view(): ReconcilerView;
  /** Open connections (undefined: the table was never read) and whether a watched destination has gone idle. */
  connections(service: ServiceKey, frontend: Frontend, destination: DestinationKey): Connections;
  /** Runs until `signal` aborts; the pass in hand is finished or cut off by its deadline. */
  run(signal: AbortSignal): Promise<void>;
}

/** Level-triggered: every pass compares the whole wanted table with the whole table read back and writes the difference. A missed, doubled
 *  or reordered event is therefore harmless, and so is a pass cut off in the middle. */
export function createReconciler({ clock, kernel, settings, heartbeat, hooks }: ReconcilerOptions): Reconciler {
  const repairs = createRepairs(() => settings().drift);
  const refusals = createRefusals();
  let known: IpvsTable = new Map();
  let glance: Glance = new Map();
  let templated: { readonly at: MonotonicMs; readonly value: Templates } | undefined;
  let rated: { readonly at: MonotonicMs; readonly value: Rates } | undefined;
  let stats: { readonly at: MonotonicMs; readonly value: Stats } | undefined;
  let adopted = false;
  /** Our services as they were after the last pass; undefined while a write may have been cut off half way: that would look like drift. */
  let believed: IpvsTable | undefined;
  let wanted: Desired | undefined;
  let leaving: ReadonlyMap<string, Leaving> = new Map();
  let idleness = new Map<string, Idleness>();
  let differences: readonly IpvsChange[] = [];
  let inSync = false;
  let readFullyAt: MonotonicMs | undefined;
  let lastSuccessAt: MonotonicMs | undefined;
  let lastError: string | undefined;
  let failures = 0;
  let passes = 0;
  const alarm = createAlarm(clock);
  /** The lowerings of the last pass wait for its raises to stand: they are written with the next one. */
  let halfDone = false;
  /** What was frozen during the pass before. */
  let wasFrozen: IsFrozen = () => false;
  let ended = false;
  let waiters: { readonly after: number; readonly resolve: () => void }[] = [];

  /** @param urgent somebody waits for this pass: a full reading that is only due by the clock can be the next one */
  async function readActual(urgent: boolean, signal: AbortSignal): Promise<IpvsTable> {
    const age = readFullyAt === undefined ? Number.POSITIVE_INFINITY : clock.now().mono - readFullyAt;
    const dueFully = age >= settings().resync * (urgent ? 2 : 1);
    if (!dueFully) {
      glance = await kernel.glance(known, signal);
      const table = overlaid(known, glance);
      if (table) return table;
    }
    return readFully(signal);
  }

  async function readFully(signal: AbortSignal): Promise<IpvsTable> {
    const table = await kernel.read(signal);
    glance = await kernel.glance(table, signal);
    readFullyAt = clock.now().mono;
    return table;
  }

  /** What only ipvsadm tells, for those who wait for the end of connections: packets of UDP, templates, the rate. Asked after writing, so that
   *  no failed server waits for it; and where it cannot be had they wait a little longer. */
  async function askForTheWaiting(watched: Watched, signal: AbortSignal): Promise<void> {
    const now = clock.now().mono;
    const due = (last: { readonly at: MonotonicMs } | undefined): boolean => !last || now - last.at >= STATS_EVERY_MS;
    const ends = [...watched.map((w) => w.service), ...[...leaving.values()].map((l) => l.service)].map((s) =>
      known.get(s),
    );
    try {
      if (due(stats) && ends.some((entry) => entry && needsPackets(entry.frontend)))
        stats = { at: now, value: await kernel.stats(signal) };
      if (due(rated) && watched.length > 0) rated = { at: now, value: await kernel.rates(signal) };
      if (due(templated) && watched.some((w) => known.get(w.service)?.persistence !== undefined))
        templated = { at: now, value: await kernel.templates(signal) };
    } catch {
      // The next full reading, at most `resync` away, says what is wrong with ipvsadm.
      signal.throwIfAborted();
    }
  }

  async function pass(urgent: boolean, signal: AbortSignal): Promise<MonotonicMs | undefined> {
    const actual = await readActual(urgent, signal);
    if (!adopted) await hooks.adopt(actual);
    adopted = true;
    known = actual;
    wanted = await hooks.desired(actual);
    const now = clock.now().mono;
    const desired = wanted.table;
    const managing = settings().mode === "manage";
    const before = hooks.owned();
    const fresh = [...desired.keys()].filter((key) => !before.has(key));
    // Who only observes has written nothing that would be ours to delete one day.
    if (managing && fresh.length > 0) await hooks.declare(fresh);
    const owned = hooks.owned();

    const left = withLeaving({
      desired,
      actual,
      owned,
      before: leaving,
      watched: idleness,
      takenOut: (service, destination) => wanted!.takenOut.has(placeOf(service, destination)),
      glance,
      stats: stats?.value,
      graceOf: (service, destination) => wanted!.removed.get(placeOf(service, destination)) ?? hooks.graceOf(service),
      now,
    });
    // What somebody put as we want it, in the moment we began to want it or after we let it be, is no drift.
    // Whoever froze a service works on it by hand.
    const frozen = hooks.frozen();
    const drift =
      managing && believed
        ? driftBetween(only(believed, owned), actual).filter(
            (item) => !frozen(item.service) && !wasFrozen(item.service) && !sameThing(desired, actual, item),
          )
        : [];
    const judged = repairs.judge(drift, desired, now);
    // Nor is it drift what was done by hand just before the thaw.
    wasFrozen = frozen;
    const whole = managing ? repairs.tolerate(left.table, desired, actual, now) : left.table;
    const target = managing ? thawed(whole, actual, frozen) : whole;
    const changes = diff(target, actual, owned);
    const outcome = managing
      ? await write(changes, target, actual, owned, signal)
      : { ...NOTHING_DONE, differences: changes };
    const heldBack = target === whole ? [] : diff(whole, known, owned).filter(({ service }) => frozen(service));
    differences = [...outcome.differences, ...heldBack];
    // A grace counts from weight 0 on, and what is frozen gets there after the thaw only.
    leaving = new Map([...left.leaving].filter(([, item]) => !frozen(item.service)));
    believed = only(known, owned);
    const watched = hooks.watched();
    await askForTheWaiting(watched, signal);
    watch(watched, clock.now().mono);
    hooks.disown([...owned].filter((key) => !known.has(key) && !target.has(key) && !desired.has(key)));
    // Where nothing was to be written, and nothing was, that is known already.
    inSync = (known === actual && changes.length === 0) || diff(target, known, owned).length === 0;
    lastSuccessAt = clock.now().mono;
    const overdue = left.overdue.filter((item) => outcome.written.some((change) => deletes(change, item)));
    const askedFor = hooks.passed({ ...outcome, drift: judged, overdue }, lastSuccessAt);
    halfDone = outcome.again;
    if (halfDone) alarm.wake();
    const watching = idleness.size > 0 ? later(now, LOOK_APART_MS) : undefined;
    return earliest(askedFor, left.lookAgainAt, refusals.nextAt(now), watching, wanted.nextChangeAt);
  }

  async function write(
    changes: readonly IpvsChange[],
    target: IpvsTable,
    actual: IpvsTable,
    owned: ReadonlySet<ServiceKey>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const now = clock.now().mono;
    const urgent = (service: ServiceKey, destination: DestinationKey) =>
      wanted!.urgent.has(placeOf(service, destination));
    // Caution looks at everything that is wanted: a raise that the kernel refused and that waits for its turn has not been made.
    const { now: careful, held } = cautiously(changes, actual, urgent);
    const due = new Set(refusals.due(changes, now));
    const safe = careful.filter((change) => due.has(change));
    if (safe.length === 0) return NOTHING_DONE;
    believed = undefined;
    const { complaints } = await kernel.apply(safe, signal);
    known = await readBack(safe, complaints, signal);
    const left = diff(target, known, owned);
    const refused = refusals.settle(safe, left, complaints, clock.now().mono);
    const missing = new Set(left.map(ruleLine));
    const written = safe.filter((change) => !missing.has(ruleLine(change)));
    return { written, complaints, refused, differences: [], again: held.length > 0 && written.length === safe.length };
  }

  /** After a write the weights are read from /proc; what /proc does not show (options of services, new entries) from a full listing. */
  async function readBack(
    changes: readonly IpvsChange[],
    complaints: readonly string[],
    signal: AbortSignal,
  ): Promise<IpvsTable> {
    const weightsOnly = changes.every(
      (c) =>
        c.op === "delete-server" ||
        (c.op === "edit-server" &&
          sameForwarding(c.destination.forwarding, c.was.forwarding) &&
          sameLimits(c.destination.limits, c.was.limits)),
    );
    if (weightsOnly && complaints.length === 0) {
      glance = await kernel.glance(known, signal);
      const table = overlaid(known, glance);
      if (table) return table;
    }
    return readFully(signal);
  }

  function watch(watched: Watched, now: MonotonicMs): void {
    const next = new Map<string, Idleness>();
    for (const { service, frontend, destination } of watched) {
      const place = placeOf(service, destination);
      const seen = glance.get(service)?.destinations.get(destination);
      // Looks count from when it is at weight 0: before that the next client may come at any moment.
      if (!seen || seen.weight > 0) continue;
      const packets = needsPackets(frontend) ? stats?.value.get(service)?.get(destination)?.packetsIn : undefined;
      next.set(place, look(idleness.get(place), { active: seen.active, packets }, now));
    }
    idleness = next;
  }

  /** One pass, whatever comes of it. Returns when the next is due. */
  async function turn(signal: AbortSignal): Promise<MonotonicMs> {
    const urgent = alarm.taken();
    halfDone = false;
    const number = ++passes;
    let next: MonotonicMs;
    try {
      const asked = await pass(urgent, signal);
      failures = 0;
      lastError = undefined;
      const now = clock.now().mono;
      next = earliest(asked, later(now, GLANCE_EVERY_MS), later(readFullyAt ?? now, settings().resync))!;
    } catch (error) {
      if (signal.aborted) return clock.now().mono;
      const retryIn = Math.min(heartbeat, FAILED_RETRY_MS[Math.min(failures++, FAILED_RETRY_MS.length - 1)]!);
      const reason = error instanceof Error ? error : new Error(String(error));
      lastError = reason.message;
      inSync = false;
      // What stands in the table now is not known: the next pass reads all of it.
      readFullyAt = undefined;
      hooks.failed(reason, retryIn);
      next = later(clock.now().mono, retryIn);
    }
    hooks.ended();
    if (!halfDone) {
      for (const waiter of waiters.filter((w) => w.after < number)) waiter.resolve();
      waiters = waiters.filter((w) => w.after >= number);
    }
    return earliest(next, later(clock.now().mono, heartbeat))!;
  }

  return {
    wake() {
      alarm.wake();
    },
    resync() {
      readFullyAt = undefined;
      alarm.wake();
    },
    settled() {
      if (ended) return Promise.resolve();
      const promise = new Promise<void>((resolve) => waiters.push({ after: passes, resolve }));
      alarm.wake();
      return promise;
    },
    view: () => ({
      desired: wanted,
      actual: known,
      glance,
      rates: rated?.value,
      leaving,
      tolerated: repairs.tolerated(),
      refused: refusals.list(),
      differences,
      inSync,
      lastSuccessAt,
      lastError,
      passes,
    }),
    connections(service, frontend, destination) {
      const seen = glance.get(service)?.destinations.get(destination);
      if (lastSuccessAt === undefined) return UNREAD;
      if (!seen) return NONE;
      const idle = isIdle(frontend, idleness.get(placeOf(service, destination)), clock.now().mono);
      const templates = templated?.value.get(service)?.get(destination) ?? 0;
      const { inactive } = seen;
      return {
        active: openAt(frontend, seen),
        inactive,
        templates,
        idle,
        empty: idle && inactive === 0 && templates === 0,
      };
    },
    async run(signal) {
      while (!signal.aborted) await alarm.sleep(await turn(signal), signal);
      ended = true;
      for (const waiter of waiters) waiter.resolve();
    },
  };
}

const UNREAD: Connections = { active: undefined, inactive: undefined, templates: undefined, idle: false, empty: false };
const NONE: Connections = { active: 0, inactive: 0, templates: 0, idle: true, empty: true };

interface Outcome {
  readonly written: readonly IpvsChange[];
  readonly complaints: readonly string[];
  readonly refused: readonly Refused[];
  readonly differences: readonly IpvsChange[];
  /** Something was held back until this pass's raises stand. */
  readonly again: boolean;
}

/** Connections that somebody may still use. The kernel counts all of UDP as inactive; behind a firewall mark it may be either. */
function openAt(frontend: Frontend, { active, inactive }: GlanceDestination): number {
  return needsPackets(frontend) ? active + inactive : active;
}

function deletes(change: IpvsChange, { service, destination }: Leaving): boolean {
  if (change.service !== service) return false;
  return change.op === "delete-service" || (change.op === "delete-server" && destinationOf(change) === destination);
}

/** The table with what is frozen left as it is. The very same object when nothing is. */
function thawed(target: IpvsTable, actual: IpvsTable, frozen: IsFrozen): IpvsTable {
  const held = new Set([...target.keys(), ...actual.keys()].filter(frozen));
  if (held.size === 0) return target;
  const table = new Map(target);
  for (const key of held) {
    const entry = actual.get(key);
    if (entry) table.set(key, entry);
    else table.delete(key);
  }
  return table;
}

const NOTHING_DONE: Outcome = { written: [], complaints: [], refused: [], differences: [], again: false };

function earliest(...times: readonly (MonotonicMs | undefined)[]): MonotonicMs | undefined {
  let first: MonotonicMs | undefined;
  for (const time of times) if (time !== undefined && (first === undefined || time < first)) first = time;
  return first;
}
