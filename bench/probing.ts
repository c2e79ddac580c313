// CPU time for a check: `director run` against keepalived, HAProxy and a bare loop in C, side by side on one machine.
//   npm run bench              the whole, about 20 minutes; `--rounds 3` gives medians of three
//   npm run bench -- --only udp/10000,https     parts of it, into results of their own
//   npm run bench -- --quick   TCP, HTTP and UDP with 1,000 servers, under two minutes
// Prints a table, and writes it with a plot to bench/results/. Ratios are of one run's medians; absolutes depend on the machine.
import { mkdirSync, writeFileSync } from "node:fs";
import { arch, cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compare, type Measured, median, type Pace, type Plan } from "./probing/compare.ts";
import { plot } from "./probing/plot.ts";
import { bringPrograms } from "./probing/programs.ts";
import type { Subject, Way } from "./probing/subjects.ts";

const ALL: readonly Subject[] = ["limit", "director", "keepalived", "haproxy"];
// Node compiles what is hot while it runs: it costs half as much again in its first seconds, at a thousand checks a second.
const QUICK: Pace = { settleMs: 1_000, warmUpMs: 6_000, windowMs: 4_000, rounds: 1 };
const WHOLE: Pace = { settleMs: 3_000, warmUpMs: 8_000, windowMs: 8_000, rounds: 1 };

const { values } = parseArgs({
  options: { quick: { type: "boolean" }, only: { type: "string" }, rounds: { type: "string" } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const programs = bringPrograms(say);
for (const line of programs.why) say(line);
const pace: Pace = {
  ...(values.quick ? QUICK : WHOLE),
  ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
};
const plans: readonly Plan[] = (values.quick ? quickPlans() : wholePlans()).filter(
  ({ way, servers }) =>
    values.only === undefined || values.only.split(",").some((part) => `${way}/${servers}/`.startsWith(`${part}/`)),
);

function quickPlans(): readonly Plan[] {
  return (["tcp", "http", "http-kept", "udp"] as const).map((way) => plan(way, 1_000, ALL));
}

/** Peers beside it at 1,000 and 10,000 servers; alone between and beyond, for the curve. TLS at 1,000 a second only: ten times that many fresh handshakes take
 *  more than the one CPU that all have. */
function wholePlans(): readonly Plan[] {
  const plain = (["tcp", "http", "http-kept", "udp"] as const).flatMap((way) => [
    plan(way, 1_000, ALL),
    plan(way, 2_000, ["director"]),
    plan(way, 5_000, ["director"]),
    plan(way, 10_000, ALL),
    { way, servers: 20_000, periodMs: 2_000, subjects: ["director"] as const },
  ]);
  return [...plain, ...(["https", "https-kept"] as const).map((way) => plan(way, 1_000, ALL))];
}

function plan(way: Way, servers: number, subjects: readonly Subject[]): Plan {
  return { way, servers, periodMs: 1_000, subjects };
}

const measured: Measured[] = [];
for (const plan of plans) {
  say(`${plan.way}, ${plan.servers} servers, every ${plan.periodMs} ms`);
  measured.push(...(await compare(plan, pace, programs, say)));
}

/** The medians of one prober over one set of servers. */
function middle(subject: Subject, plan: Plan): Measured | undefined {
  const rounds = measured.filter(
    (m) => m.subject === subject && m.way === plan.way && m.servers === plan.servers && m.periodMs === plan.periodMs,
  );
  if (rounds.length === 0) return undefined;
  const of = (pick: (m: Measured) => number) => median(rounds.map(pick));
  return {
    ...rounds[0]!,
    cpuUs: of((m) => m.cpuUs),
    rate: of((m) => m.rate),
    p99LateMs: rounds[0]!.p99LateMs === undefined ? undefined : of((m) => m.p99LateMs!),
    rssMb: of((m) => m.rssMb),
    startMs: of((m) => m.startMs),
  };
}

const times = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? "-" : (a / b).toFixed(2);
const rows = plans.map((plan) => {
  const [limit, director, keepalived, haproxy] = ALL.map((subject) => middle(subject, plan));
  // A prober that does not keep up is shown in brackets: what it costs then says little.
  const cost = (m: Measured | undefined) =>
    m === undefined ? "-" : m.rate < 0.95 * m.due ? `(${m.cpuUs.toFixed(1)})` : m.cpuUs.toFixed(1);
  return [
    plan.way,
    String(plan.servers),
    cost(director),
    cost(keepalived),
    cost(haproxy),
    cost(limit),
    times(director?.cpuUs, keepalived?.cpuUs),
    times(director?.cpuUs, haproxy?.cpuUs),
    times(director?.cpuUs, limit?.cpuUs),
    `${director?.p99LateMs ?? "-"}`,
    director === undefined ? "-" : `${Math.round(director.rssMb)}`,
    director === undefined ? "-" : `${Math.round(director.startMs)}`,
  ];
});
const heading = [
  "way",
  "servers",
  "director us",
  "keepalived",
  "haproxy",
  "C limit",
  "x ka",
  "x ha",
  "x C",
  "p99 late ms",
  "RSS MB",
  "start ms",
];
const widths = heading.map((text, i) => Math.max(text.length, ...rows.map((row) => row[i]!.length)));
const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padStart(widths[i]!)).join("  ");
say(`\n${[heading, ...rows].map(line).join("\n")}`);
say(
  "CPU microseconds (user and system) of the whole prober for one completed check; (in brackets: it fell behind its schedule)",
);

const about = {
  date: new Date().toISOString(),
  machine: { cpus: cpus().length, model: cpus()[0]?.model, kernel: release(), arch: arch() },
  versions: { node: process.version, keepalived: programs.keepalived?.version, haproxy: programs.haproxy?.version },
  pace,
};
const folder = join(import.meta.dirname, "results");
mkdirSync(folder, { recursive: true });
const name = values.only === undefined ? (values.quick ? "probing-quick" : "probing") : "probing-part";
writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ about, measured }, undefined, 2)}\n`);
const medians = plans.flatMap((plan) => ALL.flatMap((subject) => middle(subject, plan) ?? []));
writeFileSync(join(folder, `${name}.svg`), plot(medians, about.date));
say(`written: bench/results/${name}.json and .svg`);
