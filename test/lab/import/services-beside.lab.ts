// keepalived runs a file, director the import of it, on the same servers: schedulers, forwarding, groups, quorum, sorry servers, hooks. Their tables are
// the same, line for line, at the start, with each server dead, with all dead, and with each back.
// lab: topology=routed servers=3 timeout=300 prepare=keepalived.ts
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { inNamespace, must, step, until } from "../inside.ts";
import { besideKeepalived, TWIN } from "./beside.ts";
import { SERVICE_PIECES } from "./service-pieces.ts";

const GLOBALS = `global_defs {
  lvs_timeouts tcp 800 tcpfin 100 udp 200
  lvs_sync_daemon sync0 id 7
  lvs_flush
  notification_email { root@localhost }
}`;
const { keepalived, director } = await besideKeepalived(SERVICE_PIECES, GLOBALS);

const both = async (...args: readonly string[]) =>
  Promise.all([TWIN, undefined].map((namespace) => must(inNamespace(namespace, ["/usr/sbin/ipvsadm", ...args]))));

step("timeouts, sync daemons and thresholds, which ipvsadm -S does not print, are the same", async () => {
  for (const what of ["--timeout", "--daemon"]) {
    const [its, ours] = await both("-L", what);
    assert.equal(ours, its);
    assert.match(its!, what === "--timeout" ? /800 100 200/ : /master .*sync0[\s\S]*backup .*sync0/);
  }
  const limits = (text: string) => text.split("\n").filter((line) => / (?:1000|800) /.test(line));
  const [its, ours] = (await both("-Ln", "--thresholds")).map(limits);
  assert.deepEqual(ours, its);
  assert.equal(its?.length, 2);
});

/** How often which hook ran, by the namespace it ran in. */
function ran(): { readonly keepalived: Record<string, number>; readonly director: Record<string, number> } {
  const own = /\d+/.exec(readlinkSync("/proc/self/ns/net"))![0];
  const counts = { keepalived: {}, director: {} } as Record<"keepalived" | "director", Record<string, number>>;
  for (const file of readdirSync("/run/lab").filter((name) => name.startsWith("ran-")))
    for (const word of readFileSync(`/run/lab/${file}`, "utf8").trim().split("\n")) {
      const count = counts[file === `ran-${own}` ? "director" : "keepalived"];
      count[word] = (count[word] ?? 0) + 1;
    }
  return counts;
}

step("the same hooks have run, but for quorum_up, which keepalived runs at the start as well", async () => {
  const common = { up: 2, down: 2, "quorum-down": 1 };
  const wanted = { keepalived: { ...common, "quorum-up": 2 }, director: { ...common, "quorum-up": 1 } };
  await until("the last of them has run", () => isDeepStrictEqual(ran(), wanted)).catch(() => {});
  assert.deepEqual(ran(), wanted);
});

step("a stop: keepalived empties its table; director leaves it, and runs nothing, omega or not", async (t) => {
  const before = (await both("-Sn"))[1];
  await Promise.all([keepalived.stop(), director.stop()]);
  const [its, ours] = await both("-Sn");
  assert.deepEqual([its?.trim(), ours], ["", before]);
  assert.deepEqual(ran().director, { up: 2, down: 2, "quorum-up": 1, "quorum-down": 1 });
  // What omega has it run then it does not wait for: on a busy machine it dies with keepalived.
  t.diagnostic(`keepalived's hooks: ${JSON.stringify(ran().keepalived)}`);
});
