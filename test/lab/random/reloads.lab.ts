// 200 random configurations over everything IPVS can do, one after the other, with five restarts in between: three listings of the kernel equal what was asked, and nothing is written when nothing has changed.
// lab: topology=none timeout=900
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Director, savedRules, shell, startActor, startDirector, step, until } from "../inside.ts";
import { ask, status } from "../main-job/api.ts";
import { soonMs } from "../main-job/soon.ts";
import type { Asked, AskedService } from "./asked.ts";
import { chance } from "./chance.ts";
import { type Expected, expected, procLines, savedLines, thresholdLines } from "./expected.ts";
import { changed, DEAD, LIVE } from "./generate.ts";
import { type Leavers, leavers, NOBODY } from "./leaving.ts";
import { listings, schedulersHere } from "./listings.ts";
import { CHECK_PORT, written } from "./written.ts";

/** The variables LAB_SEED and LAB_CONFIGURATIONS ask for others. */
const SEED = Number(process.env.LAB_SEED ?? 20_251);
const CONFIGURATIONS = Number(process.env.LAB_CONFIGURATIONS ?? 200);
const RESTARTS = 5;
const SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos".split(" ");

// What director is told to run: ipvsadm itself, or a script that notes each run of it. That costs a process more, so it stands there only while we count.
const tools = "/run/lab/random";
const [runs, command, counting] = [`${tools}/runs`, `${tools}/ipvsadm`, `${tools}/counting`];
mkdirSync(tools);
writeFileSync(runs, "");
writeFileSync(counting, `#!/bin/sh\necho "$1" >>${runs}\nexec /usr/sbin/ipvsadm "$@"\n`);
chmodSync(counting, 0o755);
function use(program: string): void {
  symlinkSync(program, `${command}.new`);
  renameSync(`${command}.new`, command);
}
use("/usr/sbin/ipvsadm");

/** How often ipvsadm was run with -R meanwhile. */
async function writesDuring(act: () => Promise<unknown>): Promise<number> {
  const count = () =>
    readFileSync(runs, "utf8")
      .split("\n")
      .filter((option) => option === "-R").length;
  use(counting);
  const before = count();
  await act();
  use("/usr/sbin/ipvsadm");
  return count() - before;
}

await shell([...LIVE, ...DEAD].map((address) => `ip addr add ${address}/32 dev lo`).join("\n"));
const here = await startActor(undefined);
for (const address of LIVE) await here.listen({ kind: "echo", name: address, port: CHECK_PORT, address });
const schedulers = await schedulersHere(SCHEDULERS);
assert.ok(schedulers.length >= 13, `schedulers of this kernel: ${schedulers}`);
const random = chance(SEED);

/** Has every check there is, so that others who have one find its verdict known. */
const ANCHOR: AskedService = {
  name: "anchor",
  front: { kind: "vips", protocol: "tcp", vips: [{ address: "10.97.0.1", first: 1, last: 1 }] },
  scheduler: "wrr",
  flags: [],
  onePacket: false,
  persistence: undefined,
  onFailure: "quiesce",
  graceSec: 0,
  pooled: false,
  spares: {
    sorryServer: undefined,
    quorum: undefined,
    slowStart: false,
    failOpen: false,
    flap: false,
    initial: "adopt",
  },
  servers: [...LIVE, ...DEAD].map((address) => ({
    address,
    written: address,
    port: undefined,
    weight: 10,
    forward: { kind: "masquerade" },
    limits: undefined,
    health: DEAD.includes(address) ? "dead" : "alive",
  })),
};

const text = (asked: Asked) => `
ipvs: { command: ${command}, timeout: 60s, resync: 10m }
log: { level: info, format: json }
reload: { max_removed: 100% }
defaults: { check: none }
${written([ANCHOR, ...asked])}`;

/** Room for a busy host. */
const patient = { timeoutMs: 60_000 + 20 * (await soonMs()) };

let director: Director;
let asked: Asked = [];
let wanted: Expected = expected([ANCHOR]);
let leaving: Leavers = NOBODY;
const counts = { services: 0, servers: 0 };

/** What `ipvsadm -Sn` printed last. */
let present: readonly string[] = [];

