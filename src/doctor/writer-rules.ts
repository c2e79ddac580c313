import type { Frontend } from "../model/service.ts";
import type { Process } from "./facts.ts";
import { type Finding, finding, here } from "./finding.ts";
import { interfaceOf, type Scene } from "./scene.ts";

/** Programs that keep services in the kernel's table, and where each has them written down. */
export const WRITERS: Readonly<Record<string, { readonly file: string; readonly option: readonly string[] }>> = {
  keepalived: { file: "/etc/keepalived/keepalived.conf", option: ["-f", "--use-file"] },
  ldirectord: { file: "/etc/ha.d/ldirectord.cf", option: [] },
};

/** How each is ended without its services: both delete them, connections and all, when they are told to stop, and keepalived what leaves its file. */
const ENDING: Readonly<Record<string, string>> = {
  keepalived:
    "take its virtual_server blocks out (VRRP may stay) as docs/migrating.md has it, Switching over: at a plain reload or stop keepalived deletes the services",
  ldirectord:
    "put cleanstop = no into its file, or its stop deletes the services; systemctl reload ldirectord; once its log says Reloading: systemctl disable --now ldirectord",
};

/** As `AUTO="true"` of Debian's ipvsadm has it: /etc/init.d/ipvsadm loads /etc/ipvsadm.rules, after `ipvsadm -C`, and says `ipvsadm -C` when it stops. */
export const RULES_SERVICE = "/etc/default/ipvsadm";

function rulesService({ config, facts }: Scene): readonly Finding[] {
  if (!facts.rulesOfService) return [];
  return [
    finding("ipvsadm-service", {
      services: config.services.map(({ name }) => name),
      seen: `${RULES_SERVICE} has AUTO="true"`,
      why: "it empties the whole table at boot, and when it or its package is stopped, restarted or upgraded",
      fix: here([["sed", "-i", 's/^AUTO=.*/AUTO="false"/', RULES_SERVICE]], {
        text: "first this, and only then: systemctl disable --now ipvsadm",
      }),
    }),
  ];
}

/** Others that write the same services. Two writers undo each other's weights. */
export function writerRules(scene: Scene): readonly Finding[] {
  return [...otherWriters(scene), ...rulesService(scene)];
}

function otherWriters({ config, facts }: Scene): readonly Finding[] {
  if (!facts.processes.ok) return [];
  const observing = config.ipvs.mode === "observe";
  const found: Finding[] = [];
  for (const writer of onePerProgram(facts.processes.value))
    for (const service of config.services) {
      const both = service.frontends.find((frontend) => writes(writer, frontend));
      if (both === undefined) continue;
      const { program, pid } = writer;
      found.push(
        finding("other-writer", {
          ...(observing && { severity: "hint" as const }),
          services: [service.name],
          seen: `${program} (pid ${pid}) has ${both.kind === "address" ? `${both.address.text} port ${both.port}` : `firewall mark ${both.mark}`} in its configuration`,
          why: `${observing ? "fine as long as director only observes; after that " : ""}two writers undo each other's weights, and each edit sends wrr back to its start`,
          fix: here([], { text: ENDING[program] }),
        }),
      );
    }
  return [
    ...found,
    ...kubeProxy(
      config.services.map(({ name }) => name),
      facts.processes.value,
      interfaceOf(facts, "kube-ipvs0") !== undefined,
    ),
  ];
}

function onePerProgram(processes: readonly Process[]): readonly Process[] {
  return [...new Map([...processes].reverse().map((each) => [each.program, each])).values()];
}

/** `virtual_server 192.0.2.10 80`, `virtual=192.0.2.10:80`, `virtual_server fwmark 7`, `virtual=7`, or in a virtual_server_group. */
function writes({ program, argv, settings }: Process, frontend: Frontend): boolean {
  if (!(program in WRITERS) || settings === undefined || !settings.ok) return false;
  if (program === "keepalived" && argv.some((word) => word === "-P" || word === "--vrrp")) return false;
  const lines = settings.value
    .split("\n")
    .map((line) => line.replace(/[#!].*$/, ""))
    .filter((line) => !/^\s*real/.test(line));
  if (program === "keepalived" && !lines.some((line) => /^\s*virtual_server(_group)?\s/.test(line))) return false;
  return lines.some((line) =>
    frontend.kind === "fwmark"
      ? new RegExp(`(fwmark\\s+|virtual\\s*=\\s*)${frontend.mark}\\s*(\\{|$)`).test(line)
      : new RegExp(`(^|[\\s=[])${escaped(frontend.address.text)}\\]?[\\s:]+${frontend.port}\\s*(\\{|$)`).test(line),
  );
}

function escaped(text: string): string {
  return text.replaceAll(".", "\\.");
}

/** Its interface is there in IPVS mode only. It removes services whose addresses are on kube-ipvs0, or all but `--ipvs-exclude-cidrs`, as of its version. */
function kubeProxy(services: readonly string[], processes: readonly Process[], ipvsMode: boolean): readonly Finding[] {
  const proxy = processes.find(({ program }) => program === "kube-proxy" || program === "kube-router");
  if (proxy === undefined || !(ipvsMode || proxy.program === "kube-router")) return [];
  return [
    finding("other-writer", {
      severity: "warning",
      services,
      seen: `${proxy.program} (pid ${proxy.pid}) keeps its services in the same table`,
      why: "it removes services that it does not know",
      fix: here([], {
        text: "keep it off our VIPs: kube-proxy --ipvs-exclude-cidrs=VIP/32 (ipvs.excludeCIDRs in its configuration), or run director on a machine without it",
      }),
    }),
  ];
}
