import type { Facts, Interface } from "./facts.ts";
import { type Command, type Finding, type Fix, finding, here, keptSysctl, onServers, setSysctl } from "./finding.ts";
import { masquerade, masqueradeItself } from "./nat-fixes.ts";
import type { PacketRule } from "./packet-rules.ts";
import { interfaceOf, interfacesOf, type Path, type Scene } from "./scene.ts";

/** Masquerading: the way of the answers. IPVS rewrites the destination alone; answers have to come back through this machine. */
export function natRules({ paths, facts }: Scene): readonly Finding[] {
  const masqueraded = paths.filter(({ server, route }) => server.forwarding.kind === "masquerade" && !route.local);
  return masqueraded.flatMap((path) => [
    ...notForwarded(path, facts),
    ...answersAstray(path, facts),
    ...untracked(path, facts),
    ...onBridge(path, facts),
  ]);
}

function notForwarded({ service, server, route }: Path, { sysctls }: Facts): readonly Finding[] {
  const general = server.address.family === 4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
  // IPv4 asks the interface where a packet came in; IPv6 asks for all of them alone.
  const own = server.address.family === 4 ? `net.ipv4.conf.${route.device}.forwarding` : general;
  if (sysctls.get(own) !== "0") return [];
  const all = sysctls.get(general) === "0";
  return [
    finding("ip-forward", {
      services: [service.name],
      seen: `${all ? general : own} is 0`,
      why: "answers of servers come in here for the client, and are dropped instead of forwarded",
      fix: setSysctl(all ? general : own, 1),
    }),
  ];
}

function answersAstray(path: Path, facts: Facts): readonly Finding[] {
  const { service, frontend, server, route, oneArm, rewritten } = path;
  if (!oneArm) {
    const inVain = facts.sysctls.get(CONNTRACK) === "0" && !isMeant(rewritten.rule);
    return rewritten.anyone === "no" || inVain ? [returnPath(path)] : [];
  }
  if (rewritten.anyone !== "no" || frontend.kind === "fwmark") return [];
  return [
    finding("snat-missing", {
      services: [service.name],
      seen: `${frontend.address.text} and ${server.address.text} are both behind ${route.device}, and no rule there gives packets an address of this machine`,
      why: "servers see the client's address and answer it directly, past this machine: clients time out",
      fix: masquerade(path, facts),
    }),
  ];
}

function returnPath({ service, server, route }: Path): Finding {
  const six = server.address.family === 6 ? ["-6"] : [];
  const via: Command = ["ip", ...six, "route", "replace", "default", "via", route.source ?? "THIS-MACHINE"];
  return finding("server-return-path", {
    services: [service.name],
    seen: `servers behind ${route.device} see the clients' own addresses`,
    why: "their answers must come back through this machine; what else they take times out",
    fix: onServers([via], { text: "if this machine is their gateway already, all is well" }),
  });
}

const CONNTRACK = "net.ipv4.vs.conntrack";

/** A rule for what IPVS handles, or for certain servers, was written for full NAT; a general one may be there for other traffic. */
function isMeant(rule: PacketRule | undefined): boolean {
  return rule?.tests.some(({ kind }) => kind.startsWith("ipvs") || kind === "ipset" || kind === "destination") === true;
}

function untracked({ service, oneArm, rewritten }: Path, { sysctls }: Facts): readonly Finding[] {
  const { anyone, itself, rule } = rewritten;
  if (sysctls.get(CONNTRACK) !== "0") return [];
  if (!oneArm && !((anyone !== "no" || itself !== "no") && isMeant(rule))) return [];
  return [
    finding("vs-conntrack", {
      services: [service.name],
      seen: `${CONNTRACK} is 0`,
      why: "packets of IPVS pass the table nat unseen: no rule there gives them another source address, and clients time out",
      fix: setSysctl(CONNTRACK, 1),
    }),
  ];
}

/** Servers in containers on a bridge of this machine, with clients among them. Measured: with bridge netfilter the answer of a server to itself is
 *  turned round on the bridge already, where it may not leave by the port it came in from; a promiscuous bridge hands it up to IPVS. */
function onBridge(path: Path, facts: Facts): readonly Finding[] {
  const { service, server, route, rewritten } = path;
  const bridge = interfaceOf(facts, route.device);
  if (bridge?.kind !== "bridge" || route.gateway !== undefined) return [];
  const ports = interfacesOf(facts).filter((each) => each.master === bridge.name);
  // Which port is the server's cannot be told; whoever switches hairpin on knows.
  const prepared = bridge.promiscuous || ports.some((port) => port.hairpin);
  const found: Finding[] = [];
  if (rewritten.itself === "no" && rewritten.anyone === "no" && prepared)
    found.push(
      finding("hairpin-snat", {
        services: [service.name],
        seen: `bridge ${bridge.name} lets frames go back where they came from, and no rule masquerades ${server.address.text} as its own client`,
        why: "it gets packets that seem to come from itself, and answers itself",
        fix: masqueradeItself(path, facts),
      }),
    );
  if (rewritten.itself === "no") return found;
  const filtered = filtersBridge(server.address.family, bridge, facts);
  if (!filtered && rewritten.anyone === "no")
    found.push(
      finding("bridge-netfilter", {
        services: [service.name],
        seen: `bridge ${bridge.name} has servers and clients, and net.bridge.bridge-nf-call-${tablesOf(server.address.family)} is ${facts.sysctls.get(switchOf(server.address.family)) ?? "missing (br_netfilter is not loaded)"}`,
        why: "answers from one port of it to another pass IPVS by: clients on it get them from the wrong address",
        fix: enableBridgeFilter(server.address.family),
      }),
    );
  if (filtered && !prepared)
    found.push(
      finding("bridge-promiscuous", {
        services: [service.name],
        seen: `bridge ${bridge.name} is not promiscuous, and hairpin is on for none of its ports`,
        why: "the answer of a server that is its own client is lost on the bridge",
        fix: here([["ip", "link", "set", bridge.name, "promisc", "on"]], {
          keep: `where ${bridge.name} is made`,
        }),
      }),
    );
  return found;
}

function filtersBridge(family: 4 | 6, bridge: Interface, { sysctls }: Facts): boolean {
  return sysctls.get(switchOf(family)) === "1" || (family === 4 && bridge.bridgeNetfilter);
}

function enableBridgeFilter(family: 4 | 6): Fix {
  return here(
    [
      ["modprobe", "br_netfilter"],
      ["sysctl", "-w", `${switchOf(family)}=1`],
    ],
    { keep: `br_netfilter in /etc/modules-load.d/br_netfilter.conf, and ${keptSysctl(switchOf(family), 1)}` },
  );
}

function tablesOf(family: 4 | 6): string {
  return family === 4 ? "iptables" : "ip6tables";
}

function switchOf(family: 4 | 6): string {
  return `net.bridge.bridge-nf-call-${tablesOf(family)}`;
}
