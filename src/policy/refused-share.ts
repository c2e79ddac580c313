import type { ServerKey, Service } from "../model/service.ts";
import type { Millis } from "../model/time.ts";
import { atZero, atZeroWords } from "../model/weight-zero.ts";
import type { Decision, WeightRule } from "./decide.ts";
import { isActive } from "./drain.ts";
import type { ServiceIntent } from "./moves.ts";

const ON_PURPOSE: ReadonlySet<WeightRule> = new Set([
  "disabled",
  "drained",
  "below-quorum",
  "agent-drain",
  "agent-maint",
  "reported-0",
]);

/** Servers at weight 0 by somebody's word (`disable`, `weight 0`, a drain that is done, the server's own report), or because the sorry server serves,
 *  where the scheduler refuses the share of an entry at weight 0: the entry stands until its last connection has ended, and not a moment longer, since it costs clients all that time. With
 *  `on_failure: quiesce` every entry stays. A standby of the file's own weight 0 never had a share, and stays too. */
export function refusedShares(
  service: Service,
  { drains }: ServiceIntent,
  decisions: ReadonlyMap<ServerKey, Decision>,
): ReadonlyMap<ServerKey, { readonly grace: Millis; readonly why: string }> {
  const leaving = new Map<ServerKey, { grace: Millis; why: string }>();
  const [frontend] = service.frontends;
  if (service.onFailure === "quiesce" || frontend === undefined) return leaving;
  // Whatever the frontend: it is the scheduler that refuses.
  const at = atZero(service, frontend, true);
  if (at.kind !== "refused") return leaving;
  for (const [key, { weight, rule, base, configured }] of decisions) {
    const commanded = ON_PURPOSE.has(rule) || (rule === "configured-0" && base !== configured);
    // A drain that waits for connections counts them as it was told to.
    const watched = drains.some((drain) => isActive(drain) && drain.from.includes(key));
    if (weight === 0 && commanded && !watched)
      leaving.set(key, { grace: Number.POSITIVE_INFINITY, why: atZeroWords(service, at)! });
  }
  return leaving;
}
