// Name servers, mail servers and gRPC servers turn sick and well: checks that speak their language see what a connection alone does not.
// lab: topology=routed servers=2 timeout=150
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Order } from "./check-servers.ts";
import { inNamespace, startDirector, step, until, weights } from "./inside.ts";
import { serverStatus } from "./main-job/api.ts";

/** The servers of one namespace; the returned function says how one of them behaves from now on. */
async function startServers(namespace: string): Promise<(order: Order) => Promise<void>> {
  const program = join(import.meta.dirname, "check-servers.ts");
  const [command, ...args] = inNamespace(namespace, [process.execPath, program]);
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [first] = await Promise.race([once(child, "message"), once(child, "exit")]);
  assert.equal(first, "ready");
  child.unref();
  child.channel?.unref();
  return async (order) => {
    const done = once(child, "message");
    child.channel?.ref();
    child.send(order);
    await done;
    child.channel?.unref();
  };
}

const [rs1] = await Promise.all([startServers("rs1"), startServers("rs2")]);
const director = startDirector({
  config: `
defaults: { check: { interval: 600ms, fast_interval: 300ms, down_interval: 400ms, timeout: 3s, fall: 2, rise: 2 } }
services:
  - name: dns
    vip: 10.100.0.1:53
    protocol: udp
    on_failure: quiesce
    check: { type: dns, name: www.example.test, record: A, expect: { answer: { address: 10.1.2.3 } } }
    servers: [{ name: a, address: 10.9.1.2 }, { name: b, address: 10.9.2.2 }]
  - name: mail
    vip: 10.100.0.1:25
    check: { type: smtp, helo: lb.example.test }
    servers: [{ name: a, address: 10.9.1.2 }, { name: b, address: 10.9.2.2 }]
  - name: cart
    vip: 10.100.0.1:50051
    check: { type: grpc, service: shop.v1.Cart }
    servers: [{ name: a, address: 10.9.1.2 }, { name: b, address: 10.9.2.2 }]
`,
});
await director.ready();

const SERVICES = {
  dns: { key: "udp:10.100.0.1:53", port: 53 },
  mail: { key: "tcp:10.100.0.1:25", port: 25 },
  grpc: { key: "tcp:10.100.0.1:50051", port: 50051 },
} as const;

/** The weights of both servers of a service: `100,100`. */
const both = (who: Order["who"]): string => {
  const { key, port } = SERVICES[who];
  return ["10.9.1.2", "10.9.2.2"].map((address) => weights(key)?.[`${address}:${port}`]).join();
};

step("whoever answers rightly serves", async () => {
  for (const who of ["dns", "mail", "grpc"] as const) await until(`${who} serves`, () => both(who) === "100,100");
});

const sicknesses: readonly (readonly [what: string, service: string, sick: Order, reason: RegExp])[] = [
  ["a name server that is gone", "dns", { who: "dns", state: "dead" }, /^port unreachable \(ICMP\)$/],
  ["a name server that cannot find out", "dns", { who: "dns", state: "failing" }, /^SERVFAIL, expected NOERROR$/],
  [
    "a mail server that takes nobody in",
    "mail",
    { who: "mail", state: "busy" },
    /^the greeting is "421 4\.3\.2 too busy", expected 220$/,
  ],
  [
    "a gRPC server that says it does not serve",
    "cart",
    { who: "grpc", state: "not serving" },
    /^the service "shop\.v1\.Cart" is NOT_SERVING, expected SERVING$/,
  ],
  [
    "a gRPC server without a health service",
    "cart",
    { who: "grpc", state: "no health service" },
    /^the server has no grpc\.health\.v1\.Health \(UNIMPLEMENTED\)$/,
  ],
];

for (const [what, service, sick, reason] of sicknesses)
  step(`${what} has weight 0 until it is well again`, async () => {
    await rs1(sick);
    await until("its weight is 0", () => both(sick.who) === "0,100");
    assert.match((await serverStatus(director, service, "a"))?.reason ?? "", reason);
    await rs1({ ...sick, state: "well" } as Order);
    await until("its weight is back", () => both(sick.who) === "100,100");
  });

step("an answer too long for a datagram is fetched over TCP, and counts", async () => {
  const before = director.log.length;
  await rs1({ who: "dns", state: "short" });
  await director.logged(/"msg":"probe [^"]*10\.9\.1\.2 53: [^"]*over TCP/, { after: before });
  assert.equal(both("dns"), "100,100");
});
