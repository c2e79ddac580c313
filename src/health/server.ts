import type { Report } from "../model/probe.ts";
import type { MonotonicMs } from "../model/time.ts";
import type { CheckState } from "./machine.ts";
import { combined } from "./reported.ts";

/** What all checks of a server together say. Only `up`, `presumed-up` and `no-check` get weight. */
export type ServerVerdict = Health & {
  /** What it wants of its weight, by its own account; left out: nothing. */
  readonly reported?: Report;
};

type Health =
  | { readonly kind: "no-check" }
  | {
      readonly kind: "up";
      readonly since: MonotonicMs;
      /** When its last outage ended, as far as we saw one. */
      readonly recoveredAt: MonotonicMs | undefined;
    }
  /** Not probed since our start (or since its checks changed); it was up before. */
  | { readonly kind: "presumed-up"; readonly since: MonotonicMs }
  | { readonly kind: "unknown"; readonly since: MonotonicMs; readonly reason: string }
  | { readonly kind: "down"; readonly since: MonotonicMs; readonly reason: string };

export interface CheckInput {
  readonly label: string;
  readonly state: CheckState;
  /** Changed or added by a reload and passed nowhere in its service yet: it takes nothing down. */
  readonly unproven: boolean;
  readonly reported?: Report | undefined;
}

/** Whether a server with this verdict is to be sent clients. */
export function isUp(verdict: ServerVerdict): boolean {
  return verdict.kind === "up" || verdict.kind === "presumed-up" || verdict.kind === "no-check";
}

/** All checks must pass. `presumedUp`: what holds while a check has no verdict of its own yet; it is the kernel's weight at our start, or
 *  the verdict from before the reload that brought the check. */
export function serverVerdict(checks: readonly CheckInput[], presumedUp: boolean): ServerVerdict {
  const reported = combined(checks.map((check) => check.reported));
  const health = healthOf(checks, presumedUp);
  return reported === undefined ? health : { ...health, reported };
}

function healthOf(checks: readonly CheckInput[], presumedUp: boolean): Health {
  if (checks.length === 0) return { kind: "no-check" };
  let upSince = 0 as MonotonicMs;
  let recoveredAt: MonotonicMs | undefined;
  let open: CheckInput | undefined;
  let down: { since: MonotonicMs; reasons: string[] } | undefined;
  for (const check of checks) {
    const { state } = check;
    if (state.kind === "down" && !check.unproven) {
      down ??= { since: state.since, reasons: [] };
      down.reasons.push(worded(checks, check, state.reason));
      if (state.since < down.since) down.since = state.since;
    } else if (state.kind === "up") {
      if (state.since > upSince) upSince = state.since;
      if (state.recovered && state.since > (recoveredAt ?? -1)) recoveredAt = state.since;
    } else {
      open ??= check;
    }
  }
  if (down) return { kind: "down", since: down.since, reason: down.reasons.join("; ") };
  if (!open) return { kind: "up", since: upSince, recoveredAt };
  if (presumedUp) return { kind: "presumed-up", since: open.state.since };
  return { kind: "unknown", since: open.state.since, reason: waitingFor(checks, open) };
}

function waitingFor(checks: readonly CheckInput[], check: CheckInput): string {
  const failing = check.state.kind === "up" ? undefined : check.state.reason;
  const text = failing === undefined ? "waiting for the first pass" : `not passed yet: ${failing}`;
  return worded(checks, check, check.unproven ? `${text} (unproven check)` : text);
}

/** A single check needs no name; of several, each says whose reason it is. */
function worded(checks: readonly CheckInput[], check: CheckInput, reason: string): string {
  return checks.length === 1 ? reason : `${check.label}: ${reason}`;
}
