import type { ServerVerdict } from "../health/server.ts";
import type { Glance, IpvsTable } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import { type RealServer, type Service, type ServiceKey, serviceKey } from "../model/service.ts";
import type { Millis, Now } from "../model/time.ts";
import { decide } from "../policy/decide.ts";
import type { Desired, DesiredInput } from "../policy/desired.ts";
import type { Intent } from "../policy/intent.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import type { CheckRecord } from "../probe/engine.ts";
import { serviceIntents } from "./intents.ts";
import type { ReconcilerView } from "./reconcile.ts";
import { nameFrontend } from "./status.ts";
import { type PlannedChange, plannedChanges, sameChange } from "./table-plan.ts";
import { adoptedBeliefs, type Beliefs, reloadedBeliefs, type StateOf, verdictOf } from "./verdicts.ts";

/** What a configuration would do to the table, with nothing of it done. */
export interface TablePlan {
  /** Because of the file. */
  readonly changes: readonly PlannedChange[];
  /** What differs already and stays so whatever the file says: observe mode, drift that is left alone, what the kernel refuses. */
  readonly standing: readonly PlannedChange[];
  /** `service: check`: changed or new, so that it takes nothing down until it has passed once. */
  readonly unproven: readonly string[];
  /** What was commanded and ends, because the file overtakes it. */
  readonly ends: readonly string[];
  /** Names of the services that nothing happens to. */
  readonly untouched: readonly string[];
}

/** What is known of a running director. */
export interface RunningState {
  readonly config: Config;
  readonly beliefs: Beliefs;
  readonly records: Iterable<CheckRecord>;
  readonly stateOf: StateOf;
  readonly intent: Intent;
  readonly view: ReconcilerView;
  readonly graceOf: (service: ServiceKey) => Millis;
  /** What of a verdict by checks alone is left where somebody is held for flapping. */
  readonly damped: (service: Service, server: RealServer, verdict: ServerVerdict) => ServerVerdict;
}

/** How the director makes its table. */
export type Want = (given: Pick<DesiredInput, "config" | "intent" | "verdict" | "actual">) => Desired;

/** What a reload with `next` would change.
 *  @param intent what would be left of it, see withoutOvertaken */
export function reloadPlan(
  running: RunningState,
  next: Config,
  intent: Intent,
  actual: IpvsTable,
  want: Want,
  now: Now,
): TablePlan {
  const { config, beliefs, stateOf, view } = running;
  const byProbe = new Map<string, CheckRecord>();
  for (const record of running.records) byProbe.set(record.spec.probe, record);
  const kept = reloadedBeliefs({
    old: config,
    next,
    beliefs,
    stateOf,
    stateOfProbe: (probe) => byProbe.get(probe),
    actual,
  });
  /** As the engine would have it after the reload: equal checks go on, where timings alone changed the state stays. */
  const stateAfter: StateOf = (key) => {
    const same = stateOf(key);
    if (same) return same;
    const planned = kept.checks.get(key);
    const retimed = planned && byProbe.get(planned.spec.probe);
    if (retimed && !kept.checks.has(retimed.spec.key)) return retimed;
    if (planned?.begin.kind !== "down") return undefined;
    const { reason } = planned.begin;
    return { state: { kind: "down", since: now.mono, passes: 0, reason }, everPassed: false };
  };
  const common = { actual, glance: view.glance, leaving: view.leaving, now: now.mono };
  const owned = new Set<ServiceKey>(running.intent.owned);
  const situation = (over: Config, said: Intent, verdicts: Beliefs, states: StateOf, before: Config | undefined) => {
    const intentOf = serviceIntents(said);
    return plannedChanges({
      ...common,
      config: over,
      before,
      owned,
      graceOf: (key) => graceIn(over, key) ?? running.graceOf(key),
      desired: want({
        config: over,
        intent: intentOf,
        verdict: (service, server) => running.damped(service, server, verdictOf(service, server, verdicts, states)),
        actual,
      }),
      ifUp: (service) => allUp(service, intentOf(service)),
    });
  };
  const today = situation(config, running.intent, beliefs, stateOf, undefined);
  const then = situation(next, intent, kept.beliefs, stateAfter, config);
  // A file that ends observe mode has everything written that stood only for being looked at.
  const managedNow = next.ipvs.mode === "manage" && config.ipvs.mode === "observe";
  const stood = (change: PlannedChange) => !managedNow && today.some((other) => sameChange(change, other));
  const changes = then.filter((change) => !stood(change));
  const open = (service: Service) => [...(kept.beliefs.unproven.get(service.key) ?? [])];
  const before = (service: Service) => beliefs.unproven.get(service.key);
  return {
    changes,
    standing: then.filter(stood),
    unproven: next.services.flatMap((service) =>
      labelsOf(
        service,
        open(service).filter((template) => !before(service)?.has(template)),
      ),
    ),
    ends: ended(running.intent, intent),
    untouched: untouchedIn(next, changes),
  };
}

/** What a start with this configuration would write over the table that is there: servers with weight are taken for up, the others wait for a pass. */
export function startPlan(
  config: Config,
  intent: Intent,
  actual: IpvsTable,
  glance: Glance,
  want: Want,
  now: Now,
): TablePlan {
  const beliefs = adoptedBeliefs(config, actual);
  const intentOf = serviceIntents(intent);
  const changes = plannedChanges({
    config,
    before: undefined,
    actual,
    glance,
    leaving: new Map(),
    owned: new Set(intent.owned),
    graceOf: (key) => graceIn(config, key) ?? DEFAULT_GRACE_MS,
    now: now.mono,
    desired: want({
      config,
      intent: intentOf,
      verdict: (service, server) => verdictOf(service, server, beliefs, () => undefined),
      actual,
    }),
    ifUp: (service) => allUp(service, intentOf(service)),
  });
  return { changes, standing: [], unproven: [], ends: [], untouched: untouchedIn(config, changes) };
}

/** Of a service that no file has any more (removal_grace's own default). */
const DEFAULT_GRACE_MS: Millis = 600_000;

function graceIn(config: Config, key: ServiceKey): Millis | undefined {
  return config.services.find((s) => s.frontends.some((f) => serviceKey(f) === key))?.removalGrace;
}

function allUp(service: Service, intent: ServiceIntent) {
  return decide(service, intent, () => ({ kind: "no-check" }));
}

function untouchedIn({ services }: Config, changes: readonly PlannedChange[]): readonly string[] {
  const touched = new Set(changes.map((change) => change.frontend));
  return services.filter((s) => !s.frontends.some((f) => touched.has(nameFrontend(f)))).map((s) => s.name);
}

/** People know a check by its label. */
function labelsOf(service: Service, templates: readonly string[]): readonly string[] {
  const open = service.servers.flatMap((s) => s.checks).filter((check) => templates.includes(check.template));
  return [...new Set(open.map((check) => `${service.name}: ${check.label}`))];
}

function ended(before: Intent, after: Intent): readonly string[] {
  const weights = before.servers.filter(
    (entry) =>
      entry.weight &&
      !after.servers.some((e) => e.weight && e.server === entry.server && e.services === entry.services),
  );
  const drains = before.drains.filter((d) => d.result && !after.drains.some((e) => e.id === d.id && e.result));
  return [
    ...weights.map((e) => `weight ${e.weight!.value} of ${e.services[0]} ${e.server}, set by ${e.weight!.by}`),
    ...drains.map((d) => `what drain ${d.id} of ${d.serviceName} has moved`),
  ];
}
