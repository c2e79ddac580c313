import type { Config } from "../model/config.ts";
import { type ServerKey, type Service, type ServiceKey, serviceKey } from "../model/service.ts";
import type { Drain, Shift } from "./drain.ts";
import type { Intent, ServerIntent } from "./intent.ts";

/** The intent without what the file has overtaken: a weight set by command, or a drain's result, ends for good when that server's own `weight`
 *  changes or it leaves the file. Left in, it would come back to life with the old number. What is disabled stays so until it is enabled.
 *  The very same intent when there is nothing to take out. */
export function withoutOvertaken(intent: Intent, config: Config): Intent {
  const configured = weightsIn(config);
  const servers = intent.servers.map((entry) => withoutWeight(entry, configured)).filter(says);
  const drains = intent.drains.map((drain) => withoutResult(drain, configured));
  const same = servers.length === intent.servers.length && servers.every((entry, i) => entry === intent.servers[i]);
  return same && drains.every((drain, i) => drain === intent.drains[i]) ? intent : { ...intent, servers, drains };
}

/** The weights that the file gives a server of these kernel entries: none if it is not there, several if they are of several services now. */
type Configured = (entries: readonly ServiceKey[], server: ServerKey) => readonly number[];

function weightsIn(config: Config): Configured {
  const byEntry = new Map<ServiceKey, Service>();
  for (const service of config.services)
    for (const frontend of service.frontends) byEntry.set(serviceKey(frontend), service);
  return (entries, server) =>
    entries.flatMap((entry) =>
      (byEntry.get(entry)?.servers ?? []).filter((s) => s.key === server).map((s) => s.weight),
    );
}

function withoutWeight(entry: ServerIntent, configured: Configured): ServerIntent {
  if (!entry.weight || configured(entry.services, entry.server).includes(entry.weight.configured)) return entry;
  return { ...entry, weight: undefined };
}

function says({ disabled, weight, stateLost }: ServerIntent): boolean {
  return disabled !== undefined || weight !== undefined || stateLost !== undefined;
}

function withoutResult(drain: Drain, configured: Configured): Drain {
  if (!drain.result) return drain;
  const stands = ([key]: readonly [string, number]): boolean =>
    configured(drain.service, key as ServerKey).includes(drain.configured[key as ServerKey] ?? Number.NaN);
  const given = Object.entries(drain.result.given).filter(stands);
  const taken = Object.entries(drain.result.taken).filter(stands);
  const before = Object.keys(drain.result.given).length + Object.keys(drain.result.taken).length;
  const left = given.length + taken.length;
  if (left === before && left > 0) return drain;
  const result: Shift = { given: Object.fromEntries(given), taken: Object.fromEntries(taken) };
  return { ...drain, result: left === 0 ? undefined : result };
}
