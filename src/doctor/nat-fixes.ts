import type { Facts } from "./facts.ts";
import { type Command, type Fix, here } from "./finding.ts";
import type { Path } from "./scene.ts";

/** Full NAT for everything of a VIP that IPVS masquerades; without the match for IPVS by server and port. */
export function masquerade(path: Path, facts: Facts): Fix {
  const { frontend, server } = path;
  const { iptables, byIpvs, nft } = toolsFor(path, facts);
  if (nft) return withNft(path, toServer(path));
  const what = byIpvs && frontend.kind === "address" ? ["-m", "ipvs", "--vaddr", frontend.address.text] : toPort(path);
  const rule = [...what, ...(byIpvs ? [] : ["-d", server.address.text]), "-j", "MASQUERADE"];
  return here([[iptables, "-t", "nat", "-A", "POSTROUTING", ...rule]], { keep: KEEP });
}

/** For the server as its own client alone. */
export function masqueradeItself(path: Path, facts: Facts): Fix {
  const { text, family } = path.server.address;
  const { iptables, nft } = toolsFor(path, facts);
  const ip = family === 4 ? "ip" : "ip6";
  if (nft) return withNft(path, [ip, "saddr", text, ...toServer(path)]);
  const rule = ["-s", text, "-d", text, ...toPort(path), "-j", "MASQUERADE"];
  return here([[iptables, "-t", "nat", "-A", "POSTROUTING", ...rule]], { keep: KEEP });
}

const KEEP = "netfilter-persistent save (package iptables-persistent), or where this machine's firewall rules are kept";

/** nft where there is nothing else, or where its own tables rewrite addresses already: iptables refuses a table `nat` that it did not make. The match
 *  for IPVS where the kernel has it. */
function toolsFor({ frontend, server }: Path, { tools, modules, rules }: Facts) {
  const iptables = server.address.family === 4 ? "iptables" : "ip6tables";
  const known = !modules.ok || modules.value.active.has("xt_ipvs") || modules.value.onDisk.has("xt_ipvs");
  const native =
    rules.nft.ok && rules.nft.value.some((table) => table.postrouting.some((name) => name !== "POSTROUTING"));
  return {
    iptables,
    byIpvs: known && frontend.kind === "address",
    nft: tools.has("nft") && (!tools.has(iptables) || native),
  } as const;
}

function toPort({ frontend, server }: Path): readonly string[] {
  if (frontend.kind === "fwmark") return [];
  return ["-p", frontend.protocol, "--dport", String(server.port ?? frontend.port)];
}

function toServer({ frontend, server }: Path): readonly string[] {
  const ip = server.address.family === 4 ? "ip" : "ip6";
  const port = frontend.kind === "fwmark" ? [] : [frontend.protocol, "dport", String(server.port ?? frontend.port)];
  return [ip, "daddr", server.address.text, ...port];
}

/** In a table of its own; what is there already is left as it is by `add`. */
function withNft({ server }: Path, tests: readonly string[]): Fix {
  const ip = server.address.family === 4 ? "ip" : "ip6";
  const chain = "{ type nat hook postrouting priority srcnat ; }";
  const commands: readonly Command[] = [
    ["nft", "add", "table", ip, "director"],
    ["nft", "add", "chain", ip, "director", "postrouting", chain],
    ["nft", "add", "rule", ip, "director", "postrouting", ...tests, "masquerade"],
  ];
  return here(commands, { keep: "the same in /etc/nftables.conf" });
}
