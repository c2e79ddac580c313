import { later, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import { createAlarm } from "./alarm.ts";
import type { NewEvent } from "./events.ts";
import { type DriftVerdict, FIGHT_REPAIRS, FIGHT_WINDOW_MS } from "./repairs.ts";

const FIRST_RETRY_MS: Millis = 1_000;
const LAST_RETRY_MS: Millis = 60_000;

/** One thing beside the table that the file decides. */
export interface Item {
  /** What it is called, for people too: `tcp`, `master`, `192.0.2.10 on ipvs0`. */
  readonly key: string;
  readonly want: string;
  readonly have: string;
  /** Why it is wanted so, where that is not plain from the file. */
  readonly why?: string | undefined;
}

export interface Look {
  readonly items: readonly Item[];
  /** What stands in the way of something and is not ours to change. */
  readonly troubles: readonly string[];
}

/** How one kind of thing beside the table is looked at and put right. */
export interface Chore {
  /** The key in director.conf: `ipvs.timeouts`. */
  readonly name: string;
  /** Nothing where the file wants nothing. */
  look(signal: AbortSignal): Promise<Look>;
  /** Makes them so. Returns why not, by key, for those that were refused. */
  put(items: readonly Item[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly chore: Chore;
  readonly settings: () => {
    /** Why nothing is written now: `observe mode`, `frozen`; undefined: it is. */
    readonly held: string | undefined;
    readonly drift: "repair" | "report";
    readonly resync: Millis;
  };
  readonly record: (event: NewEvent) => void;
}

export interface UpkeepProblem {
  readonly severity: "error" | "warning";
  readonly message: string;
}

export interface Upkeep {
  /** Something changed: look soon. */
  wake(): void;
  problems(): readonly UpkeepProblem[];
  /** Runs until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface Refusal {
  readonly want: string;
  readonly reason: string;
  readonly attempts: number;
  readonly retryAt: MonotonicMs;
}

/** Keeps something beside the table as the file wants it, by the rules the table is kept by: level-triggered, drift repaired or reported, who fights
 *  for it left alone, refusals tried again with growing pauses; in a loop of its own, so that it never holds up a pass. */
export function createUpkeep({ clock, chore, settings, record }: UpkeepOptions): Upkeep {
  /** What was in place when we last looked: what is not so any more, though we still want it, somebody else changed. */
  let settled: ReadonlyMap<string, string> = new Map();
  const repaired = new Map<string, readonly MonotonicMs[]>();
  const letBe = new Map<string, { readonly item: Item; readonly until: MonotonicMs | undefined }>();
  let refused = new Map<string, Refusal>();
  let failure: { readonly message: string; readonly attempts: number } | undefined;
  let troubles: readonly string[] = [];
  let differences: readonly Item[] = [];
  const alarm = createAlarm(clock);

  function say(severity: NewEvent["severity"], message: string): void {
    record({ kind: "reconcile", severity, message: `${chore.name}: ${message}` });
  }

  function sayDrift(to: DriftVerdict, message: string): void {
    const severity = to === "fight" ? "error" : "warning";
    const reason = to === "fight" ? { reason: "drift-fight" } : {};
    record({ kind: "drift", severity, to, ...reason, message: `${chore.name}: ${message}` });
  }

  /** Whether it may be written now. */
  function judge(item: Item, now: MonotonicMs): boolean {
    const { key, want, have } = item;
    const standing = letBe.get(key);
    if (standing && standing.item.want === want && (standing.until === undefined || now < standing.until))
      if (standing.until !== undefined || settings().drift === "report") return false;
    letBe.delete(key);
    if (settled.get(key) !== want) return true;
    const what = `${key}: drift: somebody else made it ${have} (ours: ${want})`;
    if (settings().drift === "report") {
      letBe.set(key, { item, until: undefined });
      sayDrift("reported", `${what}; left so (ipvs.drift: report)`);
      return false;
    }
    const recent = (repaired.get(key) ?? []).filter((at) => now - at < FIGHT_WINDOW_MS);
    if (recent.length >= FIGHT_REPAIRS) {
      repaired.delete(key);
      letBe.set(key, { item, until: later(now, FIGHT_WINDOW_MS) });
      sayDrift("fight", `${what} again; repaired three times in 5m, left alone for 5m: find the other writer`);
      return false;
    }
    repaired.set(key, [...recent, now]);
    sayDrift("repaired", `${what}; put back. Change director.conf and \`director reload\` instead.`);
    return true;
  }

  async function turn(signal: AbortSignal): Promise<void> {
    const seen = await chore.look(signal);
    const now = clock.now().mono;
    const wrong = seen.items.filter(isWrong);
    const managing = settings().held === undefined;
    for (const key of letBe.keys()) if (!wrong.some((item) => item.key === key)) letBe.delete(key);
    const due = managing ? wrong.filter((item) => judge(item, now) && !waits(item, now)) : [];
    const said = due.length === 0 ? new Map<string, string>() : await chore.put(due, signal);
    const after = due.length === 0 ? seen : await chore.look(signal);
    settle(due, after.items, said);
    differences = managing ? [] : wrong;
    for (const trouble of after.troubles) if (!troubles.includes(trouble)) say("error", trouble);
    troubles = after.troubles;
    // What is let be is remembered as ours, or it would be taken for a new wish once its time is over.
    const kept = [...letBe.values()].map(({ item }) => [item.key, item.want] as const);
    settled = new Map([...after.items.filter((i) => !isWrong(i)).map((i) => [i.key, i.want] as const), ...kept]);
  }

  function waits({ key, want }: Item, now: MonotonicMs): boolean {
    const before = refused.get(key);
    return before !== undefined && before.want === want && now < before.retryAt;
  }

  /** Judged by what is there afterwards. */
  function settle(tried: readonly Item[], after: readonly Item[], said: ReadonlyMap<string, string>): void {
    const now = clock.now().mono;
    const next = new Map<string, Refusal>();
    for (const item of after.filter(isWrong)) {
      const before = refused.get(item.key);
      const same = before?.want === item.want ? before : undefined;
      if (!tried.some(({ key }) => key === item.key)) {
        if (same) next.set(item.key, same);
        continue;
      }
      const reason = said.get(item.key) ?? `it is still ${item.have}, though nothing was said`;
      const attempts = (same?.attempts ?? 0) + 1;
      next.set(item.key, { want: item.want, reason, attempts, retryAt: later(now, pauseAfter(attempts)) });
      if (same?.reason !== reason)
        say("error", `${item.key} cannot be made ${item.want}: ${reason}; tried again with growing pauses`);
    }
    for (const { key, want, have, why } of tried)
      if (!next.has(key)) say("info", `${key}: ${have} -> ${want}${why === undefined ? "" : ` (${why})`}`);
    refused = next;
  }

  /** One turn, whatever comes of it. Returns when the next is due. */
  async function next(signal: AbortSignal): Promise<MonotonicMs> {
    alarm.taken();
    try {
      await turn(signal);
      failure = undefined;
    } catch (error) {
      if (signal.aborted) return clock.now().mono;
      const message = error instanceof Error ? error.message : String(error);
      const attempts = (failure?.attempts ?? 0) + 1;
      if (failure?.message !== message) say("error", `${message}; tried again with growing pauses`);
      failure = { message, attempts };
      // What stands there now is not known: nothing that is found can be told from what we left half done.
      settled = new Map();
      return later(clock.now().mono, pauseAfter(attempts));
    }
    const times = [later(clock.now().mono, settings().resync), ...[...refused.values()].map((r) => r.retryAt)];
    return Math.min(...times) as MonotonicMs;
  }

  return {
    wake: alarm.wake,
    problems() {
      const about = (message: string) => `${chore.name}: ${message}`;
      const errors = [
        ...(failure === undefined ? [] : [failure.message]),
        ...[...refused].map(([key, { want, reason }]) => `${key} cannot be made ${want}: ${reason}`),
        ...troubles,
        ...[...letBe.values()].filter((l) => l.until !== undefined).map(({ item }) => alone(item, "drift-fight")),
      ];
      const warnings = [
        ...[...letBe.values()].filter((l) => l.until === undefined).map(({ item }) => alone(item, "drift")),
        ...differences.map(
          ({ key, want, have }) => `${settings().held ?? "not yet"}: ${key} is ${have}, should be ${want}`,
        ),
      ];
      return [
        ...errors.map((message) => ({ severity: "error" as const, message: about(message) })),
        ...warnings.map((message) => ({ severity: "warning" as const, message: about(message) })),
      ];
    },
    async run(signal) {
      while (!signal.aborted) await alarm.sleep(await next(signal), signal);
    },
  };
}

function isWrong({ want, have }: Item): boolean {
  return want !== have;
}

function alone({ key, have, want }: Item, why: string): string {
  return `${why}: somebody else makes ${key} ${have} (ours: ${want}), left alone`;
}

function pauseAfter(attempts: number): Millis {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
}
