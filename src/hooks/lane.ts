import type { HookStatus } from "../control/shapes.ts";
import type { DirectorEvent } from "../director/events.ts";
import { eventName } from "../model/event-words.ts";
import type { Hook, HookAction } from "../model/hook.ts";
import { isChosen } from "./choice.ts";
import { encoded, type HookMessage, hookMessage } from "./message.ts";
import type { Delivery } from "./outcome.ts";

export interface LaneSurroundings {
  readonly hostname: string;
  /** Waits for a place to run in, where there are only so many. */
  readonly inTurn: (action: HookAction, run: () => Promise<void>) => Promise<void>;
  readonly deliver: (hook: Hook, text: string) => Promise<Delivery>;
  readonly now: () => number;
  readonly log: HookLog;
}

export type HookLog = (severity: "info" | "warning", message: string, fields: { readonly hook: string }) => void;

/** The events of one hook: queued, and delivered one after the other. */
export interface Lane {
  offer(event: DirectorEvent): void;
  /** Takes over a changed hook of the same name; what is queued stays. */
  use(hook: Hook): void;
  /** Begins nothing more, for good. */
  close(): void;
  /** Settled while nothing runs. */
  idle(): Promise<void>;
  /** After the end: events that waited in vain, the one that was interrupted included. */
  lost(): number;
  status(): HookStatus;
}

export function createLane(initial: Hook, { hostname, inTurn, deliver, now, log }: LaneSurroundings): Lane {
  let hook = initial;
  let queue: DirectorEvent[] = [];
  let closed = false;
  let working: Promise<void> | undefined;
  let running = false;
  let delivered = 0;
  let failures = 0;
  let dropped = 0;
  /** Dropped since the last event that came through. */
  let missed = 0;
  /** Since the queue was last empty: said once, not for each of them. */
  let overflowed = 0;
  let lost = 0;
  let last: HookStatus["last"];
  const say = (severity: "info" | "warning", message: string): void =>
    log(severity, `hook ${hook.name}: ${message}`, { hook: hook.name });

  function drop(): void {
    while (queue.length > hook.queue) {
      queue.shift();
      dropped++;
      missed++;
      if (overflowed++ === 0)
        say("warning", `it is too slow: ${hook.queue} events wait, from now on the oldest are dropped`);
    }
  }

  async function work(): Promise<void> {
    while (queue.length > 0 && !closed) await inTurn(hook.action, next);
    working = undefined;
    if (overflowed > 0 && !closed) say("info", `it has caught up; ${overflowed} events were dropped`);
    overflowed = 0;
  }

  /** The event is taken only now that it can be delivered: until then it may be dropped for a newer one. */
  async function next(): Promise<void> {
    const event = closed ? undefined : queue.shift();
    if (event === undefined) return;
    const told = missed;
    const sender = { hostname, hook: hook.name, missed: told };
    const startedAt = now();
    running = true;
    const delivery = await deliver(hook, textFor(hook.action, hookMessage(event, sender))).catch(unexpected);
    running = false;
    if (delivery.kind === "interrupted") {
      lost++;
      return;
    }
    const ok = delivery.kind === "delivered";
    if (ok) delivered++;
    else failures++;
    if (ok) missed -= told;
    const reason = ok ? undefined : delivery.reason;
    last = { at: startedAt, tookMs: Math.max(0, Math.round(now() - startedAt)), ok, reason };
    if (!ok) say("warning", `event ${event.seq} (${named(event)}) was not delivered: ${reason}`);
  }

  return {
    offer(event) {
      if (closed || !isChosen(hook, event)) return;
      queue.push(event);
      drop();
      // A while later: to start a process takes milliseconds, and whoever records an event has other things to do first.
      working ??= new Promise<void>((resolve) => setImmediate(resolve)).then(work);
    },
    use(changed) {
      hook = changed;
      drop();
    },
    close() {
      closed = true;
      lost += queue.length;
      queue = [];
    },
    idle: () => working ?? Promise.resolve(),
    lost: () => lost,
    status: () => ({
      name: hook.name,
      on: hook.on,
      services: hook.services,
      target: targetOf(hook.action),
      delivered,
      failed: failures,
      dropped,
      queued: queue.length,
      running,
      last,
    }),
  };
}

function textFor(action: HookAction, message: HookMessage): string {
  return encoded(message, action.kind === "webhook" ? action.body : undefined);
}

function unexpected(error: unknown): Delivery {
  return { kind: "failed", reason: `internal: ${error instanceof Error ? error.message : error}` };
}

/** `server.down web b`. */
function named(event: DirectorEvent): string {
  return [eventName(event), event.service, event.server].filter((part) => part !== undefined).join(" ");
}

/** Whom it tells, without what may be secret: arguments, and a URL's path. */
function targetOf(action: HookAction): string {
  return action.kind === "command" ? action.argv[0] : new URL(action.url).origin;
}
