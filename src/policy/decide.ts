import { multiplier } from "../health/reported.ts";
import { isUp, type ServerVerdict } from "../health/server.ts";
import type { RealServer, ServerKey, Service } from "../model/service.ts";
import type { MonotonicMs } from "../model/time.ts";
import { isActive } from "./drain.ts";
import type { ServerIntent } from "./intent.ts";
import { ideal, NO_INTENT, type Position, positions, type ServiceIntent } from "./moves.ts";
import { failsOpen, type Quorum, quorumOf } from "./quorum.ts";
import { inFileNumbers, scaled, wholeWeights } from "./shares.ts";
import { RAMP_STEPS, type Ramp, ramp, WHOLE } from "./slow-start.ts";

/** The rule that bound a weight. The first ten are the only ones that make 0. */
export type WeightRule =
  | "disabled"
  | "state-lost"
  | "down"
  | "not-yet-probed"
  | "drained"
  | "configured-0"
  | "below-quorum"
  | "agent-drain"
  | "agent-maint"
  | "reported-0"
  | "fail-open"
  | "slow-start"
  | "drain"
  | "reported"
  | "set-by-command"
  | "presumed-up"
  | "configured";

/** A server's weight with everything it follows from; what `explain` prints. */
export interface Decision extends Position {
  readonly weight: number;
  readonly rule: WeightRule;
  readonly verdict: ServerVerdict;
  readonly scale: number;
  /** Above 0 to 1: the part of its weight that slow start gives it. */
  readonly factor: number;
  /** What the server's own reports multiply its weight with: 0 and above. */
  readonly reported: number;
  /** Why the entry is taken out of the table instead of standing there at weight 0. */
  readonly takenOut: string | undefined;
}

/** What the servers of a service get, and what they are together. */
export interface Pool {
  readonly servers: ReadonlyMap<ServerKey, Decision>;
  readonly quorum: Quorum;
  /** The dead serve, because all are dead. */
  readonly failOpen: boolean;
  /** undefined: the service has none. */
  readonly sorry: { readonly serves: boolean; readonly verdict: ServerVerdict } | undefined;
  /** When slow start gives more. */
  readonly nextChangeAt: MonotonicMs | undefined;
}

export interface ServiceDecision extends Pool {
  readonly service: Service;
}

/** What the decision before this one was, as far as the next depends on it, and the time. */
export interface Memory {
  readonly now: MonotonicMs;
  /** undefined: not known (the start). */
  readonly quorumHeld: boolean | undefined;
  readonly failOpen: boolean;
}

/** The weights alone. */
export function decide(
  service: Service,
  intent: ServiceIntent = NO_INTENT,
  verdictOf: (server: RealServer) => ServerVerdict,
  memory?: Memory,
): ReadonlyMap<ServerKey, Decision> {
  return decidePool(service, intent, verdictOf, memory).servers;
}

/** Weights of one service: `up and ready ? round(scale x (configured - given + taken) x slow start) : 0`, at least 1 when there is anything. Where
 *  the sorry server serves, or all are dead and fail_open is on, the service as a whole has a word before health has.
 *  @param memory left out: slow start, and what was before, are not looked at */
export function decidePool(
  service: Service,
  intent: ServiceIntent,
  verdictOf: (server: RealServer) => ServerVerdict,
  memory?: Memory,
): Pool {
  const verdicts = new Map(service.servers.map((server) => [server.key, verdictOf(server)]));
  const placed = positions(service, intent, (server) => ({
    ready: isReady(verdicts.get(server.key)!, intent.servers.get(server.key)),
    connections: undefined,
    lingering: undefined,
    idle: false,
    empty: false,
    ramping: false,
  }));
  const electors = service.servers.map(({ key }) => {
    const position = placed.get(key)!;
    const verdict = verdicts.get(key)!;
    const enabled = isEnabled(intent.servers.get(key)) && isWilling(verdict, position);
    return { verdict, enabled, ideal: ideal(position), configured: position.configured };
  });
  const quorum = quorumOf(service.quorum, electors, memory?.quorumHeld);
  const sorryVerdict = service.sorryServer && verdictOf(service.sorryServer);
  const sorry = sorryVerdict && { serves: !quorum.held && sorryVerdict.kind !== "down", verdict: sorryVerdict };
  const failOpen = !sorry?.serves && failsOpen(service, electors, memory?.failOpen ?? false);
  const ramps = new Map(service.servers.map(({ key }) => [key, rampOf(service, verdicts.get(key)!, memory?.now)]));
  const below = sorry?.serves ?? false;
  let nextChangeAt: MonotonicMs | undefined;
  const parts = service.servers.map(({ key }) => {
    const position = placed.get(key)!;
    const verdict = verdicts.get(key)!;
    const { factor, nextChangeAt: next } = ramps.get(key)!;
    // Of a server at weight 0 as well: whatever is shown of it is to be true.
    nextChangeAt = sooner(nextChangeAt, next);
    const rule = ruleOf(position, verdict, intent.servers.get(key), { below, failOpen, factor });
    return { key, position, verdict, factor, rule, reported: multiplier(verdict.reported, position) };
  });
  // A slow start that gives no weight needs no finer steps.
  const scale = scaleOf(
    parts.map((p) => ({ ...p.position, factor: GIVES_ZERO.has(p.rule) ? 1 : p.factor, reported: p.reported })),
    intent,
  );
  const servers = new Map<ServerKey, Decision>();
  for (const { key, position, verdict, factor, rule, reported } of parts) {
    const weight = GIVES_ZERO.has(rule) ? 0 : Math.min(MOST_WEIGHT, scaled(ideal(position) * factor * reported, scale));
    servers.set(key, { ...position, weight, rule, verdict, scale, factor, reported, takenOut: undefined });
  }
  return { servers, quorum, failOpen, sorry, nextChangeAt };
}

