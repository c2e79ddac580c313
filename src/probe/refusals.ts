import type { ProbeOutcome } from "../model/probe.ts";
import { formatDuration, later, type Millis, type MonotonicMs } from "../model/time.ts";
import { inconclusive } from "./outcome.ts";

/*
 * Silence passes where a server never answers, so its death shows only in ICMP refusals, and hosts ration those: Linux sends one peer one a
 * second, whichever of its ports were asked, six at once if it has saved them up (net.ipv4.icmp_ratelimit; net/ipv4/inetpeer.c,
 * inet_peer_xrlim_allow). Silence proves life only where a refusal could have come.
 */

/** Silence this soon after a refusal by the same port says nothing. */
const DOUBT: Millis = 10_000;

/** Two refusals by the same port within this time are as good as `fall` in a row, which may never come. */
const DECISIVE: Millis = 30_000;

/** So many refusals to anyone here around the time of a datagram, and the next may have been withheld. */
const RATION = 5;
const BEFORE: Millis = 5_000;
const AFTER: Millis = 1_000;

/** When the port last refused; undefined: never, or it has replied since. */
export type LastRefusal = MonotonicMs | undefined;

/** What a refusal says, given the one before it. */
export function refusal(reason: string, last: LastRefusal, now: MonotonicMs): ProbeOutcome {
  if (last === undefined || now - last > DECISIVE) return { kind: "fail", reason };
  return { kind: "fail", reason: `${reason}, the second within ${formatDuration(DECISIVE)}`, decisive: true };
}

/** What silence until the deadline says. */
export function silence(timeout: Millis, last: LastRefusal, usedUp: boolean, now: MonotonicMs): ProbeOutcome {
  if (last !== undefined && now - last < DOUBT) {
    const ago = formatDuration(Math.ceil((now - last) / 1000) * 1000);
    return inconclusive(`silence, but an ICMP refusal ${ago} ago: hosts ration them`);
  }
  if (usedUp) return inconclusive("silence, but the host has used up its ration of ICMP refusals on others");
  return { kind: "pass", detail: `no refusal within ${formatDuration(timeout)}` };
}

/** The refusals of each host to any of our probes. */
export interface Ledger {
  note(host: string, now: MonotonicMs): void;
  /** Whether a refusal of a datagram sent at that time may have been withheld. */
  usedUp(host: string, sentAt: MonotonicMs): boolean;
  /** Whether the host is refusing others at present, so that it matters who asks first. */
  contested(host: string, now: MonotonicMs): boolean;
}

export function createLedger(): Ledger {
  /** Oldest first, no more than may count. */
  const times = new Map<string, MonotonicMs[]>();
  return {
    note(host, now) {
      const recent = times.get(host)?.filter((time) => now - time <= DECISIVE) ?? [];
      times.set(host, [...recent, now]);
    },
    usedUp(host, sentAt) {
      const around = times.get(host)?.filter((time) => time >= sentAt - BEFORE && time <= later(sentAt, AFTER)) ?? [];
      return around.length >= RATION;
    },
    contested(host, now) {
      const last = times.get(host)?.at(-1);
      if (last !== undefined && now - last > DECISIVE) times.delete(host);
      return times.has(host);
    },
  };
}
