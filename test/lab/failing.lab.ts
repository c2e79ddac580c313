// One of three servers dies under 600 counted connections, below each kind of scheduler: from the verdict on nobody is refused. And a UDP client on
// a fixed source port finds a living server.
// lab: topology=routed servers=3 timeout=150
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { inNamespace, kernelTable, startActors, startDirector, step, sysctl, until, weights } from "./inside.ts";

interface Row {
  readonly scheduler: string;
  readonly flags?: string;
  /** What director does with the dead server's entry. */
  readonly entry: "weight 0" | "taken out";
  /** What the kernel would do to clients if it stood there at weight 0. */
  readonly why: string;
}

const rows: readonly Row[] = [
  { scheduler: "rr", entry: "weight 0", why: "rr skips weight 0" },
  { scheduler: "wrr", entry: "weight 0", why: "wrr skips weight 0" },
  { scheduler: "wlc", entry: "weight 0", why: "wlc skips weight 0" },
  { scheduler: "mh", flags: "mh-port", entry: "taken out", why: "mh without mh-fallback refuses that share" },
  { scheduler: "mh", flags: "mh-port, mh-fallback", entry: "weight 0", why: "mh-fallback looks further" },
  { scheduler: "sh", flags: "sh-port", entry: "taken out", why: "sh without sh-fallback refuses that share" },
  { scheduler: "dh", entry: "taken out", why: "dh refuses that share, and has no fallback" },
];
const VIP = "10.100.0.1";
const SERVERS = ["10.9.1.2", "10.9.2.2", "10.9.3.2"];
const portOf = (i: number) => 8000 + i;
const CLIENTS = 600;

const service = ({ scheduler, flags }: Row, i: number) => `
  - name: s${i}
    vip: ${VIP}:${portOf(i)}
    scheduler: ${scheduler}
    ${flags === undefined ? "" : `scheduler_flags: [${flags}]`}
    check: { type: tcp, port: 8000, interval: 500ms, timeout: 500ms, fast_interval: 200ms, fall: 2 }
    servers: [${SERVERS.map((address) => `{ address: "${address}:8000" }`).join(", ")}]`;
const kept = { scheduler: "mh", flags: "mh-port" };
const KEPT = portOf(rows.length);
const config = `services:${rows.map(service).join("")}${service({ ...kept, entry: "weight 0", why: "" }, rows.length)}
    on_failure: quiesce
  - name: dns
    vip: ${VIP}:53
    protocol: udp
    scheduler: rr
    check: { type: udp, send: "?", interval: 500ms, timeout: 500ms, fast_interval: 200ms, down_interval: 500ms, fall: 2 }
    servers:
      - { name: u1, address: "10.9.1.2:53", check: { expect: "u1 ?" } }
      - { name: u2, address: "10.9.2.2:53", check: { expect: "u2 ?" } }
`;

const { rs1, rs2, rs3, cl } = await startActors("rs1", "rs2", "rs3", "cl");
const [a, b, c, u1, u2] = await Promise.all([
  rs1.listen({ kind: "echo", name: "a", port: 8000 }),
  rs2.listen({ kind: "echo", name: "b", port: 8000 }),
  rs3.listen({ kind: "echo", name: "c", port: 8000 }),
  rs1.listen({ kind: "udp", name: "u1", port: 53 }),
  rs2.listen({ kind: "udp", name: "u2", port: 53 }),
]);
const director = startDirector({ config });
await director.ready(60_000);
const key = (i: number) => `tcp:${VIP}:${portOf(i)}`;
const servers = { a, b, c };
type Name = keyof typeof servers;
/** Who dies: whom dh has chosen for this VIP, so that below dh as well somebody notices. */
let victim: Name = "a";
await until("all serve", () => rows.every((_, i) => Object.values(weights(key(i)) ?? {}).join() === "100,100,100"), {
  timeoutMs: 30_000,
});

/** So many connections to one service, each from a port of its own. */
const connect = (i: number, count: number) =>
  cl.load({ kind: "echo", target: `${VIP}:${portOf(i)}`, count, concurrency: 8, timeoutMs: 4_000 });

step("before: all three serve below every scheduler but dh, which sends one address to one server", async () => {
  for (const [i, row] of rows.entries()) {
    const { counts, errors } = await connect(i, 60);
    assert.deepEqual(errors, {}, row.scheduler);
    assert.equal(
      Object.keys(counts).length,
      row.scheduler === "dh" ? 1 : 3,
      `${row.scheduler}: ${JSON.stringify(counts)}`,
    );
    if (row.scheduler === "dh") victim = Object.keys(counts)[0] as Name;
  }
});

step("a server dies under load: who comes between its death and the verdict fails, and is counted", async (t) => {
  const loads = await Promise.all(
    rows.map((_, i) => cl.startLoad({ kind: "echo", target: `${VIP}:${portOf(i)}`, perSecond: 6, timeoutMs: 4_000 })),
  );
  const begun = performance.now();
  await servers[victim].behave("refuse");
  const dead = `${SERVERS["abc".indexOf(victim)]}:8000`;
  await until(
    "every service has the verdict",
    () => rows.every((row, i) => weights(key(i))?.[dead] === (row.entry === "weight 0" ? 0 : undefined)),
    { timeoutMs: 30_000, everyMs: 20 },
  );
  const took = Math.round(performance.now() - begun);
  const ended = await Promise.all(loads.map((load) => load.stop()));
  const failed = rows.map((row, i) => `${name(row)} ${Object.values(ended[i]!.errors).reduce((x, y) => x + y, 0)}`);
  t.diagnostic(`${took} ms from death to the last write; failed in between, of 6 a second: ${failed.join(", ")}`);
});

