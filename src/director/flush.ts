import { diff } from "../ipvs/diff.ts";
import { ruleLine } from "../ipvs/rules.ts";
import type { Interfaces, NetworkOrder } from "../kernel/interfaces.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import type { IpAddress } from "../model/address.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { ServiceKey } from "../model/service.ts";
import type { OwnAddress } from "../policy/intent.ts";
import type { IntentStore } from "../state/store.ts";
import type { Surroundings } from "./beside.ts";

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

/** Takes off every address that director put on an interface, and stops the sync daemons that it started. To be called when the services are gone:
 *  packets to an address that is away find no service.
 *  @returns what was (`dryRun`: would be) undone, a line each; or why not all of it could be */
export async function flushKept(
  { settings, interfaces }: Surroundings,
  store: IntentStore,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<Result<readonly string[], string>> {
  const loaded = await store.load();
  if (loaded.kind === "none") return ok([]);
  const { kept } = loaded.intent;
  const orders = await presentAddresses(kept.addresses, interfaces, signal);
  const running = kept.sync.length === 0 ? [] : await settings.daemons(signal);
  const daemons = running.filter(({ role }) => kept.sync.includes(role));
  const lines = [
    ...orders.map(({ address, device }) => `address ${address.text} of ${device}`),
    ...daemons.map(({ role, interface: device }) => `sync daemon ${role} on ${device}`),
  ];
  if (dryRun) return ok(lines);
  const refused = [...(await interfaces.order(orders, signal)).values()];
  for (const { role } of daemons)
    await settings.stopDaemon(role, signal).catch((error) => {
      signal.throwIfAborted();
      refused.push(error instanceof Error ? error.message : String(error));
    });
  if (refused.length > 0) return err(refused.join("; "));
  if (kept.addresses.length + kept.sync.length > 0)
    await store.save({ ...loaded.intent, kept: { sync: [], addresses: [] } });
  return ok(lines);
}

type Removal = Extract<NetworkOrder, { op: "remove-address" }>;

async function presentAddresses(
  own: readonly OwnAddress[],
  interfaces: Interfaces,
  signal: AbortSignal,
): Promise<readonly Removal[]> {
  if (own.length === 0) return [];
  const { addresses } = await interfaces.read(signal);
  return addresses
    .filter(
      ({ device, address, prefix }) => prefix === (address.family === 4 ? 32 : 128) && isOwn(own, device, address),
    )
    .map(({ device, address }) => ({ op: "remove-address", device, address }));
}

function isOwn(own: readonly OwnAddress[], device: string, { text }: IpAddress): boolean {
  return own.some((mine) => mine.device === device && mine.address === text);
}
