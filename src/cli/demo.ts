import type { DrainRequest } from "../director/drain-request.ts";
import { viewFor } from "../director/drains.ts";
import { drainStatus } from "../director/status.ts";
import { destinationKey } from "../model/service.ts";
import type { Millis } from "../model/time.ts";
import type { Drain } from "../policy/drain.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { pause } from "./context.ts";
import { REQUEST_EVERY_MS, ROLES, type Role, type Stage, setStage } from "./demo/stage.ts";
import type { Counts } from "./demo/traffic.ts";
import { bar } from "./drain-text.ts";
import { type Output, processOutput } from "./output.ts";
import { percent } from "./times.ts";

const LOOK_MS: Millis = 20;
/** For anything that is to happen: ten times what it takes on an idle machine. */
const PATIENCE_MS: Millis = 8_000;
const COUNT_FOR_MS: Millis = 2_000;
const STEPS = 5;
const STEP_MS: Millis = 2_000;

/** What was told did not happen. */
class NotAsTold extends Error {}

/** `director demo`: thirty seconds of failure, recovery and a drain with real servers, real checks and a real client; every sentence is checked.
 *  0 if all of it happened as told. */
export async function demo(out: Output, clock: Clock): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  try {
    await using cleanup = new AsyncDisposableStack();
    const play = { out, clock, stage: await setStage(clock, cleanup), signal: stop.signal };
    await opening(play);
    await failure(play);
    await recovery(play);
    await shifting(play);
    ending(play);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 130;
    const told = error instanceof NotAsTold;
    out.print("", `${out.paint("red", "NOT AS TOLD")}: ${told ? error.message : (error as Error).stack}`);
    return 1;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
}

interface Play {
  readonly out: Output;
  readonly clock: Clock;
  readonly stage: Stage;
  readonly signal: AbortSignal;
}

async function opening(play: Play): Promise<void> {
  const { stage } = play;
  scene(play, "Three web servers, one virtual service");
  say(
    play,
    "Three HTTP servers run in this process, on ports of 127.0.0.1. director probes them (GET /healthz)",
    "and keeps the table of the virtual service 192.0.2.10:80. The table is one in memory that schedules",
    "as the kernel's wrr does: this demo needs no root and touches nothing outside. A client makes",
    `${1_000 / REQUEST_EVERY_MS} requests a second, each to the server that the table picks.`,
  );
  await showTable(play);
  claim((await stage.weight("old")) === 100 && (await stage.weight("other")) === 100, "old and other have weight 100");
  claim((await stage.weight("new")) === 0, "new has weight 0: a standby");
  const counts = await count(play);
  answers(play, counts);
  claimShares(counts, { old: 0.5, other: 0.5, new: 0 });
}

async function failure(play: Play): Promise<void> {
  const { stage } = play;
  scene(play, "A server dies");
  stage.traffic.take();
  await stage.live.other.stop();
  const took = await until(play, "other gets weight 0", async () => (await stage.weight("other")) === 0);
  await settle(play);
  const lost = stage.traffic.take();
  say(play, `other was stopped. Weight 0 after ${took} ms: ${reasonOf(stage, "other")}.`);
  say(play, `In that time ${lost.failed} requests met the dead server; from now on none does:`);
  await showTable(play);
  const counts = await count(play);
  answers(play, counts);
  claim(counts.failed === 0 && counts.refused === 0, "no request fails once the weight is 0");
  claimShares(counts, { old: 1, other: 0, new: 0 });
}

async function recovery(play: Play): Promise<void> {
  const { stage } = play;
  scene(play, "It comes back");
  await stage.live.other.start();
  const took = await until(play, "other gets its weight back", async () => (await stage.weight("other")) === 100);
  await settle(play);
  stage.traffic.take();
  say(
    play,
    `other was started again. Weight 100 after ${took} ms: ${stage.server("other").checks[0]?.rise} checks in a row passed.`,
  );
  const counts = await count(play);
  answers(play, counts);
  claim(counts.failed === 0 && counts.refused === 0, "no request fails");
  claimShares(counts, { old: 0.5, other: 0.5, new: 0 });
}

