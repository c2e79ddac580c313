import type { Facts } from "./facts.ts";
import { type Finding, finding, here } from "./finding.ts";
import type { Scene } from "./scene.ts";

/** IPVS itself, its schedulers, and the right to use them. */
export function kernelRules({ config, facts }: Scene): readonly Finding[] {
  return [...ipvsMissing(facts), ...netAdminMissing(facts), ...schedulersMissing(config.services, facts)];
}

function ipvsMissing({ table, modules, kernel }: Facts): readonly Finding[] {
  if (table.ok || table.error !== NO_IPVS) return [];
  const there = !modules.ok || modules.value.onDisk.has("ip_vs");
  const keep = "ip_vs in /etc/modules-load.d/ip_vs.conf; director.service loads it by itself";
  return [
    finding("ip-vs-module", {
      seen: there
        ? "/proc/net/ip_vs is not there"
        : `/proc/net/ip_vs is not there, and kernel ${kernel} has no module ip_vs`,
      why: "without IPVS in the kernel there is no table to keep",
      fix: there ? here([["modprobe", "ip_vs"]], { keep }) : here([], { text: modulesText(kernel) }),
    }),
  ];
}

/** What `Facts.table` says where the file is missing; nothing then is known of the settings below net.ipv4.vs. */
export const NO_IPVS = "the kernel has no IPVS loaded";

function netAdminMissing({ user, processes }: Facts): readonly Finding[] {
  const why = "reading and writing the table needs the capability CAP_NET_ADMIN";
  const daemon = processes.ok ? processes.value.find((each) => each.program === "director") : undefined;
  if (daemon !== undefined && !daemon.netAdmin) {
    const text = "AmbientCapabilities=CAP_NET_ADMIN in its unit, as systemd/director.service has it";
    return [
      finding("net-admin", { seen: `the running daemon (pid ${daemon.pid}) lacks it`, why, fix: here([], { text }) }),
    ];
  }
  if (!user.root || user.netAdmin) return [];
  const text = "give the container the capability: --cap-add NET_ADMIN, in Kubernetes securityContext.capabilities.add";
  return [finding("net-admin", { seen: "root here lacks it, as in a container", why, fix: here([], { text }) })];
}

function schedulersMissing(services: Scene["config"]["services"], { modules, kernel }: Facts): readonly Finding[] {
  if (!modules.ok) return [];
  const { active, onDisk } = modules.value;
  const wanted = services.flatMap(({ name, scheduler, persistence }) => [
    { name, what: `scheduler ${scheduler}`, module: `ip_vs_${scheduler}` },
    ...(persistence?.engine
      ? [{ name, what: `persistence engine ${persistence.engine}`, module: `ip_vs_pe_${persistence.engine}` }]
      : []),
  ]);
  return wanted
    .filter(({ module }) => !active.has(module) && !onDisk.has(module))
    .map(({ name, what, module }) =>
      finding("scheduler-module", {
        services: [name],
        seen: `${module} is neither in kernel ${kernel} nor below /lib/modules/${kernel}`,
        why: `the kernel refuses a service with ${what}`,
        fix: here([], { text: modulesText(kernel) }),
      }),
    );
}

function modulesText(kernel: string): string {
  return `install the modules of kernel ${kernel} (Debian: linux-image-${kernel}, Ubuntu: linux-modules-extra-${kernel}), or use another scheduler`;
}
