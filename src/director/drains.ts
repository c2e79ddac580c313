import type { Config } from "../model/config.ts";
import type { RealServer, ServerKey, Service } from "../model/service.ts";
import type { MonotonicMs, Now } from "../model/time.ts";
import {
  DEFAULT_DRAIN_POLICY,
  type Drain,
  type DrainView,
  isActive,
  isStanding,
  type Participant,
} from "../policy/drain.ts";
import { advance } from "../policy/drain-machine.ts";
import type { Intent } from "../policy/intent.ts";
import { type Condition, positions, type ServiceIntent } from "../policy/moves.ts";
import { serviceWith } from "./places.ts";

export interface DrainContext {
  readonly service: Service;
  readonly intent: ServiceIntent;
  readonly condition: (server: RealServer) => Condition;
  readonly now: Now;
  readonly storable: boolean;
}

/** What a drain sees of its service: everything that stood before it began. For a drain that is not there yet: everything. */
export function viewFor(
  drain: Drain | undefined,
  { service, intent, condition, now, storable }: DrainContext,
): DrainView {
  let servers: ReadonlyMap<ServerKey, Participant> = new Map();
  const probe = drain ? intent : { ...intent, drains: [...intent.drains, NOBODY] };
  positions(service, probe, condition, (each, participants) => {
    if (each.id === (drain ?? NOBODY).id) servers = participants;
  });
  return { now, servers, serviceExists: true, storable };
}

/** Stands behind all others and moves nothing, to see what they leave. */
const NOBODY: Drain = {
  id: "",
  service: [],
  serviceName: "",
  from: [],
  to: [],
  steps: [1],
  every: 0,
  step: 0,
  phase: { kind: "pending", since: 0 as MonotonicMs },
  policy: DEFAULT_DRAIN_POLICY,
  configured: {},
  result: undefined,
  expires: undefined,
  parent: undefined,
  startedAt: 0 as Drain["startedAt"],
  actor: "",
  reason: undefined,
  requestId: undefined,
};

export interface Moved {
  readonly before: Drain;
  readonly after: Drain;
}

export interface Looked {
  readonly moved: readonly Moved[];
  readonly lookAgainAt: MonotonicMs | undefined;
}

/** Looks at every drain that can still move, or still has to undo itself; what changed is to be stored before it acts. */
export function advanceAll(
  config: Config,
  intent: Intent,
  context: (service: Service) => DrainContext,
  now: Now,
  storable: boolean,
): Looked {
  const moved: Moved[] = [];
  let lookAgainAt: MonotonicMs | undefined;
  for (const before of intent.drains) {
    if (!isActive(before) && !(isStanding(before) && before.expires)) continue;
    const service = serviceWith(config, before.service);
    const view = service
      ? viewFor(before, context(service))
      : { now, servers: new Map<ServerKey, Participant>(), serviceExists: false, storable };
    let drain = before;
    // Each turn is one transition; the longest chain of them without time passing is four.
    for (let turn = 0; turn < 8; turn++) {
      const next = advance(drain, view);
      if (next.lookAgainAt !== undefined && (lookAgainAt === undefined || next.lookAgainAt < lookAgainAt))
        lookAgainAt = next.lookAgainAt;
      if (next.drain === drain) break;
      // A step is to be written before the next is thought of.
      const stepped = next.drain.step !== drain.step;
      drain = next.drain;
      if (stepped) break;
    }
    if (drain !== before) moved.push({ before, after: drain });
  }
  return { moved: [...moved, ...siblings(moved, intent, now)], lookAgainAt };
}

/** A machine leaves all its services or none: where one of its drains was undone, the others are as well. */
function siblings(moved: readonly Moved[], intent: Intent, now: Now): readonly Moved[] {
  const undone = moved.map((m) => m.after).filter((d) => d.phase.kind === "rolled-back" || d.phase.kind === "failed");
  const known = new Set(moved.map((m) => m.before.id));
  return intent.drains.flatMap((before) => {
    const cause = undone.find((d) => d.parent !== undefined && d.parent.id === before.parent?.id);
    if (!cause || known.has(before.id) || !isActive(before)) return [];
    const text = `drain ${cause.id} of the same machine was undone`;
    return [
      { before, after: { ...before, result: undefined, phase: { kind: "rolled-back", at: now.epoch, text } } as const },
    ];
  });
}
