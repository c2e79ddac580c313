// exec checks under the unit: they run without director's capability, in its sandbox, and their weights come into the table.
// lab: topology=routed servers=1 systemd timeout=300
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { must, shell, startActors, until, weights } from "../inside.ts";
import { bringCheckout, configure, install, mainPid, processStatus, step } from "./unit.ts";

const VIP = "tcp:10.100.0.1:80";
const SERVER = "10.9.1.2:80";
const CHECK = "/usr/local/lib/director/check";
/** Busy hosts take long for a command. */
const PATIENCE_MS = 60_000;
const NONE = "0000000000000000";

/** Says what it may do, and passes with weight 50 if it may not write the table. */
const script = `#!/bin/sh
caps=$(grep -h -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -s '\\t\\n' ' ')
if /usr/sbin/ipvsadm -C 2>/dev/null; then echo "ipvsadm obeyed, with $caps"; exit 1; fi
echo "$caps"
exit 52
`;

interface Status {
  readonly services: readonly {
    readonly servers: readonly { readonly checks: readonly { readonly last: string; readonly detail: string }[] }[];
  }[];
}

async function lastCheck(): Promise<{ readonly last: string; readonly detail: string }> {
  const { services } = JSON.parse(await must(["/usr/bin/director", "status", "--json"])) as Status;
  return services[0]!.servers[0]!.checks[0]!;
}

await shell(`mkdir -p ${CHECK.slice(0, CHECK.lastIndexOf("/"))}`);
writeFileSync(CHECK, script, { mode: 0o755 });
await bringCheckout();
await startActors("rs1");

step("a check has no capability and cannot touch the table, while director writes what it says", async () => {
  configure(`
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: exec, command: [${CHECK}, "{address}"], dynamic_weight: true, interval: 1s, timeout: 10s }
    servers: [ { name: only, address: "${SERVER}" } ]
`);
  const { code, stdout, stderr } = await install();
  assert.equal(code, 0, stdout + stderr);
  await until("weight 50", () => weights(VIP)?.[SERVER] === 50, { timeoutMs: PATIENCE_MS });
  const { last, detail } = await lastCheck();
  assert.deepEqual(
    [last, detail],
    ["pass", `weight 50: CapInh: ${NONE} CapPrm: ${NONE} CapEff: ${NONE} CapAmb: ${NONE}`],
  );
  const { CapEff, CapAmb } = processStatus(await mainPid());
  assert.deepEqual([CapEff, CapAmb], ["0000000000001000", "0000000000001000"]);
});

step("without setpriv nothing is run, and the weight is kept", async () => {
  await shell("mv /usr/bin/setpriv /usr/bin/setpriv.away");
  try {
    await until("that is said", async () => /setpriv is missing/.test((await lastCheck()).detail), {
      timeoutMs: PATIENCE_MS,
      everyMs: 1000,
    });
    assert.equal((await lastCheck()).last, "inconclusive");
    assert.deepEqual(weights(VIP), { [SERVER]: 50 });
  } finally {
    await shell("mv /usr/bin/setpriv.away /usr/bin/setpriv");
  }
});
