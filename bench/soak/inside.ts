// Looks from within a Node process at what could pile up there: `--import` of it in NODE_OPTIONS. Every LOOK_EVERY_MS it writes what
// it sees to the file that LOOK_INTO names.
import { type EventEmitter, getEventListeners } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

export interface Inside {
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
  /** What keeps the event loop going, by kind: sockets, servers, timers, requests under way. */
  readonly resources: Readonly<Record<string, number>>;
  /** On the process, on all open handles, and on all abort signals that are still there. */
  readonly listeners: { readonly process: number; readonly handles: number; readonly signals: number };
  /** Of the emitter or signal that has the most. */
  readonly mostListeners: number;
  /** Warnings of Node, of too many listeners among others. */
  readonly warnings: number;
}

const into = process.env.LOOK_INTO;
if (isMainThread && into !== undefined) watch(into, Number(process.env.LOOK_EVERY_MS));

function watch(into: string, everyMs: number): void {
  let warnings = 0;
  process.on("warning", () => warnings++);
  const signals = signalsWithListeners();
  const look = (): void => {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    const own = listenersOf(process);
    const handles = activeHandles().map(listenersOf);
    const aborts = signals();
    const inside: Inside = {
      rss,
      heapUsed,
      heapTotal,
      external,
      resources,
      listeners: { process: own, handles: sum(handles), signals: sum(aborts) },
      mostListeners: [...handles, ...aborts].reduce((most, each) => Math.max(most, each), own),
      warnings,
    };
    writeFileSync(`${into}.new`, `${JSON.stringify(inside)}\n`);
    renameSync(`${into}.new`, into);
  };
  setInterval(look, everyMs).unref();
}

/** The counts of all living signals that somebody ever listened to. */
function signalsWithListeners(): () => readonly number[] {
  const known = new WeakSet<AbortSignal>();
  const all = new Set<WeakRef<AbortSignal>>();
  const { addEventListener } = EventTarget.prototype;
  Object.defineProperty(AbortSignal.prototype, "addEventListener", {
    configurable: true,
    writable: true,
    value(this: AbortSignal, ...given: Parameters<typeof addEventListener>) {
      if (!known.has(this)) {
        known.add(this);
        all.add(new WeakRef(this));
      }
      return Reflect.apply(addEventListener, this, given);
    },
  });
  return () =>
    [...all].map((ref) => {
      const signal = ref.deref();
      if (!signal) all.delete(ref);
      return signal ? getEventListeners(signal, "abort").length : 0;
    });
}

/** Sockets, servers and child processes. An internal of Node, but the only way to them. */
function activeHandles(): readonly EventEmitter[] {
  const { _getActiveHandles } = process as unknown as { readonly _getActiveHandles: () => readonly EventEmitter[] };
  return _getActiveHandles.call(process).filter((handle) => typeof handle.eventNames === "function");
}

function listenersOf(emitter: EventEmitter): number {
  return sum(emitter.eventNames().map((name) => emitter.listenerCount(name)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
