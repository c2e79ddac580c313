import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, bench, type Spawned } from "./support.ts";

const SERVERS = 60;

describe("a daemon of which sixty servers are found dead at once", () => {
  let b: Bench;
  let daemon: Spawned;
  before(async () => {
    b = await bench();
    const servers = Array.from(
      { length: SERVERS },
      (_, i) => `      - { name: s${i}, address: "127.0.1.${i + 1}:${b.ports.dead}" }`,
    );
    const hook = `hooks:\n  - { name: note, on: [server.down], command: [/bin/sh, -c, "cat >> ${b.dir}/noted"] }\n`;
    writeFileSync(
      b.conf,
      `${hook}${readFileSync(b.conf, "utf8")}  - name: many\n    vip: 192.0.2.13:80\n    servers:\n${servers.join("\n")}\n`,
    );
    daemon = await b.daemon();
  });
  after(() => b.close());

  test("writes twenty lines and one with the number of the others; events are the same; the hook gets each", async () => {
    await daemon.seen(/more within a second: server unknown -> down/);
    for (let tries = 0; noted() < SERVERS + 1 && tries < 400; tries++) await sleep(50);
    assert.equal(noted(), SERVERS + 1);
    daemon.child.kill("SIGTERM");
    const { stdout } = await daemon.ended;
    const lines = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { kind?: string; to?: string; count?: number; msg: string });
    const downs = lines.filter(({ kind, to }) => kind === "server" && to === "down");
    assert.equal(downs.length, 21);
    // One more is dead in the other services, and may be among those that are told by themselves.
    assert.equal(
      downs.reduce((sum, { count = 1 }) => sum + count, 0),
      SERVERS + 1,
    );
    assert.match(downs.at(-1)!.msg, /\d+ more within a second: server unknown -> down; connection refused \(\d+\)/);
    const kept = readFileSync(join(b.dir, "state/events.ndjson"), "utf8")
      .split("\n")
      .filter((line) => /"to":"down"/.test(line));
    assert.equal(kept.length, 21);
  });

  /** Events that the hook was told of. */
  function noted(): number {
    const file = join(b.dir, "noted");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").length : 0;
  }
});
