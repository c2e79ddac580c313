import { err, ok, type Result } from "../model/result.ts";
import { type Service, type ServiceKey, serviceKey } from "../model/service.ts";
import type { Intent } from "../policy/intent.ts";
import type { ServiceIntent } from "../policy/moves.ts";
import type { IntentStore } from "../state/store.ts";

/** The one writer of the intent: changes queue up, and each is on the disk before anybody sees it. */
export interface Intents {
  current(): Intent;
  /** Applies `change` to the newest document, stores it, then makes it current. An error of `change` stores nothing. When the disk refuses, the
   *  document stays as it was and the error says so, unless `evenUnsaved`: what must hold now (a pause) holds in memory meanwhile. */
  change(
    change: (intent: Intent) => Result<Intent, string>,
    options?: { readonly evenUnsaved?: boolean },
  ): Promise<Result<Intent, string>>;
  /** Why the last write failed; undefined when it did not. */
  problem(): string | undefined;
  /** How many writes failed since the start. */
  failures(): number;
  /** Tries again to store what is only in memory. */
  retry(): Promise<void>;
  of(service: Service): ServiceIntent;
}

export function createIntents(store: IntentStore, initial: Intent, onChange: (intent: Intent) => void): Intents {
  let current = initial;
  let problem: string | undefined;
  let failures = 0;
  let queue: Promise<unknown> = Promise.resolve();
  let ofService = serviceIntents(current);

  function take(next: Intent): void {
    current = next;
    ofService = serviceIntents(next);
    onChange(next);
  }

  async function save(intent: Intent): Promise<boolean> {
    try {
      await store.save(intent);
      problem = undefined;
      return true;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
      failures++;
      return false;
    }
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work);
    queue = result.catch(() => {});
    return result;
  }

  return {
    current: () => current,
    problem: () => problem,
    failures: () => failures,
    change: (change, { evenUnsaved = false } = {}) =>
      inTurn(async () => {
        const changed = change(current);
        if (!changed.ok || changed.value === current) return changed;
        const next = { ...changed.value, revision: current.revision + 1 };
        const saved = await save(next);
        if (!saved && !evenUnsaved) return err(problem ?? "the state cannot be written");
        take(next);
        return ok(next);
      }),
    retry: () =>
      inTurn(async () => {
        if (problem !== undefined) await save(current);
      }),
    of: (service) => ofService(service),
  };
}

/** What a document says of each service; of the same service always in the same object. */
export function serviceIntents(intent: Intent): (service: Service) => ServiceIntent {
  const index = indexed(intent);
  const known = new WeakMap<Service, ServiceIntent>();
  return (service) => {
    const said = known.get(service) ?? within(index, service);
    known.set(service, said);
    return said;
  };
}

function within(index: Index, service: Service): ServiceIntent {
  const servers = new Map();
  const drains = new Set<Intent["drains"][number]>();
  for (const frontend of service.frontends) {
    const found = index.get(serviceKey(frontend));
    for (const entry of found?.servers ?? []) servers.set(entry.server, entry);
    for (const drain of found?.drains ?? []) drains.add(drain);
  }
  return { servers, drains: [...drains] };
}

type Index = ReadonlyMap<ServiceKey, { servers: Intent["servers"][number][]; drains: Intent["drains"][number][] }>;

function indexed(intent: Intent): Index {
  const index = new Map<ServiceKey, { servers: Intent["servers"][number][]; drains: Intent["drains"][number][] }>();
  const at = (key: ServiceKey) => {
    const found = index.get(key) ?? { servers: [], drains: [] };
    index.set(key, found);
    return found;
  };
  for (const entry of intent.servers) for (const key of entry.services) at(key).servers.push(entry);
  for (const drain of intent.drains) for (const key of drain.service) at(key).drains.push(drain);
  return index;
}
