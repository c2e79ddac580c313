import type { Facts } from "./facts.ts";
import type { PacketRule } from "./packet-rules.ts";

/** Whether some rule may give packets this firewall mark. Also true where rules set it to what cannot be told from here (a connection's mark), or
 *  cannot be read. */
export function mayBeMarked(mark: number, family: 4 | 6, rules: Facts["rules"]): boolean {
  const old = family === 4 ? rules.iptables : rules.ip6tables;
  if (!old.ok || !rules.nft.ok) return true;
  const tables = [...old.value, ...rules.nft.value].filter((table) => table.families.includes(family));
  return tables.some((table) => [...table.chains.values()].flat().some((rule) => sets(rule, mark)));
}

/** Bits outside the mask are whatever they were before. */
function sets({ verdict }: PacketRule, mark: number): boolean {
  if (verdict.kind !== "mark") return false;
  return verdict.value === undefined || (mark & verdict.mask) >>> 0 === verdict.value;
}
