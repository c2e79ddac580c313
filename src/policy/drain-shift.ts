import type { ServerKey } from "../model/service.ts";
import { askedShare, type Drain, type DrainView, isActive, type Participant, type Shift } from "./drain.ts";

const NOTHING: Shift = { given: {}, taken: {} };

/** What this drain moves now. While it is active, what a new that is not ready took counts for the olds again, at once. */
export function shift(drain: Drain, servers: DrainView["servers"]): Shift {
  if (drain.result) return standing(drain, drain.result, servers);
  if (!isActive(drain) || drain.step === 0) return NOTHING;
  const asked = askedShare(drain);
  const share = asked * carried(drain, servers);
  const given: Record<ServerKey, number> = {};
  let moved = 0;
  for (const key of drain.from) {
    const old = servers.get(key);
    if (old) given[key] = share * old.weight;
    // An old that left the file carries nothing any more: the news have all of what it had, or a standby would be left with nothing.
    moved += old ? asked * old.weight : (drain.configured[key] ?? 0);
  }
  const taken: Record<ServerKey, number> = {};
  for (const [key, part] of parts(drain, servers)) if (servers.get(key)?.ready) taken[key] = moved * part;
  return { given, taken };
}

/** The part (0 to 1) of what is moved that news which are ready can carry. Without named news: 1 if anybody else is ready. */
export function carried(drain: Drain, servers: DrainView["servers"]): number {
  if (drain.to.length === 0) return drain.policy.allowEmpty || others(drain, servers).some((s) => s.ready) ? 1 : 0;
  let sum = 0;
  for (const [key, part] of parts(drain, servers)) if (servers.get(key)?.ready) sum += part;
  return sum;
}

/** How the news divide what is moved: by their own weights, evenly if they have none. Parts sum to 1. */
function parts(drain: Drain, servers: DrainView["servers"]): readonly (readonly [ServerKey, number])[] {
  // One that left the file keeps its part: nobody is ready to carry that, so it counts for the olds again.
  const weights = drain.to.map((key) => servers.get(key)?.weight ?? drain.configured[key] ?? 0);
  const sum = weights.reduce((a, b) => a + b, 0);
  return drain.to.map((key, i) => [key, sum === 0 ? 1 / drain.to.length : weights[i]! / sum]);
}

export function others(drain: Drain, servers: DrainView["servers"]): readonly Participant[] {
  return [...servers].filter(([key, s]) => !drain.from.includes(key) && s.weight > 0).map(([, s]) => s);
}

/** A result counts for a server as long as it is in the file with the weight it had then: a changed weight is the operator's newer word. */
function standing(drain: Drain, result: Shift, servers: DrainView["servers"]): Shift {
  const still = (amounts: Shift["given"]): Shift["given"] =>
    Object.fromEntries(
      Object.entries(amounts).filter(
        ([key]) => servers.get(key as ServerKey)?.configured === drain.configured[key as ServerKey],
      ),
    );
  return { given: still(result.given), taken: still(result.taken) };
}

/** Healthy weight after the olds have given `share`, as a part of the configured weight of who is healthy: 0 to 1; 1 when nobody is. What
 *  earlier drains have taken out is gone already: one server after the other, each a small part of the rest, must not empty a pool. */
export function capacityAfter(drain: Drain, share: number, servers: DrainView["servers"]): number {
  let configured = 0;
  let before = 0;
  let after = 0;
  const parting = new Map(parts(drain, servers));
  let moved = 0;
  for (const key of drain.from) moved += share * (servers.get(key)?.weight ?? 0);
  for (const [key, s] of servers) {
    if (!s.ready) continue;
    configured += s.base;
    before += s.weight;
    after += drain.from.includes(key) ? s.weight * (1 - share) : s.weight + (parting.get(key) ?? 0) * moved;
  }
  // More than is configured: standbys that have taken over from servers which are down, or left the file.
  const whole = Math.max(configured, before);
  return whole === 0 ? 1 : after / whole;
}
