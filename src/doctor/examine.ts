import type { Config } from "../model/config.ts";
import { directRules } from "./direct-rules.ts";
import type { Facts } from "./facts.ts";
import { CATALOGUE, type Finding, type Severity } from "./finding.ts";
import { kernelRules, NO_IPVS } from "./kernel-rules.ts";
import { natRules } from "./nat-rules.ts";
import { placeRules } from "./place-rules.ts";
import { sceneOf } from "./scene.ts";
import { settingRules } from "./setting-rules.ts";
import { writerRules } from "./writer-rules.ts";

/** What would keep this configuration from working on this system, worst first. What could not be read is not judged, see `unseen`. */
export function examine(config: Config, facts: Facts): readonly Finding[] {
  if (config.ipvs.backend === "memory") return [];
  const scene = sceneOf(config, facts);
  const rules = [kernelRules, placeRules, natRules, directRules, settingRules, writerRules];
  const found = merged(rules.flatMap((rule) => rule(scene)));
  const order = Object.keys(CATALOGUE);
  const rank = (f: Finding) => SEVERITIES.indexOf(f.severity) * order.length + order.indexOf(f.id);
  return found.toSorted((a, b) => rank(a) - rank(b));
}

export const SEVERITIES: readonly Severity[] = ["error", "warning", "hint"];

/** The same trouble with the same cure is one finding, whatever number of services and servers has it. */
function merged(findings: readonly Finding[]): readonly Finding[] {
  const known = new Map<string, Finding>();
  for (const each of findings) {
    const { id, severity, fix } = each;
    const key = JSON.stringify([id, severity, fix.commands, fix.text, fix.commands.length === 0 ? each.seen : ""]);
    const before = known.get(key);
    const services = [...new Set([...(before?.services ?? []), ...each.services])];
    known.set(key, { ...(before ?? each), services });
  }
  return [...known.values()];
}

/** What could not be read, and thus was not judged. */
export function unseen(facts: Facts): readonly { readonly what: string; readonly reason: string }[] {
  const { modules, table, interfaces, routes, rules, ipsets, processes, defaults } = facts;
  const sources = {
    "kernel modules": modules,
    "the kernel's table": table.ok || table.error !== NO_IPVS ? table : undefined,
    interfaces,
    routes,
    "default routes": defaults,
    "rules of iptables": rules.iptables,
    "rules of ip6tables": rules.ip6tables,
    "rules of nftables": rules.nft,
    ipsets,
    processes,
    "settings below net.ipv4.vs": table.ok && !facts.sysctls.has("net.ipv4.vs.conntrack") ? HIDDEN : undefined,
  } as const;
  const failed = Object.entries(sources).flatMap(([what, seen]) =>
    seen === undefined || seen.ok ? [] : [{ what, reason: seen.error }],
  );
  const closed = processes.ok
    ? processes.value.flatMap(({ program, settings }) =>
        settings === undefined || settings.ok
          ? []
          : [{ what: `the configuration of ${program}`, reason: settings.error }],
      )
    : [];
  return [...failed, ...closed];
}

const HIDDEN = { ok: false, error: "this kernel does not show them" } as const;
