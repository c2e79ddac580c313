import type { Config } from "../model/config.ts";
import { ok } from "../model/result.ts";
import type { Service } from "../model/service.ts";
import type { MonotonicMs, Now } from "../model/time.ts";
import type { Drain } from "../policy/drain.ts";
import { type Intent, withDrain } from "../policy/intent.ts";
import { stillNeeded } from "./added.ts";
import { describe } from "./drain-words.ts";
import { advanceAll, type DrainContext } from "./drains.ts";
import type { NewEvent } from "./events.ts";
import { pruned } from "./history.ts";
import type { Intents } from "./intents.ts";
import { serviceWith } from "./places.ts";

/** What follows passes needs of the director. */
export interface AfterPasses {
  config(): Config;
  intents(): Intents;
  readonly bootId: string;
  record(event: NewEvent): void;
  /** Goes on beside the passes; a stop waits for it. */
  track(work: Promise<unknown>): void;
  /** Something is to be written soon. */
  wake(): void;
}

export interface DrainStepsContext extends AfterPasses {
  contextOf(service: Service): DrainContext;
  /** Lets go of added servers that no drain needs any more. */
  dropUnneeded(): Promise<void>;
}

/** Takes drains a step further after each pass, and tells of it. */
export function createDrainSteps({
  config,
  intents,
  bootId,
  record,
  track,
  wake,
  contextOf,
  dropUnneeded,
}: DrainStepsContext) {
  /** Returns when the next of them wants to be looked at. */
  function move(now: Now): MonotonicMs | undefined {
    const { added, drains } = intents().current();
    const looked = advanceAll(config(), intents().current(), contextOf, now, intents().problem() === undefined);
    if (looked.moved.length > 0) track(storeMoves(looked.moved.map((m) => m.after)));
    else if (stillNeeded(added, drains).length < added.length) track(dropUnneeded());
    return looked.lookAgainAt;
  }

  /** Stored first, then in force: a crash in between loses the step, never the record of one that acted. */
  async function storeMoves(moved: readonly Drain[]): Promise<void> {
    const before = new Map(
      intents()
        .current()
        .drains.map((d) => [d.id, d]),
    );
    const stopped = moved.every((d) => d.phase.kind === "paused");
    let applied: readonly Drain[] = [];
    const result = await intents().change(
      (intent) => {
        // Only what nobody changed meanwhile: an operator's word given during this pass is newer, and so is the pass before, if it was slow to store.
        applied = moved.filter((drain) => intent.drains.find((d) => d.id === drain.id) === before.get(drain.id));
        if (applied.length === 0) return ok(intent);
        return ok(pruned(applied.reduce<Intent>(withDrain, { ...intent, bootId })));
      },
      { evenUnsaved: stopped },
    );
    if (result.ok) for (const drain of applied) report(drain);
    else record({ kind: "drain", severity: "error", message: `drains stand still: ${result.error}` });
    wake();
  }

  function report(drain: Drain, actor?: string): void {
    const bad = drain.phase.kind === "paused" || drain.phase.kind === "failed" || drain.phase.kind === "rolled-back";
    const service = serviceWith(config(), drain.service);
    const reason = "text" in drain.phase ? drain.phase.text : drain.reason;
    record({
      kind: "drain",
      severity: bad ? "warning" : "info",
      message: `${drain.serviceName}: ${describe(drain, (key) => service?.servers.find((s) => s.key === key)?.name ?? key)}`,
      service: drain.serviceName,
      drain: drain.id,
      to: drain.phase.kind,
      ...(reason === undefined ? {} : { reason }),
      ...(actor === undefined ? {} : { actor }),
    });
  }

  return { move, report };
}
