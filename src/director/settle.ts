import type { RealServer, Service } from "../model/service.ts";
import { removedServers } from "../policy/desired.ts";
import { isStanding } from "../policy/drain.ts";
import { baseWeight, ideal, positions, type ServiceIntent } from "../policy/moves.ts";
import { cycleOf, inFileNumbers, wholeWeights } from "../policy/shares.ts";

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
  /** Which drain, or who set the weight. */
  readonly because: string;
}

/** One line for each server whose standing weight differs from the file's. With all of them written the table stays as it is. */
export function settleLines(service: Service, intent: ServiceIntent): readonly SettleLine[] {
  const standing = { ...intent, drains: intent.drains.filter(isStanding) };
  const settled = {
    ready: true,
    connections: undefined,
    lingering: undefined,
    idle: false,
    empty: false,
    ramping: false,
  };
  const placed = positions(service, standing, () => settled);
  const removed = removedServers(service, standing, placed);
  const weights = writable(
    service.servers.map((server) => ideal(placed.get(server.key)!)),
    service.servers,
  );
  return service.servers.flatMap((server, i) => {
    const weight = weights[i]!;
    if (weight === server.weight && !removed.has(server.key)) return [];
    const line = { service: service.name, server: server.name, address: server.key, configured: server.weight };
    return [{ ...line, weight, remove: removed.has(server.key), because: because(server, standing) }];
  });
}

/** Whole numbers with the same shares. As they are, if they are whole; else (a drain that was stopped on the way) those of the table, which may
 *  concern every server of the service. */
function writable(ideals: readonly number[], servers: readonly RealServer[]): readonly number[] {
  if (inFileNumbers(ideals)) return ideals;
  const { weights } = wholeWeights(ideals);
  const sum = weights.reduce((a, b) => a + b, 0);
  const unit = inFileNumbers(weights) ? 1 : sum / cycleOf(weights);
  const small = weights.map((weight) => weight / unit);
  // A server that happens to have this number in the file already would keep what stands beside it: then all of them twice, or three times.
  const kept = (factor: number) => servers.some((s, i) => factor * small[i]! === s.weight && ideals[i] !== s.weight);
  let factor = 1;
  while (kept(factor)) factor++;
  return small.map((weight) => factor * weight);
}

function because(server: RealServer, { servers, drains }: ServiceIntent): string {
  const drain = drains.findLast((d) => d.from.includes(server.key) || d.to.includes(server.key));
  if (drain) return `drain ${drain.id}`;
  const said = servers.get(server.key);
  const set = said?.weight && baseWeight(server, said) !== server.weight;
  return set ? `set by ${said.weight.by}` : "keeps its share beside the others";
}
