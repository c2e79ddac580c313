import type { RealServer, ServerKey, Service } from "../model/service.ts";
import type { Drain, Participant } from "./drain.ts";
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
  const result = new Map<ServerKey, Position>();
  for (const server of service.servers) {
    const base = baseWeight(server, intent.servers.get(server.key));
    result.set(server.key, { configured: server.weight, base, given: 0, taken: 0 });
  }
  for (const drain of intent.drains) {
    const participants = new Map<ServerKey, Participant>();
    for (const server of service.servers) {
      const position = result.get(server.key)!;
      const { name, key } = server;
      const { configured, base } = position;
      participants.set(key, { name, configured, base, weight: ideal(position), ...condition(server) });
    }
    before?.(drain, participants);
    const { given, taken } = shift(drain, participants);
    for (const [key, position] of result) {
      const more = { given: position.given + (given[key] ?? 0), taken: position.taken + (taken[key] ?? 0) };
      result.set(key, { ...position, ...more });
    }
  }
  return result;
}
