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
import { advance, command, followed } from "../policy/drain-machine.ts";
import type { Intent } from "../policy/intent.ts";
import { type Condition, positions, type ServiceIntent } from "../policy/moves.ts";
import { standingUpon } from "../policy/undrain.ts";
import { serviceWith } from "./places.ts";

export interface DrainContext {
  readonly service: Service;
  readonly intent: ServiceIntent;
  readonly condition: (server: RealServer) => Condition;
  readonly now: Now;
  readonly storable: boolean;
  /** Nothing is written for the service now. */
  readonly frozen?: boolean;
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
    const home = service && context(service);
    const view = home
      ? viewFor(before, home)
      : { now, servers: new Map<ServerKey, Participant>(), serviceExists: false, storable };
    // Steps that nobody sees must not be counted, whatever made it go on (a new that came back).
    const held = (drain: Drain): Drain => (home?.frozen ? standing(drain, view) : drain);
    let drain = held(before);
    // Each turn is one transition; the longest chain of them without time passing is four.
    for (let turn = 0; turn < 8; turn++) {
      const next = advance(drain, view);
      if (next.lookAgainAt !== undefined && (lookAgainAt === undefined || next.lookAgainAt < lookAgainAt))
        lookAgainAt = next.lookAgainAt;
      if (next.drain === drain) break;
      // A step is to be written before the next is thought of.
      const stepped = next.drain.step !== drain.step;
      drain = held(next.drain);
      if (stepped) break;
    }
    if (drain !== before) moved.push({ before, after: drain });
  }
  return { moved: storable ? withSiblings(moved, intent, now) : moved, lookAgainAt };
}

function standing(drain: Drain, view: DrainView): Drain {
  if (drain.phase.kind !== "pending" && drain.phase.kind !== "shifting") return drain;
  const paused = command(drain, "pause", "frozen", view);
  return paused.ok ? paused.value : drain;
}

/** A machine leaves all its services or none: where one of its drains was undone, the others are as well, whatever else they did in this pass.
 *  One that is over is only undone together with the cause: later somebody may have given its server back on purpose. */
function withSiblings(moved: readonly Moved[], intent: Intent, now: Now): readonly Moved[] {
  const after = new Map(moved.map((m) => [m.before.id, m.after]));
  const present = intent.drains.map((before) => ({ before, after: after.get(before.id) ?? before }));
  const result: Moved[] = [];
  for (const { before, after: is } of present) {
    const undone = is.parent ? present.filter((p) => isUndone(p.after) && p.after.parent?.id === is.parent?.id) : [];
    const cause = undone.find((p) => p.after !== p.before) ?? undone[0];
    const over = cause !== undefined && cause.after !== cause.before && isStanding(is) && !standingUpon(intent, is);
    const next = cause && (isActive(is) || over) ? followed(is, cause.after, now) : is;
    if (next !== before) result.push({ before, after: next });
  }
  return result;
}

function isUndone({ phase }: Drain): boolean {
  return phase.kind === "rolled-back" || phase.kind === "failed";
}
