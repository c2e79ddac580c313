import type { SyncDaemon, SyncRole } from "../ipvs/sync-daemons.ts";
import type { KernelTimeouts } from "../ipvs/timeouts.ts";
import type { IpvsSettings } from "../kernel/ipvs-settings.ts";
import type { SyncSettings, Timeouts } from "../model/config.ts";
import type { Chore, Item } from "./upkeep.ts";

/** The kernel's timeouts, those that the file gives. */
export function timeoutsChore(wanted: () => Timeouts | undefined, settings: IpvsSettings): Chore {
  return {
    name: "ipvs.timeouts",
    async look(signal) {
      const want = wanted();
      if (want === undefined) return NOTHING;
      const have = await settings.timeouts(signal);
      const items = TIMEOUTS.flatMap(([name, key]): readonly Item[] =>
        want[name] === undefined ? [] : [{ key, want: `${want[name]}s`, have: `${have[name]}s` }],
      );
      return { items, troubles: [] };
    },
    async put(items, signal) {
      const want = wanted();
      const asked = TIMEOUTS.filter(([, key]) => items.some((item) => item.key === key));
      await settings.setTimeouts(Object.fromEntries(asked.map(([name]) => [name, want?.[name]])), signal);
      return new Map();
    },
  };
}

const TIMEOUTS: readonly (readonly [name: keyof KernelTimeouts, key: string])[] = [
  ["tcp", "tcp"],
  ["tcpFin", "tcp_fin"],
  ["udp", "udp"],
];

/** Which of the kernel's sync daemons were started by us: those are ours to stop. */
export interface OwnDaemons {
  list(): readonly SyncRole[];
  remember(roles: readonly SyncRole[]): Promise<void>;
}

/** The kernel's connection sync daemons. One that runs otherwise than the file says is started anew; one that the file does not want is stopped if we
 *  started it, and is nobody of ours otherwise. */
export function syncChore(
  wanted: () => SyncSettings | undefined,
  settings: IpvsSettings,
  own: OwnDaemons,
  mayWrite: () => boolean,
): Chore {
  const wantedOf = (role: SyncRole): SyncDaemon | undefined => {
    const sync = wanted();
    if (sync === undefined || (sync.role !== role && sync.role !== "both")) return undefined;
    return { role, interface: sync.interface, id: sync.id };
  };

  async function start(daemon: SyncDaemon, signal: AbortSignal): Promise<void> {
    // Before it runs: one that we do not remember would never be stopped.
    if (!own.list().includes(daemon.role)) await own.remember([...own.list(), daemon.role]);
    await settings.startDaemon(daemon, signal);
  }

  async function change(role: SyncRole, running: boolean, signal: AbortSignal): Promise<void> {
    const want = wantedOf(role);
    if (running) await settings.stopDaemon(role, signal);
    if (want !== undefined) await start(want, signal);
    else await own.remember(own.list().filter((other) => other !== role));
  }

  return {
    name: "ipvs.sync",
    async look(signal) {
      const mine = ROLES.filter((role) => wantedOf(role) !== undefined || own.list().includes(role));
      if (mine.length === 0) return NOTHING;
      const running = await settings.daemons(signal);
      const items = mine.map((role): Item => {
        const have = running.find((daemon) => daemon.role === role);
        return { key: role, want: words(wantedOf(role)), have: words(have) };
      });
      const gone = items.filter(
        ({ key, want, have }) => want === OFF && have === OFF && wantedOf(key as SyncRole) === undefined,
      );
      if (gone.length > 0 && mayWrite())
        await own.remember(own.list().filter((role) => !gone.some(({ key }) => key === role)));
      return { items, troubles: [] };
    },
    async put(items, signal) {
      const refused = new Map<string, string>();
      for (const { key, have } of items)
        try {
          await change(key as SyncRole, have !== OFF, signal);
        } catch (error) {
          signal.throwIfAborted();
          refused.set(key, withHint(error instanceof Error ? error.message : String(error)));
        }
      return refused;
    },
  };
}

const NOTHING = { items: [], troubles: [] } as const;
const ROLES: readonly SyncRole[] = ["master", "backup"];
const OFF = "not running";

function words(daemon: SyncDaemon | undefined): string {
  return daemon === undefined ? OFF : `on ${daemon.interface} with id ${daemon.id}`;
}

/** The kernel says only "Invalid operation" where servers of another family stand in the table (seen on Linux 6.1). */
function withHint(message: string): string {
  return message.includes("Invalid operation")
    ? `${message.trim()} (the kernel has none beside servers of another address family than their service's)`
    : message;
}
