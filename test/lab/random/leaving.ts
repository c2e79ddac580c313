import { type Entry, type Expected, savedServer } from "./expected.ts";

/** What left and may still be there at weight 0 (removal_grace above 0): entries with only such servers. */
export type Leavers = Expected;

export const NOBODY: Leavers = new Map();

/** Who leaves with the step from one table to the next, and who was leaving already, as far as the kernel still has him.
 *  @param present the lines that `ipvsadm -Sn` printed last */
export function leavers(before: Expected, still: Leavers, next: Expected, present: ReadonlySet<string>): Leavers {
  const result = new Map<string, Entry>();
  for (const [at, entry] of [...before, ...still]) {
    const heir = next.get(at);
    const own = new Map(result.get(at)?.servers);
    for (const [key, server] of entry.servers) {
      const leaving = still.get(at)?.servers.has(key) ?? false;
      if (heir?.servers.has(key) || (!leaving && (heir ?? entry).graceSec === 0)) continue;
      if (!leaving || present.has(savedServer(entry, server))) own.set(key, { ...server, weight: 0 });
    }
    if (own.size > 0) result.set(at, { ...(heir ?? result.get(at) ?? entry), servers: own });
  }
  return result;
}
