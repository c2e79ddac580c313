import { hostname } from "node:os";
import type { DoorRoutes } from "../control/door.ts";
import { statusOf } from "../control/drain-routes.ts";
import type { HandlerContext } from "../control/handlers.ts";
import { entriesOf, serviceWith } from "../director/places.ts";
import { plannedSteps } from "../director/plan.ts";
import type { Config } from "../model/config.ts";
import { loadAssets } from "../page/assets.ts";
import { createFeed } from "../page/feed.ts";
import type { DrainMore } from "../page/pieces.ts";
import { pageRoutes } from "../page/routes.ts";
import { type Drain, isActive } from "../policy/drain.ts";
import type { Clock } from "../runtime/clock.ts";

export interface Page {
  readonly routes: DoorRoutes;
  /** A pass is over. */
  passed(): void;
}

/** The status page of this daemon. */
export function statusPage(clock: Clock, context: HandlerContext, onError: (error: unknown) => void): Page {
  const { director, status } = context;

  /** Plans are dear, and stand until somebody changes the file or says something. */
  const kept = new Map<string, { readonly config: Config; readonly revision: number; readonly more: DrainMore }>();

  function drainMore(id: string): DrainMore {
    const config = director.config();
    const { drains, revision } = director.intent();
    const known = kept.get(id);
    if (known?.config === config && known.revision === revision) return known.more;
    const more = moreOf(drains, id);
    kept.set(id, { config, revision, more });
    for (const old of kept.keys()) if (!drains.some((drain) => drain.id === old)) kept.delete(old);
    return more;
  }

  function moreOf(drains: readonly Drain[], id: string): DrainMore {
    const index = drains.findIndex((drain) => drain.id === id);
    const drain = drains[index];
    const service = drain && serviceWith(director.config(), drain.service);
    const endedAt = drain && "at" in drain.phase ? drain.phase.at : undefined;
    if (!drain || !service) return { endedAt, plan: [] };
    // As it was meant: over what stood before it began, whatever has become of it.
    const context = director.drainContext(service);
    const before = new Set(drains.slice(0, index).map((each) => each.id));
    const intent = { ...context.intent, drains: context.intent.drains.filter((each) => before.has(each.id)) };
    const meant: Drain = { ...drain, phase: { kind: "shifting", nextStepAt: clock.now().mono }, result: undefined };
    const steps = plannedSteps(meant, { ...context, intent });
    return { endedAt, plan: steps.map(({ at, asked, given, pause }) => ({ at, asked, given, pause })) };
  }

  async function rates(): Promise<ReadonlyMap<string, number>> {
    const seen = (await context.rates()) ?? new Map();
    const known = new Map<string, number>();
    for (const service of director.config().services)
      for (const entry of entriesOf(service)) {
        const rate = seen.get(entry)?.perSecond;
        if (rate !== undefined) known.set(service.name, (known.get(service.name) ?? 0) + rate);
      }
    return known;
  }

  const feed = createFeed({
    clock,
    host: hostname(),
    status,
    drains: (wanted) =>
      director
        .intent()
        .drains.filter((drain) => wanted(drain.id, isActive(drain)))
        .map((drain) => statusOf(context, drain)),
    drainMore,
    rates,
    eventsAfter: director.events.after,
    lastSeq: director.events.lastSeq,
    onError,
  });
  return { routes: pageRoutes(loadAssets(), feed), passed: feed.passed };
}
