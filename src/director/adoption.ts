import type { IpvsTable } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import type { CheckSpec, Report } from "../model/probe.ts";
import type { RealServer, Service } from "../model/service.ts";
import type { EpochMs } from "../model/time.ts";
import { type Intent, withServer } from "../policy/intent.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import type { NewEvent } from "./events.ts";
import { entriesOf, placesOf } from "./places.ts";

/** Servers that the kernel has at weight 0 while our own record is gone: somebody may have quiesced them, perhaps through us. They are held there
 *  until an operator says that they may serve. */
export function heldQuiesced(
  config: Config,
  actual: IpvsTable,
  intent: Intent,
  at: EpochMs,
): { readonly intent: Intent; readonly events: readonly NewEvent[] } {
  const events: NewEvent[] = [];
  let held = intent;
  for (const service of config.services)
    for (const server of service.servers) {
      const places = placesOf(service, server);
      const weights = places.map((p) => actual.get(p.service)?.destinations.get(p.destination)?.weight);
      const known = weights.filter((weight) => weight !== undefined);
      if (known.length === 0 || known.some((weight) => weight > 0) || server.weight === 0) continue;
      held = withServer(held, entriesOf(service), server.key, (entry) => ({ ...entry, stateLost: { at } }));
      events.push({
        kind: "admin",
        severity: "warning",
        message: `${service.name} ${server.name}: held at weight 0: the kernel has it at 0 and director has no record of why; \`director enable ${service.name} ${server.name}\` lets it serve`,
        service: service.name,
        server: server.name,
        address: server.key,
        to: "held",
        reason: "state-lost",
      });
    }
  return { intent: held, events };
}

/** What servers that report their weight reported last, as the kernel's weight tells: it holds until they are heard, so that a restart gives nobody
 *  all of a weight of which he wanted a part. Where drains have a word the two cannot be told apart. */
export function adoptedReports(
  config: Config,
  actual: IpvsTable,
  intentOf: (service: Service) => ServiceIntent,
  reports: (check: CheckSpec) => boolean,
): ReadonlyMap<RealServer, Report> {
  const adopted = new Map<RealServer, Report>();
  for (const service of config.services) {
    if (intentOf(service).drains.length > 0) continue;
    for (const server of service.servers) {
      if (!server.checks.some(reports)) continue;
      const weights = placesOf(service, server).map(
        (p) => actual.get(p.service)?.destinations.get(p.destination)?.weight ?? 0,
      );
      const weight = Math.max(0, ...weights);
      if (weight > 0 && weight !== server.weight) adopted.set(server, { weight });
    }
  }
  return adopted;
}
