// The five jobs of docs/drains.md with the page's own file and commands (only their durations are shorter), under clients that never pause.
// lab: topology=routed servers=1 timeout=300
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import { directorProgram } from "../inside/director.ts";
import { type LoadInProgress, must, type Ran, run, shell, startActors, startDirector, step, until } from "../inside.ts";
import { ask, serverStatus, status } from "../main-job/api.ts";
import { weightsOf } from "./drains.ts";
import { type Instead, pageCommand, pageConfig, pageScript, pageServers } from "./page.ts";

const VIPS = { web: "192.0.2.10:80", api: "192.0.2.11:80", shop: "192.0.2.12:80" } as const;
type Service = keyof typeof VIPS;
const NAMES = {
  web: ["app1", "app2", "app3", "app4", "app5", "app6", "app7", "app8", "app9", "app10"],
  api: ["api1", "api2", "api3"],
  shop: ["blue1", "blue2", "green1", "green2"],
} as const;
const addressOf = (name: string) => {
  const { host, port } = pageServers.find((server) => server.name === name)!;
  return `${host}:${port}`;
};
const now = (service: Service) => weightsOf(`tcp:${VIPS[service]}`, NAMES[service].map(addressOf));
const weightOf = (service: Service, name: string) => weightsOf(`tcp:${VIPS[service]}`, [addressOf(name)]);
const WHOLE = { web: Array(10).fill("100").join("/"), api: "100/100/100", shop: "100/100/0/0" } as const;

// Every machine of the page is an address of the one namespace.
const hosts = [...new Set(pageServers.map(({ host }) => host))];
await shell(`
  for vip in ${Object.values(VIPS)
    .map((vip) => vip.split(":")[0])
    .join(" ")}; do ip addr add $vip/32 dev vip0; done
  ip route add 10.0.0.0/23 via 10.9.1.2
  for host in ${hosts.join(" ")}; do ip -n rs1 addr add $host/32 dev lo; done
`);
const { rs1, cl } = await startActors("rs1", "cl");
const servers = new Map(
  await Promise.all(
    pageServers.map(async ({ name, port }) => [name, await rs1.listen({ kind: "http", name, port })] as const),
  ),
);
let director = startDirector({ config: pageConfig });
await director.ready();
await until("it calls itself ready", async () => (await status(director)).ready, { timeoutMs: 30_000 });
await until("everybody serves", () => allWhole(), { timeoutMs: 30_000 });

const load = (service: Service) =>
  cl.startLoad({ kind: "http", target: VIPS[service], perSecond: 10, timeoutMs: 8000 });

step(
  "1: the rolling deploy of ten backends: every one is empty when it is deployed, and back afterwards",
  async (t) => {
    const clients = await load("web");
    const plan = await said("director drain web --from app1 --over 30s --every 10s --dry-run");
    assert.equal(plan.code, 0, plan.stderr);
    assert.match(plan.stdout, /web: app1 -> the rest: 3 steps[\s\S]*app1 +9 others[\s\S]*nothing was changed/);
    assert.equal(now("web"), WHOLE.web);

    const folder = "/run/lab/release";
    mkdirSync(folder);
    writeFileSync(`${folder}/release.sh`, pageScript({ "--over 30s --every 10s": "--over 2s --every 1s" }));
    // To deploy is to ask this scenario for a restart of the server.
    writeFileSync(
      `${folder}/deploy`,
      `#!/bin/bash\ntouch ${folder}/$1.asked\nuntil [ -e ${folder}/$1.done ]; do sleep 0.1; done\n`,
    );
    for (const file of ["release.sh", "deploy"]) chmodSync(`${folder}/${file}`, 0o755);
    const begun = performance.now();
    const released = inShell(`PATH=${folder}:$PATH release.sh 42`, 200_000);
    const ended = released.then(() => true);
    for (const name of NAMES.web) {
      while (!existsSync(`${folder}/${name}.asked`))
        if (await Promise.race([ended, sleep(100).then(() => false)])) assert.fail(`${name}: ${whole(await released)}`);
      assert.equal(weightOf("web", name), "0", `${name} is deployed with weight`);
      await servers.get(name)!.behave("refuse");
      await sleep(300);
      await servers.get(name)!.behave("ok");
      writeFileSync(`${folder}/${name}.done`, "");
    }
    const ran = await released;
    assert.equal(ran.code, 0, whole(ran));
    const tookS = Math.round((performance.now() - begun) / 1000);
    assert.equal(now("web"), WHOLE.web);
    assert.equal([...ran.stdout.matchAll(/done, no connection left/g)].length, 10, whole(ran));
    t.diagnostic(`ten backends in ${tookS} s, ${await withoutError(clients)} connections, no error`);
  },
);

