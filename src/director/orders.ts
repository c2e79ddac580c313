import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { RealServer, Service } from "../model/service.ts";
import type { EpochMs, Now } from "../model/time.ts";
import { atZero } from "../model/weight-zero.ts";
import type { Decision } from "../policy/decide.ts";
import { type Drain, isActive } from "../policy/drain.ts";
import { recovered } from "../policy/drain-machine.ts";
import { type AddedServer, type Intent, type ServerIntent, withServer } from "../policy/intent.ts";
import { createDrainOrders } from "./drain-orders.ts";
import { findServer } from "./drain-request.ts";
import type { DrainContext } from "./drains.ts";
import type { NewEvent } from "./events.ts";
import { createFreezeOrders, frozenWords } from "./freeze-orders.ts";
import type { Intents } from "./intents.ts";
import { entriesOf } from "./places.ts";

/** Why a command was not carried out; `problem` says what to do instead. */
export interface Refusal {
  readonly kind: "not-found" | "conflict" | "unwritable";
  readonly problem: string;
}

/** Who gives a command, as claimed, and why. */
export interface Order {
  readonly actor: string;
  readonly reason: string | undefined;
}

/** What orders need of the director. */
export interface OrderContext {
  config(): Config;
  intents(): Intents;
  now(): Now;
  readonly bootId: string;
  /** `d-…` for a drain, `h-…` for a machine. */
  newId(kind: "d" | "h"): string;
  record(event: NewEvent): void;
  drainContext(service: Service): DrainContext;
  decision(service: Service, server: RealServer): Decision;
  reportDrain(drain: Drain, actor: string): void;
  /** Ends a hold for flapping, if there is one. */
  release(service: Service, server: RealServer): void;
  /** Brings servers in beside the file's; they are to be stored with the drain that wants them. */
  bringIn(service: Service, addresses: readonly string[]): Promise<Result<readonly AddedServer[], string>>;
  /** Lets go of those that no drain needs. */
  dropUnneeded(): Promise<void>;
  /** Something is to be written: soon, or before the answer is given. */
  wake(): void;
  settled(): Promise<void>;
}

/** A note tells what an order that was carried out did not achieve; undefined when there is nothing to say. */
export type Note = string | undefined;

export type Orders = ReturnType<typeof createOrders>;

