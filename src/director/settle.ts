import type { Service } from "../model/service.ts";
import { isStanding } from "../policy/drain.ts";
import { baseWeight, ideal, positions, type ServiceIntent } from "../policy/moves.ts";

/** What the file would have to say so that it agrees with what drains and commands have left. */
export interface SettleLine {
  readonly service: string;
  readonly server: string;
  readonly address: string;
  /** In the file now. */
  readonly configured: number;
  /** What to write there. */
  readonly weight: number;
  /** It was taken out of the table for good: the line may go. */
  readonly remove: boolean;
  /** Drain, or who set the weight. */
  readonly because: string;
}

/** One line for each server whose standing weight differs from the file's. */
export function settleLines(service: Service, intent: ServiceIntent): readonly SettleLine[] {
  const standing = { ...intent, drains: intent.drains.filter(isStanding) };
  const settled = { ready: true, connections: undefined, lingering: undefined, idle: false, empty: false };
  const placed = positions(service, standing, () => settled);
  return service.servers.flatMap((server) => {
    const weight = ideal(placed.get(server.key)!);
    if (weight === server.weight) return [];
    const drain = standing.drains.findLast((d) => d.from.includes(server.key) || d.to.includes(server.key));
    const by = intent.servers.get(server.key)?.weight;
    const set = by !== undefined && baseWeight(server, intent.servers.get(server.key)) !== server.weight;
    return [
      {
        service: service.name,
        server: server.name,
        address: server.key,
        configured: server.weight,
        weight: Math.round(weight),
        remove: drain?.policy.afterwards === "remove" && drain.from.includes(server.key),
        because: drain ? `drain ${drain.id}` : set ? `set by ${by.by}` : "",
      },
    ];
  });
}
