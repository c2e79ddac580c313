import { isUp, type ServerVerdict } from "../health/server.ts";
import type { QuorumMark, Service } from "../model/service.ts";

/** What quorum and fail-open see of one server. */
export interface Elector {
  readonly verdict: ServerVerdict;
  /** Not disabled, and not held because our state was lost. */
  readonly enabled: boolean;
  /** The weight it would have if it were up, in units of configured weight: 0 for standbys and what was drained. */
  readonly ideal: number;
  readonly configured: number;
}

/** Whether a service has enough servers. */
export interface Quorum {
  readonly held: boolean;
  /** Servers that are up, enabled and have weight. */
  readonly healthy: number;
  /** Their weight as a part of the service's configured weight, 0 to 1 and above. */
  readonly share: number;
}

/** Regained at `up` (and `down`: of two marks of different kinds either may be the higher one), lost below `down`; between the two it stays as it was. Who was not probed yet may be healthy: it never loses a quorum, and never
 *  regains one. Disabled and drained servers serve nobody and do not count.
 *  @param before whether it was held; undefined: not known (the start) */
export function quorumOf(marks: Service["quorum"], electors: readonly Elector[], before: boolean | undefined): Quorum {
  const able = electors.filter((e) => e.enabled && e.ideal > 0);
  const all = electors.reduce((sum, e) => sum + e.configured, 0);
  const share = (of: readonly Elector[]) => (all === 0 ? of.length : of.reduce((sum, e) => sum + e.ideal, 0) / all);
  const healthy = able.filter((e) => isUp(e.verdict));
  const possible = able.filter((e) => isUp(e.verdict) || e.verdict.kind === "unknown");
  const reaches = (mark: QuorumMark, of: readonly Elector[]) =>
    mark.kind === "servers" ? of.length >= mark.count : of.length > 0 && share(of) >= mark.share - 1e-9;
  const regained = () => reaches(marks.up, healthy) && reaches(marks.down, healthy);
  const held = before === false ? regained() : reaches(marks.down, possible);
  return { held, healthy: healthy.length, share: share(healthy) };
}

/** Whether the dead are to serve because everybody is dead: begins when every enabled, undrained server is down by verdict, ends when `quorum.up`
 *  is reached (or nobody is left who could be meant).
 *  @param before whether it was so until now */
export function failsOpen(
  { failOpen, quorum }: Pick<Service, "failOpen" | "quorum">,
  electors: readonly Elector[],
  before: boolean,
): boolean {
  const able = electors.filter((e) => e.enabled && e.ideal > 0);
  if (failOpen === "never" || able.length === 0) return false;
  if (able.every((e) => e.verdict.kind === "down")) return true;
  return before && !quorumOf(quorum, electors, false).held;
}
