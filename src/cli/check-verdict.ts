import type { ServiceStatus, StatusReply } from "../control/shapes.ts";
import { formatDuration } from "../model/time.ts";

/** What monitoring plugins say by their exit code (Monitoring Plugins Development Guidelines). */
export const LEVELS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
export type Level = 0 | 1 | 2 | 3;

export interface Thresholds {
  /** Share of the configured weight, 0 to 1, below which a service is worth a warning. */
  readonly warning: number;
  readonly critical: number;
}

export interface Verdict {
  readonly level: Level;
  /** Worst first. */
  readonly problems: readonly { readonly level: Level; readonly message: string }[];
  /** What is well, in a few words. */
  readonly summary: string;
  readonly perfdata: readonly string[];
}

/** A pass every few seconds is the rule; without a good one for this long the table may be anything. */
const STALE_MS = 120_000;
/** Beyond this many services their numbers are left out, unless they were asked for: agents cut long lines. */
const MOST_SERVICES = 20;

/** What monitoring should be told. Critical: clients are not served, or may not be. Warning: somebody should look. Single servers that are down are neither, as
 *  long as the rest is enough: that is what a pool is for.
 *  @param services those that were asked for; `status` has all of them */
export function verdictOn(status: StatusReply, services: readonly ServiceStatus[], at: Thresholds): Verdict {
  const problems: { readonly level: Level; readonly message: string }[] = [];
  const critical = (message: string) => void problems.push({ level: 2, message });
  const warning = (message: string) => void problems.push({ level: 1, message });
  const named = services.length < status.services.length;
  const ours = new Set(services.map(({ name }) => name));

  const { table, config } = status;
  if (table.lastError !== undefined) critical(`the IPVS table cannot be kept: ${table.lastError}`);
  else if (table.lastSuccessAt !== undefined && status.now - table.lastSuccessAt > STALE_MS)
    critical(`the IPVS table was last looked at ${formatDuration(status.now - table.lastSuccessAt)} ago`);
  for (const service of services) judge(service, at, critical, warning);
  if (table.refused.length > 0) critical(`the kernel refuses ${counted(table.refused.length, "entry", "entries")}`);
  const fights = table.leftAlone.filter(({ why }) => why === "fight").length;
  if (fights > 0) warning(`drift fight: somebody else keeps changing ${counted(fights, "entry", "entries")}`);
  if (!status.ready) warning("not ready yet: checks have no verdict");
  for (const { service, by, until } of status.freezes)
    if (service === undefined || ours.has(service))
      warning(
        `${service ?? "everything"} is frozen by ${by} for another ${formatDuration(Math.max(0, Math.ceil((until - status.now) / 1000) * 1000))}`,
      );
  if (config.lastReload?.ok === false) warning("the last reload was refused, the configuration before it is in force");
  if (!status.state.writable) warning("state cannot be written: commands are refused and drains stand still");
  for (const drain of status.drains)
    if (drain.state === "paused" && ours.has(drain.service)) warning(`${drain.service}: drain ${drain.id} is paused`);
  // Where there is a reason it was told above; a moment without one is what a pass is for.
  if (!table.inSync && problems.length === 0 && status.mode === "manage") warning("the IPVS table is not in sync");
  problems.sort((a, b) => b.level - a.level);
  return {
    level: problems[0]?.level ?? 0,
    problems,
    summary: summary(services),
    perfdata: perfdata(services, at, named || services.length <= MOST_SERVICES),
  };
}

function judge(
  service: ServiceStatus,
  at: Thresholds,
  critical: (message: string) => void,
  warning: (message: string) => void,
): void {
  const { name, quorum } = service;
  const percent = `${Math.floor(quorum.share * 100)}% of its weight is healthy`;
  if (service.failOpen) critical(`${name}: failing open, every server is down by its checks`);
  else if (!service.up) critical(`${name}: ${service.trouble ?? "no server gets clients"}`);
  else if (quorum.share < at.critical) critical(`${name}: ${percent}`);
  else if (quorum.share < at.warning) warning(`${name}: ${percent}`);
  const unchecked = service.servers.filter((s) => s.checks.some((check) => check.unchecked)).length;
  if (unchecked > 0) warning(`${name}: ${counted(unchecked, "server")} could not be checked for 30s`);
  if (service.unproven.length > 0)
    warning(`${name}: ${counted(service.unproven.length, "check")} passed nowhere since the reload`);
}

function summary(services: readonly ServiceStatus[]): string {
  const servers = services.flatMap((service) => service.servers);
  const down = servers.filter(({ state }) => state === "down").length;
  const up = services.filter((service) => service.up).length;
  const some = down === 0 ? "" : `, ${down} down`;
  return `${up} of ${counted(services.length, "service")} up, ${counted(servers.length, "server")}${some}`;
}

/** `'label'=value[unit];warning;critical;minimum;maximum`; `70:` is a threshold for what lies below it. */
function perfdata(services: readonly ServiceStatus[], at: Thresholds, each: boolean): readonly string[] {
  const servers = services.flatMap((service) => service.servers);
  const count = (state: (up: boolean) => boolean) => services.filter(({ up }) => state(up)).length;
  const all = [
    `services_up=${count((up) => up)};;;0;${services.length}`,
    `servers_down=${servers.filter(({ state }) => state === "down").length};;;0;${servers.length}`,
    `active=${sum(servers.map(({ active }) => active))};;;0;`,
  ];
  if (!each) return all;
  const own = services.flatMap(({ name, quorum, servers: its }) => [
    `${label(`${name}_capacity`)}=${Math.floor(quorum.share * 1000) / 10}%;${at.warning * 100}:;${at.critical * 100}:;0;`,
    `${label(`${name}_active`)}=${sum(its.map(({ active }) => active))};;;0;`,
  ]);
  return [...all, ...own];
}

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}

/** Labels may have anything but quotes and equals signs, in quotes where there are spaces. */
function label(name: string): string {
  return `'${name.replace(/['=|\n]/g, "_")}'`;
}

function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}
