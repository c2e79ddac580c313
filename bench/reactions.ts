// What `director run` does beside probing, with real processes and a stub in ipvsadm's place:
//   node bench/reactions.ts [SERVERS...]      (1000 and 10000 unless told otherwise), about three minutes each, one for the rest
// From the last failing answer to the start of ipvsadm, for one server and for all at once; what a pass with nothing to do costs; start and reload; servers
// that many services share; a daemon with ten servers.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../src/control/client.ts";
import type { StatusReply } from "../src/control/shapes.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { median, percentile } from "./probing/compare.ts";
import { type Ports, start, startTarget, type TargetStats } from "./probing/processes.ts";
import { bringPrograms } from "./probing/programs.ts";
import { directorConf, directorFiles, type Setup } from "./probing/subjects.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const programs = bringPrograms(say);
const director = join(import.meta.dirname, "../bin/director");
let port = 26_000 + (process.pid % 500) * 4;
const never = new AbortController().signal;

for (const servers of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1_000, 10_000]) {
  say(`\n${servers} servers, HTTP over kept connections, every second`);
  await reactions(servers);
  await quiet(servers);
}
await shared(200, 5);
await idle();

interface Run {
  /** CLOCK_MONOTONIC at its start, microseconds. */
  readonly at: number;
  readonly lines: number;
  readonly what: string;
}

function runsIn(folder: string): readonly Run[] {
  const lines = readFileSync(join(folder, "log"), "utf8").trim().split("\n");
  return lines.map((line) => {
    const [at = "", count = "", ...what] = line.split(" ");
    return { at: Number(at), lines: Number(count), what: what.join(" ") };
  });
}

function writesAfter(folder: string, at: number): readonly Run[] {
  return runsIn(folder).filter((run) => run.what === "-R" && run.at >= at);
}

async function reactions(servers: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "director-bench-"));
  const ports: Ports = { tcp: ++port, http: ++port, https: ++port, udp: ++port };
  const setup: Setup = { way: "http-kept", servers, periodMs: 1_000, ports, folder, cpu: 1, metrics: ++port };
  const stub = join(folder, "ipvsadm");
  copyFileSync(programs.ipvsadm, stub);
  const target = await startTarget(programs.target, ports, servers, 1_000, 0);
  const { file, env } = directorFiles(setup, stub);
  const began = performance.now();
  const daemon = start([director, "run", "-c", file], { cpu: 1, env });
  try {
    while ((await target.ask<TargetStats>("stats")).served < servers) {
      if (!daemon.alive()) throw new Error(`director ended; its file is ${file}`);
      await sleep(5);
    }
    say(`  start: every server asked after ${Math.round(performance.now() - began)} ms`);
    const client = createClient({
      clock: systemClock,
      socket: join(folder, "control.sock"),
      actor: "bench",
      printable: false,
    });
    const status = async () => (await client.get<StatusReply>("/v1/status", never)).body;
    while (!(await status()).ready) await sleep(200);
    await sleep(3_000);

    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      const who = Math.floor(((i + 0.5) * servers) / 20);
      const { at } = await target.ask<TargetStats>("stats");
      await target.ask(`fail ${who} ${who + 1}`);
      const run = await firstWrite(folder, at);
      const fails = await target.ask<readonly number[]>(`fails ${who}`);
      // The answer that made the row whole: the last one before the write.
      waits.push((run.at - fails.filter((time) => time < run.at).at(-1)!) / 1000);
      await target.ask(`ok ${who} ${who + 1}`);
      await firstWrite(folder, run.at + 1);
    }
    say(
      `  one server fails: last failing answer to ipvsadm's start ${median(waits).toFixed(1)} ms, at most ${Math.max(...waits).toFixed(1)} ms (of 20)`,
    );

    await sleep(3_000);
    await target.ask("reset");
    await sleep(3_000);
    const { at } = await target.ask<TargetStats>("stats");
    const before = daemon.cpu();
    await target.ask(`fail 0 ${servers}`);
    await written(folder, at, servers);
    const failing = writesAfter(folder, at);
    say(
      `  all fail: ${servers} weights written by ${failing.length} runs of ipvsadm in ${Math.round((failing.at(-1)!.at - failing[0]!.at) / 1000)} ms, ${(daemon.cpu() - before).toFixed(2)} s CPU`,
    );
    const { at: back } = await target.ask<TargetStats>("stats");
    await target.ask(`ok 0 ${servers}`);
    await written(folder, back, servers);
    const healing = writesAfter(folder, back);
    say(`  all come back: ${healing.length} runs in ${Math.round((healing.at(-1)!.at - healing[0]!.at) / 1000)} ms`);
    const { seen, at: now } = await target.ask<TargetStats>("stats");
    const { late } = await target.ask<TargetStats>("stats");
    say(`  intervals at the servers meanwhile: 99 of 100 within ${percentile(late, 0.99)} ms of 1 s`);
    say(`  the event loop stood still for ${await longestBlock(setup.metrics!)} ms at most within the last minute`);
    say(
      `  meanwhile ${Math.round(seen / ((now - at) / 1e6 + 3) / (servers / 100))} % of the checks that were due reached their servers`,
    );

    writeFileSync(file, directorConf(setup, stub).replace("pool0", "pool-zero"));
    const cpu = daemon.cpu();
    await target.ask("reset");
    const asked = performance.now();
    await client.send("POST", "/v1/reload", {}, never);
    say(
      `  reload, one service renamed: ${Math.round(performance.now() - asked)} ms, ${(daemon.cpu() - cpu).toFixed(2)} s CPU with the probes of that time`,
    );
    say(`  memory ${Math.round(daemon.rss())} MB`);
  } finally {
    await daemon.stop();
    await target.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function longestBlock(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Math.round(Number(/^director_event_loop_lag_seconds (\S+)/m.exec(text)?.[1]) * 1000);
}

async function firstWrite(folder: string, after: number): Promise<Run> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const [run] = writesAfter(folder, after);
    if (run) return run;
    await sleep(20);
  }
  throw new Error("ipvsadm was not run within 30 s");
}

