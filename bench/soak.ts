// Whether director grows: 5,000 checks a second of several kinds, with servers that flap, a reload every minute, a scrape every 15 seconds and a
// drain running all the time.
//   node bench/soak.ts [MINUTES]      (30 unless told otherwise)
// A line each minute, and in the end what memory, files, handles and listeners did over the second half; exit code 1 when one of them grew. All of it is
// also written to bench/results/soak.json.
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { type Ports, start, startTarget } from "./probing/processes.ts";
import { bringPrograms } from "./probing/programs.ts";
import type { Inside } from "./soak/inside.ts";
import { DOORS, type Files, PLAYED, poolCount, soakConf } from "./soak/mixture.ts";
import { type Counts, HEADING, type Look, lineOf, type Row, rowOf, WATCHED } from "./soak/report.ts";
import { grows, leastOfMinutes, type Point, trendOf } from "./soak/trend.ts";
import { createDoors, flap, over } from "./soak/unrest.ts";

const MINUTE_MS = 60_000;
const LOOK_MS = 5_000;
const SCRAPE_EVERY = 3;
/** Minutes that a run has to have for a verdict. */
const SHORTEST = 10;
const minutes = Number(process.argv[2] ?? 30);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const programs = bringPrograms(say);
const director = join(import.meta.dirname, "../bin/director");
const folder = mkdtempSync(join(tmpdir(), "director-soak-"));
const first = 28_000 + (process.pid % 500) * 5;
const ports: Ports = { tcp: first, http: first + 1, https: 0, udp: first + 2 };
const files: Files = {
  folder,
  stub: join(folder, "ipvsadm"),
  ports,
  doorPort: first + 3,
  listen: `127.0.0.1:${first + 4}`,
};
const conf = join(folder, "director.conf");
const socket = join(folder, "control.sock");
const into = join(folder, "inside.json");
copyFileSync(programs.ipvsadm, files.stub);
writeFileSync(conf, soakConf(files, 0));
writeFileSync(
  join(folder, "proc"),
  "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n",
);

const ending = new AbortController();
process.once("SIGINT", () => ending.abort());
process.once("SIGTERM", () => ending.abort());

const doors = createDoors(files.doorPort);
await doors.open(0, DOORS);
const target = await startTarget(programs.target, ports, PLAYED, 1_000, undefined);
const daemon = start([director, "run", "-c", conf], {
  env: {
    DIRECTOR_PROC_IP_VS: join(folder, "proc"),
    NODE_OPTIONS: `--import=${join(import.meta.dirname, "soak/inside.ts")} ${process.env.NODE_OPTIONS ?? ""}`,
    LOOK_INTO: into,
    LOOK_EVERY_MS: String(LOOK_MS - 300),
  },
});

const drainCodes: Record<string, number> = {};
let failure: string | undefined;
let went: readonly Row[] = [];
const looks: Look[] = [];
try {
  await ready();
  say(`${minutes} minutes; files in ${folder}, director is process ${daemon.pid}`);
  const flaps = flap(target, doors, ending.signal);
  const drains = drainOnAndOn();
  const reloads = reloadOnAndOn();
  await watch();
  ending.abort();
  const [taken] = await Promise.all([flaps, drains, reloads]);
  const codes = Object.entries(drainCodes).map(([code, count]) => `${count} with ${code}`);
  say(`servers went down ${taken} times; drains ended: ${codes.join(", ")} (exit codes, docs/drains.md)`);
} catch (error) {
  failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
} finally {
  ending.abort();
  await daemon.stop();
  await target.stop();
  await doors.close(0, DOORS);
}
if (failure !== undefined) {
  say(`${failure}\nits files are in ${folder}`);
  process.exit(1);
}
rmSync(folder, { recursive: true, force: true });
if ((looks.at(-1)?.minute ?? 0) < minutes - 0.5) {
  say("ended early: no verdict");
  process.exit(1);
}
process.exit(judged() ? 0 : 1);

async function scrape(): Promise<Counts | undefined> {
  const answer = await fetch(`http://${files.listen}/metrics`).catch(() => undefined);
  const text = await answer?.text().catch(() => undefined);
  if (answer?.ok !== true || text === undefined) return undefined;
  const lines = text.split("\n");
  const sum = (name: string, label = ""): number =>
    lines
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => line.includes(label))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  return {
    checks: sum("director_checks_total"),
    downs: sum("director_server_transitions_total", 'to="down"'),
    ups: sum("director_server_transitions_total", 'to="up"'),
    reloads: sum("director_config_reloads_total", 'result="done"'),
    refusedReloads: sum("director_config_reloads_total", 'result="refused"'),
    drains: sum("director_drains_total", 'result="done"'),
    runs: sum("director_ipvs_commands_total"),
    lateMs: sum("director_check_lag_seconds") * 1000,
    lagMs: sum("director_event_loop_lag_seconds") * 1000,
  };
}

