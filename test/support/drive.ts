import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { parseAddress } from "../../src/model/address.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../../src/model/probe.ts";
import type { NastyServer } from "./nasty-server.ts";

/** A target on the loopback, or wherever `host` says. */
export function target(port: number, timeout = 2000, host = "127.0.0.1", source?: string): ProbeTarget {
  return {
    endpoint: { address: parseAddress(host)!, port },
    source: source === undefined ? undefined : parseAddress(source)!,
    timeout,
  };
}

/** Opens a prober from options as they stand in a configuration, where every scalar is text. */
export function open<O>(type: ProbeType<O>, at: ProbeTarget, options: Record<string, unknown> = {}): Prober {
  return type.open(at, type.options.parse(options));
}

/** One probe with its deadline, as the engine would run it; also sees to it that `done` comes once and not within start. */
export function probe(prober: Prober, timeout: number): Promise<ProbeOutcome> {
  return new Promise((resolve, reject) => {
    let starting = true;
    let calls = 0;
    const deadline = setTimeout(() => prober.cancel(), timeout);
    prober.start((outcome) => {
      clearTimeout(deadline);
      calls += 1;
      if (starting) reject(new Error("done was called within start"));
      if (calls > 1) throw new Error(`done was called ${calls} times`);
      resolve(outcome);
    });
    starting = false;
  });
}

/** Opens, probes once, closes. */
export async function probeOnce<O>(
  type: ProbeType<O>,
  at: ProbeTarget,
  options: Record<string, unknown> = {},
): Promise<ProbeOutcome> {
  const prober = open(type, at, options);
  try {
    return await probe(prober, at.timeout);
  } finally {
    prober.close();
  }
}

/** `pass: connected`, `fail: connection refused`: an outcome on one line, to compare. */
export function line(outcome: ProbeOutcome): string {
  return `${outcome.kind}: ${outcome.kind === "pass" ? outcome.detail : outcome.reason}`;
}

export interface Load {
  readonly server: NastyServer;
  readonly probers: readonly Prober[];
  /** When the driver gives a probe up, whatever the prober believes. */
  readonly timeout: number;
  /** Judges every outcome. */
  readonly judge?: (outcome: string) => void;
}

/** Probes everything `rounds` times, one probe at a time on each prober, and checks that nothing stays open of it. The servers' own ends, which
 *  are in this process too, do not count; nor does what a first probe opens for the life of its prober. */
export async function leavesNothing(loads: readonly Load[], rounds: number): Promise<void> {
  const repeat = (times: number) =>
    loads.flatMap(({ probers, timeout, judge }) =>
      probers.map(async (prober) => {
        for (let i = 0; i < times; i++) {
          const outcome = line(await probe(prober, timeout));
          judge?.(outcome);
        }
      }),
    );
  await Promise.all(repeat(1));
  const before = await settledDescriptors(loads);
  await Promise.all(repeat(rounds - 1));
  const after = await settledDescriptors(loads);
  if (after > before) throw new Error(`${after - before} more descriptors after ${rounds} rounds`);
}

/** Open descriptors that are not the servers', once that number stands still: both ends of closed connections take a moment to go. */
async function settledDescriptors(loads: readonly Load[]): Promise<number> {
  let same = 0;
  for (let last = -1; ; ) {
    const now = readdirSync("/proc/self/fd").length - loads.reduce((sum, { server }) => sum + server.held(), 0);
    same = now === last ? same + 1 : 0;
    if (same === 4) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** One way a server may behave, and what a probe of it must say. */
export type Case = readonly [
  what: string,
  server: () => Promise<NastyServer>,
  options: Record<string, unknown>,
  outcome: string | RegExp,
];

export function check(actual: string, expected: string | RegExp, what?: string): void {
  const fits = typeof expected === "string" ? actual === expected : expected.test(actual);
  assert.ok(fits, `${what === undefined ? "" : `${what}: `}"${actual}" instead of "${expected}"`);
}

/** A test for each case. The deadline is 300 ms for those whose outcome has to wait for it; the others have all the time of a busy machine. */
export function testEach<O>(type: ProbeType<O>, cases: readonly Case[], waits = /300ms/): void {
  for (const [what, start, options, expected] of cases)
    test(what, async () => {
      await using server = await start();
      const timeout = waits.test(`${what}: ${expected}`) ? 300 : 5000;
      check(line(await probeOnce(type, target(server.port, timeout), options)), expected);
    });
}

/** Probes every case a hundred times, with few enough connections at once for a limit of 1,024 descriptors. `waits` tells by their outcome which
 *  of them take all the time they are given. */
export async function manyOfEach<O>(type: ProbeType<O>, cases: readonly Case[], waits = /timed out/): Promise<void> {
  const atOnce = 16;
  for (let i = 0; i < cases.length; i += atOnce) {
    await using all = new AsyncDisposableStack();
    const loads: Load[] = [];
    for (const [what, start, options, expected] of cases.slice(i, i + atOnce)) {
      const server = all.use(await start());
      const probers = Array.from({ length: 10 }, () => open(type, target(server.port, 300), options));
      for (const prober of probers) all.defer(() => prober.close());
      // Those that wait for their deadline get a shorter one, where it may come in another phase.
      if (waits.test(`${what}: ${expected}`)) loads.push({ server, probers, timeout: 20 });
      else loads.push({ server, probers, timeout: 30_000, judge: (outcome) => check(outcome, expected, what) });
    }
    await leavesNothing(loads, 10);
  }
}