async function shifting(play: Play): Promise<void> {
  const { stage, out } = play;
  scene(play, "old is replaced by new, step by step");
  const old = stage.server("old");
  const download = stage.traffic.download(destinationKey(old.address, old.port!));
  // It may end before anybody waits for it.
  download.ended.catch(() => {});
  say(
    play,
    `director drain web --from old --to new --over ${(STEPS * STEP_MS) / 1_000}s --every ${STEP_MS / 1_000}s`,
    "A long download runs on old meanwhile. other takes no part and keeps its share.",
    "",
  );
  const started = await stage.director.startDrain(
    { kind: "service", name: "web" },
    REQUEST,
    { actor: "demo", reason: undefined },
    false,
  );
  if (!started.ok) throw new NotAsTold(started.error.problem);
  out.print(out.paint("dim", "   step   weights old/new/other   asked   given   counted: new's part of old and new"));
  for (let step = 1; step <= STEPS; step++) await oneStep(play, step);
  const before = download.received();
  say(play, "", "old has weight 0, and still its download: director waits for it, and for nothing else.");
  await until(play, "the download goes on", async () => download.received() > before);
  await pause(play.clock, 1_000, play.signal);
  claim(theDrain(stage).phase.kind === "draining", "the drain waits while a connection is open");
  stage.live.old.endDownloads();
  const text = await download.ended.catch((error: Error) => `cut: ${error.message}`);
  claim(text.endsWith("end"), `the download ends whole (${text.slice(-20)})`);
  await until(play, "the drain is done", async () => theDrain(stage).phase.kind === "done");
  const { phase } = theDrain(stage);
  claim(phase.kind === "done" && phase.left === 0, "nobody was left behind");
  say(play, `The download ended whole, ${text.length} bytes; no connection is left: old can be switched off.`);
  await showTable(play);
}

const REQUEST: DrainRequest = {
  from: ["old"],
  to: ["new"],
  pace: { kind: "over", over: STEPS * STEP_MS, every: STEP_MS },
  policy: {},
  add: false,
  force: false,
  reason: undefined,
  requestId: undefined,
};
/** The story counts for itself. */
const NOT_ASKED = { active: undefined, inactive: undefined, templates: undefined };

async function oneStep(play: Play, step: number): Promise<void> {
  const { stage, out } = play;
  await until(play, `step ${step} is in force`, async () => theDrain(stage).step === step && (await inForce(stage)));
  const { given } = statusOf(play);
  const weights = await Promise.all((["old", "new", "other"] as const).map((role) => stage.weight(role)));
  stage.traffic.take();
  // Less than the step lasts, so that the next one does not begin within it.
  await pause(play.clock, STEP_MS * 0.8, play.signal);
  const counts = stage.traffic.take();
  const alone = theDrain(stage).step === step;
  await settle(play);
  const asked = step / STEPS;
  const [o = 0, n = 0] = [counts.answered.get("old"), counts.answered.get("new")];
  const counted = n / (o + n);
  out.print(
    `    ${step}/${STEPS}   ${weights.join(" / ").padEnd(21)}  ${percent(asked).padStart(5)}   ${percent(given ?? 0).padStart(5)}   ${percent(Math.round(counted * 100) / 100).padStart(5)}  ${out.paint("green", bar(counted, 20))}  ${n} of ${o + n}`,
  );
  claim(counts.failed === 0 && counts.refused === 0, `no request fails in step ${step}`);
  if (!alone) say(play, "   (this machine is too busy to count that step by itself)");
  else claimShares(counts, { old: (1 - asked) / 2, new: asked / 2, other: 0.5 });
}

/** The weights of the step stand in the table. */
async function inForce({ director, service, weight }: Stage): Promise<boolean> {
  const decisions = director.reconciler().desired?.services.get(service.key)?.servers;
  for (const role of ROLES) {
    const server = service.servers.find((s) => s.name === role)!;
    if ((await weight(role)) !== decisions?.get(server.key)?.weight) return false;
  }
  return director.reconciler().inSync;
}