async function written(folder: string, after: number, lines: number): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    if (writesAfter(folder, after).reduce((sum, run) => sum + run.lines, 0) >= lines) return;
    await sleep(50);
  }
  throw new Error(`not all of ${lines} lines were written within a minute`);
}

/** What passes cost when nothing changes: no check runs, /proc is compared every 5 s. */
async function quiet(servers: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "director-bench-"));
  const stub = join(folder, "ipvsadm");
  copyFileSync(programs.ipvsadm, stub);
  const { file, env } = directorFiles(
    { way: "tcp", servers, periodMs: 1_000, ports: { tcp: 1, http: 2, https: 3, udp: 4 }, folder, cpu: 1 },
    stub,
  );
  const text = readFileSync(file, "utf8")
    .replace(/^defaults: .*$/m, "defaults: { check: none }")
    .replace(/^ipvs: \{ /m, "ipvs: { resync: 1h, ");
  writeFileSync(file, text);
  const daemon = start([director, "run", "-c", file], { cpu: 1, env });
  try {
    await sleep(12_000);
    const before = daemon.cpu();
    const runs = runsIn(folder).length;
    await sleep(50_000);
    say(
      `  nothing to do: ${(((daemon.cpu() - before) / 10) * 1000).toFixed(1)} ms CPU a pass (10 passes), ${runsIn(folder).length - runs} runs of ipvsadm`,
    );
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same servers in several services are asked once. */
async function shared(servers: number, services: number): Promise<void> {
  const { daemon, target, end } = await steady({ way: "tcp", servers, periodMs: 1_000, sharedBy: services });
  try {
    await sleep(8_000);
    const [before, cpu] = [await target.ask<TargetStats>("stats"), daemon.cpu()];
    await sleep(10_000);
    const after = await target.ask<TargetStats>("stats");
    const rate = (after.seen - before.seen) / ((after.at - before.at) / 1e6);
    say(
      `\n${servers} servers in ${services} services each, every second: ${rate.toFixed(0)} checks a second, ${(((daemon.cpu() - cpu) / (after.seen - before.seen)) * 1e6).toFixed(0)} us CPU each`,
    );
  } finally {
    await end();
  }
}

async function idle(): Promise<void> {
  const { daemon, end } = await steady({ way: "tcp", servers: 10, periodMs: 5_000 });
  try {
    await sleep(10_000);
    const before = daemon.cpu();
    await sleep(40_000);
    say(
      `10 servers, every 5 s: ${((daemon.cpu() - before) / 0.4).toFixed(2)} % of a core, ${Math.round(daemon.rss())} MB`,
    );
  } finally {
    await end();
  }
}

/** A daemon that has asked every server. */
async function steady(what: Pick<Setup, "way" | "servers" | "periodMs" | "sharedBy">) {
  const folder = mkdtempSync(join(tmpdir(), "director-bench-"));
  const ports: Ports = { tcp: ++port, http: ++port, https: ++port, udp: ++port };
  const stub = join(folder, "ipvsadm");
  copyFileSync(programs.ipvsadm, stub);
  const target = await startTarget(programs.target, ports, what.servers, what.periodMs, 0);
  const { file, env } = directorFiles({ ...what, ports, folder, cpu: 1 }, stub);
  const daemon = start([director, "run", "-c", file], { cpu: 1, env });
  const end = async () => {
    await daemon.stop();
    await target.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  while ((await target.ask<TargetStats>("stats")).served < what.servers) {
    if (!daemon.alive()) throw new Error(`director ended; its files are in ${folder}`);
    await sleep(20);
  }
  return { daemon, target, end };
}
