import type { EpochMs } from "../model/time.ts";
import { isActive, isStanding } from "../policy/drain.ts";
import { inForce } from "../policy/freeze.ts";
import type { Intent } from "../policy/intent.ts";

/** A number for what operators want, equal on two directors when they were told the same: who said it, when, and where this director's own clock and
 *  table stand do not count. 0 to 2^53 - 1. */
export function intentHash(intent: Intent, now: EpochMs): number {
  const servers = intent.servers.map((s) => [
    [...s.services].sort(),
    s.server,
    s.disabled ? (s.disabled.until ?? "always") : "",
    s.weight ? [s.weight.value, s.weight.configured] : "",
    s.stateLost !== undefined,
  ]);
  const drains = intent.drains
    .filter((d) => isActive(d) || isStanding(d))
    .map((d) => [[...d.service].sort(), d.from, d.to, d.steps, d.step, isActive(d)]);
  const added = intent.added.map((a) => [[...a.services].sort(), a.address]);
  const freezes = inForce(intent, now).map((f) => [f.services === undefined ? "all" : [...f.services].sort(), f.until]);
  return hash(
    JSON.stringify([servers, drains, added, freezes].map((part) => part.map((x) => JSON.stringify(x)).sort())),
  );
}

/** Two rounds of FNV-1a with different beginnings, 53 bits of them: no secret, only unlikely to be equal by chance. */
function hash(text: string): number {
  return (fnv(text, 0x811c9dc5) & 0x1fffff) * 0x1_0000_0000 + fnv(text, 0x01000193);
}

function fnv(text: string, begin: number): number {
  let value = begin;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
