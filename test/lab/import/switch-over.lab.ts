// docs/migrating.md, "Switching over": keepalived serves, director watches beside it, takes its place and gives it back, under clients that never stop.
// lab: topology=routed servers=3 timeout=240 prepare=keepalived.ts
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type Director,
  directorProgram,
  inNamespace,
  must,
  run,
  startActors,
  startDirector,
  startKeepalived,
  step,
  until,
  weights,
} from "../inside.ts";
import { ask } from "../main-job/api.ts";
import { type Weights, watchTable } from "../main-job/watcher.ts";

const WEB = "tcp:10.100.0.1:80";
const ECHO = "tcp:10.100.0.1:7";
const PACE = "delay_loop 1\n    connect_timeout 3\n    delay_before_retry 1";
const HTTP = "HTTP_GET {\n            url {\n                path /health\n            }\n        }";
const realServer = (address: string, weight: number, checker: string) =>
  `    real_server ${address} {\n        weight ${weight}\n        ${checker}\n    }\n`;
const virtualServer = (address: string, ...servers: readonly string[]) =>
  `virtual_server ${address} {\n    ${PACE}\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n${servers.join("")}}\n`;
const vrrp = `vrrp_instance V1 {
    interface vcl
    virtual_router_id 7
    priority 200
    virtual_ipaddress {
        10.100.0.5/32 dev vip0
    }
}
`;
const original = [
  vrrp,
  virtualServer("10.100.0.1 80", realServer("10.9.1.2 80", 3, HTTP), realServer("10.9.2.2 80", 1, HTTP)),
  virtualServer(
    "10.100.0.1 7",
    realServer("10.9.1.2 7", 2, "TCP_CHECK { }"),
    realServer("10.9.2.2 7", 4, "TCP_CHECK { }"),
  ),
].join("");

const whole: Weights = {
  [WEB]: { "10.9.1.2:80": 3, "10.9.2.2:80": 1 },
  [ECHO]: { "10.9.1.2:7": 2, "10.9.2.2:7": 4 },
};
const without = (service: string, server: string): Weights => ({
  ...whole,
  [service]: Object.fromEntries(Object.entries(whole[service]!).filter(([name]) => name !== server)),
});
const quiesced: Weights = { ...whole, [ECHO]: { "10.9.1.2:7": 0, "10.9.2.2:7": 4 } };

const folder = "/run/lab";
const file = join(folder, "keepalived.conf");
writeFileSync(file, original);
/** What `director import --observe` makes of the file that keepalived runs with. */
async function imported(name: string, ...options: readonly string[]): Promise<string> {
  const argv = [directorProgram, "import", "keepalived", file, "--observe", "-o", join(folder, name), ...options];
  const { code, stderr } = await run(argv);
  assert.deepEqual([code, /written to .*, exact/.test(stderr)], [0, true], stderr);
  return readFileSync(join(folder, name), "utf8");
}
const inMode = (mode: "observe" | "manage", text: string) =>
  `log: { level: info, format: json }\n${text.replace("mode: observe", `mode: ${mode}`)}`;

const { rs1, rs2, cl } = await startActors("rs1", "rs2", "cl");
const web = await rs1.listen({ kind: "http", name: "one", port: 80 });
await rs2.listen({ kind: "http", name: "two", port: 80 });
const echo = await rs1.listen({ kind: "echo", name: "one", port: 7 });
await rs2.listen({ kind: "echo", name: "two", port: 7 });

let keepalived = startKeepalived({ config: original, args: ["--check", "--dont-release-ipvs"] });
const [exact, recommended] = [await imported("exact.conf"), await imported("recommended.conf", "--recommended")];
await keepalived.ready();
const watcher = await watchTable(25);
// A request that is open to a server when it is deleted waits until the server is back, and then goes on: served late, not failed.
const load = await cl.startLoad({ kind: "http", target: "10.100.0.1:80", perSecond: 10, timeoutMs: 60_000 });
const held = await cl.hold({ kind: "echo", target: "10.100.0.1:7", count: 6, everyMs: 300, timeoutMs: 15_000 });

function sorted(table: Weights): Weights {
  const byName = <T>(entries: readonly (readonly [string, T])[]) =>
    Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));
  return byName(Object.entries(table).map(([service, servers]) => [service, byName(Object.entries(servers))]));
}
const same = (one: Weights, other: Weights) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

let looked = 0;
/** Which tables there have been since the last call, whatever the order of their servers; the first is the one of then. */
async function tablesSince(): Promise<readonly Weights[]> {
  const { changes } = await watcher.look();
  const tables = changes.slice(looked).map(({ table }) => sorted(table));
  looked = changes.length - 1;
  return tables.filter((table, i) => i === 0 || !same(table, tables[i - 1]!));
}

async function tableIs(wanted: Weights): Promise<void> {
  const now = () => {
    const services = Object.keys(whole).map((service) => [service, weights(service) ?? {}] as const);
    return Object.fromEntries(services);
  };
  const options = { timeoutMs: 40_000 };
  await until("the table is that", () => same(now(), wanted), options).catch(() => assert.deepEqual(now(), wanted));
}

async function connectionsTalk(): Promise<void> {
  const { exchanges } = await held.look();
  await until("they talk", async () => (await held.look()).exchanges > exchanges + 12, { timeoutMs: 20_000 });
  const { alive, dead } = await held.look();
  assert.deepEqual([alive, dead], [{ one: 2, two: 4 }, []]);
}