async function ready(): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 500) {
    if (!daemon.alive()) throw new Error("director ended");
    const answer = await fetch(`http://${files.listen}/readyz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok === true) return;
    await over(500, ending.signal);
  }
  throw new Error("director was not ready within a minute");
}

/** The next one when one is over; then what it moved goes back, and the pools take turns. */
async function drainOnAndOn(): Promise<void> {
  const pools = poolCount(files);
  for (let turn = 0; !ending.signal.aborted; turn++) {
    const pool = `pool${1 + ((turn * 3) % (pools - 1))}`;
    const from = `s${turn % 80},s${(turn + 1) % 80}`;
    // The stand-in for ipvsadm counts no packets: nobody would see that UDP servers are idle.
    const shape = ["--over", "90s", "--every", "5s", "--grace", "10s", "--reason", `soak ${turn}`];
    const code = await command("drain", pool, "--from", from, ...shape);
    if (ending.signal.aborted) return;
    drainCodes[code] = (drainCodes[code] ?? 0) + 1;
    await command("drain", "rollback", pool);
    await over(1_000, ending.signal);
  }
}

async function command(...words: readonly string[]): Promise<string> {
  const child = spawn(director, [...words, "--socket", socket], { stdio: "ignore", signal: ending.signal });
  // What an abort does to it is told here first, then it ends.
  child.on("error", () => {});
  return new Promise((resolve) => child.once("close", (code, signal) => resolve(String(code ?? signal))));
}

async function reloadOnAndOn(): Promise<void> {
  for (let form = 1; !(await over(MINUTE_MS, ending.signal)); form++) {
    writeFileSync(conf, soakConf(files, form));
    process.kill(daemon.pid, "SIGHUP");
  }
}

async function watch(): Promise<void> {
  const began = performance.now();
  const rows: Row[] = [];
  let counts = await scrape();
  if (!counts) throw new Error("/metrics does not answer");
  say(lineOf(HEADING.map(({ name }) => name)));
  let last = looks.length;
  let before: Look | undefined;
  for (let turn = 1; turn * LOOK_MS <= minutes * MINUTE_MS; turn++) {
    if (await over(Math.max(0, began + turn * LOOK_MS - performance.now()), ending.signal)) break;
    if (!daemon.alive()) throw new Error("director ended");
    if (turn % SCRAPE_EVERY === 0) counts = (await scrape()) ?? counts;
    const inside = JSON.parse(readFileSync(into, "utf8")) as Inside;
    const { process: own, handles, signals } = inside.listeners;
    looks.push({
      ...counts,
      ...inside,
      minute: (performance.now() - began) / MINUTE_MS,
      fds: daemon.files(),
      cpu: daemon.cpu(),
      handles: Object.values(inside.resources).reduce((sum, count) => sum + count, 0),
      allListeners: own + handles + signals,
    });
    if ((turn * LOOK_MS) % MINUTE_MS !== 0) continue;
    const row = rowOf((turn * LOOK_MS) / MINUTE_MS, looks.slice(last), before ?? looks[0]!);
    rows.push(row);
    say(lineOf(HEADING.map(({ name }) => row[name]!)));
    last = looks.length;
    before = looks.at(-1);
  }
  went = rows;
}

/** The trends of the second half. @returns whether nothing grew, and no reload was refused */
function judged(): boolean {
  const half = looks.filter(({ minute }) => minute > minutes / 2);
  const trends = WATCHED.map(({ name, of, least, allowed }) => {
    const points: readonly Point[] = half.map((look) => ({ minute: look.minute, value: of(look) }));
    const trend = trendOf(least ? leastOfMinutes(points) : points);
    return { name, ...trend, grew: grows(trend, allowed(trend.mean)) };
  });
  say(`\nThe second half, ${half.length} looks, least squares:`);
  for (const { name, mean, slope, error, grew } of trends) {
    const hourly = mean === 0 ? 0 : ((slope * 60) / mean) * 100;
    say(
      `  ${name.padEnd(16)} ${mean.toFixed(0).padStart(8)}  ${slope.toFixed(2).padStart(9)} a minute (+-${error.toFixed(2)}), ${hourly.toFixed(1)} % an hour${grew && minutes >= SHORTEST ? "  GREW" : ""}`,
    );
  }
  const end = looks.at(-1);
  if (!end) return false;
  say(`  kinds of handles at the end: ${JSON.stringify(end.resources)}, listeners: ${JSON.stringify(end.listeners)}`);
  if (end.refusedReloads > 0) say(`  ${end.refusedReloads} reloads were refused`);
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, kernel: release() };
  const about = { date: new Date().toISOString(), minutes, machine, node: process.version };
  const series = looks.map((look) =>
    [look.minute.toFixed(2), ...WATCHED.map(({ of }) => Math.round(of(look)))].join(" "),
  );
  const text = JSON.stringify({ about, trends, drainCodes, rows: went, looks: series }, undefined, 2);
  writeFileSync(join(import.meta.dirname, "results/soak.json"), `${text}\n`);
  if (minutes < SHORTEST) say(`  shorter than ${SHORTEST} minutes: no verdict, a heap still grows into its size`);
  return (minutes < SHORTEST || trends.every(({ grew }) => !grew)) && end.refusedReloads === 0;
}
