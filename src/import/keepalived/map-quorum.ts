import type { Notes } from "../notes.ts";
import { flow, type WrittenMap } from "../written.ts";
import type { VirtualServer } from "./model.ts";

/** director's quorum from keepalived's, which counts weights: gained with at least quorum + hysteresis, lost with none at all or less than quorum -
 *  hysteresis (update_quorum_state). Where all weights are alike a number of servers says the same, else a share of all weight does.
 *  @param weights of the real servers, as configured */
export function quorumEntries(
  service: VirtualServer,
  weights: readonly number[],
  notes: Notes,
): WrittenMap | undefined {
  const { place } = service;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let quorum = Math.max(1, service.quorum?.weight ?? 1);
  let hysteresis = service.hysteresis?.weight ?? 0;
  if (total === 0) return undefined;
  if (quorum > total) {
    notes.add(
      "refused",
      service.quorum?.place ?? place,
      `quorum ${quorum}`,
      `is more than all weights together: keepalived takes ${total} for it, and so does this import`,
    );
    quorum = total;
  }
  if (hysteresis >= quorum) {
    notes.add(
      "refused",
      service.hysteresis?.place ?? place,
      `hysteresis ${hysteresis}`,
      `is not below the quorum: keepalived takes ${quorum - 1} for it, and so does this import`,
    );
    hysteresis = quorum - 1;
  }
  const up = quorum + hysteresis;
  const down = quorum - hysteresis;
  if (up > total)
    notes.add(
      "hint",
      service.hysteresis?.place ?? place,
      `quorum ${quorum}, hysteresis ${hysteresis}`,
      `once lost it is never regained: that would need a weight of ${up}, and all servers have ${total}`,
    );
  const bearing = weights.filter((weight) => weight > 0);
  const [first = 1] = bearing;
  const marks = bearing.every((weight) => weight === first)
    ? { up: Math.ceil(up / first), down: Math.ceil(down / first) }
    : undefined;
  if (marks?.up === 1 && up > 1)
    notes.add(
      "hint",
      service.quorum?.place ?? place,
      `quorum ${quorum}`,
      `counts weights, so one server of weight ${first} is enough: left out, it is director's default; quorum: { up: 2, down: 2 } are two servers`,
    );
  if (marks !== undefined) return marks.up === 1 ? undefined : flow({ up: String(marks.up), down: String(marks.down) });
  if (up === 1) return undefined;
  return flow({ up: shareOf(up, total, service, notes), down: shareOf(down, total, service, notes) });
}

/** The share that exactly the sums from `weight` on reach. Percentages have three decimals: rounded down they are exact for all weights below 100,000. */
function shareOf(weight: number, total: number, { place }: VirtualServer, notes: Notes): string {
  if (weight > total) {
    notes.add(
      "changed",
      place,
      "quorum",
      "once lost it is regained when all servers are healthy; keepalived never regains it",
    );
    return "100%";
  }
  const share = Math.floor((weight / total) * 100_000 + 1e-6) / 1000;
  const reached = Math.ceil((share / 100) * total - 1e-6);
  if (share === 0 || reached !== weight)
    notes.add(
      "changed",
      place,
      "quorum",
      `a weight of ${weight} in ${total} is written as a share, and not to the last unit`,
    );
  return `${Math.max(share, 0.001)}%`;
}
