import { diff } from "../ipvs/diff.ts";
import { destinationOf } from "../ipvs/drift.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { Destination, EntryPersistence, Glance, IpvsChange, IpvsTable, ServiceEntry } from "../ipvs/table.ts";
import type { Config } from "../model/config.ts";
import { assertNever } from "../model/result.ts";
import {
  type DestinationKey,
  destinationKey,
  destinationPort,
  type RealServer,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import { formatDuration, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Decision } from "../policy/decide.ts";
import { type Desired, placeOf } from "../policy/desired.ts";
import { type Leaving, withLeaving } from "../policy/leaving.ts";
import { nameFrontend } from "./status.ts";

/** One line of a plan: what becomes of a virtual service, or of one server below it. */
export interface PlannedChange {
  readonly sign: "+" | "~" | "-";
  /** Name in the file; of what no file has: its kernel entry. */
  readonly service: string;
  /** `tcp 192.0.2.10:80`. */
  readonly frontend: string;
  /** undefined: the virtual service itself. */
  readonly server: { readonly name: string; readonly address: string } | undefined;
  /** `weight 100 -> 50`. */
  readonly what: string;
  /** What the next pass gives ipvsadm; undefined: nothing yet (an entry at weight 0 that goes once it is idle). */
  readonly rule: string | undefined;
}

/** A configuration over the table that is there, as the first pass with it would see them. */
export interface Situation {
  readonly config: Config;
  readonly desired: Desired;
  readonly actual: IpvsTable;
  readonly glance: Glance;
  readonly owned: ReadonlySet<ServiceKey>;
  /** What is leaving already. */
  readonly leaving: ReadonlyMap<string, Leaving>;
  /** For what this configuration does not have. */
  readonly graceOf: (service: ServiceKey) => Millis;
  readonly now: MonotonicMs;
  /** Weights if every server were healthy: for those nobody has asked yet. */
  readonly ifUp: (service: Service) => ReadonlyMap<RealServer["key"], Decision>;
  /** Names of what this configuration does not have any more. */
  readonly before: Config | undefined;
}

/** Everything that would be written, and everything that would begin to leave, service by service in the order of the file. */
export function plannedChanges(given: Situation): readonly PlannedChange[] {
  const { desired, actual, owned, glance, leaving: before, now } = given;
  const grace = (service: ServiceKey, key: DestinationKey) =>
    desired.removed.get(placeOf(service, key)) ?? given.graceOf(service);
  const { table, leaving } = withLeaving({
    desired: desired.table,
    actual,
    owned,
    before,
    watched: new Map(),
    takenOut: (service, key) => desired.takenOut.has(placeOf(service, key)),
    glance,
    stats: undefined,
    graceOf: grace,
    now,
  });
  const names = [...(given.before ? [finderIn(given.before)] : []), finderIn(given.config)].reverse();
  const find: Find = (service, key) => {
    const found = names.map((name) => name(service, key));
    return found.find((f) => f.server) ?? found.find((f) => f.service) ?? { service: undefined, server: undefined };
  };
  const lines: PlannedChange[] = [];
  const told = new Set<string>();
  for (const [service, entry] of actual) {
    const here = [...leaving.values()].filter((item) => item.service === service);
    const news = here.filter((item) => !before.has(placeOf(service, item.destination)));
    if (!desired.table.has(service) && owned.has(service) && news.length > 0)
      lines.push(line("-", service, entry, undefined, "deleted with its last server", undefined, find));
    for (const item of here) {
      told.add(placeOf(service, item.destination));
      const was = entry.destinations.get(item.destination);
      if (was && (was.weight > 0 || news.includes(item)))
        lines.push(line("-", service, entry, was, leaves(was, item), leaveRule(service, entry, was), find));
    }
  }
  for (const change of diff(table, actual, owned)) {
    const key = destinationOf(change);
    if (key === undefined || !told.has(placeOf(change.service, key))) lines.push(worded(change, given, find));
  }
  return inOrder(lines, given);
}

/** The same line in two plans. */
export function sameChange(a: PlannedChange, b: PlannedChange): boolean {
  return (
    a.sign === b.sign &&
    a.rule === b.rule &&
    a.what === b.what &&
    a.frontend === b.frontend &&
    a.server?.address === b.server?.address
  );
}

function leaves(was: Destination, { grace }: Leaving): string {
  const end = Number.isFinite(grace)
    ? `deleted when idle, after ${formatDuration(grace)} at the latest`
    : "deleted after its last connection";
  return was.weight === 0 ? `stands at weight 0; ${end}` : `weight ${was.weight} -> 0; ${end}`;
}

function leaveRule(service: ServiceKey, { frontend }: ServiceEntry, was: Destination): string | undefined {
  if (was.weight === 0) return undefined;
  return ruleLine({ op: "edit-server", service, frontend, destination: { ...was, weight: 0 }, was });
}

function worded(change: IpvsChange, given: Situation, find: Find): PlannedChange {
  const rule = ruleLine(change);
  switch (change.op) {
    case "add-service":
      return line("+", change.service, change.entry, undefined, `added: ${optionsOf(change.entry)}`, rule, find);
    case "edit-service":
      return line("~", change.service, change.entry, undefined, edited(change.was, change.entry), rule, find);
    case "delete-service":
      return line("-", change.service, change.was, undefined, "deleted", rule, find);
    case "add-server": {
      const { destination: to } = change;
      const what = `${to.forwarding.kind}, weight ${to.weight}${reasonFor(change, to, given, find)}`;
      return line("+", change.service, change, to, what, rule, find);
    }
    case "edit-server": {
      const { destination: to, was } = change;
      const what = `${moved(change)}${was.weight === to.weight ? "" : reasonFor(change, to, given, find)}`;
      return line("~", change.service, change, to, what, rule, find);
    }
    case "delete-server": {
      const why = given.desired.takenOut.has(placeOf(change.service, destinationOf(change)!))
        ? `taken out while it is down, weight ${change.was.weight}`
        : `deleted, weight ${change.was.weight}, its removal_grace is over`;
      return line("-", change.service, change, change.was, why, rule, find);
    }
    default:
      return assertNever(change);
  }
}

function moved(change: Extract<IpvsChange, { op: "edit-server" }>): string {
  const { was, destination: to } = change;
  const parts: string[] = [];
  if (was.forwarding.kind !== to.forwarding.kind) parts.push(`forward ${was.forwarding.kind} -> ${to.forwarding.kind}`);
  if (was.weight !== to.weight) parts.push(`weight ${was.weight} -> ${to.weight}`);
  // Everything else there is to a server, in ipvsadm's words.
  const words = (destination: Destination) => ruleLine({ ...change, destination }).replace(/^.*? -r \S+ /, "");
  const other = { ...to, weight: was.weight, ...(parts.length > 0 ? { forwarding: was.forwarding } : {}) };
  if (words(other) !== words(was)) parts.push(`${words(was)} -> ${words(other)}`);
  return parts.join(", ");
}

/** Why it is another weight than the file's. */
function reasonFor(
  { service }: { readonly service: ServiceKey },
  to: Destination,
  given: Situation,
  find: Find,
): string {
  const found = find(service, destinationKey(to.address, to.port));
  if (!found.service || !found.server) return "";
  const decision = given.desired.services.get(found.service.key)?.servers.get(found.server.key);
  if (!decision) return "";
  const { rule, verdict } = decision;
  if (rule === "not-yet-probed") {
    const then = given.ifUp(found.service).get(found.server.key)?.weight ?? 0;
    return ` until its checks have passed, then ${then}`;
  }
  if (rule === "configured" || rule === "configured-0" || rule === "presumed-up") return "";
  return ` (${rule}${verdict.kind === "down" ? `: ${verdict.reason}` : ""})`;
}

function edited(was: ServiceEntry, to: ServiceEntry): string {
  const pairs: readonly (readonly [word: string, was: string, to: string])[] = [
    ["scheduler", was.scheduler, to.scheduler],
    ["scheduler_flags", list(was.flags), list(to.flags)],
    ["persistence", persistence(was.persistence), persistence(to.persistence)],
    ["one_packet", String(was.onePacket), String(to.onePacket)],
  ];
  const changed = pairs.filter(([, a, b]) => a !== b).map(([word, a, b]) => `${word} ${a} -> ${b}`);
  return changed.length > 0 ? changed.join(", ") : "options restated";
}

function optionsOf({ scheduler, flags, persistence: kept, onePacket }: ServiceEntry): string {
  const more = [
    ...(flags.length > 0 ? [`scheduler_flags ${list(flags)}`] : []),
    ...(kept ? [`persistence ${persistence(kept)}`] : []),
    ...(onePacket ? ["one_packet"] : []),
  ];
  return [`scheduler ${scheduler}`, ...more].join(", ");
}

function list(flags: readonly string[]): string {
  return flags.length === 0 ? "none" : flags.join("+");
}

function persistence(given: EntryPersistence | undefined): string {
  if (!given) return "none";
  const { timeoutSec, prefix, engine } = given;
  return `${formatDuration(timeoutSec * 1000)}/${prefix}${engine === undefined ? "" : ` ${engine}`}`;
}

type Find = (
  service: ServiceKey,
  key: DestinationKey | undefined,
) => { readonly service: Service | undefined; readonly server: RealServer | undefined };

function finderIn(config: Config): Find {
  const index = new Map<ServiceKey, { readonly service: Service; readonly servers: Map<DestinationKey, RealServer> }>();
  for (const service of config.services)
    for (const frontend of service.frontends) {
      const key = (s: RealServer) => destinationKey(s.address, destinationPort(frontend, s.port));
      index.set(serviceKey(frontend), { service, servers: new Map(service.servers.map((s) => [key(s), s])) });
    }
  return (key, destination) => {
    const found = index.get(key);
    return { service: found?.service, server: destination === undefined ? undefined : found?.servers.get(destination) };
  };
}

function line(
  sign: PlannedChange["sign"],
  service: ServiceKey,
  { frontend }: Pick<ServiceEntry, "frontend">,
  destination: Destination | undefined,
  what: string,
  rule: string | undefined,
  find: Find,
): PlannedChange {
  const key = destination && destinationKey(destination.address, destination.port);
  const found = find(service, key);
  const server = key === undefined ? undefined : { name: found.server?.name ?? key, address: key };
  return { sign, service: found.service?.name ?? service, frontend: nameFrontend(frontend), server, what, rule };
}

/** By the file's services, what leaves the file behind them; within one the service itself first, then its servers by sign. */
function inOrder(lines: readonly PlannedChange[], { config }: Situation): readonly PlannedChange[] {
  const places = new Map(
    config.services.flatMap((s) => s.frontends.map(nameFrontend)).map((frontend, i) => [frontend, i]),
  );
  const rank = ({ frontend, server, sign }: PlannedChange): readonly number[] => [
    places.get(frontend) ?? places.size,
    server === undefined ? 0 : 1,
    "+~-".indexOf(sign),
  ];
  return [...lines].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    for (const [i, value] of x.entries()) if (value !== y[i]) return value - y[i]!;
    return a.frontend < b.frontend ? -1 : a.frontend > b.frontend ? 1 : 0;
  });
}
