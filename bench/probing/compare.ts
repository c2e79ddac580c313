import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectionsBegun, type Ports, startTarget, type TargetStats } from "./processes.ts";
import type { Programs } from "./programs.ts";
import { can, type Subject, startSubject, type Way } from "./subjects.ts";
import { startTlsTarget } from "./tls-target.ts";

/** One prober over one set of servers. */
export interface Measured {
  readonly subject: Subject;
  readonly way: Way;
  readonly servers: number;
  readonly periodMs: number;
  /** CPU time, user and system, of the prober for one check; in microseconds. */
  readonly cpuUs: number;
  /** Completed checks a second, and how many were due. */
  readonly rate: number;
  readonly due: number;
  /** Of the intervals between two checks of a server: how far 99 of 100 were from the period at most, in ms; 100 is that and more. undefined: the
   *  servers did not see them. */
  readonly p99LateMs: number | undefined;
  /** Of the TLS handshakes of the last second; undefined: there were none. */
  readonly resumedPercent: number | undefined;
  readonly rssMb: number;
  readonly files: number;
  /** From the start of the process until every server was asked. */
  readonly startMs: number;
}

export interface Plan {
  readonly way: Way;
  readonly servers: number;
  readonly periodMs: number;
  readonly subjects: readonly Subject[];
}

export interface Pace {
  readonly settleMs: number;
  /** The same for director. */
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly rounds: number;
}

/** The prober and the servers on a CPU of their own each, where there are two. */
const CPUS = { prober: 1, target: 0 } as const;

export async function compare(
  plan: Plan,
  pace: Pace,
  programs: Programs,
  say: (line: string) => void,
): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  for (let round = 0; round < pace.rounds; round++)
    for (const subject of plan.subjects) {
      if (!can(subject, plan.way)) continue;
      const measured = await measure(subject, plan, pace, programs);
      if (!measured) continue;
      say(
        `  ${plan.way} x ${plan.servers}: ${subject.padEnd(10)} ${measured.cpuUs.toFixed(1).padStart(6)} us a check, ${Math.round(measured.rate)}/s, p99 ${measured.p99LateMs ?? "?"} ms late,${measured.resumedPercent === undefined ? "" : ` ${measured.resumedPercent} % of sessions resumed,`} ${Math.round(measured.rssMb)} MB`,
      );
      all.push(measured);
    }
  return all;
}

// Below the ports that connections take for themselves.
let port = 20_000 + (process.pid % 1_000) * 10;

async function measure(
  subject: Subject,
  { way, servers, periodMs }: Plan,
  { settleMs, warmUpMs, windowMs }: Pace,
  programs: Programs,
): Promise<Measured | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "director-bench-"));
  const ports: Ports = { tcp: ++port, http: ++port, https: ++port, udp: ++port };
  const overTls = way.startsWith("https");
  if (overTls && programs.haproxy === undefined) return undefined;
  const target = overTls
    ? await startTlsTarget(programs.haproxy!, ports.https, folder, CPUS.target)
    : await startTarget(programs.target, ports, servers, periodMs, CPUS.target);
  try {
    mkdirSync(folder, { recursive: true });
    const began = performance.now();
    // HAProxy never completes the handshake of a plain TCP check: no server sees it, the kernel counts it.
    const unseen = subject === "haproxy" && way === "tcp";
    const opened = connectionsBegun();
    const asked = async () => (unseen ? connectionsBegun() - opened : (await target.ask<TargetStats>("stats")).served);
    const running = startSubject(subject, { way, servers, periodMs, ports, folder, cpu: CPUS.prober }, programs);
    if (!running) return undefined;
    try {
      while ((await asked()) < servers) {
        if (!running.alive()) throw new Error(`${subject} ended; its files are in ${folder}`);
        if (performance.now() - began > 120_000)
          throw new Error(`${subject} did not ask every server within 2 minutes`);
        await sleep(20);
      }
      const startMs = performance.now() - began;
      await sleep(subject === "director" ? warmUpMs : settleMs);
      await target.ask("reset");
      const before = running.cpu();
      const first = await target.ask<TargetStats>("stats");
      const openedFirst = connectionsBegun();
      await sleep(windowMs);
      const last = await target.ask<TargetStats>("stats");
      const openedLast = connectionsBegun();
      const cpu = running.cpu() - before;
      const seen = unseen ? openedLast - openedFirst : last.seen - first.seen;
      const seconds = (last.at - first.at) / 1e6;
      return {
        subject,
        way,
        servers,
        periodMs,
        cpuUs: (cpu / seen) * 1e6,
        rate: seen / seconds,
        due: (servers * 1000) / periodMs,
        p99LateMs: unseen || overTls ? undefined : percentile(last.late, 0.99),
        resumedPercent: (last as { readonly resumed?: number }).resumed,
        rssMb: running.rss(),
        files: running.files(),
        startMs,
      };
    } finally {
      await running.stop();
    }
  } finally {
    await target.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The smallest index within which this part of all lies. */
export function percentile(histogram: readonly number[], part: number): number {
  const total = histogram.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const [ms, count] of histogram.entries()) {
    sum += count;
    if (sum >= total * part) return ms;
  }
  return histogram.length - 1;
}

/** The middle of several. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