let served = 0;
/** No weight has moved since the last call, no request has ever failed, and connections of the very beginning go on talking. */
async function undisturbed(): Promise<void> {
  await connectionsTalk();
  assert.deepEqual(await tablesSince(), [sorted(whole)]);
  const { counts, errors } = await load.look();
  assert.deepEqual(errors, {});
  const now = Object.values(counts).reduce((sum, n) => sum + n, 0);
  assert.ok(now > served, `${now} requests, ${served} before`);
  served = now;
}

/** What an operator looks for before each step: `director plan --exit-code`. */
async function nothingToChange(): Promise<void> {
  const { code, stdout } = await director.cli("plan", "--exit-code");
  assert.deepEqual([code, stdout], [0, "nothing to change; 2 services untouched\n"]);
}

function inForce(config: string): Promise<unknown> {
  director.configure(config);
  return ask(director, "POST", "reload", {});
}

let director: Director;

step("director is started beside it and only observes: it finds nothing to change", async () => {
  await tableIs(whole);
  director = startDirector({ config: inMode("observe", exact) });
  await director.ready(40_000);
  await nothingToChange();
  await undisturbed();
});

step(
  "a server is sick: both would delete it; by its own advice director would keep it at weight 0, and does not write that",
  async () => {
    await web.behave({ kind: "status", status: 503 }, "/health");
    await tableIs(without(WEB, "10.9.1.2:80"));
    await director.logged(/10\.9\.1\.2:80: .* up -> down/, { timeoutMs: 40_000 });
    await nothingToChange();
    await inForce(inMode("observe", recommended));
    const { code, stdout } = await director.cli("plan", "--exit-code");
    assert.equal(code, 0, "the file changes nothing");
    assert.equal(
      stdout,
      [
        "table differs: director would write this, were it not observe mode",
        "10.100.0.1:80  tcp 10.100.0.1:80",
        "  +  10.9.1.2:80    masquerade, weight 0 (down: status 503, expected 200-299)",
        "",
        "the file changes nothing; 2 services untouched",
        "",
      ].join("\n"),
    );
    await inForce(inMode("observe", exact));
    await web.behave("ok", "/health");
    await tableIs(whole);
    await director.logged(/10\.9\.1\.2:80: .* down -> up/, { timeoutMs: 40_000 });
    assert.deepEqual(await tablesSince(), [whole, without(WEB, "10.9.1.2:80"), whole].map(sorted));
  },
);

step("keepalived is stopped and leaves its table; director takes it over as it is", async () => {
  await keepalived.stop();
  director.configure(inMode("manage", exact));
  await nothingToChange();
  const before = director.log.length;
  const { code, stderr } = await director.cli("reload");
  assert.equal(code, 0, stderr);
  await undisturbed();
  const written = director.log.slice(before).filter(({ kind }) => /weight|drift|reconcile/.test(String(kind)));
  assert.deepEqual(written, []);
});

step("director notices a failure and a recovery", async () => {
  await web.behave({ kind: "status", status: 503 }, "/health");
  await tableIs(without(WEB, "10.9.1.2:80"));
  await web.behave("ok", "/health");
  await tableIs(whole);
  assert.deepEqual(await tablesSince(), [whole, without(WEB, "10.9.1.2:80"), whole].map(sorted));
});

step("by its own advice it cuts nobody off: a failed server keeps its open connections", async () => {
  await inForce(inMode("manage", recommended));
  await echo.behave("refuse");
  await tableIs(quiesced);
  await connectionsTalk();
  await echo.behave("ok");
  await tableIs(whole);
  assert.deepEqual(await tablesSince(), [whole, quiesced, whole].map(sorted));
});

const address = async () => (await must(["ip", "addr", "show", "vip0"])).includes("10.100.0.5/");

step("back: director is stopped, keepalived is started over its table", async () => {
  await director.stop();
  keepalived = startKeepalived({ config: original, args: [] });
  await keepalived.ready();
  await until("it keeps its address", address, { timeoutMs: 30_000, everyMs: 200 });
  await undisturbed();
});

step(
  "a keepalived without that option, and with VRRP: its checker is stopped where it stands and killed; table and address stay",
  async () => {
    const pidOf = (name: string) => Number(readFileSync(join(dirname(keepalived.configFile), name), "utf8"));
    const [checker, router] = [pidOf("checkers_pid"), pidOf("vrrp_pid")];
    process.kill(checker, "SIGSTOP");
    director = startDirector({ config: inMode("manage", exact), folder: director.folder });
    await director.ready(40_000);
    writeFileSync(keepalived.configFile, vrrp);
    process.kill(keepalived.pid, "SIGHUP");
    await until("VRRP has read the file", () => /Reloading$/m.test(keepalived.said()));
    process.kill(checker, "SIGKILL");
    await until("there is a checker with nothing to check", () => /Reload complete/.test(keepalived.said()), {
      timeoutMs: 30_000,
    });
    assert.deepEqual([await address(), pidOf("vrrp_pid")], [true, router]);
    await undisturbed();
    await keepalived.stop();
    await undisturbed();
  },
);

step(
  "what must not be done: without that option a stop empties the table, and so does killing the main process alone",
  async () => {
    const ends = [
      ["rs3", "SIGTERM"],
      ["cl", "SIGKILL"],
    ] as const;
    const entries = async (namespace: string) =>
      (await must(inNamespace(namespace, ["/usr/sbin/ipvsadm", "-Sn"]))).match(/^-[Aa] /gm)?.length ?? 0;
    const emptied = ends.map(async ([namespace, signal]) => {
      const other = startKeepalived({ config: original, args: ["--check"], namespace });
      await other.ready();
      assert.equal(await entries(namespace), 6);
      process.kill(other.pid, signal);
      await until("it is empty", async () => (await entries(namespace)) === 0, { timeoutMs: 20_000, everyMs: 200 });
    });
    await Promise.all(emptied);
  },
);
