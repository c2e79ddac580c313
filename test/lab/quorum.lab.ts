// Services as a whole: a sorry server below quorum, everybody when all are down, the slow return of one, a freeze, and the flush at the end.
// lab: topology=routed servers=3 timeout=240
import assert from "node:assert/strict";
import { kernelTable, must, savedRules, setTable, startActors, startDirector, step, until } from "./inside.ts";
import { status } from "./main-job/api.ts";
import { watchTable, weightsOver } from "./main-job/watcher.ts";

const VIP = "10.100.0.1";
const PORTS = { shop: 7001, open: 7002 } as const;
const [A, B, SORRY] = ["10.9.1.2", "10.9.2.2", "10.9.3.2"] as const;
const key = (name: keyof typeof PORTS) => `tcp:${VIP}:${PORTS[name]}`;
const table = (name: keyof typeof PORTS) => {
  const servers = kernelTable()[key(name)]?.servers ?? {};
  return [A, B, SORRY].map((address) => servers[`${address}:${PORTS[name]}`]?.weight ?? "-").join("/");
};

await setTable(`-A -t ${VIP}:9999 -s wlc
  -a -t ${VIP}:9999 -r ${A}:9999 -m -w 7`);
const [{ rs1, rs2, rs3, cl }, watcher] = await Promise.all([startActors("rs1", "rs2", "rs3", "cl"), watchTable(50)]);
// Health is told on a port of its own, so that a server that is called dead still answers: whatever goes wrong for a client is our doing.
const [healthA, healthB] = await Promise.all([
  rs1.listen({ kind: "http", name: "health-a", port: 8080 }),
  rs2.listen({ kind: "http", name: "health-b", port: 8080 }),
  ...Object.values(PORTS).flatMap((port) => [
    rs1.listen({ kind: "echo", name: "a", port }),
    rs2.listen({ kind: "echo", name: "b", port }),
    rs3.listen({ kind: "echo", name: "sorry", port }),
  ]),
]);
const servers = `
    servers:
      - { name: a, address: ${A}, weight: 100 }
      - { name: b, address: ${B}, weight: 100 }
`;
const director = startDirector({
  config: `
defaults:
  check: { type: http, port: 8080, path: /healthz, interval: 500ms, fast_interval: 300ms, down_interval: 500ms, timeout: 2s, fall: 2, rise: 2 }
services:
  - name: shop
    vip: ${VIP}:${PORTS.shop}
    quorum: { up: 2, down: 1 }
    sorry_server: { address: ${SORRY} }
${servers}
  - name: open
    vip: ${VIP}:${PORTS.open}
    fail_open: all-down
    slow_start: 8s
${servers}`,
});
await director.ready();
await until("everybody serves", () => table("shop") === "100/100/-" && table("open") === "100/100/-");
const sick = { kind: "status", status: 503 } as const;
const target = (name: keyof typeof PORTS) => `${VIP}:${PORTS[name]}`;
const hold = (name: keyof typeof PORTS, count: number) =>
  cl.hold({ kind: "echo", target: target(name), count, everyMs: 300, timeoutMs: 8000 });

step(
  "quorum lost and regained under load: the sorry server serves meanwhile, and no client sees an error",
  async (t) => {
    const load = await cl.startLoad({ kind: "echo", target: target("shop"), perSecond: 20, timeoutMs: 8000 });
    const before = await hold("shop", 4);
    await healthA.behave(sick, "/healthz");
    await until("a is out", () => table("shop") === "0/100/-");
    await healthB.behave(sick, "/healthz");
    await until("the sorry server serves alone", () => table("shop") === "0/0/1");
    const onSorry = await hold("shop", 5);
    assert.deepEqual((await onSorry.look()).alive, { sorry: 5 });
    assert.deepEqual((await before.look()).alive, { a: 2, b: 2 }, "open connections go on where they are");
    const shown = (await status(director)).services.find(({ name }) => name === "shop")!;
    assert.match(shown.trouble ?? "", /quorum lost \(0 of 2 servers healthy\): the sorry server serves/);
    assert.equal(shown.up, false);

    await healthA.behave("ok", "/healthz");
    await until("a passes again", async () => (await status(director)).services[0]!.servers[0]!.state === "up");
    assert.equal(table("shop"), "0/0/1", "one is not enough to regain it");
    await healthB.behave("ok", "/healthz");
    await until("the real servers are back, the sorry server waits at 0", () => table("shop") === "100/100/0");
    const talked = (await onSorry.look()).exchanges;
    await until("they have talked on", async () => (await onSorry.look()).exchanges >= talked + 20);
    assert.equal(table("shop"), "100/100/0");
    const end = await onSorry.release();
    assert.deepEqual([end.alive, end.dead], [{ sorry: 5 }, []], "none is cut on the sorry server");
    await until("it has left the table", () => table("shop") === "100/100/-");
    const rest = await before.release();
    assert.deepEqual([rest.alive, rest.dead], [{ a: 2, b: 2 }, []]);
    const { counts, errors } = await load.stop();
    assert.deepEqual(errors, {});
    assert.ok(counts.sorry! > 0);
    const sorryWeights = weightsOver(await watcher.look(), key("shop"), `${SORRY}:${PORTS.shop}`).map((w) => w.weight);
    assert.deepEqual(sorryWeights, [undefined, 1, 0, undefined]);
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    t.diagnostic(
      `${total} connections, ${counts.sorry} of them to the sorry server, no error; 4 held on the dead and 5 on the sorry server`,
    );
  },
);

