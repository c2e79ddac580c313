import { diff } from "../ipvs/diff.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { ServiceKey } from "../model/service.ts";
import type { IntentStore } from "../state/store.ts";

/** Deletes every virtual service that director ever declared and that is still there, whatever connections it has.
 *  @returns what was (`dryRun`: would be) deleted, a line each; or why not all of it could be */
export async function flushOwned(
  kernel: KernelTable,
  store: IntentStore,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<Result<readonly string[], string>> {
  const loaded = await store.load();
  if (loaded.kind === "none")
    return err(
      `${loaded.problem ?? "there is no state"}: what in the table is director's cannot be known; \`ipvsadm -D\` deletes a service by hand`,
    );
  const actual = await kernel.read(signal);
  const owned = new Set<ServiceKey>(loaded.intent.owned);
  const changes = diff(new Map(), actual, owned);
  const lines = changes.map((change) => {
    const servers = actual.get(change.service)?.destinations.size ?? 0;
    return `${ruleLine(change)} (${servers} ${servers === 1 ? "server" : "servers"})`;
  });
  if (dryRun || changes.length === 0) return ok(lines);
  const { complaints } = await kernel.apply(changes, signal);
  const left = diff(new Map(), await kernel.read(signal), owned);
  if (left.length > 0)
    return err(`${left.length} of ${changes.length} services are still there: ${complaints.join("; ")}`);
  // What operators said of servers stays: it is for the next start.
  await store.save({ ...loaded.intent, owned: [] });
  return ok(lines);
}
