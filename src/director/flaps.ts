import { CALM, type FlapState, isHeld, released, wentDown } from "../health/flap.ts";
import { isUp, type ServerVerdict } from "../health/server.ts";
import type { Config } from "../model/config.ts";
import type { RealServer, ServerKey, Service, ServiceKey } from "../model/service.ts";
import { formatDuration, type MonotonicMs, type Now } from "../model/time.ts";
import { isReady } from "../policy/decide.ts";
import { ideal, positions, type ServiceIntent } from "../policy/moves.ts";
import { quorumOf } from "../policy/quorum.ts";
import { whose } from "./check-words.ts";
import type { NewEvent } from "./events.ts";
import { shown } from "./status.ts";

export interface FlapContext {
  now(): Now;
  /** What the checks alone say. */
  verdict(service: Service, server: RealServer): ServerVerdict;
  intentOf(service: Service): ServiceIntent;
  record(event: NewEvent): void;
}

export interface Flaps {
  /** Takes over the servers of a configuration as they are; what is known of those who stay is kept. */
  take(config: Config): void;
  /** Verdicts may have changed: counts who went down.
   *  @param checks keys of those that changed; left out: anybody's may have */
  notice(config: Config, checks?: ReadonlySet<string>): void;
  /** With those who are held for flapping taken for down, as long as the others are enough.
   *  @param plain what its checks say, where that is not what they say now */
  verdict(service: Service, server: RealServer, plain?: ServerVerdict): ServerVerdict;
  /** Ends a hold, by an operator's word. */
  release(service: Service, server: RealServer): void;
  /** Tells whose hold has ended; returns when the next one does. */
  expire(): MonotonicMs | undefined;
}

interface Watched {
  readonly service: Service;
  readonly server: RealServer;
  state: FlapState;
  up: boolean;
  /** How a hold under way began. */
  hold: { readonly since: MonotonicMs; readonly words: string } | undefined;
  /** It was the hold that kept it away, when its verdict was last asked for. */
  kept: boolean;
}

/** Servers that come and go are kept away for a while. Only what runs remembers it: a restart forgets. */
export function createFlaps({ now, verdict: plain, intentOf, record }: FlapContext): Flaps {
  let watched = new Map<ServiceKey, Map<ServerKey, Watched>>();

  function of(service: Service, server: RealServer): Watched | undefined {
    return service.flap && watched.get(service.key)?.get(server.key);
  }

  function* everybody(config: Config): Iterable<Watched> {
    for (const service of config.services) if (service.flap) yield* watched.get(service.key)?.values() ?? [];
  }

  function down(one: Watched, at: Now): void {
    const { service, server } = one;
    const damping = service.flap!;
    const before = one.state;
    one.state = wentDown(before, damping, at.mono);
    const { until, holds } = one.state;
    if (until === undefined || !isHeld(one.state, at.mono) || holds === before.holds) return;
    const end = `${new Date(Math.ceil(shown(until, at) / 1000) * 1000).toISOString().slice(0, -5)}Z`;
    const words = `flapping: down ${damping.count} times in ${formatDuration(damping.within)}, held until ${end}`;
    one.hold = { since: at.mono, words };
    tell(one, "warning", `${words}; \`director enable ${service.name} ${server.name}\` ends that`, "flapping");
  }

  function tell({ service, server }: Watched, severity: NewEvent["severity"], what: string, to: string): void {
    const message = `${service.name} ${server.name}: ${what}`;
    record({ kind: "server", severity, message, ...whose(service, server), to, reason: "flapping" });
  }

  /** Whether the service can do without those who are held: somebody else has clients, and the quorum stands. */
  function othersSuffice(service: Service, at: MonotonicMs): boolean {
    const intent = intentOf(service);
    const verdicts = new Map(service.servers.map((server) => [server.key, plain(service, server)]));
    const serves = ({ key }: RealServer): boolean => {
      const state = watched.get(service.key)?.get(key)?.state;
      return !(state && isHeld(state, at)) && isReady(verdicts.get(key)!, intent.servers.get(key));
    };
    const placed = positions(service, intent, (server) => ({ ...UNASKED, ready: serves(server) }));
    const electors = service.servers.map((server) => ({
      verdict: verdicts.get(server.key)!,
      enabled: serves(server),
      ideal: ideal(placed.get(server.key)!),
      configured: server.weight,
    }));
    return electors.some((e) => e.enabled && e.ideal > 0) && quorumOf(service.quorum, electors, true).held;
  }

  return {
    take(config) {
      const next: typeof watched = new Map();
      for (const service of config.services) {
        if (!service.flap) continue;
        const servers = service.servers.map((server): [ServerKey, Watched] => {
          const known = watched.get(service.key)?.get(server.key);
          const up = isUp(plain(service, server));
          return [server.key, { state: CALM, hold: undefined, kept: false, ...known, service, server, up }];
        });
        next.set(service.key, new Map(servers));
      }
      watched = next;
    },
    notice(config, checks) {
      const at = now();
      for (const one of everybody(config)) {
        if (checks && !one.server.checks.some(({ key }) => checks.has(key))) continue;
        const verdict = plain(one.service, one.server);
        if (one.up && verdict.kind === "down") down(one, at);
        if (isUp(verdict)) one.up = true;
        else if (verdict.kind === "down") one.up = false;
      }
    },
    verdict(service, server, verdict = plain(service, server)) {
      const one = of(service, server);
      if (!one || one.state.until === undefined) return verdict;
      const { mono } = now();
      if (!isHeld(one.state, mono) || !one.hold) return one.kept ? sinceRelease(verdict, one.state.until) : verdict;
      const { since, words } = one.hold;
      one.kept = isUp(verdict) && othersSuffice(service, mono);
      if (verdict.kind === "down") return { ...verdict, reason: `${verdict.reason}; ${words}` };
      if (!one.kept) return verdict;
      const { reported } = verdict;
      return { kind: "down", since, reason: words, ...(reported && { reported }) };
    },
    release(service, server) {
      const one = of(service, server);
      if (!one) return;
      if (one.hold && one.kept) tell(one, "info", "up: no longer held for flapping", "up");
      one.state = released(one.state, now().mono);
      one.hold = undefined;
    },
    expire() {
      const { mono } = now();
      let next: MonotonicMs | undefined;
      for (const servers of watched.values())
        for (const one of servers.values()) {
          const { until } = one.state;
          if (!one.hold || until === undefined) continue;
          if (mono >= until) {
            one.hold = undefined;
            if (one.kept) tell(one, "info", "up: no longer held for flapping", "up");
          } else if (next === undefined || until < next) next = until;
        }
      return next;
    },
  };
}

const UNASKED = {
  connections: undefined,
  lingering: undefined,
  idle: false,
  empty: false,
  ramping: false,
};

/** A hold is a part of the outage: slow start begins with its end. */
function sinceRelease(verdict: ServerVerdict, until: MonotonicMs): ServerVerdict {
  if (verdict.kind !== "up" || verdict.recoveredAt === undefined || verdict.recoveredAt >= until) return verdict;
  return { ...verdict, recoveredAt: until };
}
