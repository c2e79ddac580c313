import type { Service } from "../model/service.ts";
import { type Finding, type FindingId, finding, setSysctl } from "./finding.ts";
import type { Scene } from "./scene.ts";

/** Settings of IPVS that decide what weight 0 and removal mean. director.service sets them, see systemd/director.sysctl. */
export function settingRules({ config, facts }: Scene): readonly Finding[] {
  return SETTINGS.flatMap(({ id, name, concerns, why }) => {
    const services = config.services.filter(concerns).map((service) => service.name);
    const full = `net.ipv4.vs.${name}`;
    if (services.length === 0 || facts.sysctls.get(full) !== "0") return [];
    // Before 5.9 a reused port met a second's delay with vs.conntrack=1 and conn_reuse_mode=1: 0 is the lesser evil there.
    if (id === "conn-reuse-mode" && facts.sysctls.get("net.ipv4.vs.conntrack") === "1" && isBefore(facts.kernel, 5, 9))
      return [];
    return finding(id, { services, seen: `${full} is 0`, why, fix: setSysctl(full, 1) });
  });
}

interface Setting {
  readonly id: FindingId;
  readonly name: string;
  readonly concerns: (service: Service) => boolean;
  readonly why: string;
}

const SETTINGS: readonly Setting[] = [
  {
    id: "expire-quiescent-template",
    name: "expire_quiescent_template",
    concerns: ({ persistence }) => persistence !== undefined,
    why: "persistent clients stay on a server at weight 0 for as long as they keep coming: drains and disable do not end, and a failed server has to be taken out",
  },
  {
    id: "expire-nodest-conn",
    name: "expire_nodest_conn",
    concerns: ({ frontends }) =>
      frontends.some((frontend) => frontend.kind === "address" && frontend.protocol === "udp"),
    why: "clients that keep their port (DNS, syslog, SIP) get no answer once their server was taken out, for as long as they keep sending",
  },
  {
    id: "conn-reuse-mode",
    name: "conn_reuse_mode",
    concerns: ({ frontends }) =>
      frontends.some((frontend) => frontend.kind === "fwmark" || frontend.protocol !== "udp"),
    why: "a client that uses its source port again (a proxy, a NAT gateway) stays on its server, also at weight 0",
  },
];

function isBefore(kernel: string, major: number, minor: number): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  return a !== undefined && (Number(a) < major || (Number(a) === major && Number(b) < minor));
}
