import { ok, type Result } from "../model/result.ts";
import type { Service } from "../model/service.ts";
import { type EpochMs, formatDuration, type Millis } from "../model/time.ts";
import { type Drain, isActive } from "../policy/drain.ts";
import { type Freeze, freezeOf, inForce, withoutFreezeOf } from "../policy/freeze.ts";
import type { Note, Order, OrderContext, Refusal } from "./orders.ts";
import { entriesOf, serviceWith } from "./places.ts";

/** `director freeze` and `director thaw`: probing goes on, nothing is written. */
export function createFreezeOrders(
  director: OrderContext,
  findService: (name: string) => Result<Service, Refusal>,
  refusal: (problem: string) => { readonly ok: false; readonly error: Refusal },
  pauseDrain: (id: string, order: Order) => Promise<unknown>,
) {
  /** Steps that nobody sees must not be counted: what shifts weight waits for an operator. */
  async function pauseShifting(affects: (drain: Drain) => boolean, order: Order): Promise<readonly string[]> {
    const moving = director
      .intents()
      .current()
      .drains.filter((d) => isActive(d) && (d.phase.kind === "pending" || d.phase.kind === "shifting") && affects(d));
    for (const { id } of moving) await pauseDrain(id, { ...order, reason: `frozen by ${order.actor}` });
    return moving.map((d) => d.id);
  }

  function told(message: string, order: Order, name: string | undefined, to: "frozen" | "thawed"): void {
    const reason = order.reason === undefined ? "" : `: ${order.reason}`;
    director.record({
      kind: "admin",
      severity: to === "frozen" ? "warning" : "info",
      message: `${message} by ${order.actor}${reason}`,
      actor: order.actor,
      to,
      ...(name === undefined ? {} : { service: name }),
      ...(order.reason === undefined ? {} : { reason: order.reason }),
    });
  }

  return {
    /** @param name undefined: everything
     *  @param length how long; a freeze that stands already for the same is replaced */
    async freeze(name: string | undefined, length: Millis, order: Order): Promise<Result<Note, Refusal>> {
      const service = name === undefined ? ok(undefined) : findService(name);
      if (!service.ok) return service;
      const { epoch } = director.now();
      const services = service.value && entriesOf(service.value);
      const freeze: Freeze = {
        services,
        serviceName: name,
        until: (epoch + length) as EpochMs,
        by: order.actor,
        at: epoch,
        reason: order.reason,
      };
      const paused = await pauseShifting(
        (drain) => services === undefined || serviceWith(director.config(), drain.service) === service.value,
        order,
      );
      // Over by now is over for good: a document full of old freezes helps nobody.
      const saved = await director.intents().change((intent) =>
        ok({
          ...intent,
          bootId: director.bootId,
          freezes: [...withoutFreezeOf(inForce(intent, epoch), service.value), freeze],
        }),
      );
      if (!saved.ok) return refusal(saved.error);
      told(`${name ?? "everything"}: frozen for ${formatDuration(length)}: nothing is written`, order, name, "frozen");
      await director.settled();
      const plural = paused.length === 1 ? "drain" : "drains";
      return ok(paused.length === 0 ? undefined : `${plural} ${paused.join(", ")} paused: resume after the thaw`);
    },

    /** @param name undefined: all freezes, those of single services included */
    async thaw(name: string | undefined, order: Order): Promise<Result<Note, Refusal>> {
      const service = name === undefined ? ok(undefined) : findService(name);
      if (!service.ok) return service;
      const { epoch } = director.now();
      const all = inForce(director.intents().current(), epoch);
      const still = (freezes: readonly Freeze[]) =>
        service.value === undefined ? [] : withoutFreezeOf(freezes, service.value);
      const left = still(all);
      if (all.length === left.length && all.every((freeze, i) => freeze === left[i])) {
        const whole = all.find((f) => f.services === undefined);
        return refusal(
          whole
            ? "everything is frozen: `director thaw` without a service ends that"
            : `${name ?? "nothing"} is ${name === undefined ? "" : "not "}frozen`,
        );
      }
      const saved = await director
        .intents()
        .change((intent) => ok({ ...intent, bootId: director.bootId, freezes: still(inForce(intent, epoch)) }));
      if (!saved.ok) return refusal(saved.error);
      told(`${name ?? "everything"}: thawed`, order, name, "thawed");
      await director.settled();
      const held = service.value && freezeOf(left, service.value);
      return ok(held ? "everything is frozen still: `director thaw` without a service ends that" : undefined);
    },
  };
}

/** Why nothing can be begun in a service that is frozen; undefined when it is not. */
export function frozenWords(director: Pick<OrderContext, "intents" | "now">, service: Service): string | undefined {
  const { epoch } = director.now();
  const freeze = freezeOf(inForce(director.intents().current(), epoch), service);
  if (!freeze) return undefined;
  const left = formatDuration(Math.ceil((freeze.until - epoch) / 1000) * 1000);
  return `${freeze.serviceName ?? "everything"} is frozen by ${freeze.by} for another ${left}: thaw it first`;
}
