import { parseAddress, parseEndpoint } from "../model/address.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { ServerKey, Service } from "../model/service.ts";
import type { Drain, DrainView } from "../policy/drain.ts";
import { command as ordered } from "../policy/drain-machine.ts";
import type { DrainCommand } from "../policy/drain-table.ts";
import { type AddedServer, type Intent, withDrain } from "../policy/intent.ts";
import { drains, standingUpon, undrained } from "../policy/undrain.ts";
import { begin, type DrainRequest, findServer, hasNothing, type Naming, serversOfHost } from "./drain-request.ts";
import { viewFor } from "./drains.ts";
import { frozenWords } from "./freeze-orders.ts";
import { pruned } from "./history.ts";
import type { Note, Order, OrderContext, Refusal } from "./orders.ts";
import { serviceWith } from "./places.ts";

/** Where to drain: one service, or every service that has a machine. */
export type DrainScope =
  | { readonly kind: "service"; readonly name: string }
  /** By name or address; `from` of the request is left empty. */
  | { readonly kind: "host"; readonly host: string };

type Refuse = (problem: string) => { readonly ok: false; readonly error: Refusal };

/** What operators may say of drains: each is stored before it acts, and recorded with who said it. */
export function createDrainOrders(
  director: OrderContext,
  findService: (name: string) => Result<Service, Refusal>,
  refusal: Refuse,
) {
  const { bootId } = director;

  /** All drains that the request comes to, or the first reason against any of them. */
  function judged(scope: DrainScope, request: DrainRequest, order: Order): Result<readonly Drain[], string> {
    if (scope.kind === "service") {
      const service = director.config().services.find((s) => s.name === scope.name);
      if (!service) return err(`service ${scope.name} has just left the configuration`);
      const drain = one(service, request, { id: director.newId("d"), actor: order.actor, parent: undefined });
      return drain.ok ? ok([drain.value]) : drain;
    }
    const homes = serversOfHost(director.config(), scope.host);
    if (homes.size === 0) return err(`no service has a server ${scope.host}, by name or address`);
    const parent = { id: director.newId("h"), host: scope.host };
    const found: Drain[] = [];
    const problems: string[] = [];
    for (const [service, servers] of homes) {
      // Where it is a standby, or drained already, there is nothing to do; but nothing may be about to give it weight either.
      if (hasNothing(servers, director.drainContext(service))) continue;
      const from = servers.map((server) => server.key);
      const drain = one(service, { ...request, from }, { id: director.newId("d"), actor: order.actor, parent });
      if (drain.ok) found.push(drain.value);
      else problems.push(drain.error.startsWith(service.name) ? drain.error : `${service.name}: ${drain.error}`);
    }
    if (problems.length > 0) return err(problems.join("; "));
    return found.length > 0 ? ok(found) : err(`${scope.host} has weight 0 in every service already`);
  }

  function one(service: Service, request: DrainRequest, naming: Naming): Result<Drain, string> {
    const frozen = frozenWords(director, service);
    if (frozen !== undefined) return err(frozen);
    return begin(request, director.drainContext(service), naming);
  }

  /** News that the service does not have yet. */
  async function bringIn(
    scope: DrainScope,
    request: DrainRequest,
  ): Promise<Result<readonly AddedServer[] | undefined, Refusal>> {
    if (scope.kind === "host") return refusal("--add goes with one service: name it instead of --host");
    const service = director.config().services.find((s) => s.name === scope.name)!;
    const unknown = request.to.filter((word) => !word.startsWith("label=") && !findServer(service, word));
    if (unknown.length === 0) return ok(undefined);
    const name = unknown.find((word) => !parseEndpoint(word) && !parseAddress(word));
    if (name !== undefined) return refusal(`--to ${name}: an added server needs its address, such as 10.0.0.13:8080`);
    const added = await director.bringIn(service, unknown);
    return added.ok ? added : refusal(added.error);
  }

  function viewOf(drain: Drain): DrainView {
    const service = serviceWith(director.config(), drain.service);
    if (service) return viewFor(drain, director.drainContext(service));
    return { now: director.now(), servers: new Map(), serviceExists: false, storable: true };
  }

  /** Applies a word to some drains in one write. */
  async function change(
    pick: (intent: Intent) => Result<readonly Drain[], string>,
    edit: (drain: Drain) => Result<Drain, string>,
    evenUnsaved: boolean,
    order: Order,
  ): Promise<Result<readonly Drain[], Refusal>> {
    const after: Drain[] = [];
    const saved = await director.intents().change(
      (intent) => {
        const picked = pick(intent);
        if (!picked.ok) return picked;
        const problems: string[] = [];
        let next: Intent = { ...intent, bootId };
        for (const drain of picked.value) {
          const edited = edit(drain);
          if (edited.ok) after.push(edited.value);
          else problems.push(edited.error);
          if (edited.ok) next = withDrain(next, edited.value);
        }
        // Of several drains of one machine some may be past it already: the others follow all the same.
        return after.length === 0 ? err(problems.join("; ")) : ok(pruned(next));
      },
      { evenUnsaved },
    );
    if (!saved.ok) return refusal(saved.error);
    for (const drain of after) director.reportDrain(drain, order.actor);
    await director.settled();
    return ok(after);
  }

  return {
    /** A retry with the same request id gets the drains that are there. `dryRun`: judged, not begun. */
    async startDrain(
      scope: DrainScope,
      request: DrainRequest,
      order: Order,
      dryRun: boolean,
    ): Promise<Result<readonly Drain[], Refusal>> {
      if (scope.kind === "service") {
        const service = findService(scope.name);
        if (!service.ok) return service;
      }
      if (director.config().ipvs.mode === "observe" && !dryRun)
        return refusal(
          "ipvs.mode is observe: nothing is written, so nothing can be drained (--dry-run shows what would be)",
        );
      const { requestId } = request;
      const retried = (intent: Intent): readonly Drain[] =>
        intent.drains.filter((d) => requestId !== undefined && d.requestId === requestId);
      const known = retried(director.intents().current());
      if (known.length > 0) return ok(known);
      if (dryRun) {
        const drains = judged(scope, request, order);
        return drains.ok ? drains : refusal(drains.error);
      }
      const brought = request.add ? await bringIn(scope, request) : ok(undefined);
      if (!brought.ok) return brought;
      let started: readonly Drain[] = [];
      // Judged inside the change: of two orders at once only one may find the service free, and two that are one get the same drains.
      const saved = await director.intents().change((intent) => {
        started = retried(intent);
        if (started.length > 0) return ok(intent);
        const drains = judged(scope, request, order);
        if (!drains.ok) return drains;
        started = drains.value;
        const added = brought.value ?? intent.added;
        return ok(started.reduce<Intent>(withDrain, { ...intent, bootId, added }));
      });
      if (!saved.ok && brought.value) await director.dropUnneeded();
      if (!saved.ok) return refusal(saved.error);
      for (const drain of started) director.reportDrain(drain, order.actor);
      director.wake();
      return ok(started);
    },

    /** @param id of a drain, or of a machine's drains together */
    orderDrain(id: string, word: DrainCommand, order: Order): Promise<Result<readonly Drain[], Refusal>> {
      const pick = (intent: Intent): Result<readonly Drain[], string> => {
        const named = intent.drains.filter((d) => d.id === id || d.parent?.id === id);
        if (named.length === 0) return err(`no drain "${id}": \`director drain list\` shows them`);
        const newer = word === "rollback" ? named.map((d) => standingUpon(intent, d)).find((d) => d) : undefined;
        return newer ? err(rollBackFirst(newer)) : ok(named);
      };
      const edit = (drain: Drain): Result<Drain, string> => {
        const service = serviceWith(director.config(), drain.service);
        const frozen = service && (word === "resume" || word === "finish") ? frozenWords(director, service) : undefined;
        if (frozen !== undefined) return err(frozen);
        return ordered(drain, word, order.reason ?? `by ${order.actor}`, viewOf(drain));
      };
      // Going back must work with a full disk as well; the record follows when it can be written.
      return change(pick, edit, word === "rollback" || word === "abort" || word === "pause", order);
    },

    /** Gives a server back what drains took from it, whatever they have become. The note says what still holds it at 0. */
    async undrain(
      service: Service,
      server: ServerKey,
      order: Order,
    ): Promise<Result<{ readonly drains: readonly Drain[]; readonly note: Note }, Refusal>> {
      const pick = (intent: Intent): Result<readonly Drain[], string> => {
        const own = intent.drains.filter(
          (d) => drains(d, server) && serviceWith(director.config(), d.service) === service,
        );
        const name = service.servers.find((s) => s.key === server)?.name ?? server;
        if (own.length === 0) return err(`${name} is not drained`);
        const newer = own.map((d) => standingUpon(intent, d)).find((d) => d && !drains(d, server));
        return newer ? err(rollBackFirst(newer)) : ok(own);
      };
      const text = order.reason ?? `undrain by ${order.actor}`;
      const edit = (drain: Drain): Result<Drain, string> => undrained(drain, server, text, director.now());
      const done = await change(pick, edit, true, order);
      if (!done.ok) return done;
      const decision = director.decision(service, service.servers.find((s) => s.key === server)!);
      return ok({ drains: done.value, note: decision.weight > 0 ? undefined : `still at weight 0: ${decision.rule}` });
    },
  };
}

function rollBackFirst(newer: Drain): string {
  return `drain ${newer.id} moved weight of the same servers afterwards: roll that back first`;
}
