import type { Rates } from "../ipvs/table.ts";
import type { Millis } from "../model/time.ts";
import { atZero } from "../model/weight-zero.ts";
import { decide, isReady } from "../policy/decide.ts";
import type { Drain } from "../policy/drain.ts";
import { cycleOf } from "../policy/shares.ts";
import { type DrainContext, viewFor } from "./drains.ts";
import { givenShare } from "./given.ts";
import { type SysctlNote, sysctlNotes, tooFast } from "./pace-warnings.ts";
import { entriesOf } from "./places.ts";

/** What a drain would do, before it begins. */
export interface DrainPlan {
  readonly plan: readonly PlannedStep[];
  /** New connections a second at present; undefined: not known. */
  readonly rate: number | undefined;
  readonly sysctls: readonly SysctlNote[];
  readonly warnings: readonly string[];
}

export interface PlannedStep {
  /** Milliseconds from the start. */
  readonly at: Millis;
  /** Share of the olds' weight asked to have moved, 0 to 1. */
  readonly asked: number;
  /** The share that the whole weights really move. */
  readonly given: number | undefined;
  /** By server name; every server of the service. */
  readonly weights: Readonly<Record<string, number>>;
  /** Connections until the kernel's wrr begins anew: a step should carry at least two cycles. */
  readonly cycle: number;
  /** It waits here for `resume`. */
  readonly pause: boolean;
}

/** The weights of every step as if all participants were healthy, and what stands against it. */
export function drainPlan(
  drain: Drain,
  context: DrainContext,
  rates: Rates,
  sysctl: (name: string) => number | undefined,
): DrainPlan {
  const { service, intent } = context;
  const plan = plannedSteps(drain, context);
  const known = entriesOf(service).map((key) => rates.get(key)?.perSecond);
  const rate = known.every((r) => r === undefined) ? undefined : known.reduce<number>((sum, r) => sum + (r ?? 0), 0);
  const longest = Math.max(...plan.map((step) => step.cycle));
  const warnings: string[] = [];
  const fast = drain.steps.length > 1 ? tooFast(drain.every, longest, rate) : undefined;
  if (fast !== undefined) warnings.push(fast);
  if (service.scheduler !== "wrr") {
    const refused = atZero(service, service.frontends[0]!, true).kind === "refused";
    const end = refused ? "; what is left at weight 0 is refused until the old's last connection has ended" : "";
    warnings.push(whatSchedulerDoes(service.scheduler) + end);
  }
  if (service.persistence)
    warnings.push(
      "persistence: clients that are known stay with the old until it is at weight 0; steps only move new ones",
    );
  const idle = service.servers.filter((s) => !isReady({ kind: "no-check" }, intent.servers.get(s.key)));
  if (idle.length > 0) warnings.push(`not serving anyway: ${idle.map((s) => s.name).join(", ")}`);
  return { plan, rate, sysctls: sysctlNotes(drain, service, sysctl), warnings };
}

/** The shares and weights of every step as if all participants were healthy. */
export function plannedSteps(drain: Drain, context: DrainContext): readonly PlannedStep[] {
  const { service, intent } = context;
  const { pauseAt } = drain.policy;
  const healthy = {
    ready: true,
    connections: undefined,
    lingering: undefined,
    idle: false,
    empty: false,
    ramping: false,
  };
  const upon = viewFor(undefined, { ...context, condition: () => healthy }).servers;
  return drain.steps.map((asked, k): PlannedStep => {
    const stepped: Drain = { ...drain, step: k + 1 };
    const decisions = decide(service, { ...intent, drains: [...intent.drains, stepped] }, () => ({ kind: "no-check" }));
    const weights = Object.fromEntries(service.servers.map((s) => [s.name, decisions.get(s.key)!.weight]));
    const { scale } = decisions.get(drain.from[0]!)!;
    const before = drain.steps[k - 1] ?? 0;
    return {
      at: k * drain.every,
      asked,
      given: givenShare(stepped, upon, scale),
      weights,
      cycle: cycleOf(Object.values(weights)),
      pause: pauseAt.some((share) => before < share - 1e-9 && asked >= share - 1e-9),
    };
  });
}

/** Measured with each scheduler: 90:10 gave rr 50/50; lc and wlc send every new connection to a newcomer until it is level. */
function whatSchedulerDoes(scheduler: string): string {
  switch (scheduler) {
    case "rr":
    case "dh":
    case "twos":
      return `scheduler ${scheduler} ignores weights above 0: nothing moves before the old reaches weight 0, then everything at once`;
    case "lc":
    case "wlc":
    case "sed":
    case "nq":
    case "lblc":
    case "lblcr":
      return `scheduler ${scheduler} goes by open connections: a new server gets every new connection until it is level with the others`;
    case "fo":
      return "scheduler fo sends everything to the heaviest server: all moves in one step, where new becomes heavier than old";
    case "ovf":
      return "scheduler ovf takes weights for connection limits: lower ones overflow to the next server";
    default:
      return `scheduler ${scheduler} divides by hash: each step moves some clients, and not quite in the shares asked for`;
  }
}
