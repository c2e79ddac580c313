// Hooks under the unit: scripts without director's capability, in its sandbox; URLs across its network; a stop that a hanging one does not hold up.
// lab: topology=routed servers=1 systemd timeout=300
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { HookMessage } from "../../../src/hooks/message.ts";
import { must, shell, startActors, until, weights } from "../inside.ts";
import { bringCheckout, configure, install, journaled, order, step } from "./unit.ts";

const VIP = "tcp:10.100.0.1:80";
const SERVER = "10.9.1.2:80";
const FOLDER = "/usr/local/lib/director";
/** Where director's user may write below the unit. */
const TOLD = "/var/lib/director/told";
/** Busy hosts take long for a command. */
const PATIENCE = { timeoutMs: 60_000, everyMs: 500 };

const script = `#!/bin/sh
event=$(cat)
grep -h -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status > /var/lib/director/caps
env > /var/lib/director/env
/usr/sbin/ipvsadm -C 2>/dev/null && echo "ipvsadm obeyed" >> /var/lib/director/caps
printf '%s\\n' "$event" >> ${TOLD}
`;

const conf = (hooks: string) => `
hooks:
${hooks}
services:
  - name: web
    vip: 10.100.0.1:80
    check: { type: http, path: /healthz, interval: 1s, timeout: 1s, down_interval: 1s }
    servers: [ { name: only, address: "${SERVER}" } ]
`;

const told = (): readonly HookMessage[] =>
  existsSync(TOLD)
    ? readFileSync(TOLD, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as HookMessage)
    : [];

/** Process numbers; the brackets keep the shell that asks out of it. */
const hanging = async (): Promise<string> => (await shell(`pgrep -f '${FOLDER}/[h]ang' || true`)).trim();

await shell(`mkdir -p ${FOLDER}`);
writeFileSync(`${FOLDER}/tell`, script, { mode: 0o755 });
writeFileSync(`${FOLDER}/hang`, "#!/bin/sh\nsleep 1000 &\nwait\n", { mode: 0o755 });
await bringCheckout();
const { rs1 } = await startActors("rs1");
const server = await rs1.listen({ kind: "http", name: "only", port: 80 });
await rs1.listen({ kind: "http", name: "receiver", port: 8080 });

step(
  "a quorum is lost: the script is told, without a capability and without systemd's socket; the URL too",
  async () => {
    configure(
      conf(`  - { on: [server, service], command: [${FOLDER}/tell] }
  - { name: receiver, on: [service.quorum-lost], url: "http://10.9.1.2:8080/hook" }`),
    );
    const { code, stdout, stderr } = await install();
    assert.equal(code, 0, stdout + stderr);
    await until("weight 100", () => weights(VIP)?.[SERVER] === 100, PATIENCE);
    await server.behave({ kind: "status", status: 503 }, "/healthz");
    await until("it is told", () => told().some(({ to }) => to === "quorum-lost"), PATIENCE);
    const down = told().find(({ kind, to }) => kind === "server" && to === "down")!;
    assert.deepEqual(
      [down.version, down.service, down.server, down.address, down.reason],
      [1, "web", "only", SERVER, "status 503, expected 200-299"],
    );
    const caps = readFileSync("/var/lib/director/caps", "utf8").trimEnd().split("\n");
    assert.equal(caps.length, 4, caps.join("\n"));
    for (const line of caps) assert.match(line, /^Cap\w+:\t0+$/);
    assert.doesNotMatch(readFileSync("/var/lib/director/env", "utf8"), /NOTIFY_SOCKET|WATCHDOG_USEC/);
    assert.equal(weights(VIP)?.[SERVER], 0, "the table stands");
    const hooks = async () =>
      (
        JSON.parse(await must(["/usr/bin/director", "status", "--json"])) as {
          hooks: { name: string; delivered: number }[];
        }
      ).hooks;
    await until(
      "the URL has it",
      async () => (await hooks()).some(({ name, delivered }) => name === "receiver" && delivered === 1),
      PATIENCE,
    );
  },
);

step("a hook that hangs costs a stop two seconds, and leaves nobody behind", async () => {
  configure(conf(`  - { on: [server], command: [${FOLDER}/hang], timeout: 10m }`));
  await order("reload", "director");
  await server.behave("ok", "/healthz");
  await until("it hangs", async () => (await hanging()) !== "", PATIENCE);
  const since = Date.now();
  const tookMs = await order("stop", "director");
  await journaled(since, /hooks end with director; not delivered: hang \d/, 60_000);
  // TimeoutStopSec is 30s: a stop that ran into it would have ended by SIGKILL.
  assert.ok(tookMs < 25_000, `${tookMs} ms`);
  assert.equal(await hanging(), "");
});
