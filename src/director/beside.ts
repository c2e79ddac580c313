import type { Interfaces } from "../kernel/interfaces.ts";
import type { IpvsSettings } from "../kernel/ipvs-settings.ts";
import type { Config } from "../model/config.ts";
import { ok } from "../model/result.ts";
import type { Service, ServiceKey } from "../model/service.ts";
import { freezeOf, inForce } from "../policy/freeze.ts";
import type { Kept } from "../policy/intent.ts";
import { type WantedAddresses, wantedAddresses } from "../policy/vips.ts";
import type { Clock } from "../runtime/clock.ts";
import { addressChore } from "./address-chore.ts";
import { syncChore, timeoutsChore } from "./chores.ts";
import type { NewEvent } from "./events.ts";
import type { Intents } from "./intents.ts";
import type { ReconcilerView } from "./reconcile.ts";
import { createUpkeep, type UpkeepProblem } from "./upkeep.ts";

/** What is kept besides the table, where there is a kernel to keep it in. */
export interface Surroundings {
  readonly settings: IpvsSettings;
  readonly interfaces: Interfaces;
}

export interface BesideOptions extends Surroundings {
  readonly clock: Clock;
  readonly config: () => Config;
  readonly intents: () => Intents;
  readonly view: () => ReconcilerView;
  readonly record: (event: NewEvent) => void;
}

export interface Beside {
  /** The configuration is another. */
  wake(): void;
  /** A pass has ended: quorums may be others. */
  passed(): void;
  problems(): readonly UpkeepProblem[];
  /** Until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Timeouts, sync daemons and addresses, each in a loop of its own beside the passes. */
export function createBeside({ clock, config, intents, view, record, settings, interfaces }: BesideOptions): Beside {
  const quorums = new Map<ServiceKey, boolean>();
  let lastWanted = "";

  const freezes = () => inForce(intents().current(), clock.now().epoch);
  const held = (): string | undefined => {
    if (config().ipvs.mode === "observe") return "observe mode";
    return freezes().some((freeze) => freeze.services === undefined) ? "frozen" : undefined;
  };

  async function remember(part: Partial<Kept>): Promise<void> {
    await intents().change((intent) => ok({ ...intent, kept: { ...intent.kept, ...part } }), { evenUnsaved: true });
  }

  /** What is frozen stays as it was. */
  function hasQuorum(service: Service): boolean {
    const now = view().desired?.services.get(service.key)?.quorum.held ?? true;
    const before = quorums.get(service.key);
    const counts = before !== undefined && freezeOf(freezes(), service) !== undefined ? before : now;
    quorums.set(service.key, counts);
    return counts;
  }

  function addresses(): WantedAddresses | undefined {
    const { vips, services } = config();
    const { actual, lastSuccessAt } = view();
    if (vips === undefined || lastSuccessAt === undefined) return undefined;
    const owned = new Set(intents().current().owned);
    const leaving = [...actual].filter(([key]) => owned.has(key)).map(([, entry]) => entry.frontend);
    return wantedAddresses(services, leaving, hasQuorum, vips.withdraw);
  }

  const general = {
    clock,
    record,
    settings: () => ({ held: held(), drift: config().ipvs.drift, resync: config().ipvs.resync }),
  };
  const vips = createUpkeep({
    ...general,
    chore: addressChore({
      vips: () => config().vips,
      mayWrite: () => held() === undefined,
      wanted: addresses,
      interfaces,
      own: {
        list: () => intents().current().kept.addresses,
        remember: (list) => remember({ addresses: list }),
      },
    }),
  });
  const own = {
    list: () => intents().current().kept.sync,
    remember: (sync: Kept["sync"]) => remember({ sync }),
  };
  const upkeeps = [
    createUpkeep({ ...general, chore: timeoutsChore(() => config().ipvs.timeouts, settings) }),
    createUpkeep({
      ...general,
      chore: syncChore(
        () => config().ipvs.sync,
        settings,
        own,
        () => held() === undefined,
      ),
    }),
    vips,
  ];

  return {
    wake: () => upkeeps.forEach((upkeep) => void upkeep.wake()),
    passed() {
      if (config().vips === undefined) return;
      const found = addresses();
      const text = [...(found?.wanted.keys() ?? []), "/", ...(found?.withdrawn.keys() ?? [])].join(" ");
      if (text !== lastWanted) vips.wake();
      lastWanted = text;
    },
    problems: () => upkeeps.flatMap((upkeep) => upkeep.problems()),
    run: async (signal) => void (await Promise.all(upkeeps.map((upkeep) => upkeep.run(signal)))),
  };
}
