import { formatEndpoint, type IpAddress } from "../model/address.ts";
import type { Facts } from "./facts.ts";
import { type Finding, finding, here, setSysctl } from "./finding.ts";
import { mayBeMarked } from "./marks.ts";
import { contains, parseNet } from "./nets.ts";
import { holderOf, interfacesOf, type Scene, segmentOf, serversOf } from "./scene.ts";

/** Whether packets get to this machine, and from here to the servers. */
export function placeRules(scene: Scene): readonly Finding[] {
  return [...vipsNotLocal(scene), ...marksUnset(scene), ...unroutable(scene), ...strictPaths(scene)];
}

/** Programs that move a VIP between machines: where one runs, a VIP that is not here may be with the other one. */
export const MOVERS: readonly string[] = ["keepalived", "ucarp", "vrrpd", "pacemakerd", "corosync"];

function vipsNotLocal({ config, facts }: Scene): readonly Finding[] {
  const { routes, processes } = facts;
  if (!routes.ok) return [];
  const mover = processes.ok ? processes.value.find(({ program }) => MOVERS.includes(program)) : undefined;
  return config.services.flatMap((service) =>
    service.frontends.flatMap((frontend) => {
      if (frontend.kind === "fwmark" || routes.value.get(frontend.address.text)?.local) return [];
      const { text, family } = frontend.address;
      if (config.vips !== undefined) return keptByUs(service.name, text, config.vips.device);
      const net = `${text}/${family === 4 ? 32 : 128}`;
      const keep = "in the configuration of this machine's network, or of whatever moves the VIP between directors";
      return finding("vip-not-local", {
        services: [service.name],
        severity: mover === undefined ? "error" : "hint",
        seen: `${text} is no address of this machine${mover === undefined ? "" : `; ${mover.program} runs here: it may be with the other machine`}`,
        why: "packets for it are not delivered here, and IPVS never sees them",
        fix: here([["ip", "address", "add", net, "dev", deviceFor(frontend.address, facts)]], { keep }),
      });
    }),
  );
}

/** With `vips` in the file the daemon sees to it, and may have reasons to take it off. */
function keptByUs(service: string, address: string, device: string): Finding {
  return finding("vip-not-local", {
    services: [service],
    severity: "hint",
    seen: `${address} is no address of this machine`,
    why: `director keeps it on ${device} itself, while it runs and, with vips.withdraw, while a service of it has its quorum`,
    fix: here([], { text: "start director; director status says why an address is away" }),
  });
}

/** Where neighbours ask for it; a VIP that lies in no net of ours is routed here and may be on lo. */
function deviceFor(address: IpAddress, facts: Facts): string {
  return segmentOf(address, interfacesOf(facts))?.name ?? "lo";
}

function marksUnset({ config, facts }: Scene): readonly Finding[] {
  return config.services.flatMap((service) =>
    service.frontends.flatMap((frontend) => {
      if (frontend.kind !== "fwmark" || mayBeMarked(frontend.mark, frontend.family, facts.rules)) return [];
      const six = frontend.family === 6;
      const iptables = `${six ? "ip6tables" : "iptables"} -t mangle -A PREROUTING -d VIP -p tcp -m multiport --dports PORTS -j MARK --set-mark ${frontend.mark}`;
      const nft = `${six ? "ip6" : "ip"} daddr VIP tcp dport { PORTS } meta mark set ${frontend.mark}, in a chain of nft with hook prerouting priority mangle`;
      return finding("fwmark-unset", {
        services: [service.name],
        seen: `no rule of iptables or nftables sets mark ${frontend.mark}${six ? " for IPv6" : ""}`,
        why: "only packets that carry the mark belong to this service: none does",
        fix: here([], { text: facts.tools.has("iptables") ? iptables : nft }),
      });
    }),
  );
}

function unroutable({ config, facts }: Scene): readonly Finding[] {
  const { routes } = facts;
  if (!routes.ok) return [];
  return config.services.flatMap((service) =>
    serversOf(service)
      .filter(({ address }) => !routes.value.has(address.text))
      .map(({ name, address }) =>
        finding("server-unroutable", {
          services: [service.name],
          seen: `no route to ${name === address.text ? name : `${name}, ${address.text}`} (ip route get ${address.text})`,
          why: "neither checks nor clients reach it",
          fix: here([], {
            text: `an address in its net, if it is a neighbour; else: ip ${address.family === 6 ? "-6 " : ""}route add ${address.text} via GATEWAY`,
          }),
        }),
      ),
  );
}

/** RFC 1918, RFC 6598. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map((text) => parseNet(text)!);

/** 1 is strict, 2 loose; the higher of `all` and the interface's own counts (ip-sysctl, rp_filter). IPv4 only. */
function strictPaths({ config, facts }: Scene): readonly Finding[] {
  const { defaults, sysctls } = facts;
  if (!defaults.ok || defaults.value.length === 0) return [];
  const value = (name: string) => Number(sysctls.get(`net.ipv4.conf.${name}.rp_filter`) ?? 0);
  return config.services.flatMap((service) =>
    service.frontends.flatMap((frontend) => {
      if (frontend.kind === "fwmark" || frontend.address.family === 6) return [];
      const interfaces = interfacesOf(facts);
      const on = holderOf(frontend.address, interfaces) ?? segmentOf(frontend.address, interfaces);
      if (on === undefined || on.name === "lo" || on.kind === "dummy" || defaults.value.includes(on.name)) return [];
      if (Math.max(value("all"), value(on.name)) !== 1) return [];
      return finding("rp-filter", {
        services: [service.name],
        // A private address may well have no clients but those of its own nets.
        severity: PRIVATE.some((net) => contains(net, frontend.address)) ? "hint" : "warning",
        seen: `rp_filter is 1 (strict) on ${on.name}, which has ${formatEndpoint(frontend.address)}; the default route leaves by ${defaults.value.join(", ")}`,
        why: `packets of clients beyond the nets of ${on.name} come in there, the way back to them leads elsewhere: they are dropped`,
        fix: setSysctl(`net.ipv4.conf.${on.name}.rp_filter`, 2),
      });
    }),
  );
}
