import type { Service, ServiceKey } from "../model/service.ts";
import type { ServiceDecision } from "../policy/decide.ts";
import { entriesOf } from "./places.ts";

type Decisions = ReadonlyMap<ServiceKey, ServiceDecision>;

/** What was decided of a service last: found by any of its kernel entries, for a reload may have put another vip first. */
export function predecessors(last: () => Decisions | undefined): (service: Service) => ServiceDecision | undefined {
  const indexes = new WeakMap<Decisions, Decisions>();

  function byEntry(decisions: Decisions): Decisions {
    const known = indexes.get(decisions);
    if (known) return known;
    const index = new Map(
      [...decisions.values()].flatMap((d) =>
        entriesOf(d.service).map((entry): [ServiceKey, ServiceDecision] => [entry, d]),
      ),
    );
    indexes.set(decisions, index);
    return index;
  }

  return (service) => {
    const decisions = last();
    if (!decisions) return undefined;
    const same = decisions.get(service.key);
    if (same) return same;
    const index = byEntry(decisions);
    return entriesOf(service)
      .map((entry) => index.get(entry))
      .find((decision) => decision !== undefined);
  };
}