function theDrain({ director }: Stage): Drain {
  return director.intent().drains[0]!;
}

function statusOf({ stage, clock }: Play) {
  const { director, service } = stage;
  const drain = theDrain(stage);
  const upon = viewFor(drain, director.drainContext(service)).servers;
  return drainStatus(drain, service, director.reconciler().desired, NOT_ASKED, undefined, clock.now(), upon);
}

function ending(play: Play): void {
  const { failed, refused, answered } = play.stage.traffic.total();
  const sum = [...answered.values()].reduce((a, b) => a + b, 0);
  scene(play, "The end");
  say(
    play,
    `${sum} requests were answered. ${failed + refused} were not: those that met the dead server before director noticed.`,
    "done",
  );
}

// ---- telling -------------------------------------------------------------------------------------------------------

function scene({ out }: Play, title: string): void {
  out.print("", out.paint("bold", `== ${title} ==`));
}

function say({ out }: Play, ...lines: readonly string[]): void {
  out.print(...lines);
}

async function showTable({ out, stage }: Play): Promise<void> {
  out.print("", `   TCP  192.0.2.10:80 wrr`);
  for (const role of ROLES) {
    const { address, port } = stage.server(role);
    const weight = await stage.weight(role);
    const shown = weight === 0 ? out.paint("yellow", "weight   0") : `weight ${String(weight).padStart(3)}`;
    out.print(`     -> ${role.padEnd(6)} ${`${address.text}:${port}`.padEnd(16)} ${shown}`);
  }
}

function answers({ out }: Play, counts: Counts): void {
  out.print("");
  const sum = [...counts.answered.values()].reduce((a, b) => a + b, 0);
  for (const role of ROLES) {
    const n = counts.answered.get(role) ?? 0;
    out.print(
      `   ${role.padEnd(6)} answered ${String(n).padStart(4)} of ${sum}  ${out.paint("green", bar(n / Math.max(1, sum), 20))}`,
    );
  }
}

function reasonOf({ director, service }: Stage, name: Role): string {
  const server = service.servers.find((s) => s.name === name)!;
  const verdict = director.reconciler().desired?.services.get(service.key)?.servers.get(server.key)?.verdict;
  return verdict?.kind === "down" ? `${verdict.reason}, ${server.checks[0]?.fall} checks in a row` : "?";
}

// ---- checking ------------------------------------------------------------------------------------------------------

function claim(holds: boolean, what: string): void {
  if (!holds) throw new NotAsTold(what);
}

/** Five points, and the part of a wrr cycle (10 at most here) that a window cuts off. */
function claimShares(counts: Counts, expected: Readonly<Record<Role, number>>): void {
  const sum = [...counts.answered.values()].reduce((a, b) => a + b, 0);
  claim(sum >= 20, `the client gets answers (${sum} in two seconds)`);
  for (const role of ROLES) {
    const share = (counts.answered.get(role) ?? 0) / sum;
    const off = Math.abs(share - expected[role]);
    claim(off <= 0.05 + 5 / sum, `${role} answers ${percent(expected[role])} of the requests, not ${percent(share)}`);
  }
}

/** Milliseconds it took. */
async function until({ clock, signal }: Play, what: string, holds: () => Promise<boolean>): Promise<Millis> {
  const start = clock.now().mono;
  while (!(await holds())) {
    if (clock.now().mono - start > PATIENCE_MS) throw new NotAsTold(`${what}: not within ${PATIENCE_MS / 1_000}s`);
    await pause(clock, LOOK_MS, signal);
    signal.throwIfAborted();
  }
  return Math.round(clock.now().mono - start);
}

/** Until the answers to what was sent before are in. */
async function settle({ clock, signal }: Play): Promise<void> {
  await pause(clock, 100, signal);
}

async function count(play: Play): Promise<Counts> {
  play.stage.traffic.take();
  await pause(play.clock, COUNT_FOR_MS, play.signal);
  const counts = play.stage.traffic.take();
  await settle(play);
  play.signal.throwIfAborted();
  return counts;
}

if (import.meta.main) process.exitCode = await demo(processOutput(), systemClock);
