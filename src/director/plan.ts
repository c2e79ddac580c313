import type { Millis } from "../model/time.ts";
import { decide, isReady } from "../policy/desired.ts";
import type { Drain } from "../policy/drain.ts";
import { cycleOf } from "../policy/shares.ts";
import type { DrainContext } from "./drains.ts";

/** What a drain would do, before it begins. */
export interface DrainPlan {
  readonly plan: readonly {
    /** Milliseconds from the start. */
    readonly at: Millis;
    /** Share of the olds' weight asked to have moved, 0 to 1. */
    readonly asked: number;
    /** By server name; every server of the service. */
    readonly weights: Readonly<Record<string, number>>;
    /** Connections until the kernel's wrr begins anew: a step should carry at least two cycles. */
    readonly cycle: number;
  }[];
  readonly warnings: readonly string[];
}

/** The weights of every step as if all participants were healthy. */
export function drainPlan(drain: Drain, { service, intent }: DrainContext): DrainPlan {
  const plan = drain.steps.map((asked, k) => {
    const at = k * drain.every;
    const stepped: Drain = { ...drain, step: k + 1 };
    const decisions = decide(service, { ...intent, drains: [...intent.drains, stepped] }, () => ({ kind: "no-check" }));
    const weights = Object.fromEntries(service.servers.map((s) => [s.name, decisions.get(s.key)!.weight]));
    return { at, asked, weights, cycle: cycleOf(Object.values(weights)) };
  });
  const warnings: string[] = [];
  if (service.scheduler !== "wrr")
    warnings.push(
      `scheduler ${service.scheduler} does not follow weights step by step: shares may move only when the old reaches weight 0`,
    );
  if (service.persistence)
    warnings.push(
      "persistence: clients that are known stay with the old until it is at weight 0; steps only move new ones",
    );
  const disabled = service.servers.filter((s) => !isReady({ kind: "no-check" }, intent.servers.get(s.key)));
  if (disabled.length > 0) warnings.push(`not serving anyway: ${disabled.map((s) => s.name).join(", ")}`);
  return { plan, warnings };
}
