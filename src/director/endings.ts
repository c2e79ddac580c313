import { ok } from "../model/result.ts";
import type { MonotonicMs, Now } from "../model/time.ts";
import { type Freeze, inForce } from "../policy/freeze.ts";
import { type Intent, intentOf, type ServerIntent, withServer } from "../policy/intent.ts";
import type { AfterPasses } from "./drain-steps.ts";
import { serviceWith } from "./places.ts";

/** Ends what operators said for a time only: `disable --until` and freezes. */
export function createEndings({ config, intents, bootId, record, track, wake }: AfterPasses) {
  /** Freezes that are over and are being taken out of the record. */
  const thawing = new WeakSet<Freeze>();

  async function enableAgain({ services, server, disabled }: ServerIntent): Promise<void> {
    let ended = false;
    await intents().change(
      (intent) => {
        // Not if it was disabled anew meanwhile, or the pass before has ended it.
        ended = intentOf(intent, services, server)?.disabled?.until === disabled?.until;
        return ok(
          ended ? withServer({ ...intent, bootId }, services, server, (e) => ({ ...e, disabled: undefined })) : intent,
        );
      },
      { evenUnsaved: true },
    );
    if (!ended) return;
    const service = serviceWith(config(), services);
    const message = `${service?.name ?? services[0]} ${server}: enabled again, its time is over`;
    const name = service?.servers.find((s) => s.key === server)?.name;
    const whose = { service: service?.name ?? services[0]!, server: name ?? server, address: server };
    record({ kind: "admin", severity: "info", message, to: "enabled", ...whose });
    wake();
  }

  /** Ends what was disabled until a time that has come. Returns when the next one ends. */
  function expire(now: Now): MonotonicMs | undefined {
    let next: number | undefined;
    for (const entry of intents().current().servers) {
      const until = entry.disabled?.until;
      if (until === undefined) continue;
      if (now.epoch < until) {
        next = Math.min(next ?? Number.POSITIVE_INFINITY, now.mono + (until - now.epoch));
        continue;
      }
      track(enableAgain(entry));
    }
    return next as MonotonicMs | undefined;
  }

  /** Ends freezes whose time is over. Returns when the next one ends. */
  function thaw(now: Now): MonotonicMs | undefined {
    const { freezes } = intents().current();
    if (freezes.length === 0) return undefined;
    const left = inForce(intents().current(), now.epoch);
    const over = freezes.filter((freeze) => !left.includes(freeze) && !thawing.has(freeze));
    for (const freeze of over) {
      thawing.add(freeze);
      const message = `${freeze.serviceName ?? "everything"}: thawed, its time is over`;
      const whose = freeze.serviceName === undefined ? {} : { service: freeze.serviceName };
      record({ kind: "admin", severity: "info", message, to: "thawed", ...whose });
    }
    if (over.length > 0) {
      const drop = (intent: Intent) => ok({ ...intent, bootId, freezes: inForce(intent, now.epoch) });
      track(intents().change(drop, { evenUnsaved: true }));
      wake();
    }
    const next = Math.min(...left.map((freeze) => freeze.until));
    return left.length === 0 ? undefined : ((now.mono + next - now.epoch) as MonotonicMs);
  }

  return {
    /** Returns when the next of them ends. */
    end(now: Now): MonotonicMs | undefined {
      const times = [expire(now), thaw(now)].filter((time) => time !== undefined);
      return times.length === 0 ? undefined : (Math.min(...times) as MonotonicMs);
    },
  };
}
