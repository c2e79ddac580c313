import type { Config } from "../model/config.ts";
import { CHECK_BOUNDS, createHistogram, type Histogram } from "../model/histogram.ts";
import type { CheckMetrics } from "../model/metrics.ts";
import type { ProbeOutcome } from "../model/probe.ts";
import type { Millis } from "../model/time.ts";
import { checkedServers } from "./verdicts.ts";

export interface CheckTallies {
  /** The end of every probe: a lookup and a few additions. One that several services share counts in each of them. */
  note(check: { readonly spec: { readonly key: string } }, outcome: ProbeOutcome, tookMs: Millis): void;
  /** undefined: no probe of it has ended yet. */
  of(service: string): CheckMetrics | undefined;
}

interface Tally {
  readonly results: { pass: number; fail: number; inconclusive: number };
  readonly duration: Histogram;
}

/** Counts probes by service. What a service has counted goes on over reloads, and goes with it.
 *  @param config the one in force */
export function createCheckTallies(config: () => Config): CheckTallies {
  let known: Config | undefined;
  let byCheck = new Map<string, Tally[]>();
  let byService = new Map<string, Tally>();

  function take(next: Config): void {
    known = next;
    const services = new Map<string, Tally>();
    byCheck = new Map();
    for (const service of next.services) {
      const tally = byService.get(service.name) ?? { results: ZERO(), duration: createHistogram(CHECK_BOUNDS) };
      services.set(service.name, tally);
      for (const server of checkedServers(service)) for (const { key } of server.checks) put(key, tally);
    }
    byService = services;
  }

  function put(key: string, tally: Tally): void {
    const users = byCheck.get(key);
    if (users === undefined) byCheck.set(key, [tally]);
    else if (!users.includes(tally)) users.push(tally);
  }

  function current(): void {
    const now = config();
    if (now !== known) take(now);
  }

  return {
    note({ spec }, outcome, tookMs) {
      current();
      for (const { results, duration } of byCheck.get(spec.key) ?? []) {
        results[outcome.kind]++;
        // Of what could not be asked, the time says nothing of the server.
        if (outcome.kind !== "inconclusive") duration.observe(tookMs / 1000);
      }
    },
    of(service) {
      current();
      const tally = byService.get(service);
      const some = tally && tally.results.pass + tally.results.fail + tally.results.inconclusive > 0;
      return some ? tally : undefined;
    },
  };
}

const ZERO = () => ({ pass: 0, fail: 0, inconclusive: 0 });
