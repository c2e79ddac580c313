import type { Frontend, Persistence } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import type { ServiceKeys } from "./service-keys.ts";
import { atKey, child, type MapNode } from "./tree.ts";

/** The names under which ipvsadm lists the first two flags of these schedulers (ip_vs.h: IP_VS_SVC_F_SCHED_SH_FALLBACK and so on are
 *  IP_VS_SVC_F_SCHED1 and 2). Held under one name, so that what is read back is what was asked. */
const NAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sh: { "flag-1": "sh-fallback", "flag-2": "sh-port" },
  mh: { "flag-1": "mh-fallback", "flag-2": "mh-port" },
};

/** Sorted flags of the scheduler. ipvsadm refuses another scheduler's ("incompatible scheduler flag `mh-port'"), and lists of sh and mh
 *  only the flags that have a name: flag-3 would be lost each time the table is read. */
export function schedulerFlags(keys: ServiceKeys, node: MapNode, problems: Problems): readonly string[] {
  const { scheduler, scheduler_flags: given = [] } = keys;
  const list = child(node, "scheduler_flags");
  const flags = new Set<string>();
  for (const [i, written] of given.entries()) {
    const at = (list?.kind === "list" ? list.items[i]?.at : undefined) ?? atKey(node, "scheduler_flags");
    const owner = /^(sh|mh)-/.exec(written)?.[1];
    const flag = NAMED[scheduler]?.[written] ?? written;
    if (owner !== undefined && owner !== scheduler)
      problems.error(at, `${written} belongs to scheduler ${owner}, and this service has ${scheduler}`);
    else if (NAMED[scheduler] !== undefined && flag === "flag-3") problems.error(at, `${scheduler} has no third flag`);
    else if (flags.has(flag)) problems.error(at, `${flag} is given twice`);
    flags.add(flag);
  }
  return [...flags].sort();
}

/** Warns where a part of a weight is no part of the clients. */
export function slowStartMeansSomething(keys: ServiceKeys, node: MapNode, problems: Problems): void {
  if (typeof keys.slow_start !== "number" || !WEIGHTLESS.has(keys.scheduler)) return;
  problems.warning(
    atKey(node, "slow_start"),
    `scheduler ${keys.scheduler} ignores weights above 0: a recovered server gets its whole share at once; wrr and wlc know slow start`,
  );
}

/** Measured over 60 connections with weights 3:1: equal counts. */
const WEIGHTLESS: ReadonlySet<string> = new Set(["rr", "lc", "lblc", "dh"]);

/** One-packet scheduling and the sip engine are for UDP, which a firewall mark may stand for. ipvsadm refuses the one for anything else; the
 *  other it takes, and then no TCP connection gets through at all (seen on Linux 6.1: ip_vs_pe_sip.c refuses every packet but UDP). */
export function udpOnly(keys: ServiceKeys, node: MapNode, problems: Problems): void {
  if (keys.fwmark !== undefined || keys.protocol === "udp") return;
  if (keys.one_packet) problems.error(atKey(node, "one_packet"), `only for udp, this service is ${keys.protocol}`);
  const persistence = child(node, "persistence");
  if (typeof keys.persistence === "object" && keys.persistence.engine !== undefined && persistence?.kind === "map")
    problems.warning(
      atKey(persistence, "engine"),
      `only udp gets through with the sip engine: the kernel takes it for ${keys.protocol}, and then every connection times out`,
    );
}

export function persistenceOf(
  keys: ServiceKeys,
  frontends: readonly Frontend[],
  node: MapNode,
  problems: Problems,
): Persistence | undefined {
  const { persistence } = keys;
  const persistenceNode = child(node, "persistence");
  if (persistence === undefined || persistence === "none" || persistenceNode?.kind !== "map") return undefined;
  const at = atKey(persistenceNode, "netmask");
  const prefix = { v4: 32, v6: 128 };
  const result = { timeoutSec: persistence.timeout / 1000, prefix, engine: persistence.engine };
  const { netmask } = persistence;
  if (netmask === undefined) return result;
  if (!("prefix" in netmask)) {
    if (netmask.ipv4 !== undefined && netmask.ipv4.prefix > 32) problems.error(at, "ipv4: at most 32 bits");
    if (netmask.ipv6?.dotted) problems.error(at, "ipv6: expected a prefix length from 1 to 128");
    return { ...result, prefix: { v4: netmask.ipv4?.prefix ?? 32, v6: netmask.ipv6?.prefix ?? 128 } };
  }
  const families = new Set(frontends.map((f) => (f.kind === "fwmark" ? f.family : f.address.family)));
  if (netmask.dotted) {
    if (!families.has(4)) problems.error(at, "this service is IPv6: expected a prefix length from 1 to 128");
    return { ...result, prefix: { v4: netmask.prefix, v6: 128 } };
  }
  if (families.size > 1)
    problems.error(at, "which family is meant? This service has both: netmask: { ipv4: 24, ipv6: 64 }");
  if (families.has(6)) return { ...result, prefix: { v4: 32, v6: netmask.prefix } };
  if (netmask.prefix > 32) problems.error(at, "this service is IPv4: at most 32 bits");
  return { ...result, prefix: { v4: netmask.prefix, v6: 128 } };
}