const blueGreen = "director drain shop --from label=color=blue --to label=color=green";
step("2: blue to green waits at 50 % (exit 5), goes on when told, and settles into the file", async (t) => {
  const clients = await load("shop");
  const dry = await said(`${blueGreen} --steps 5,10,25,50,100 --every 30s --dry-run`);
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /wrr cycle[\s\S]*50% +50% +50 +50 +50 +50[\s\S]*nothing was changed/);
  const stopped = await said(`${blueGreen} --steps 5,10,25,50,100 --every 30s --pause-at`, {
    "--every 30s": "--every 2s",
  });
  assert.equal(stopped.code, 5, whole(stopped));
  assert.match(stopped.stdout + stopped.stderr, /PAUSED at step 4\/5 \(pause-at\)/);
  assert.equal(now("shop"), "50/50/50/50");
  assert.equal((await said("director drain resume shop")).code, 0);
  const watched = await said("director drain watch shop");
  assert.equal(watched.code, 0, whole(watched));
  assert.equal(now("shop"), "0/0/100/100");

  const settle = await said("director drain settle");
  assert.equal(settle.code, 0, whole(settle));
  const lines = [...settle.stdout.matchAll(/^ +(\w+) +\S+ +weight: (\d+) +#/gm)];
  assert.deepEqual(
    lines.map(([, name, weight]) => `${name} ${weight}`),
    ["blue1 0", "blue2 0", "green1 100", "green2 100"],
  );
  director.configure(
    lines.reduce(
      (file, [, name, weight]) =>
        file.replace(new RegExp(`(name: ${name}, .*?labels: \\{.*?\\})(?:, weight: \\d+)?`), `$1, weight: ${weight}`),
      pageConfig,
    ),
  );
  const refused = await said("director reload");
  assert.equal(refused.code, 1, whole(refused));
  assert.match(whole(refused), /lose 200 of its configured weight 200/);
  assert.equal((await said("director reload --force")).code, 0);
  assert.equal(now("shop"), "0/0/100/100", "the table stays as it is");
  assert.match((await said("director drain settle")).stdout, /^nothing to settle/);
  t.diagnostic(`exit 5 at 50/50/50/50, 0 at the end; ${await withoutError(clients)} connections, no error`);
});

step("3: a whole machine: out of both services, rebooted, and back when it is well", async (t) => {
  const clients = await Promise.all([load("web"), load("api")]);
  const out = await said("director drain --host app2", { "--over 1m --every 15s": "--over 4s --every 1s" });
  assert.equal(out.code, 0, whole(out));
  assert.deepEqual([weightOf("web", "app2"), weightOf("api", "api2")], ["0", "0"]);
  const list = await said("director drain list");
  assert.match(
    list.stdout,
    /web .* done +app2 -> the rest +machine app2[\s\S]*api .* done +api2 -> the rest +machine app2/,
  );

  const machine = ["app2", "api2"] as const;
  for (const name of machine) await servers.get(name)!.behave("refuse");
  const isDown = async (service: Service, name: string) =>
    JSON.stringify(await serverStatus(director, service, name)).includes('"down"');
  await until("it is seen to be down", async () => (await isDown("web", "app2")) && (await isDown("api", "api2")), {
    timeoutMs: 30_000,
  });
  const undrained = said("director undrain --host app2", {}, 90_000);
  await sleep(5_000);
  assert.deepEqual([weightOf("web", "app2"), weightOf("api", "api2")], ["0", "0"], "not before it is well");
  for (const name of machine) await servers.get(name)!.behave("ok");
  const back = await undrained;
  assert.equal(back.code, 0, whole(back));
  assert.match(back.stdout + back.stderr, /waiting: down/);
  assert.deepEqual([now("web"), now("api")], [WHOLE.web, WHOLE.api]);
  const counts = [await withoutError(clients[0]!), await withoutError(clients[1]!)];
  t.diagnostic(`${counts.join(" + ")} connections, no error`);
});

step("4: the emergency rollback: the weights of before when the command returns, and no error after it", async (t) => {
  director.configure(pageConfig);
  assert.equal((await inShell("director reload --force")).code, 0);
  await until("blue serves as in the file", () => now("shop") === WHOLE.shop);
  const clients = await load("shop");
  const sick = { kind: "status", status: 500 } as const;
  for (const name of ["green1", "green2"]) await servers.get(name)!.behave(sick, "/");
  const begun = await said(`${blueGreen} --over 10m`, { "--over 10m --every 30s": "--over 20s --every 1s" });
  assert.equal(begun.code, 0, whole(begun));
  const id = begun.stdout.trim();
  await until("clients have met the broken ones", async () => ((await clients.look()).errors["status 500"] ?? 0) >= 2, {
    timeoutMs: 30_000,
  });
  assert.match(
    (await said("director drain list")).stdout,
    new RegExp(`${id} +shop .* shifting +blue1,blue2 -> green1,green2`),
  );
  const undone = await said("director drain rollback shop");
  assert.equal(undone.code, 0, whole(undone));
  assert.equal(now("shop"), WHOLE.shop, "when the command returns");
  assert.equal(undone.stdout.trim(), `${id} shop: rolled back`);
  await sleep(2_000); // for what was under way
  const atRollback = await clients.look();
  // With steps this short the weights of the last one may be told after the rollback.
  const events = await said("director events", { "tail -5": "tail -12" });
  assert.match(events.stdout, /rolled back \(500s since 14:02\)/);
  await until("more clients have come", async () => total(await clients.look()) > total(atRollback) + 30);
  const after = await clients.stop();
  assert.deepEqual(Object.keys(after.errors), ["status 500"]);
  assert.deepEqual(after.errors, atRollback.errors, "nobody after the rollback");
  for (const name of ["green1", "green2"]) await servers.get(name)!.behave("ok", "/");
  t.diagnostic(
    `${after.errors["status 500"]} of ${total(after)} clients met the broken servers, none after the rollback`,
  );
});

step("5: the director's machine is restarted: built at the stored share, paused, and resumed by hand", async (t) => {
  const before = await load("web");
  const begun = await said("director drain web --from app4", { "--over 10m --every 30s": "--over 60s --every 3s" });
  assert.equal(begun.code, 0, whole(begun));
  const id = begun.stdout.trim();
  const drainNow = () => ask<DrainStatus>(director, "GET", `drains/${id}`);
  await until("step 4", async () => (await drainNow()).step === 4, { timeoutMs: 30_000 });
  await until("it is in the kernel", () => isAt(0.8));
  // Whoever comes while there is no table has nobody to talk to: these clients end before, others begin after it.
  const served = await withoutError(before);
  await director.kill();
  const left = now("web");
  const stored = JSON.parse(await must(["cat", `${director.folder}/state/intent.json`])) as {
    drains: readonly { id: string; step: number }[];
  };
  const reached = stored.drains.find((d) => d.id === id)!.step;
  await must(["/usr/sbin/ipvsadm", "-C"]);
  writeFileSync("/run/lab/boot-id", "22222222-2222-4333-8444-555555555555\n");
  await must(["mount", "--bind", "/run/lab/boot-id", "/proc/sys/kernel/random/boot_id"]);
  director = startDirector({ config: pageConfig, folder: director.folder });
  await director.ready(40_000);
  await until("it stands at its share", () => isAt(1 - reached / 20), { timeoutMs: 30_000 });
  const clients = await load("web");
  const shown = await said("director drain status web");
  assert.equal(shown.code, 0, whole(shown));
  assert.match(shown.stdout, new RegExp(`PAUSED at step ${reached}/20 \\(restart\\)`));
  assert.match(shown.stdout, /the machine was restarted/);
  const rebuilt = now("web");
  await sleep(4_000);
  assert.equal(now("web"), rebuilt, "it waits for somebody, longer than a step");
  assert.equal((await said("director drain resume web")).code, 0);
  await until("it goes on", async () => (await drainNow()).state === "shifting");
  await until("a step further", async () => (await drainNow()).step > reached, { timeoutMs: 20_000 });
  assert.equal((await said("director drain finish web")).code, 0);
  const watched = await said("director drain watch web");
  assert.equal(watched.code, 0, whole(watched));
  assert.equal(now("web"), "100/100/100/0/100/100/100/100/100/100");
  t.diagnostic(
    `at step ${reached}/20: ${left} before, ${rebuilt} after; ${served} + ${await withoutError(clients)} connections, no error`,
  );
});

/** A command of the page, carried out by a shell as it stands there but for those words. */
function said(beginning: string, instead: Instead = {}, timeoutMs?: number): Promise<Ran> {
  return inShell(pageCommand(beginning, instead), timeoutMs);
}

/** With `director` in the PATH, and this daemon's socket. `director.cli` gives every command 30 s; some of these wait for longer. */
function inShell(line: string, timeoutMs = 60_000): Promise<Ran> {
  return run(["/bin/bash", "-c", line], {
    env: { PATH: `${dirname(directorProgram)}:${process.env.PATH}`, DIRECTOR_SOCKET: director.socket },
    timeoutMs,
  });
}

/** Whether app4 has this part of what each of the others has, as near as the weights can say it. */
function isAt(part: number): boolean {
  const [first, , , fourth] = now("web").split("/").map(Number);
  return fourth! > 0 && Math.abs(fourth! / first! - part) < 0.02;
}

function allWhole(): boolean {
  return (Object.keys(VIPS) as readonly Service[]).every((service) => now(service) === WHOLE[service]);
}

/** Ends the load; how many connections there were, none of which may have failed. */
async function withoutError(clients: LoadInProgress): Promise<number> {
  const result = await clients.stop();
  assert.deepEqual(result.errors, {});
  return total(result);
}

function total({ counts, errors }: Pick<Awaited<ReturnType<LoadInProgress["look"]>>, "counts" | "errors">): number {
  return [...Object.values(counts), ...Object.values(errors)].reduce((a, b) => a + b, 0);
}

function whole({ code, stdout, stderr }: Ran): string {
  return `exit ${code}\n${stdout}${stderr}`;
}
