import { type Entries, list, map, sameText, type WrittenMap } from "./written.ts";

/** The key `check` or `checks` for these. */
export function checkEntries(checks: readonly WrittenMap[]): Entries {
  const [only, second] = checks;
  if (only === undefined) return { check: "none" };
  return second === undefined ? { check: only } : { checks: list(checks) };
}

/** What all servers have in common, which may then stand with their service; undefined if they differ. */
export function commonEntries(servers: readonly (readonly WrittenMap[])[]): Entries | undefined {
  const [first, ...others] = servers.map(checkEntries);
  if (first === undefined) return undefined;
  return others.every((each) => sameText(map(each)) === sameText(map(first))) ? first : undefined;
}
