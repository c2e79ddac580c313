import type { ProbeOutcome } from "../model/probe.ts";
import { formatDuration, type Millis, type MonotonicMs } from "../model/time.ts";
import { inconclusive } from "./outcome.ts";

/*
 * Silence passes where a server never answers, so its death shows only in ICMP refusals, and hosts ration those: Linux answers one
 * peer once a second (net.ipv4.icmp_ratelimit), whichever of its ports were asked. Hence two rules.
 */

/** Silence this soon after a refusal says nothing: the next refusal may have been withheld. */
const DOUBT: Millis = 10_000;

/** Two refusals within this time are as good as `fall` in a row, which may never come. */
const DECISIVE: Millis = 30_000;

/** When the last refusal came; undefined: none yet, or a reply since. */
export type LastRefusal = MonotonicMs | undefined;

/** What a refusal says, given the one before it. */
export function refusal(reason: string, last: LastRefusal, now: MonotonicMs): ProbeOutcome {
  if (last === undefined || now - last > DECISIVE) return { kind: "fail", reason };
  return { kind: "fail", reason: `${reason}, the second within ${formatDuration(DECISIVE)}`, decisive: true };
}

/** What silence until the deadline says. */
export function silence(timeout: Millis, last: LastRefusal, now: MonotonicMs): ProbeOutcome {
  if (last === undefined || now - last >= DOUBT)
    return { kind: "pass", detail: `no refusal within ${formatDuration(timeout)}` };
  const ago = formatDuration(Math.ceil((now - last) / 1000) * 1000);
  return inconclusive(`silence, but an ICMP refusal ${ago} ago: hosts ration them`);
}
