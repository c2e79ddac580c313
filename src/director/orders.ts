import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { RealServer, Service } from "../model/service.ts";
import type { EpochMs, Now } from "../model/time.ts";
import type { Decision } from "../policy/desired.ts";
import { type Drain, type DrainView, isActive } from "../policy/drain.ts";
import { command as ordered, recovered } from "../policy/drain-machine.ts";
import type { DrainCommand } from "../policy/drain-table.ts";
import { type Intent, type ServerIntent, withDrain, withServer } from "../policy/intent.ts";
import { begin, type DrainContext, type DrainRequest, findServer, viewFor } from "./drains.ts";
import type { NewEvent } from "./events.ts";
import { pruned } from "./history.ts";
import type { Intents } from "./intents.ts";
import { entriesOf, serviceWith } from "./places.ts";

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
  newId(): string;
  record(event: NewEvent): void;
  drainContext(service: Service): DrainContext;
  decision(service: Service, server: RealServer): Decision;
  reportDrain(drain: Drain, actor: string): void;
  /** Something is to be written: soon, or before the answer is given. */
  wake(): void;
  settled(): Promise<void>;
}

/** A note tells what an order that was carried out did not achieve; undefined when there is nothing to say. */
export type Note = string | undefined;

export type Orders = ReturnType<typeof createOrders>;

/** What operators may say: each is stored before it acts, and recorded with who said it. */
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
    return err({ kind: director.intents().problem() === undefined ? "conflict" : "unwritable", problem });
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
      actor: order.actor,
      to: words,
      ...(order.reason === undefined ? {} : { reason: order.reason }),
    });
    await director.settled();
    return ok(director.decision(service, server));
  }

  return {
    locate,

    async enable(serviceName: string, serverName: string, order: Order): Promise<Result<Note, Refusal>> {
      const place = locate(serviceName, serverName);
      if (!place.ok) return place;
      const done = await setServer(place.value, order, "enabled", (entry) => ({
        ...entry,
        disabled: undefined,
        stateLost: undefined,
      }));
      return done.ok ? ok(stillAtZero(done.value)) : done;
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
      const serving = service.servers.some((server) => director.decision(service, server).weight > 0);
      return ok(serving ? undefined : `${service.name} has no server left that gets clients`);
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
      return ok(weight === 0 ? undefined : stillAtZero(done.value));
    },

    /** A retry with the same request id gets the drain that is there. `dryRun`: judged, not begun. */
    async startDrain(
      serviceName: string,
      request: DrainRequest,
      order: Order,
      dryRun: boolean,
    ): Promise<Result<Drain, Refusal>> {
      const service = findService(serviceName);
      if (!service.ok) return service;
      const { requestId } = request;
      const retried = (intent: Intent) =>
        intent.drains.find((d) => requestId !== undefined && d.requestId === requestId);
      const known = retried(director.intents().current());
      if (known) return ok(known);
      const id = director.newId();
      const judged = () => begin(request, director.drainContext(service.value), id, order.actor);
      if (dryRun) {
        const drain = judged();
        return drain.ok ? drain : refusal(drain.error);
      }
      let started: Drain | undefined;
      // Judged inside the change: of two orders at once only one may find the service free, and two that are one get the same drain.
      const saved = await director.intents().change((intent) => {
        started = retried(intent);
        if (started) return ok(intent);
        const drain = judged();
        if (!drain.ok) return drain;
        started = drain.value;
        return ok(withDrain({ ...intent, bootId }, drain.value));
      });
      if (!saved.ok || !started) return refusal(saved.ok ? "the drain was not begun" : saved.error);
      director.reportDrain(started, order.actor);
      director.wake();
      return ok(started);
    },

    async orderDrain(id: string, word: DrainCommand, order: Order): Promise<Result<Drain, Refusal>> {
      let after: Drain | undefined;
      const saved = await director.intents().change(
        (intent) => {
          const drain = intent.drains.find((d) => d.id === id);
          if (!drain) return err(`no drain "${id}": \`director drain list\` shows them`);
          const newer = word === "rollback" ? standingUpon(intent, drain) : undefined;
          if (newer) return err(`drain ${newer.id} moved weight of the same servers afterwards: roll that back first`);
          const next = ordered(drain, word, order.reason ?? `by ${order.actor}`, viewOf(drain));
          if (!next.ok) return next;
          after = next.value;
          return ok(pruned(withDrain({ ...intent, bootId }, next.value)));
        },
        // Going back must work with a full disk as well; the record follows when it can be written.
        { evenUnsaved: word === "rollback" || word === "abort" || word === "pause" },
      );
      if (!saved.ok || !after) return refusal(saved.ok ? "nothing was changed" : saved.error);
      director.reportDrain(after, order.actor);
      await director.settled();
      return ok(after);
    },

    /** Replaces the whole intent, if it is still the revision the caller saw. */
    async putIntent(next: Intent, revision: number, order: Order): Promise<Result<Intent, Refusal>> {
      const saved = await director.intents().change((intent) => {
        if (intent.revision !== revision)
          return err(`the intent is at revision ${intent.revision} by now, not ${revision}: read it again`);
        const now = director.now();
        const drains = next.bootId === bootId ? next.drains : next.drains.map((d) => recovered(d, undefined, now));
        // What is ours to delete is told by what we declared, not by a document from elsewhere.
        return ok({ ...next, bootId, drains, owned: intent.owned });
      });
      if (!saved.ok) return refusal(saved.error);
      director.record({
        kind: "admin",
        severity: "warning",
        message: `intent replaced by ${order.actor}`,
        actor: order.actor,
      });
      await director.settled();
      return saved;
    },
  };

  function viewOf(drain: Drain): DrainView {
    const service = serviceWith(director.config(), drain.service);
    if (service) return viewFor(drain, director.drainContext(service));
    return { now: director.now(), servers: new Map(), serviceExists: false, storable: true };
  }
}

function stillAtZero({ weight, rule }: Decision): Note {
  return weight > 0 ? undefined : `still at weight 0: ${rule}`;
}

/** A drain that moved weight of the same servers later and still counts. */
function standingUpon(intent: Intent, drain: Drain): Drain | undefined {
  const servers = new Set([...drain.from, ...drain.to]);
  const later = intent.drains.slice(intent.drains.indexOf(drain) + 1);
  return later.find(
    (d) =>
      (isActive(d) || d.result !== undefined) &&
      d.service.some((key) => drain.service.includes(key)) &&
      [...d.from, ...d.to].some((key) => servers.has(key)),
  );
}
