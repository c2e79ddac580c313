import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, bench, type Spawned } from "./support.ts";

/** Real programs and a real agent under a daemon of its own; what they say is theirs to change. */
describe("what programs and agents report reaches the table", () => {
  let b: Bench;
  let daemon: Spawned;
  let line = "up ready 100%\n";
  const agent = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(line);
  });
  const code = (exit: number | string) => writeFileSync(join(b.dir, "exit"), `${exit}\n`);

  before(async () => {
    b = await bench();
    agent.listen(0, "127.0.0.2");
    await once(agent, "listening");
    code(0);
    const script = join(b.dir, "check");
    writeFileSync(script, `read exit <"$1/exit"; echo "$DIRECTOR_ADDRESS said $exit"; exit $exit\n`);
    const pace = "interval: 200ms, fast_interval: 200ms, down_interval: 200ms, timeout: 10s";
    writeFileSync(
      b.conf,
      `
ipvs: { backend: memory }
state: { directory: ${b.dir}/state }
control: { socket: ${b.dir}/control.sock }
services:
  - name: web
    vip: 192.0.2.10:80
    checks:
      - { type: tcp, ${pace} }
      - { type: agent, port: ${(agent.address() as AddressInfo).port}, ${pace} }
    servers: [ { name: old, address: "127.0.0.2:${b.ports.old}" } ]
  - name: db
    vip: 192.0.2.11:80
    check: { type: exec, command: [/bin/sh, ${script}, ${b.dir}], dynamic_weight: true, fall: 1, rise: 1, ${pace} }
    servers: [ { name: a, address: "127.0.0.5:${b.ports.a}" } ]
`,
    );
    daemon = await b.daemon();
  });
  after(async () => {
    agent.close();
    await b.close();
  });

  async function weightIs(service: string, server: string, weight: number): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if ((await b.weights(service))[server] === weight) return;
      await sleep(50);
    }
    assert.equal((await b.weights(service))[server], weight);
  }

  test("an agent's percentage, its wishes and its verdict", async () => {
    await weightIs("web", "old", 100);
    line = "75%\n";
    await weightIs("web", "old", 75);
    assert.match(
      (await b.cli("explain", "web", "old")).stdout,
      /rule reported\n[\s\S]*reported by the server: 75% of its weight/,
    );
    line = "drain\n";
    await weightIs("web", "old", 0);
    assert.match((await b.cli("explain", "web", "old")).stdout, /rule agent-drain\n/);
    const status = (await b.cli("status")).stdout;
    assert.match(status, /warning {2}web old: gets no new clients, by its own account: drain, 75% of its weight/);
    line = "ready down#going home\n";
    await daemon.seen(/web old: .*agent says down \(going home\)/);
    line = "up\n";
    await weightIs("web", "old", 75);
  });

  test("an agent that has gone has said nothing new", async () => {
    const { address, port } = agent.address() as AddressInfo;
    agent.close();
    for (let i = 0; i < 400; i++) {
      const [, last] = (await b.status()).services[0]!.servers[0]!.checks;
      if (/did not answer: connection refused/.test(last?.detail ?? "")) break;
      await sleep(50);
    }
    const { checks, state, weight } = (await b.status()).services[0]!.servers[0]!;
    assert.match(checks[1]!.detail!, /did not answer: connection refused/);
    assert.deepEqual([state, weight], ["up", 75]);
    line = "100%\n";
    agent.listen(port, address);
    await weightIs("web", "old", 100);
  });

  test("a program's exit code", async () => {
    await weightIs("db", "a", 100);
    code(52);
    await weightIs("db", "a", 50);
    const [check] = (await b.status()).services[1]!.servers[0]!.checks;
    assert.deepEqual(
      [check!.check, check!.last, check!.detail],
      ["exec check", "pass", "weight 50: 127.0.0.5 said 52"],
    );
    code(1);
    await weightIs("db", "a", 0);
    assert.match((await b.cli("status")).stdout, /db a: down for \d+m?s: exit code 1: 127\.0\.0\.5 said 1/);
    code(0);
    await weightIs("db", "a", 100);
  });

  test("the end of the daemon is the end of its programs", async () => {
    const script = join(b.dir, "check");
    writeFileSync(script, `echo $$ >"$1/pid"; trap "" TERM; while :; do sleep 0.1; done\n`);
    let pid = 0;
    for (let i = 0; i < 400 && pid === 0; i++) {
      await sleep(50);
      try {
        pid = Number(readFileSync(join(b.dir, "pid"), "utf8"));
      } catch {}
    }
    assert.ok(pid > 0, "it was never started");
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    for (let i = 0; i < 400; i++) {
      const stat = statOf(pid);
      if (stat === undefined || / Z /.test(stat)) return;
      await sleep(25);
    }
    assert.fail("it lives on");
  });
});

function statOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
}
