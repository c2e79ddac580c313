import { type Drift, destinationOf } from "../ipvs/drift.ts";
import { sameForwarding } from "../ipvs/equal.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { Destination, IpvsChange } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import { assertNever } from "../model/result.ts";
import {
  type ConnectionLimits,
  type DestinationKey,
  destinationKey,
  destinationPort,
  type RealServer,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import type { NewEvent } from "./events.ts";
import type { PassReport, ReconcilerView } from "./reconcile.ts";
import type { DriftVerdict } from "./repairs.ts";
import { whoSaid } from "./who-said.ts";

/** More changes than this in one pass become one line with counts. */
const MOST_LINES = 20;

/** What a pass did, worded for the log and the event stream: weights with the rule behind them, drift with the command that should have been used. */
export function writeWords(
  report: PassReport,
  view: ReconcilerView,
  config: Config,
  intentOf: (service: Service) => ServiceIntent,
): readonly NewEvent[] {
  const find = finder(config);
  const events: NewEvent[] = [];
  const written = report.written.map((change) => changed(change, find, view, intentOf));
  if (written.length <= MOST_LINES) events.push(...written);
  else events.push(summary(written));
  for (const [item, verdict] of report.drift) events.push(drifted(item, verdict, find));
  for (const { change, reason } of report.refused)
    events.push({
      kind: "reconcile",
      severity: "error",
      message: `refused by the kernel: ${ruleLine(change)}: ${reason}; tried again with growing pauses, nothing else waits for it`,
      reason,
    });
  for (const item of report.overdue)
    events.push({
      kind: "weight",
      severity: "warning",
      message: `${item.service} ${item.destination}: removed with ${item.active} open connections, its removal_grace is over`,
    });
  return events;
}

type Find = (
  service: ServiceKey,
  destination: DestinationKey | undefined,
) => { readonly service: Service | undefined; readonly server: RealServer | undefined };

function finder(config: Config): Find {
  let index: Map<ServiceKey, { service: Service; servers: Map<DestinationKey, RealServer> }> | undefined;
  return (key, destination) => {
    if (!index) {
      index = new Map();
      for (const service of config.services)
        for (const frontend of service.frontends) {
          const servers = new Map(
            service.servers.map((s) => [destinationKey(s.address, destinationPort(frontend, s.port)), s]),
          );
          index.set(serviceKey(frontend), { service, servers });
        }
    }
    const found = index.get(key);
    return { service: found?.service, server: destination === undefined ? undefined : found?.servers.get(destination) };
  };
}

function changed(
  change: IpvsChange,
  find: Find,
  view: ReconcilerView,
  intentOf: (service: Service) => ServiceIntent,
): NewEvent {
  const destination = destinationOf(change);
  const { service, server } = find(change.service, destination);
  const decision = service && server ? view.desired?.services.get(service.key)?.servers.get(server.key) : undefined;
  const where = `${service?.name ?? change.service}${destination === undefined ? "" : ` ${server?.name ?? destination}`}`;
  const actor = decision && whoSaid(server!, decision.rule, intentOf(service!));
  const by = actor === undefined ? "" : ` by ${actor}`;
  const because = decision
    ? ` (${decision.rule}${by}${decision.verdict.kind === "down" ? `: ${decision.verdict.reason}` : ""})`
    : "";
  const base = {
    kind: "weight",
    severity: "info" as const,
    ...(service ? { service: service.name } : {}),
    ...(server ? { server: server.name } : {}),
    ...(destination === undefined ? {} : { address: server?.key ?? destination }),
    ...(decision ? { reason: decision.rule } : {}),
    ...(actor === undefined ? {} : { actor }),
  };
  switch (change.op) {
    case "add-service":
      return { ...base, message: `${where}: virtual service ${change.service} added` };
    case "edit-service":
      return {
        ...base,
        message: `${where}: virtual service ${change.service} changed: scheduler ${change.was.scheduler} -> ${change.entry.scheduler}`,
      };
    case "delete-service":
      return { ...base, message: `${where}: virtual service ${change.service} removed` };
    case "add-server":
      return {
        ...base,
        message: `${where}: added with weight ${change.destination.weight}${because}`,
        to: String(change.destination.weight),
      };
    case "edit-server": {
      const { was, destination: is } = change;
      return {
        ...base,
        message: `${where}: ${moved(was, is)}${because}`,
        from: String(was.weight),
        to: String(is.weight),
      };
    }
    case "delete-server":
      return { ...base, message: `${where}: removed from the table${because}`, from: String(change.was.weight) };
    default:
      return assertNever(change);
  }
}

function summary(written: readonly NewEvent[]): NewEvent {
  const rules = new Map<string, number>();
  for (const event of written) rules.set(event.reason ?? "other", (rules.get(event.reason ?? "other") ?? 0) + 1);
  const counts = [...rules].sort((a, b) => b[1] - a[1]).map(([rule, count]) => `${count} ${rule}`);
  return {
    kind: "weight",
    severity: "info",
    message: `${written.length} changes written in one pass: ${counts.join(", ")}`,
    count: written.length,
  };
}

function drifted(item: Drift, verdict: DriftVerdict, find: Find): NewEvent {
  const { service, server } = find(item.service, item.destination);
  const where = `${service?.name ?? item.service}${item.destination === undefined ? "" : ` ${server?.name ?? item.destination}`}`;
  const base = {
    kind: "drift",
    ...(service ? { service: service.name } : {}),
    ...(server ? { server: server.name } : {}),
    ...(item.destination === undefined ? {} : { address: server?.key ?? item.destination }),
    to: verdict,
  };
  const what = `somebody else ${deed(item.repair)}`;
  switch (verdict) {
    case "repaired":
      return {
        ...base,
        severity: "warning",
        message: `${where}: drift: ${what}; put back. ${instead(item.repair, service, server)}`,
      };
    case "reported":
      return {
        ...base,
        severity: "warning",
        message: `${where}: drift: ${what}; left so (ipvs.drift: report). ${instead(item.repair, service, server)}`,
      };
    case "fight":
      return {
        ...base,
        severity: "error",
        message: `${where}: drift-fight: ${what} again; repaired three times in 5m, left alone for 5m: find the other writer`,
        reason: "drift-fight",
      };
    default:
      return assertNever(verdict);
  }
}

function deed(repair: IpvsChange): string {
  switch (repair.op) {
    case "add-service":
      return `deleted the virtual service ${repair.service}`;
    case "edit-service":
      return `changed the options of ${repair.service} (scheduler ${repair.was.scheduler})`;
    case "delete-service":
      return `added ${repair.service}`;
    case "add-server":
      return "deleted it";
    case "edit-server":
      return editOf(repair.was, repair.destination);
    case "delete-server":
      return `added it with weight ${repair.was.weight}`;
    default:
      return assertNever(repair);
  }
}

function moved(was: Destination, is: Destination): string {
  if (was.weight !== is.weight) return `weight ${was.weight} -> ${is.weight}`;
  if (!sameForwarding(was.forwarding, is.forwarding)) return `forward ${was.forwarding.kind} -> ${is.forwarding.kind}`;
  return `limits on connections ${limitWords(was.limits)} -> ${limitWords(is.limits)}`;
}

function editOf(was: Destination, ours: Destination): string {
  if (was.weight !== ours.weight) return `set its weight to ${was.weight} (ours: ${ours.weight})`;
  if (!sameForwarding(was.forwarding, ours.forwarding)) return `set its forwarding to ${was.forwarding.kind}`;
  return `set its limits on connections to ${limitWords(was.limits)} (ours: ${limitWords(ours.limits)})`;
}

function limitWords(limits: ConnectionLimits | undefined): string {
  if (limits === undefined) return "none";
  return `${limits.upper} at most${limits.lower === 0 ? "" : `, again below ${limits.lower}`}`;
}

/** Who changes the table by hand wants something: the command that gives it, and lasts. */
function instead(repair: IpvsChange, service: Service | undefined, server: RealServer | undefined): string {
  if (!service) return "Change director.conf and `director reload` instead.";
  if (repair.op === "edit-server" && server && repair.was.weight !== repair.destination.weight) {
    return repair.was.weight === 0
      ? `Use \`director disable ${service.name} ${server.name}\` instead.`
      : `Use \`director weight ${service.name} ${server.name} ${repair.was.weight}\` instead.`;
  }
  if (repair.op === "add-server" && server)
    return `Use \`director disable ${service.name} ${server.name}\` or \`director drain\` instead.`;
  return "Change director.conf and `director reload` instead.";
}