for (const [i, row] of rows.entries())
  step(`${name(row)}: ${CLIENTS} clients after the verdict, none refused (${row.entry}: ${row.why})`, async (t) => {
    const { counts, errors } = await connect(i, CLIENTS);
    assert.deepEqual(errors, {});
    assert.equal(counts[victim], undefined);
    assert.equal(
      Object.values(counts).reduce((x, y) => x + y, 0),
      CLIENTS,
    );
    t.diagnostic(`${name(row)}: ${JSON.stringify(counts)}`);
  });

step(
  "where weight 0 is asked for all the same (on_failure: quiesce below mh without fallback), the kernel refuses that share",
  async (t) => {
    const { counts, errors } = await cl.load({
      kind: "echo",
      target: `${VIP}:${KEPT}`,
      count: 150,
      concurrency: 50,
      timeoutMs: 500,
    });
    const refused = Object.values(errors).reduce((x, y) => x + y, 0);
    // Few of the refusals are heard, the rest time out: the kernel limits the rate of its ICMP errors.
    assert.deepEqual(
      Object.keys(errors).filter((reason) => !["ECONNREFUSED", "timeout"].includes(reason)),
      [],
    );
    assert.ok(refused >= 20 && refused <= 90, `${refused} of 150`);
    assert.equal(counts[victim], undefined);
    t.diagnostic(`${refused} of 150 refused`);
  },
);

step("disabled below mh without fallback: connections live on, and the entry goes with the last of them", async (t) => {
  const i = rows.findIndex(({ flags }) => flags === "mh-port");
  const chosen = SERVERS.find((_, n) => "abc"[n] !== victim)!;
  const held = await cl.hold({ kind: "echo", target: `${VIP}:${portOf(i)}`, count: 12 });
  const mine = `${chosen}:8000`;
  const its = () => kernelTable()[key(i)]?.servers[mine];
  await until("it has some of them", () => (its()?.active ?? 0) > 0);
  const said = await director.cli("disable", `s${i}`, mine);
  assert.match(
    said.stdout,
    /disabled; scheduler mh refuses its share of new clients until its last connection has ended/,
  );
  assert.equal(its()?.weight, 0);
  // Longer than the two looks that tell an idle server.
  await sleep(3_000);
  assert.equal(its()?.weight, 0, "it stands while somebody is connected");
  const { alive, dead } = await held.release();
  assert.deepEqual([Object.values(alive).reduce((x, y) => x + y, 0), dead], [12, []]);
  await until("its entry is out", () => its() === undefined, { timeoutMs: 40_000 });
  const { counts, errors } = await connect(i, 200);
  assert.deepEqual([Object.values(counts), errors], [[200], {}]);
  assert.equal((await director.cli("enable", `s${i}`, mine)).code, 0);
  assert.equal(its()?.weight, 100);
  t.diagnostic("12 connections held, none lost; 200 clients after its last, none refused");
});

/** A client on one source port that asks ten times a second, whatever comes back. It prints who answered. */
const askingOn = (port: number) => `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("error", () => {});
  socket.on("message", (text) => console.log(String(text).split(" ")[0]));
  socket.bind(${port}, () => setInterval(() => socket.send("?", 53, "${VIP}"), 100));`;

function startAsking(port: number): { readonly answers: readonly string[]; stop(): void } {
  const [command, ...args] = inNamespace("cl", [process.execPath, "-e", askingOn(port)]);
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "inherit"] });
  const answers: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => answers.push(...text.trim().split("\n")));
  return { answers, stop: () => void child.kill() };
}

const udp = { u1, u2 };
for (const [expire, what] of [
  [0, "without net.ipv4.vs.expire_nodest_conn=1 it gets no answer for as long as it talks"],
  [1, "with it the client moves to the living server"],
] as const)
  step(`a UDP client on a fixed source port, whose server dies: ${what}`, async (t) => {
    await sysctl({ "net.ipv4.vs.expire_nodest_conn": expire });
    await until("both serve", () => Object.values(weights(`udp:${VIP}:53`) ?? {}).join() === "100,100", {
      timeoutMs: 20_000,
    });
    const asking = startAsking(5300 + expire);
    t.after(asking.stop);
    const port = (5300 + expire).toString(16).toUpperCase();
    // The kernel's own entry of this flow: its client, the VIP, its server, in hexadecimal.
    const flow = () =>
      new RegExp(`^UDP \\w+ +${port} +\\w+ +0035 +0A090([12])02`, "m").exec(
        readFileSync("/proc/net/ip_vs_conn", "utf8"),
      )?.[1];
    const chosen = await until("it has a server and its answers", () => asking.answers.length > 2 && flow());
    const [dead, living] = chosen === "1" ? (["u1", "u2"] as const) : (["u2", "u1"] as const);
    const first = `10.9.${chosen}.2:53`;
    await udp[dead].behave("refuse");
    await until("its entry is out", () => !(first in (weights(`udp:${VIP}:53`) ?? {})), { timeoutMs: 20_000 });
    const moved = () => asking.answers.filter((server) => server === living).length;
    if (expire === 1) await until("the living server answers it", () => moved() > 10);
    else await sleep(3_000);
    t.diagnostic(`${asking.answers.length - moved()} answers of ${dead}, then ${moved()} of ${living}`);
    assert.equal(asking.answers[0], dead);
    assert.equal(asking.answers.at(-1), expire === 1 ? living : dead);
    await udp[dead].behave("ok");
  });

function name({ scheduler, flags }: Row): string {
  return flags === undefined ? scheduler : `${scheduler} [${flags}]`;
}