/** The next configuration's text; what the kernel may still have of those before is known. */
function next(): string {
  asked = changed(random, asked, { schedulers, checks: true });
  const then = expected([ANCHOR, ...asked]);
  leaving = leavers(wanted, leaving, then, new Set(present));
  wanted = then;
  counts.services += wanted.size;
  for (const entry of wanted.values()) counts.servers += entry.servers.size;
  return text(asked);
}

/** Every listing says what was asked, and nothing else than who is still leaving. */
async function check(): Promise<void> {
  const { saved, thresholds, proc } = await listings();
  present = saved;
  const found = [
    ["ipvsadm -Sn", saved, savedLines],
    ["ipvsadm -Ln --thresholds", thresholds, thresholdLines],
    ["/proc/net/ip_vs", proc, procLines],
  ] as const;
  for (const [what, lines, lineOf] of found)
    assert.deepEqual(
      {
        what,
        missing: without(lineOf(wanted), lines),
        unasked: without(lines, [...lineOf(wanted), ...lineOf(leaving)]),
      },
      { what, missing: [], unasked: [] },
    );
}

/** What is left of the one when the other is taken away, each as often as it is there. */
function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

async function allGone(): Promise<void> {
  leaving = NOBODY;
  await until("who left is gone", () => check().then(() => true), patient);
}

async function reload(): Promise<void> {
  await ask(director, "POST", "reload", {});
}

async function nothingIsWritten(act: () => Promise<unknown>): Promise<void> {
  const rules = await savedRules();
  assert.equal(await writesDuring(act), 0, "runs of ipvsadm -R");
  assert.equal(await savedRules(), rules);
}

step("the first configuration stands in the kernel as it was asked", async (t) => {
  t.diagnostic(`LAB_SEED=${SEED}; schedulers: ${schedulers.join(" ")}`);
  const config = next();
  const start = async () => {
    director = startDirector({ config });
    await director.ready(patient.timeoutMs);
    await until("it is in order", async () => (await status(director)).ready, patient);
  };
  assert.ok((await writesDuring(start)) > 0);
  await check();
});

const PART = Math.floor((CONFIGURATIONS - 1) / (RESTARTS + 1));
for (let restart = 0; restart <= RESTARTS; restart++) {
  const reloads = restart === RESTARTS ? CONFIGURATIONS - 1 - RESTARTS * PART : PART;
  step(`${reloads} reloads, and each time the three listings are what was asked`, async (t) => {
    let tookMs = 0;
    for (let i = 0; i < reloads; i++) {
      director.configure(next());
      const began = performance.now();
      await reload();
      tookMs += performance.now() - began;
      await check();
      if (i === reloads - 1 || i % 16 === 15) await allGone();
    }
    const inOrder = async () => {
      const { inSync, refused, leftAlone, leaving } = (await status(director)).table;
      return inSync && refused.length + leftAlone.length + leaving.length === 0;
    };
    await until("director knows that all is in order", inOrder, patient);
    t.diagnostic(`${Math.round(tookMs / reloads)} ms until a reload has answered`);
  });

  step("the same file again, and a while of nothing: nothing is written", async () => {
    await nothingIsWritten(reload);
    if (restart % RESTARTS === 0) await nothingIsWritten(() => sleep(2_000));
  });

  if (restart === RESTARTS) break;
  const how = restart % 2 === 0 ? "SIGTERM" : "kill -9";
  step(`${how} and a new start: nothing is written, and everything stands`, async () => {
    await nothingIsWritten(async () => {
      assert.ok(!director.log.some((line) => line.kind === "drift"));
      await (how === "SIGTERM" ? director.stop() : director.kill());
      director = startDirector({ config: text(asked), folder: director.folder });
      await director.ready(patient.timeoutMs);
      await until("it is in order", async () => (await status(director)).ready, patient);
    });
    await check();
  });
}

step("nothing of it was taken for somebody else's work", (t) => {
  assert.ok(!director.log.some((line) => line.kind === "drift"));
  t.diagnostic(
    `${CONFIGURATIONS} configurations, ${counts.services} services and ${counts.servers} servers of the kernel`,
  );
});
