import type { CheckSpec, ProbeOutcome } from "../model/probe.ts";
import { assertNever } from "../model/result.ts";
import type { Millis, MonotonicMs } from "../model/time.ts";

/** What one check believes of its endpoint.
 *
 *  | state   | pass                         | fail                                                     | inconclusive |
 *  | unknown | up                           | down; if presumed up only at `fall` in a row             | as it was    |
 *  | up      | row of failures forgotten    | one more in the row, down at `fall`                      | as it was    |
 *  | down    | one more in the row, up at `rise` | row of passes forgotten                             | as it was    |
 *
 *  Rows are of consecutive conclusive outcomes, never cumulative. What is harmlessly inconclusive makes an unknown check up. */
export type CheckState =
  | {
      readonly kind: "unknown";
      readonly since: MonotonicMs;
      /** The kernel was sending it clients when we came: `fall` failures are needed, as if it were up. */
      readonly presumedUp: boolean;
      readonly failures: number;
      readonly reason: string | undefined;
    }
  | {
      readonly kind: "up";
      readonly since: MonotonicMs;
      /** It was down before: an outage that we saw, which slow start is for. */
      readonly recovered: boolean;
      readonly failures: number;
      /** Why the present row of failures fails; undefined when there is none. */
      readonly reason: string | undefined;
    }
  | { readonly kind: "down"; readonly since: MonotonicMs; readonly passes: number; readonly reason: string };

export interface Thresholds {
  /** Passes in a row from down to up, >= 1. */
  readonly rise: number;
  /** Failures in a row from up to down, >= 1. */
  readonly fall: number;
}

export function unknown(presumedUp: boolean, now: MonotonicMs): CheckState {
  return { kind: "unknown", since: now, presumedUp, failures: 0, reason: undefined };
}

/** The state after one outcome. Returns the very same object when nothing changes. */
export function step(state: CheckState, outcome: ProbeOutcome, t: Thresholds, now: MonotonicMs): CheckState {
  switch (outcome.kind) {
    case "inconclusive":
      return outcome.harmless && state.kind === "unknown" ? up(now, false) : state;
    case "pass":
      return passed(state, t, now);
    case "fail":
      return failed(state, outcome.reason, outcome.decisive === true, t, now);
    default:
      return assertNever(outcome);
  }
}

/** As `step`, for a check that nobody has passed yet: a wrong question says nothing about a server. What is unknown stays so, with the reason and
 *  without a row: were it down in secret, the first pass anywhere would prove the check and take everybody down at once. */
export function stepUnproven(state: CheckState, outcome: ProbeOutcome, t: Thresholds, now: MonotonicMs): CheckState {
  if (state.kind !== "unknown" || outcome.kind !== "fail") return step(state, outcome, t, now);
  return state.reason === outcome.reason ? state : { ...state, reason: outcome.reason };
}

/** Start to start: how long after the last start the next one is due. */
export function intervalOf(state: CheckState, spec: CheckSpec): Millis {
  switch (state.kind) {
    case "down":
      return spec.downInterval;
    case "up":
    case "unknown":
      return state.failures > 0 ? spec.fastInterval : spec.interval;
    default:
      return assertNever(state);
  }
}

function passed(state: CheckState, t: Thresholds, now: MonotonicMs): CheckState {
  switch (state.kind) {
    case "unknown":
      return up(now, false);
    case "up":
      return state.failures === 0 ? state : { ...state, failures: 0, reason: undefined };
    case "down":
      return state.passes + 1 >= t.rise ? up(now, true) : { ...state, passes: state.passes + 1 };
    default:
      return assertNever(state);
  }
}

function failed(state: CheckState, reason: string, decisive: boolean, t: Thresholds, now: MonotonicMs): CheckState {
  switch (state.kind) {
    case "down":
      return state.passes === 0 && state.reason === reason ? state : { ...state, passes: 0, reason };
    case "unknown":
    case "up": {
      const needed = state.kind === "up" || state.presumedUp ? t.fall : 1;
      const failures = decisive ? needed : state.failures + 1;
      if (failures >= needed) return { kind: "down", since: now, passes: 0, reason };
      return { ...state, failures, reason };
    }
    default:
      return assertNever(state);
  }
}

function up(now: MonotonicMs, recovered: boolean): CheckState {
  return { kind: "up", since: now, recovered, failures: 0, reason: undefined };
}
