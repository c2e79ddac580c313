import type { RealServer, ServerKey, Service } from "../model/service.ts";
import { type Drain, isActive, type Participant } from "./drain.ts";
import { shift } from "./drain-shift.ts";
import type { ServerIntent } from "./intent.ts";

/** Where a server's weight stands before health has its say. */
export interface Position {
  /** The weight in the file. */
  readonly configured: number;
  /** The same, or the one set by command while the file's has not changed since. */
  readonly base: number;
  /** What drains moved off it, and onto it; in units of configured weight. */
  readonly given: number;
  readonly taken: number;
}

export type Positions = ReadonlyMap<ServerKey, Position>;

/** What drains need to know of a server beyond its weight. */
export interface Condition {
  readonly ready: boolean;
  readonly connections: number | undefined;
  readonly lingering: number | undefined;
  readonly idle: boolean;
  readonly empty: boolean;
  /** In its slow start. */
  readonly ramping: boolean;
}

/** A service with what operators said of it, resolved against the file. */
export interface ServiceIntent {
  readonly servers: ReadonlyMap<ServerKey, ServerIntent>;
  /** In the order they began. */
  readonly drains: readonly Drain[];
}

export const NO_INTENT: ServiceIntent = { servers: new Map(), drains: [] };

/** What is left of base after the drains, never below 0 and free of the noise of adding fractions. */
export function ideal(position: Position): number {
  return Math.max(0, Math.round((position.base - position.given + position.taken) * 1e6) / 1e6);
}

export function baseWeight(server: RealServer, intent: ServerIntent | undefined): number {
  return intent?.weight?.configured === server.weight ? intent.weight.value : server.weight;
}

/** All drains applied in the order they began, each upon what those before it left. `before(drain)` sees what a drain stands upon. */
export function positions(
  service: Service,
  intent: ServiceIntent,
  condition: (server: RealServer) => Condition,
  before?: (drain: Drain, participants: ReadonlyMap<ServerKey, Participant>) => void,
): Positions {
  const conditions = new Map(service.servers.map((server) => [server.key, condition(server)]));
  const alone = new Set<Drain>();
  for (;;) {
    const { placed, upon } = applied(service, intent, conditions, alone);
    // What the rest of a pool can carry is known in the end only: a later drain may have moved its weight to a server that is dead by now.
    const next = intent.drains.findLast((drain) => !alone.has(drain) && !restServes(drain, placed, conditions));
    if (!next) {
      for (const [drain, participants] of upon) before?.(drain, participants);
      return placed;
    }
    alone.add(next);
  }
}

/** @param alone drains whose rest has no weight in the end */
function applied(
  service: Service,
  intent: ServiceIntent,
  conditions: ReadonlyMap<ServerKey, Condition>,
  alone: ReadonlySet<Drain>,
): { readonly placed: Positions; readonly upon: readonly (readonly [Drain, ReadonlyMap<ServerKey, Participant>])[] } {
  const placed = new Map<ServerKey, Position>();
  const upon: (readonly [Drain, ReadonlyMap<ServerKey, Participant>])[] = [];
  for (const server of service.servers) {
    const base = baseWeight(server, intent.servers.get(server.key));
    placed.set(server.key, { configured: server.weight, base, given: 0, taken: 0 });
  }
  for (const drain of intent.drains) {
    const participants = new Map<ServerKey, Participant>();
    for (const { name, key } of service.servers) {
      const position = placed.get(key)!;
      const { configured, base } = position;
      const weight = alone.has(drain) && !drain.from.includes(key) ? 0 : ideal(position);
      participants.set(key, { name, configured, base, weight, ...conditions.get(key)! });
    }
    upon.push([drain, participants]);
    const { given, taken } = shift(drain, participants);
    for (const [key, position] of placed) {
      const more = { given: position.given + (given[key] ?? 0), taken: position.taken + (taken[key] ?? 0) };
      placed.set(key, { ...position, ...more });
    }
  }
  return { placed, upon };
}

/** Whether the rest of the pool has somebody to serve in the place of the olds, where it is the rest that takes over. */
function restServes(drain: Drain, placed: Positions, conditions: ReadonlyMap<ServerKey, Condition>): boolean {
  if (!isActive(drain) || drain.step === 0 || drain.to.length > 0 || drain.policy.allowEmpty) return true;
  return [...placed].some(([key, p]) => !drain.from.includes(key) && ideal(p) > 0 && conditions.get(key)!.ready);
}