/** A server that is in its slow start, and how far. */
export function rampOf(service: Service, verdict: ServerVerdict, now: MonotonicMs | undefined): Ramp {
  if (verdict.kind !== "up" || now === undefined) return WHOLE;
  return ramp(service.slowStart, verdict.recoveredAt, now);
}

/** What the weights of a service are multiplied with: 1, unless a drain needs finer steps than the file's numbers have, or slow start has to give
 *  parts of a weight too small for its steps. What ended drains left counts like the file's own weights, if it can be written there: a standby ends
 *  with the very weight of what it replaced. */
function scaleOf(
  placed: readonly (Position & { readonly factor: number; readonly reported: number })[],
  { drains }: ServiceIntent,
): number {
  const ideals = placed.map(ideal);
  const moving = placed.some((p) => p.given > 0 || p.taken > 0);
  const shifting = drains.some((drain) => isActive(drain) && drain.step > 0);
  const tiny = placed.some((p) => p.factor < 1 && ideal(p) > 0 && ideal(p) < RAMP_STEPS);
  if (!(moving && (shifting || !inFileNumbers(ideals))) && !tiny) return 1;
  return wholeWeights(placed.map((p) => ideal(p) * p.factor * p.reported)).scale;
}

/** May get clients as far as health, operators and the server itself are concerned. */
export function isReady(verdict: ServerVerdict, intent: ServerIntent | undefined): boolean {
  const { configured = 1, value = 1 } = intent?.weight ?? {};
  return isUp(verdict) && isEnabled(intent) && isWilling(verdict, { configured, base: value });
}

/** It does not ask to get none. */
function isWilling({ reported }: ServerVerdict, of: Pick<Position, "configured" | "base">): boolean {
  return reported?.hold === undefined && multiplier(reported, of) > 0;
}

function isEnabled(intent: ServerIntent | undefined): boolean {
  return !intent?.disabled && !intent?.stateLost;
}

/** What ipvsadm(8) takes. */
const MOST_WEIGHT = 65_535;

export const GIVES_ZERO: ReadonlySet<WeightRule> = new Set([
  "disabled",
  "state-lost",
  "down",
  "not-yet-probed",
  "drained",
  "configured-0",
  "below-quorum",
  "agent-drain",
  "agent-maint",
  "reported-0",
]);

interface Circumstances {
  /** The sorry server serves. */
  readonly below: boolean;
  readonly failOpen: boolean;
  readonly factor: number;
}

function ruleOf(
  position: Position,
  verdict: ServerVerdict,
  intent: ServerIntent | undefined,
  { below, failOpen, factor }: Circumstances,
): WeightRule {
  const zero = position.given > 0 ? "drained" : "configured-0";
  if (intent?.disabled) return "disabled";
  if (intent?.stateLost) return "state-lost";
  const { reported } = verdict;
  // A reload makes unknown of the dead whose check it has changed: nothing that would take their clients away.
  const isDead = verdict.kind === "down" || verdict.kind === "unknown";
  if (isDead && failOpen && isWilling(verdict, position)) return ideal(position) === 0 ? zero : "fail-open";
  if (verdict.kind === "down") return "down";
  if (verdict.kind === "unknown") return "not-yet-probed";
  if (reported?.hold !== undefined) return `agent-${reported.hold}`;
  if (ideal(position) === 0) return zero;
  const wanted = multiplier(reported, position);
  if (wanted === 0) return "reported-0";
  if (below) return "below-quorum";
  if (factor < 1) return "slow-start";
  if (position.given > 0 || position.taken > 0) return "drain";
  if (wanted !== 1) return "reported";
  if (position.base !== position.configured) return "set-by-command";
  return verdict.kind === "presumed-up" ? "presumed-up" : "configured";
}

/** The earlier of two times, of which either may be none. */
export function sooner(a: MonotonicMs | undefined, b: MonotonicMs | undefined): MonotonicMs | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