/** What operators may say of servers and of the whole: each is stored before it acts, and recorded with who said it. */
export function createOrders(director: OrderContext) {
  const { bootId } = director;

  function locate(serviceName: string, serverName: string): Result<{ service: Service; server: RealServer }, Refusal> {
    const service = findService(serviceName);
    if (!service.ok) return service;
    const server = findServer(service.value, serverName);
    if (server) return ok({ service: service.value, server });
    const names = service.value.servers.map((s) => s.name).join(", ");
    return err({ kind: "not-found", problem: `no server "${serverName}" in ${serviceName}; there are: ${names}` });
  }

  function findService(name: string): Result<Service, Refusal> {
    const { services } = director.config();
    const service = services.find((s) => s.name === name);
    if (service) return ok(service);
    return err({
      kind: "not-found",
      problem: `no service "${name}"; there are: ${services.map((s) => s.name).join(", ")}`,
    });
  }

  /** The error of a change that did not come about: the disk's, or the order's own. */
  function refusal(problem: string): { readonly ok: false; readonly error: Refusal } {
    return err({ kind: director.intents().problem() === problem ? "unwritable" : "conflict", problem });
  }

  async function setServer(
    { service, server }: { service: Service; server: RealServer },
    order: Order,
    words: string,
    edit: (entry: ServerIntent, at: EpochMs) => ServerIntent,
  ): Promise<Result<Decision, Refusal>> {
    const at = director.now().epoch;
    const saved = await director
      .intents()
      .change((intent) =>
        ok(withServer({ ...intent, bootId }, entriesOf(service), server.key, (entry) => edit(entry, at))),
      );
    if (!saved.ok) return refusal(saved.error);
    director.record({
      kind: "admin",
      severity: "info",
      message: `${service.name} ${server.name}: ${words} by ${order.actor}${order.reason === undefined ? "" : `: ${order.reason}`}`,
      service: service.name,
      server: server.name,
      address: server.key,
      actor: order.actor,
      // `weight 30` and `weight as configured (100)` are one thing to programs.
      to: words.split(" ")[0]!,
      ...(order.reason === undefined ? {} : { reason: order.reason }),
    });
    await director.settled();
    return ok(director.decision(service, server));
  }

  const drainOrders = createDrainOrders(director, findService, refusal);

  return {
    locate,
    ...drainOrders,
    ...createFreezeOrders(director, findService, refusal, (id, order) => drainOrders.orderDrain(id, "pause", order)),

    async enable(serviceName: string, serverName: string, order: Order): Promise<Result<Note, Refusal>> {
      const place = locate(serviceName, serverName);
      if (!place.ok) return place;
      director.release(place.value.service, place.value.server);
      const done = await setServer(place.value, order, "enabled", (entry) => ({
        ...entry,
        disabled: undefined,
        stateLost: undefined,
      }));
      return done.ok ? ok(frozenNote(director, place.value.service) ?? stillAtZero(done.value)) : done;
    },

    /** @param until when it is enabled again by itself; undefined: never. */
    async disable(
      serviceName: string,
      serverName: string,
      order: Order,
      until: EpochMs | undefined,
    ): Promise<Result<Note, Refusal>> {
      const place = locate(serviceName, serverName);
      if (!place.ok) return place;
      const said = { by: order.actor, reason: order.reason, until };
      const done = await setServer(place.value, order, "disabled", (entry, at) => ({
        ...entry,
        disabled: { ...said, at },
      }));
      if (!done.ok) return done;
      const { service } = place.value;
      const frozen = frozenNote(director, service);
      if (frozen !== undefined) return ok(frozen);
      const serving = service.servers.some((server) => director.decision(service, server).weight > 0);
      return ok(serving ? refusedMeanwhile(service) : `${service.name} has no server left that gets clients`);
    },

    /** @param weight undefined: as configured. */
    async setWeight(
      serviceName: string,
      serverName: string,
      weight: number | undefined,
      order: Order,
    ): Promise<Result<Note, Refusal>> {
      const place = locate(serviceName, serverName);
      if (!place.ok) return place;
      const { key, name, weight: configured } = place.value.server;
      const drain = director
        .intents()
        .of(place.value.service)
        .drains.find((d) => (isActive(d) || d.result) && (d.from.includes(key) || d.to.includes(key)));
      if (drain) {
        const problem = `${name} takes part in drain ${drain.id} (${drain.phase.kind}): roll that back first`;
        return err({ kind: "conflict", problem });
      }
      const words = weight === undefined ? `weight as configured (${configured})` : `weight ${weight}`;
      const said = { by: order.actor, reason: order.reason, configured };
      const done = await setServer(place.value, order, words, (entry, at) => ({
        ...entry,
        weight: weight === undefined ? undefined : { ...said, at, value: weight },
      }));
      if (!done.ok) return done;
      return ok(frozenNote(director, place.value.service) ?? (weight === 0 ? undefined : stillAtZero(done.value)));
    },

    /** Replaces the whole intent, if it is still the revision the caller saw. */
    async putIntent(next: Intent, revision: number, order: Order): Promise<Result<Intent, Refusal>> {
      const saved = await director.intents().change((intent) => {
        if (intent.revision !== revision)
          return err(`the intent is at revision ${intent.revision} by now, not ${revision}: read it again`);
        const now = director.now();
        const drains = next.bootId === bootId ? next.drains : next.drains.map((d) => recovered(d, undefined, now));
        // What is ours to delete is told by what we declared, not by a document from elsewhere.
        return ok({ ...next, bootId, drains, owned: intent.owned, kept: intent.kept });
      });
      if (!saved.ok) return refusal(saved.error);
      director.record({
        kind: "admin",
        severity: "warning",
        message: `intent replaced by ${order.actor}`,
        to: "intent",
        actor: order.actor,
      });
      await director.settled();
      return saved;
    },
  };
}

/** What was said is remembered, and acts later. */
function frozenNote(director: OrderContext, service: Service): Note {
  const words = frozenWords(director, service);
  return words === undefined ? undefined : `not written yet: ${words}`;
}

function stillAtZero({ weight, rule }: Decision): Note {
  return weight > 0 ? undefined : `still at weight 0: ${rule}`;
}

/** Some schedulers give the share of an entry at weight 0 to nobody. */
function refusedMeanwhile(service: Service): Note {
  const [frontend] = service.frontends;
  const at = frontend && atZero(service, frontend, true);
  if (at?.kind !== "refused") return undefined;
  const flag = at.fallback === undefined ? "" : ` (scheduler_flags: [${at.fallback}] would give it to the others)`;
  const until = service.onFailure === "quiesce" ? "until it is enabled" : "until its last connection has ended";
  return `scheduler ${service.scheduler} refuses its share of new clients ${until}${flag}`;
}
