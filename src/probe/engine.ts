import { type CheckState, intervalOf, step, stepUnproven, unknown } from "../health/machine.ts";
import { reportAfter } from "../health/reported.ts";
import type { CheckSpec, ProbeOutcome, Prober, ProbeType, Report } from "../model/probe.ts";
import { type EpochMs, later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import { createWheel, NOWHERE, TICK_MS, type WheelItem } from "./wheel.ts";

/** Without a conclusive probe for this long a check is `unchecked`: its server keeps its weight, and everybody is told. */
export const UNCHECKED_AFTER_MS = 30_000;
/** First probes of many checks are spread over this long at most; a few start at once. */
const FIRST_SPREAD_MS = 1_000;
/** Starts of checks with the same interval lie this far apart, the largest that lets no more than BUNCH start together: a wake-up with everything that
 *  follows it costs as much as several checks (1,000 servers over TCP, each second: 110 us a check with bunches of 10, 71 us with bunches of 50). All
 *  divide the usual intervals, so that a check is still asked at exactly its interval. */
const BUNCH_STEPS_MS = [100, 50, 20, TICK_MS] as const;
const BUNCH = 100;
/** A deadline seen this late was missed by us: the process stood still (SIGSTOP, a paused machine), and answers wait to be read. */
const STOOD_STILL_MS = 100;
/** How long such a probe gets to take what is there. */
const SECOND_LOOK_MS = 50;

/** What is known of one check, read in place: the engine changes it with every probe. */
export interface CheckRecord {
  readonly spec: CheckSpec;
  readonly state: CheckState;
  /** Its last conclusive outcome is more than UNCHECKED_AFTER_MS ago because probes were inconclusive. */
  readonly unchecked: boolean;
  readonly everPassed: boolean;
  readonly lastOutcome: ProbeOutcome | undefined;
  /** What its server wants of its weight, as far as it was ever heard. */
  readonly reported: Report | undefined;
  /** When the last probe ended. */
  readonly lastEndedAt: EpochMs | undefined;
  /** How long the last probe took. */
  readonly lastTookMs: Millis;
  readonly lastConclusiveAt: MonotonicMs;
  readonly passes: number;
  readonly failures: number;
  readonly inconclusive: number;
}

/** A change that somebody has to act upon; steady results are counted in the record and go no further. */
export interface CheckTransition {
  readonly record: CheckRecord;
  readonly from: CheckState;
  readonly to: CheckState;
  /** It passed for the first time since the check came. */
  readonly firstPass: boolean;
  readonly uncheckedChanged: boolean;
  /** What the server wanted of its weight before; the same object as the record's unless that changed. */
  readonly before: Report | undefined;
}

/** How a check begins that has no state to keep. */
export type Beginning =
  | { readonly kind: "new"; readonly presumedUp: boolean }
  /** It replaces a check of a server that was down: `rise` passes are needed. */
  | { readonly kind: "down"; readonly reason: string };

export interface EngineOptions {
  readonly clock: Clock;
  readonly probeTypes: ReadonlyMap<string, ProbeType>;
  /** Whether this check has proved nothing yet: its failures are counted, but make nobody down, and leave no row behind for when it is proven. */
  readonly isUnproven?: (key: string) => boolean;
  /** Everything that changed since the last call, once a tick at most. */
  readonly onTransitions: (batch: readonly CheckTransition[]) => void;
  /** Each probe's end; for debug logs. Undefined costs nothing. */
  readonly onProbe:
    | ((record: CheckRecord, outcome: ProbeOutcome, startedAt: EpochMs, tookMs: Millis) => void)
    | undefined;
}

export interface CheckEngine {
  /** Makes these the checks that run. Equal keys go on undisturbed; where only timings changed (equal `probe`), state and connection stay. */
  update(checks: ReadonlyMap<string, { readonly spec: CheckSpec; readonly begin: Beginning }>): void;
  get(key: string): CheckRecord | undefined;
  records(): IterableIterator<CheckRecord>;
  /** Another number as soon as any check has another state or report, or there are other checks. */
  version(): number;
  /** How late the last round of starts was: the age of the oldest start that had been due. */
  lagMs(): Millis;
  stop(): void;
}

interface Running extends WheelItem {
  spec: CheckSpec;
  readonly prober: Prober;
  state: CheckState;
  unchecked: boolean;
  everPassed: boolean;
  lastOutcome: ProbeOutcome | undefined;
  reported: Report | undefined;
  lastEndedAt: EpochMs | undefined;
  lastTookMs: Millis;
  lastConclusiveAt: MonotonicMs;
  passes: number;
  failures: number;
  inconclusive: number;
  /** When the present or last probe started. */
  startedAt: MonotonicMs;
  dueAt: MonotonicMs;
  /** When the probe in flight is cancelled. */
  deadlineAt: MonotonicMs;
  inFlight: boolean;
  /** Where in its interval this check starts, 0 to 1: spreads the load, and stays put over failures and reloads. */
  readonly phase: number;
  readonly done: (outcome: ProbeOutcome) => void;
}

/** Probes every check on time: fixed rate, never overlapping itself, one total deadline each. Counters and states live in place; no promise,
 *  timer or signal per probe (a promise costs 2-4 us, a timer 1-5 us, AbortSignal.timeout 50 us of the 35-60 a check may cost). */
export function createEngine(options: EngineOptions): CheckEngine {
  const { clock, probeTypes, onTransitions, onProbe, isUnproven = () => false } = options;
  let running = new Map<string, Running>();
  let version = 0;
  let batch: CheckTransition[] = [];
  let flushing = false;
  let lag = 0;
  let bunchMs: Millis = TICK_MS;
  /** The longest wait among the starts of the present round. */
  let waited: Millis | undefined;
  const wheel = createWheel<Running>(clock, due, () => {
    if (waited !== undefined) lag = waited;
    waited = undefined;
  });

  function due(check: Running, now: MonotonicMs): void {
    if (!check.inFlight) start(check, now);
    else if (now - check.deadlineAt > STOOD_STILL_MS) expectBy(check, later(now, SECOND_LOOK_MS));
    else guarded(check, "end", () => check.prober.cancel());
  }

  function start(check: Running, now: MonotonicMs): void {
    waited = Math.max(waited ?? 0, now - check.dueAt);
    check.inFlight = true;
    check.startedAt = now;
    expectBy(check, later(now, check.spec.timeout));
    guarded(check, "start", () => check.prober.start(check.done));
  }

  function expectBy(check: Running, at: MonotonicMs): void {
    check.deadlineAt = at;
    wheel.schedule(check, at);
  }

  /** A defect of ours is no verdict on a server, and must not stop the other checks. */
  function guarded(check: Running, what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      ended(check, { kind: "inconclusive", reason: `probe could not ${what}: ${why}` });
    }
  }

  function ended(check: Running, outcome: ProbeOutcome): void {
    if (!check.inFlight) return;
    const now = clock.now();
    check.inFlight = false;
    check.lastTookMs = now.mono - check.startedAt;
    check.lastEndedAt = now.epoch;
    check.lastOutcome = outcome;
    judge(check, outcome, now.mono);
    onProbe?.(check, outcome, (now.epoch - check.lastTookMs) as EpochMs, check.lastTookMs);
    scheduleNext(check, now.mono);
  }

  function judge(check: Running, outcome: ProbeOutcome, now: MonotonicMs): void {
    const from = check.state;
    const wasUnchecked = check.unchecked;
    const { reported: before } = check;
    let firstPass = false;
    if (outcome.kind === "inconclusive") {
      check.inconclusive++;
      check.unchecked = now - check.lastConclusiveAt >= UNCHECKED_AFTER_MS;
      check.state = step(from, outcome, check.spec, now);
    } else {
      check.lastConclusiveAt = now;
      check.unchecked = false;
      if (outcome.kind === "fail") check.failures++;
      else {
        check.passes++;
        firstPass = !check.everPassed;
        check.everPassed = true;
      }
      check.state = isUnproven(check.spec.key)
        ? stepUnproven(from, outcome, check.spec, now)
        : step(from, outcome, check.spec, now);
      check.reported = reportAfter(before, outcome.report);
    }
    if (check.state !== from || check.reported !== before) version++;
    const uncheckedChanged = check.unchecked !== wasUnchecked;
    if (check.state.kind === from.kind && !firstPass && !uncheckedChanged && check.reported === before) return;
    batch.push({ record: check, from, to: check.state, firstPass, uncheckedChanged, before });
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  }

  function flush(): void {
    flushing = false;
    const out = batch;
    batch = [];
    if (out.length > 0) onTransitions(out);
  }

  function openProber(spec: CheckSpec): Prober {
    const type = probeTypes.get(spec.type);
    if (!type)
      throw new Error(`no probe type "${spec.type}": the configuration let through what the registry does not have`);
    return type.open({ endpoint: spec.target, source: spec.source, timeout: spec.timeout }, spec.options);
  }

  function open(spec: CheckSpec, begin: Beginning, now: MonotonicMs): Running {
    const check: Running = {
      tick: -1,
      previous: NOWHERE,
      next: NOWHERE,
      spec,
      prober: openProber(spec),
      state:
        begin.kind === "new"
          ? unknown(begin.presumedUp, now)
          : { kind: "down", since: now, passes: 0, reason: begin.reason },
      unchecked: false,
      everPassed: false,
      lastOutcome: undefined,
      reported: undefined,
      lastEndedAt: undefined,
      lastTookMs: 0,
      lastConclusiveAt: now,
      passes: 0,
      failures: 0,
      inconclusive: 0,
      startedAt: now,
      dueAt: now,
      deadlineAt: now,
      inFlight: false,
      phase: phaseOf(spec.key),
      done: (outcome) => ended(check, outcome),
    };
    return check;
  }

  /** Timings changed, question and endpoint did not: state and counters stay. The prober stays too unless its words name another limit; then
   *  the old one is left to be closed with all that is gone, and what it has in flight with it. */
  function retimed(old: Running, spec: CheckSpec, now: MonotonicMs): Running {
    if (old.spec.timeout === spec.timeout) {
      old.spec = spec;
      if (!old.inFlight) scheduleNext(old, now);
      return old;
    }
    const check: Running = {
      ...old,
      tick: -1,
      inFlight: false,
      spec,
      prober: openProber(spec),
      done: (outcome) => ended(check, outcome),
    };
    scheduleNext(check, now);
    return check;
  }

  function scheduleNext(check: Running, now: MonotonicMs): void {
    check.dueAt = nextStart(check, now, bunchMs);
    wheel.schedule(check, check.dueAt);
  }

  function close(check: Running): void {
    check.inFlight = false;
    wheel.cancel(check);
    check.prober.close();
  }

  return {
    update(checks) {
      version++;
      const now = clock.now().mono;
      const replaced = new Map<string, Running[]>();
      for (const [key, check] of running)
        if (!checks.has(key)) replaced.set(check.spec.probe, [...(replaced.get(check.spec.probe) ?? []), check]);
      bunchMs = bunchOf([...checks.values()].map(({ spec }) => spec.interval));
      const next = new Map<string, Running>();
      const fresh: Running[] = [];
      for (const [key, { spec, begin }] of checks) {
        const same = running.get(key);
        const retimable = same ? undefined : replaced.get(spec.probe)?.shift();
        if (same) next.set(key, same);
        else if (retimable) next.set(key, retimed(retimable, spec, now));
        else {
          const check = open(spec, begin, now);
          fresh.push(check);
          next.set(key, check);
        }
      }
      const kept = new Set(next.values());
      for (const check of running.values()) if (!kept.has(check)) close(check);
      running = next;
      const spread = Math.min(FIRST_SPREAD_MS, fresh.length);
      for (const check of fresh) {
        check.dueAt = later(now, check.phase * spread);
        wheel.schedule(check, check.dueAt);
      }
    },
    get: (key) => running.get(key),
    records: () => running.values(),
    version: () => version,
    lagMs: () => lag,
    stop() {
      wheel.stop();
      for (const check of running.values()) close(check);
      running = new Map();
      batch = [];
    },
  };
}

/** While steady, starts lie on the check's own grid (phase x interval, every interval), so that checks which began together spread out and
 *  the rate never drifts; in a hurry, or down, they count from the last start. Never in the past. */
function nextStart(
  check: { spec: CheckSpec; state: CheckState; startedAt: MonotonicMs; phase: number },
  now: MonotonicMs,
  bunchMs: Millis,
): MonotonicMs {
  const interval = intervalOf(check.state, check.spec);
  if (interval !== check.spec.interval) return Math.max(now, later(check.startedAt, interval)) as MonotonicMs;
  const offset = Math.floor((check.phase * interval) / bunchMs) * bunchMs;
  const earliest = Math.max(now, check.startedAt + interval * 0.001);
  return (Math.ceil((earliest - offset) / interval) * interval + offset) as MonotonicMs;
}

/** How far apart bunches of starts are. @param intervals of all checks */
function bunchOf(intervals: readonly Millis[]): Millis {
  const perMs = intervals.reduce((sum, interval) => sum + 1 / interval, 0);
  return BUNCH_STEPS_MS.find((step) => Math.round(perMs * step) <= BUNCH) ?? TICK_MS;
}

/** FNV-1a of the key, as a fraction. */
function phaseOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 0x1_0000_0000;
}
