import type { Frontend } from "../model/service.ts";
import type { Facts } from "./facts.ts";
import { type Command, type Finding, finding, here, onServers, setSysctl } from "./finding.ts";
import type { Path, Scene } from "./scene.ts";

/** Direct routing and tunnels: servers have the VIP themselves and answer clients past this machine. */
export function directRules({ config, paths, facts }: Scene): readonly Finding[] {
  return paths.flatMap((path) => {
    const { kind } = path.server.forwarding;
    if (kind === "masquerade") return [];
    if (path.route.local) return hereToo(path, config.ipvs.sync !== undefined, facts);
    if (kind === "tunnel") return [tunnelEnd(path)];
    return [...behindGateway(path), ...fromVip(path), ...masqueradedToo(path, facts), quiet(path)];
  });
}

function behindGateway({ service, server, route }: Path): readonly Finding[] {
  if (route.gateway === undefined) return [];
  return [
    finding("direct-gateway", {
      services: [service.name],
      seen: `${server.address.text} is reached through ${route.gateway} (${route.device})`,
      why: "direct routing keeps the VIP as the destination: the gateway would have to send it on, and knows only this machine for it",
      fix: here([], { text: "a server on a segment of this machine; or forward: tunnel, or forward: masquerade" }),
    }),
  ];
}

function fromVip({ service, frontend, route }: Path): readonly Finding[] {
  if (frontend.kind === "fwmark" || route.source !== frontend.address.text) return [];
  return [
    finding("direct-source", {
      services: [service.name],
      seen: `to reach servers behind ${route.device} this machine calls itself ${route.source}, which is the VIP`,
      why: "the server has that address too: it answers neither ARP requests nor checks that come from it",
      fix: here([], {
        text: `another address of that net on ${route.device}: ip address add ADDRESS/LENGTH dev ${route.device}`,
      }),
    }),
  ];
}

/** Measured: the server gets the packet from this machine's address, and its answer to that, from the VIP, is dropped here. */
function masqueradedToo({ service, frontend, rewritten }: Path, { sysctls }: Facts): readonly Finding[] {
  const { anyone, rule } = rewritten;
  if (anyone !== "yes" || rule === undefined || sysctls.get("net.ipv4.vs.conntrack") !== "1") return [];
  const tool = /^ip6?tables\b/.exec(rule.text)?.[0];
  const vip = frontend.kind === "address" ? frontend.address.text : undefined;
  const spared: readonly Command[] =
    tool === undefined || vip === undefined
      ? []
      : [[tool, "-t", "nat", "-I", "POSTROUTING", "-d", vip, "-j", "ACCEPT"]];
  return [
    finding("direct-rewritten", {
      services: [service.name],
      seen: `net.ipv4.vs.conntrack is 1, and this rule takes them as well: ${rule.text}`,
      why: "servers see this machine instead of the client, and answer it as the VIP: nobody gets the answer",
      fix: here(spared, {
        text: "a narrower rule does as well: for the servers' addresses, or with -m ipvs --vmethod MASQ",
        keep: spared.length === 0 ? undefined : "where this machine's firewall rules are kept",
      }),
    }),
  ];
}

function quiet({ service, frontend }: Path): Finding {
  const commands: readonly Command[] = [
    ["sysctl", "-w", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"],
    ["ip", "address", "add", hostNet(frontend), "dev", "lo"],
  ];
  const six = frontend.kind === "address" && frontend.address.family === 6;
  return finding("server-arp", {
    services: [service.name],
    seen: "whether the servers have the VIP and keep quiet about it cannot be seen from here",
    why: "a server without it drops what it gets; one that answers ARP for it takes clients past this machine",
    fix: onServers(six ? commands.slice(1) : commands, {
      text: "a network that filters foreign addresses must let the VIP pass (OpenStack: allowed address pairs)",
      keep: "the settings in /etc/sysctl.d there, the address in its network's configuration",
    }),
  });
}

function tunnelEnd({ service, frontend, server }: Path): Finding {
  const kind = server.forwarding.kind === "tunnel" ? server.forwarding.encapsulation : "ipip";
  const commands: readonly Command[] = [
    ["modprobe", "ipip"],
    ["ip", "link", "set", "tunl0", "up"],
    ["ip", "address", "add", hostNet(frontend), "dev", "tunl0"],
    ["sysctl", "-w", "net.ipv4.conf.tunl0.rp_filter=0", "net.ipv4.conf.all.rp_filter=0"],
  ];
  return finding("server-tunnel", {
    services: [service.name],
    seen: `whether the servers unwrap ${kind} cannot be seen from here`,
    why: "they must unwrap what they get and have the VIP, and their answers must not come back through this machine, which drops its own address",
    fix: onServers(kind === "ipip" ? commands : [], {
      text: kind === "ipip" ? undefined : `an interface that unwraps ${kind}, with the VIP on it and rp_filter 0`,
    }),
  });
}

function hostNet(frontend: Frontend): string {
  if (frontend.kind === "fwmark") return frontend.family === 4 ? "VIP/32" : "VIP/128";
  return `${frontend.address.text}/${frontend.address.family === 4 ? 32 : 128}`;
}

/** Packets that the other director sends to this one as to a server are scheduled once more here, perhaps back to it, unless this one's IPVS keeps still
 *  while it is the backup (backup_only, ipvs-sysctl). */
function hereToo({ service, server }: Path, synced: boolean, { sysctls, processes }: Facts): readonly Finding[] {
  if (sysctls.get("net.ipv4.vs.backup_only") === "1") return [];
  const paired = synced || (processes.ok && processes.value.some(({ program }) => program === "keepalived"));
  return [
    finding("local-real-server", {
      services: [service.name],
      severity: paired ? "warning" : "hint",
      seen: `server ${server.name} is this machine itself`,
      why: "with a second director that has the same table packets go to and fro between the two",
      fix: paired
        ? {
            ...setSysctl("net.ipv4.vs.backup_only", 1),
            text: "needs the backup of the sync daemon on the machine that stands by (ipvs.sync: role backup)",
          }
        : here([], { text: "nothing, as long as there is no second director" }),
    }),
  ];
}
