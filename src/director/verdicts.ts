import { type CheckState, unknown } from "../health/machine.ts";
import { type CheckInput, isUp, type ServerVerdict, serverVerdict } from "../health/server.ts";
import type { IpvsTable } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import type { CheckSpec, Report } from "../model/probe.ts";
import {
  destinationKey,
  destinationPort,
  type RealServer,
  type ServerKey,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import type { MonotonicMs } from "../model/time.ts";
import type { Beginning } from "../probe/engine.ts";

/** What holds of servers beyond their checks' own states: since our start, or since the last reload. */
export interface Beliefs {
  /** Servers that count as up until their checks say otherwise. */
  readonly presumedUp: ReadonlyMap<ServiceKey, ReadonlySet<ServerKey>>;
  /** Check templates that a reload changed or added and that have passed nowhere in their service yet. */
  readonly unproven: ReadonlyMap<ServiceKey, ReadonlySet<string>>;
}

export interface PlannedCheck {
  readonly spec: CheckSpec;
  readonly begin: Beginning;
}

/** What is known of a check while it runs. */
export type StateOf = (
  key: string,
) => { readonly state: CheckState; readonly everPassed: boolean; readonly reported?: Report | undefined } | undefined;

/** At start: the kernel's weight says who was serving; `initial` may overrule it. `actual` undefined: the table could not be read. */
export function adoptedBeliefs(config: Config, actual: IpvsTable | undefined): Beliefs {
  const presumedUp = new Map(config.services.map((service) => [service.key, servingIn(service, actual)]));
  return { presumedUp, unproven: new Map() };
}

export function verdictOf(service: Service, server: RealServer, beliefs: Beliefs, stateOf: StateOf): ServerVerdict {
  const unproven = beliefs.unproven.get(service.key);
  const checks: CheckInput[] = [];
  for (const spec of server.checks) {
    // A check that does not run yet (before the first pass) says nothing; without it the server would seem to have no check at all.
    const known = stateOf(spec.key);
    const state = known?.state ?? unknown(false, 0 as MonotonicMs);
    const open = unproven?.has(spec.template) ?? false;
    checks.push({ label: spec.label, state, unproven: open, reported: open ? undefined : known?.reported });
  }
  return serverVerdict(checks, beliefs.presumedUp.get(service.key)?.has(server.key) ?? false);
}

/** As `verdictOf`, with the very same object as long as nothing it follows from has changed: whoever decides need not look further then.
 *  @param version another number as soon as `stateOf` answers anything else for any check: while it and the beliefs stay, nobody's check is looked at (of
 *    10,000 servers that takes 25 ms, scattered as they lie in memory) */
export function rememberingVerdicts(
  stateOf: StateOf,
  version: () => number,
): (service: Service, server: RealServer, beliefs: Beliefs) => ServerVerdict {
  interface Last {
    readonly service: Service;
    version: number;
    beliefs: Beliefs;
    readonly followsFrom: readonly unknown[];
    readonly verdict: ServerVerdict;
  }
  const last = new WeakMap<RealServer, Last>();
  return (service, server, beliefs) => {
    const before = last.get(server);
    const present = version();
    if (before?.version === present && before.service === service && before.beliefs === beliefs) return before.verdict;
    const unproven = beliefs.unproven.get(service.key);
    const followsFrom: unknown[] = [beliefs.presumedUp.get(service.key)?.has(server.key) ?? false];
    for (const { key, template } of server.checks) {
      const known = stateOf(key);
      followsFrom.push(known?.state, known?.reported, unproven?.has(template) ?? false);
    }
    if (before?.service === service && before.followsFrom.every((each, i) => each === followsFrom[i])) {
      before.version = present;
      before.beliefs = beliefs;
      return before.verdict;
    }
    const verdict = verdictOf(service, server, beliefs, stateOf);
    last.set(server, { service, version: present, beliefs, followsFrom, verdict });
    return verdict;
  };
}

/** Every check of the configuration, once, however many services use it. */
export function plannedChecks(
  config: Config,
  begin: (service: Service, server: RealServer) => Beginning,
): ReadonlyMap<string, PlannedCheck> {
  const plan = new Map<string, PlannedCheck>();
  for (const service of config.services)
    for (const server of checkedServers(service))
      for (const spec of server.checks) {
        const before = plan.get(spec.key)?.begin;
        const here = begin(service, server);
        // Shared with a service that presumes it up: that one must not lose it to a single failure.
        plan.set(spec.key, { spec, begin: before && isPresumed(before) ? before : here });
      }
  return plan;
}

/** Everybody who has checks. The sorry server's are nobody else's business: they are neither unproven nor told with the pool's. */
export function checkedServers({ servers, sorryServer }: Service): readonly RealServer[] {
  return sorryServer ? [...servers, sorryServer] : servers;
}

export interface Reloaded {
  readonly beliefs: Beliefs;
  readonly checks: ReadonlyMap<string, PlannedCheck>;
}

export interface ReloadInput {
  readonly old: Config;
  readonly next: Config;
  readonly beliefs: Beliefs;
  readonly stateOf: StateOf;
  /** The check with this probe identity (what is asked of which endpoint), whatever its timings. */
  readonly stateOfProbe: (probe: string) => { readonly state: CheckState; readonly everPassed: boolean } | undefined;
  readonly actual: IpvsTable;
}

/** What a reload keeps: every server its verdict, every unchanged check its state; what is new is unproven until it has passed once somewhere
 *  in its service, so that a wrong path cannot empty a pool. */
export function reloadedBeliefs({ old, next, beliefs, stateOf, stateOfProbe, actual }: ReloadInput): Reloaded {
  const before = new Map<Service, Map<ServerKey, ServerVerdict>>();
  const presumedUp = new Map<ServiceKey, Set<ServerKey>>();
  const unproven = new Map<ServiceKey, Set<string>>();
  const previous = serviceFinder(old);
  for (const service of next.services) {
    const was = previous(service);
    const verdicts = new Map<ServerKey, ServerVerdict>();
    if (was)
      for (const server of checkedServers(was)) verdicts.set(server.key, verdictOf(was, server, beliefs, stateOf));
    before.set(service, verdicts);
    const adopted = servingIn(service, actual);
    const up = service.servers.filter(({ key }) => {
      const verdict = verdicts.get(key);
      return verdict ? isUp(verdict) : adopted.has(key);
    });
    presumedUp.set(service.key, new Set(up.map((server) => server.key)));
    const open = unprovenIn(service, was, was && beliefs.unproven.get(was.key), stateOfProbe);
    if (open.size > 0) unproven.set(service.key, open);
  }
  const checks = plannedChecks(next, (service, server) => {
    const verdict = before.get(service)?.get(server.key);
    if (verdict?.kind === "down") return { kind: "down", reason: verdict.reason };
    return { kind: "new", presumedUp: presumedUp.get(service.key)!.has(server.key) };
  });
  return { beliefs: { presumedUp, unproven }, checks };
}

/** The beliefs after a check passed for the first time: its template is proven in every service that uses it. */
export function proven(beliefs: Beliefs, config: Config, passed: ReadonlySet<string>): Beliefs {
  if (beliefs.unproven.size === 0) return beliefs;
  const unproven = new Map(beliefs.unproven);
  for (const service of config.services) {
    const open = unproven.get(service.key);
    if (!open) continue;
    const done = new Set(
      service.servers.flatMap((s) => s.checks.filter((c) => passed.has(c.key)).map((c) => c.template)),
    );
    const left = new Set([...open].filter((template) => !done.has(template)));
    if (left.size > 0) unproven.set(service.key, left);
    else unproven.delete(service.key);
  }
  return { ...beliefs, unproven };
}

/** Checks that are unproven in every service that uses them; proven in one, what they find counts. */
export function unprovenKeys({ unproven }: Beliefs, config: Config): ReadonlySet<string> {
  const open = new Set<string>();
  if (unproven.size === 0) return open;
  const proven = new Set<string>();
  for (const service of config.services)
    for (const { checks } of service.servers)
      for (const { key, template } of checks) (unproven.get(service.key)?.has(template) ? open : proven).add(key);
  return new Set([...open].filter((key) => !proven.has(key)));
}

/** Finds a service's predecessor: the one that shares a kernel entry with it, whatever either is called. */
export function serviceFinder(config: Config): (service: Service) => Service | undefined {
  const byFrontend = new Map<ServiceKey, Service>();
  for (const service of config.services)
    for (const frontend of service.frontends) byFrontend.set(serviceKey(frontend), service);
  return (service) => {
    for (const frontend of service.frontends) {
      const found = byFrontend.get(serviceKey(frontend));
      if (found) return found;
    }
    return undefined;
  };
}

function servingIn(service: Service, actual: IpvsTable | undefined): ReadonlySet<ServerKey> {
  if (service.initial === "up") return new Set(service.servers.map((server) => server.key));
  if (service.initial === "down" || !actual) return new Set();
  const serving = service.servers.filter((server) =>
    service.frontends.some((frontend) => {
      const key = destinationKey(server.address, destinationPort(frontend, server.port));
      return (actual.get(serviceKey(frontend))?.destinations.get(key)?.weight ?? 0) > 0;
    }),
  );
  return new Set(serving.map((server) => server.key));
}

function unprovenIn(
  service: Service,
  was: Service | undefined,
  stillOpen: ReadonlySet<string> | undefined,
  stateOfProbe: ReloadInput["stateOfProbe"],
): Set<string> {
  const known = new Set(was?.servers.flatMap((server) => server.checks.map((check) => check.template)));
  const open = new Set<string>();
  const passing = new Set<string>();
  for (const { checks } of service.servers)
    for (const { template, probe } of checks) {
      if (!known.has(template) || stillOpen?.has(template)) open.add(template);
      const state = stateOfProbe(probe);
      if (state && (state.everPassed || state.state.kind === "up")) passing.add(template);
    }
  return new Set([...open].filter((template) => !passing.has(template)));
}

function isPresumed(begin: Beginning): boolean {
  return begin.kind === "new" && begin.presumedUp;
}
