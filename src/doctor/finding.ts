/** What can be found, worst first. The text is what docs/doctor.md says of it. */
export const CATALOGUE = {
  "ip-vs-module": ["error", "The kernel has no IPVS loaded."],
  "net-admin": [
    "error",
    "CAP_NET_ADMIN is missing, without which nobody reads or writes the table: for root in a container, or the daemon.",
  ],
  "scheduler-module": [
    "error",
    "The scheduler (or persistence engine) of a service is neither in this kernel nor among its modules. One that is only not loaded yet is fine: the kernel loads it.",
  ],
  "vip-not-local": [
    "error",
    "A VIP is no address of this machine: its packets are not delivered here, and IPVS never sees them. A hint where VRRP or the like runs, since this may be the standby, and with `vips` in the file.",
  ],
  "server-unroutable": ["error", "This machine has no route to a server."],
  "ip-forward": [
    "error",
    "Masqueraded answers come in from the server's interface and are for the client: without forwarding they are dropped.",
  ],
  "vs-conntrack": [
    "error",
    "Full NAT is wanted, and IPVS does not tell connection tracking of its packets: no rule in the table nat sees them.",
  ],
  "fwmark-unset": ["error", "No rule of iptables or nftables sets the firewall mark of a service."],
  "direct-gateway": [
    "error",
    "A server of direct routing is behind a gateway: the gateway gets packets for the VIP, and sends them back.",
  ],
  "direct-rewritten": [
    "error",
    "A rule rewrites the source address of directly routed packets too, which vs.conntrack=1 makes possible: servers answer this machine, as the VIP, instead of the client.",
  ],
  "other-writer": [
    "error",
    "Another program writes services of ours into the same table. A hint in observe mode, in which director does not.",
  ],
  "ipvsadm-service": [
    "warning",
    "Debian's ipvsadm service is set to load a table at boot: it empties the whole table at each stop, restart and upgrade of its package.",
  ],
  "snat-missing": [
    "warning",
    "One-arm NAT: VIP and servers are behind the same interface, and no rule of iptables or nftables rewrites the source address. Servers answer clients directly, past this machine, and clients do not take such answers.",
  ],
  "hairpin-snat": [
    "warning",
    "A bridge is prepared for servers that are their own clients, and the rule that masquerades just those is missing for a server.",
  ],
  "bridge-netfilter": [
    "warning",
    "Clients and servers are on one bridge of this machine, and bridged answers pass IPVS by.",
  ],
  "bridge-promiscuous": [
    "warning",
    "A server that is its own client, on a bridge of this machine with bridge netfilter: the answer reaches IPVS only if the bridge is promiscuous, or hairpin is on for its port.",
  ],
  "rp-filter": [
    "warning",
    "Strict reverse path filtering on the interface of a VIP, while the default route leaves by another one: packets of clients from outside are dropped. A hint for private VIPs, which may have none.",
  ],
  "direct-source": [
    "warning",
    "To reach a server of direct routing this machine uses the VIP as its own address. The server has that address too, and answers neither ARP nor checks.",
  ],
  "local-real-server": [
    "warning",
    "Direct routing, and this machine is a real server itself: two directors that have each other as servers send packets round in circles.",
  ],
  "expire-quiescent-template": ["warning", "Persistence: known clients stay on a server at weight 0."],
  "expire-nodest-conn": [
    "warning",
    "UDP: flows to a server that was taken out get no answer, for as long as they keep sending.",
  ],
  "conn-reuse-mode": ["warning", "A client that uses its source port again stays on a server at weight 0."],
  "server-arp": ["hint", "Direct routing: servers must have the VIP and keep quiet about it."],
  "server-return-path": [
    "hint",
    "Masquerading without full NAT: the servers' way back to clients must lead through this machine.",
  ],
  "server-tunnel": [
    "hint",
    "Tunnelling: servers must unwrap what they are sent, have the VIP and answer past this machine.",
  ],
} as const satisfies Readonly<Record<string, readonly [Severity, string]>>;

export type FindingId = keyof typeof CATALOGUE;

/** error: does not work. warning: some clients, or some day. hint: cannot be seen from here. */
export type Severity = "error" | "warning" | "hint";

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  /** Names of those it concerns. Empty: all, or none in particular. */
  readonly services: readonly string[];
  readonly seen: string;
  readonly why: string;
  readonly fix: Fix;
}

export interface Fix {
  /** here: on this machine. servers: on each of them, which nobody but the operator can do. */
  readonly where: "here" | "servers";
  /** In this order, without a shell. Empty: what is needed depends on what only the operator knows, and `text` says it. */
  readonly commands: readonly Command[];
  readonly text: string | undefined;
  /** How it survives a reboot. */
  readonly keep: string | undefined;
}

interface FixWords {
  readonly text?: string | undefined;
  readonly keep?: string | undefined;
}

export type Command = readonly [command: string, ...args: string[]];

/** Makes a finding with the severity of the catalogue, unless another is given. */
export function finding(
  id: FindingId,
  { services = [], ...rest }: Partial<Pick<Finding, "services" | "severity">> & Pick<Finding, "seen" | "why" | "fix">,
): Finding {
  return { id, severity: CATALOGUE[id][0], services, ...rest };
}

export function here(commands: readonly Command[], more: FixWords = {}): Fix {
  return { where: "here", commands, text: more.text, keep: more.keep };
}

export function onServers(commands: readonly Command[], more: FixWords = {}): Fix {
  return { where: "servers", commands, text: more.text, keep: more.keep };
}

/** Sets a kernel setting, now and for good. */
export function setSysctl(name: string, value: number): Fix {
  return here([["sysctl", "-w", `${name}=${value}`]], { keep: keptSysctl(name, value) });
}

export function keptSysctl(name: string, value: number): string {
  return `${name} = ${value} in /etc/sysctl.d/90-director.conf`;
}
