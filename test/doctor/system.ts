import { loadConfigText } from "../../src/cli/config-file.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { Facts, Interface, Process, Route } from "../../src/doctor/facts.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { parseIptablesSave } from "../../src/doctor/iptables.ts";
import { parseNft } from "../../src/doctor/nft.ts";
import { ok } from "../../src/model/result.ts";

/** A system to examine, in few words; what is not named is as it has to be. */
export interface System {
  readonly facts?: Partial<Facts>;
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** `eth0: 10.9.0.1/24 10.9.0.2/32`. */
  readonly addresses?: readonly string[];
  readonly links?: Readonly<Record<string, Partial<Interface>>>;
  /** `10.9.0.11: eth0`, `10.9.0.11: eth0 via 10.9.0.254`, `10.9.0.1: local`; addresses of this machine and their neighbours are known without. */
  readonly routes?: readonly string[];
  readonly defaults?: readonly string[];
  /** What iptables-save prints. */
  readonly iptables?: string;
  readonly ip6tables?: string;
  /** The `nftables` of what nft -j prints. */
  readonly nft?: readonly unknown[];
  readonly ipsets?: Readonly<Record<string, readonly string[]>>;
  readonly processes?: readonly Partial<Process>[];
}

const HEALTHY = {
  "net.ipv4.ip_forward": "1",
  "net.ipv6.conf.all.forwarding": "1",
  "net.ipv4.vs.conntrack": "0",
  "net.ipv4.vs.backup_only": "0",
  "net.ipv4.vs.conn_reuse_mode": "1",
  "net.ipv4.vs.expire_nodest_conn": "1",
  "net.ipv4.vs.expire_quiescent_template": "1",
};

const SCHEDULERS = ["rr", "wrr", "mh", "sh"].map((name) => `ip_vs_${name}`);

export function factsOf(system: System): Facts {
  const interfaces = (system.addresses ?? ["eth0: 10.9.0.1/24"]).map((line): Interface => {
    const [name = "", rest = ""] = line.split(": ");
    const addresses = rest
      .split(" ")
      .filter((each) => each !== "")
      .map((each) => ({ address: each.split("/")[0]!, prefix: Number(each.split("/")[1]) }));
    const plain = { kind: undefined, promiscuous: false, master: undefined, hairpin: false, bridgeNetfilter: false };
    return { name, addresses, ...plain, ...system.links?.[name] };
  });
  const sysctls = new Map<string, string>(Object.entries(HEALTHY));
  for (const { name } of interfaces) sysctls.set(`net.ipv4.conf.${name}.forwarding`, "1");
  for (const [name, value] of Object.entries(system.sysctls ?? {})) {
    sysctls.set(name, String(value));
    if (name === "net.ipv4.ip_forward")
      for (const each of interfaces) sysctls.set(`net.ipv4.conf.${each.name}.forwarding`, String(value));
  }
  const routes = new Map<string, Route>();
  for (const { addresses } of interfaces)
    for (const { address } of addresses)
      routes.set(address, { local: true, device: "lo", gateway: undefined, source: address });
  for (const line of system.routes ?? ["10.9.0.11: eth0", "10.9.0.12: eth0"]) {
    const [address = "", device = "", , gateway] = line.split(/: | /);
    const source = interfaces.find(({ name }) => name === device)?.addresses[0]?.address;
    routes.set(address, { local: device === "local", device, gateway, source });
  }
  return {
    user: { root: true, netAdmin: true },
    kernel: "6.1.0-28-amd64",
    modules: ok({ active: new Set(["ip_vs"]), onDisk: new Set(["ip_vs", "xt_ipvs", ...SCHEDULERS]) }),
    table: ok(new Map()),
    sysctls,
    interfaces: ok(interfaces),
    routes: ok(routes),
    defaults: ok(system.defaults ?? []),
    rules: {
      iptables: ok(parseIptablesSave(system.iptables ?? "", 4)),
      ip6tables: ok(parseIptablesSave(system.ip6tables ?? "", 6)),
      nft: ok(parseNft(JSON.stringify({ nftables: [{ metainfo: { version: "1.0.6" } }, ...(system.nft ?? [])] }))),
    },
    ipsets: ok(new Map(Object.entries(system.ipsets ?? {}))),
    processes: ok(
      (system.processes ?? []).map((each) => ({
        pid: 7,
        program: "director",
        argv: [],
        netAdmin: true,
        settings: undefined,
        ...each,
      })),
    ),
    rulesOfService: false,
    tools: new Set(["iptables", "ip6tables", "nft"]),
    ...system.facts,
  };
}

/** One service `web` on 10.9.0.1:80, with servers 10.9.0.11:8080 and 10.9.0.12:8080; `keys` replace or add to its own. */
export function serviceText(keys: Readonly<Record<string, string | undefined>> = {}): string {
  const all = {
    vip: '"10.9.0.1:80"',
    check: "{ type: tcp, port: 80 }",
    servers: '[ { address: "10.9.0.11:8080" }, { address: "10.9.0.12:8080" } ]',
    ...keys,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  return `services:\n  - name: web\n${lines.map(([key, value]) => `    ${key}: ${value}\n`).join("")}`;
}

export function examined(system: System, text = serviceText()): readonly Finding[] {
  const { config, problems } = loadConfigText(text, "director.conf", ".");
  if (config === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return examine(config, factsOf(system));
}

/** Ids of errors and warnings; hints in brackets. */
export function names(findings: readonly Finding[]): string {
  return findings.map(({ id, severity }) => (severity === "hint" ? `(${id})` : id)).join(" ");
}