step("all down and fail_open: everybody serves; the first to recover comes back by and by", async (t) => {
  const load = await cl.startLoad({ kind: "echo", target: target("open"), perSecond: 20, timeoutMs: 8000 });
  await healthA.behave(sick, "/healthz");
  await until("a is out", () => table("open") === "0/100/-");
  await healthB.behave(sick, "/healthz");
  await until("both serve, by fail_open", async () => {
    const { trouble } = (await status(director)).services.find(({ name }) => name === "open")!;
    return /FAILING OPEN/.test(trouble ?? "") && table("open") === "100/100/-";
  });
  await healthB.behave("ok", "/healthz");
  await until("a is out again, b on its way", () => /^0\/[1-9]0?\d?\/-$/.test(table("open")));
  await until("b has all of it", () => table("open") === "0/100/-");
  const { errors } = await load.stop();
  assert.deepEqual(errors, {});
  await healthA.behave("ok", "/healthz");
  await until("a is back", () => table("open") === "100/100/-", { timeoutMs: 30_000 });
  const of = (address: string) =>
    watcher.look().then((seen) => weightsOver(seen, key("open"), `${address}:${PORTS.open}`));
  const over = await of(A);
  const ramp = over.slice(over.findLastIndex(({ weight }) => weight === 0) + 1);
  const weights = ramp.map(({ weight }) => weight ?? 0);
  // A busy host may skip a step; none is ever taken back, and each is a tenth.
  assert.ok(weights.length >= 5 && weights.length <= 10, `${weights}`);
  assert.deepEqual(
    weights,
    weights.toSorted((x, y) => x - y),
  );
  assert.ok(weights[0]! <= 30 && weights.every((weight) => weight % 10 === 0), `${weights}`);
  const took = Math.round(ramp.at(-1)!.at - ramp[0]!.at);
  assert.ok(took >= 5_000, `${took} ms`);
  t.diagnostic(`a came back ${weights.join(", ")} within ${took} ms (slow_start 8s)`);
});

step("frozen: a death is seen and not written, until the thaw", async () => {
  const done = await director.cli("freeze", "open", "--for", "10m", "--reason", "by hand");
  assert.equal(done.stdout.trim(), "open: frozen for 10m: nothing is written");
  await healthA.behave(sick, "/healthz");
  await until("it is out of the other service", () => table("shop") === "0/100/-");
  await must(["/usr/sbin/ipvsadm", "-e", "-t", target("open"), "-r", `${B}:${PORTS.open}`, "-m", "-w", "55"]);
  const told = await director.cli("status");
  assert.match(told.stdout, /error\s+FROZEN: open, by \S+ for another (9m\d+s|10m) \(by hand\): nothing is written/);
  await until("the watcher has seen it", () => table("open") === "100/55/-");
  await director.cli("thaw");
  await until("it is written", () => table("open") === "0/100/-");
  assert.ok(!director.log.some((line) => /drift/.test(String(line.msg)) && /open/.test(String(line.msg))));
  await healthA.behave("ok", "/healthz");
  await until("a is back", () => table("shop") === "100/100/-");
});

step("flush: refused while director runs; afterwards our part is gone, and nothing else", async () => {
  const refused = await director.cli("flush", "-c", director.configFile);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /a director is running and would put everything back: stop it first/);
  await director.stop();
  assert.equal(table("shop"), "100/100/-", "the stop leaves the table");
  const before = await savedRules();
  const shown = await director.cli("flush", "-c", director.configFile, "--dry-run");
  assert.match(shown.stdout, /2 virtual services would be deleted/);
  assert.equal(await savedRules(), before);
  const done = await director.cli("flush", "-c", director.configFile);
  assert.deepEqual([done.code, done.stderr], [0, ""]);
  assert.deepEqual(Object.keys(kernelTable()), [`tcp:${VIP}:9999`]);
});
