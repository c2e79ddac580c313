import pLimit from "p-limit";
import type { HookStatus } from "../control/shapes.ts";
import type { DirectorEvent } from "../director/events.ts";
import type { Hook, HookAction } from "../model/hook.ts";
import { assertNever } from "../model/result.ts";
import type { Millis } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";
import { createLane, type HookLog, type Lane } from "./lane.ts";
import type { Delivery } from "./outcome.ts";
import { runScript, type ScriptSurroundings } from "./script.ts";
import { callWebhook, RETRY_AFTER_MS, type WebhookSurroundings } from "./webhook.ts";

/** Scripts of all hooks that run at the same time. */
export const MOST_SCRIPTS = 4;

/** How long a stop waits for what runs. */
export const STOP_GRACE_MS: Millis = 2_000;

export interface HooksOptions extends ScriptSurroundings {
  readonly clock: Clock;
  readonly hostname: string;
  readonly trust: WebhookSurroundings["trust"];
  readonly log: HookLog;
  readonly retryAfter?: readonly Millis[];
}

/** Scripts and webhooks that are told of events. Every hook has a queue of its own and is told of one event after the other; none of them holds up another
 *  (as long as no four scripts hang), nor whoever records events. */
export interface Hooks {
  /** To be called with every event. Never waits, never throws. */
  offer(event: DirectorEvent): void;
  /** Makes these the hooks. One that goes on under its name keeps its queue; what waits for one that is gone is dropped. */
  use(hooks: readonly Hook[]): void;
  status(): readonly HookStatus[];
  /** Begins nothing more, gives what runs STOP_GRACE_MS to end, and ends it then. */
  stop(): Promise<void>;
}

export function createHooks(options: HooksOptions): Hooks {
  const { clock, hostname, log, trust, retryAfter = RETRY_AFTER_MS } = options;
  const stopping = new AbortController();
  const scripts = pLimit(MOST_SCRIPTS);
  const lanes = new Map<string, Lane>();
  /** Of hooks that a reload took away, until what they run has ended. */
  const ending = new Set<Promise<void>>();
  let stopped = false;

  function deliver({ action, timeout }: Hook, text: string): Promise<Delivery> {
    switch (action.kind) {
      case "command":
        return runScript(action.argv, text, timeout, options, stopping.signal);
      case "webhook":
        return callWebhook(action, text, timeout, { clock, trust, retryAfter }, stopping.signal);
      default:
        return assertNever(action);
    }
  }

  const surroundings = {
    hostname,
    deliver,
    log,
    now: () => clock.now().epoch,
    inTurn: (action: HookAction, run: () => Promise<void>) => (action.kind === "command" ? scripts(run) : run()),
  };

  function remove(name: string, lane: Lane): void {
    lane.close();
    lanes.delete(name);
    const left = lane.lost();
    if (left > 0) log("warning", `hook ${name}: removed by the reload; ${counted(left)} dropped`, { hook: name });
    const ended = lane.idle().then(() => void ending.delete(ended));
    ending.add(ended);
  }

  return {
    offer(event) {
      for (const lane of lanes.values()) lane.offer(event);
    },
    use(hooks) {
      if (stopped) return;
      const names = new Set(hooks.map((hook) => hook.name));
      for (const [name, lane] of lanes) if (!names.has(name)) remove(name, lane);
      for (const hook of hooks) {
        const known = lanes.get(hook.name);
        if (known) known.use(hook);
        else lanes.set(hook.name, createLane(hook, surroundings));
      }
    },
    status: () => Array.from(lanes.values(), (lane) => lane.status()),
    async stop() {
      stopped = true;
      for (const lane of lanes.values()) lane.close();
      const disarm = clock.after(STOP_GRACE_MS, () => stopping.abort());
      await Promise.all([...Array.from(lanes.values(), (lane) => lane.idle()), ...ending]);
      disarm();
      const lost = Array.from(lanes, ([name, lane]) => ({ name, left: lane.lost() })).filter(({ left }) => left > 0);
      if (lost.length > 0) log("warning", lostWords(lost), { hook: lost.map(({ name }) => name).join(",") });
    },
  };
}

function counted(events: number): string {
  return events === 1 ? "1 event that waited was" : `${events} events that waited were`;
}

function lostWords(lost: readonly { readonly name: string; readonly left: number }[]): string {
  return `hooks end with director; not delivered: ${lost.map(({ name, left }) => `${name} ${left}`).join(", ")}`;
}
