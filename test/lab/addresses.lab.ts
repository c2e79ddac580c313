// The services' addresses on a dummy interface: put there, withdrawn with the quorum, restored after a crash; and nobody else's touched.
// lab: topology=routed servers=1 timeout=300
import assert from "node:assert/strict";
import { ipInterfaces } from "../../src/kernel/interfaces.ts";
import { keepsAddresses } from "../kernel/interfaces-contract.ts";
import { kernelTable, must, shell, startActors, startDirector, step, until } from "./inside.ts";
import { ask, status } from "./main-job/api.ts";
import { soonMs } from "./main-job/soon.ts";

const { rs1, cl } = await startActors("rs1", "cl");
const [server] = await Promise.all([
  rs1.listen({ kind: "http", name: "a", port: 80 }),
  rs1.listen({ kind: "http", name: "six", port: 81 }),
]);
// What a crashed one before us might find: an interface of that name is made by ourselves, others' are there.
await shell("ip link add other0 type dummy; ip addr add 192.0.2.99/24 dev other0; ip link set other0 up");

const check =
  "check: { type: http, path: /healthz, interval: 500ms, fast_interval: 500ms, down_interval: 500ms, fall: 2, rise: 2 }";
const service = (name: string, vips: string, address: string) =>
  `  - { name: ${name}, vips: [${vips}], ${check}, servers: [{ name: a, address: "${address}" }] }`;
const web = service("web", '"192.0.2.10:80"', "10.9.1.2:80");
const six = service("six", '"[2001:db8::10]:80"', "[fd00:9:1::2]:81");
const elsewhere = service("elsewhere", '"192.0.2.99:80"', "10.9.1.2:80");
const config = (...services: readonly string[]) =>
  `ipvs: { resync: 2s }\nvips: { device: ipvs0, withdraw: true }\nreload: { max_removed: 100% }\nservices:\n${services.join("\n")}\n`;

/** `192.0.2.10/32`, less what the kernel itself puts there. */
async function addressesOf(device: string): Promise<readonly string[]> {
  const list = JSON.parse(await must(["ip", "-json", "address", "show"])) as {
    ifname: string;
    addr_info: { local: string; prefixlen: number; scope: string }[];
  }[];
  const found = list.find(({ ifname }) => ifname === device)?.addr_info ?? [];
  return found
    .filter(({ scope }) => scope !== "link")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    .sort();
}

/** Room for a busy host. */
const timeoutMs = 20_000 + 10 * (await soonMs());

const has = (device: string, ...expected: readonly string[]) =>
  until(
    `${device} has ${expected.join(", ") || "nothing"}`,
    async () => JSON.stringify(await addressesOf(device)) === JSON.stringify([...expected].sort()),
    { timeoutMs },
  );

async function answered(url: string): Promise<string | undefined> {
  const { counts, errors } = await cl.load({ kind: "http", target: url, count: 1, timeoutMs: 3_000 });
  return Object.keys(counts)[0] ?? Object.keys(errors)[0];
}

step("the kernel's interfaces keep what the ones in memory keep", () =>
  keepsAddresses(ipInterfaces({ timeoutMs: 30_000 }), "law0"),
);

let director = startDirector({ config: config(web, six) });
const problems = async () =>
  (await status(director)).problems.map(({ message }) => message).filter((m) => m.startsWith("vips"));

step("the interface is made, the addresses stand on it, and clients are answered there", async () => {
  await director.ready();
  await has("ipvs0", "192.0.2.10/32", "2001:db8::10/128");
  assert.match(await must(["ip", "-details", "link", "show", "ipvs0"]), /UP[\s\S]*dummy/);
  await until("a client is answered", async () => (await answered("192.0.2.10:80")) === "a", { timeoutMs });
  await until("and over IPv6", async () => (await answered("[2001:db8::10]:80")) === "six", { timeoutMs });
  assert.deepEqual(await problems(), []);
});

step(
  "a service that has lost its quorum loses its address, no other does, and it comes back with the quorum",
  async () => {
    await server.behave({ kind: "status", status: 503 }, "/healthz");
    await has("ipvs0", "2001:db8::10/128");
    assert.doesNotMatch(await must(["ip", "route", "show", "table", "local"]), /192\.0\.2\.10/);
    await server.behave("ok", "/healthz");
    await has("ipvs0", "192.0.2.10/32", "2001:db8::10/128");
  },
);

step("what somebody else puts on the interface stays, what he takes off comes back, link and all", async () => {
  await shell(
    "ip addr add 198.51.100.7/32 dev ipvs0; ip addr add 10.77.0.1/24 dev ipvs0; ip addr del 192.0.2.10/32 dev ipvs0",
  );
  await has("ipvs0", "10.77.0.1/24", "192.0.2.10/32", "198.51.100.7/32", "2001:db8::10/128");
  // The kernel drops IPv6 addresses with the link.
  await must(["ip", "link", "set", "ipvs0", "down"]);
  await has("ipvs0", "10.77.0.1/24", "192.0.2.10/32", "198.51.100.7/32", "2001:db8::10/128");
  await until("the link is up", async () => /[<,]UP[,>]/.test(await must(["ip", "link", "show", "ipvs0"])), {
    timeoutMs: 20_000,
  });
  await director.logged(/192\.0\.2\.10 on ipvs0: drift: somebody else made it not there/, { timeoutMs });
});

step("an address that lives elsewhere is refused, loudly; its service works all the same", async () => {
  director.configure(config(web, six, elsewhere));
  await ask(director, "POST", "reload", {});
  const expected =
    "vips: 192.0.2.99 is on other0 as /24: not put on ipvs0, and left alone there; take it off, or leave vips out";
  await until("it is a problem", async () => (await problems()).includes(expected), { timeoutMs });
  assert.deepEqual(await addressesOf("other0"), ["192.0.2.99/24"]);
  assert.ok(!(await addressesOf("ipvs0")).some((text) => text.startsWith("192.0.2.99")));
  await until("a client is answered there", async () => (await answered("192.0.2.99:80")) === "a", { timeoutMs });
});

step(
  "killed, its addresses stay and work; started with another file it takes off what it left, and nothing else",
  async () => {
    await director.kill();
    assert.equal(await answered("192.0.2.10:80"), "a");
    await must(["ip", "addr", "del", "192.0.2.99/24", "dev", "other0"]);
    director = startDirector({ config: config(web, elsewhere), folder: director.folder });
    await director.ready();
    await has("ipvs0", "10.77.0.1/24", "192.0.2.10/32", "192.0.2.99/32", "198.51.100.7/32");
    assert.deepEqual(await problems(), []);
  },
);

step("a daemon that observes only shows what it would do, and one that ends leaves everything as it is", async () => {
  director.configure(config(web, elsewhere).replace("ipvs: {", "ipvs: { mode: observe,"));
  await ask(director, "POST", "reload", {});
  await must(["ip", "address", "del", "192.0.2.10/32", "dev", "ipvs0"]);
  const expected = "vips: observe mode: 192.0.2.10 on ipvs0 is not there, should be there";
  await until("the difference is shown", async () => (await problems()).includes(expected), { timeoutMs });
  await director.stop();
  assert.deepEqual(await addressesOf("ipvs0"), ["10.77.0.1/24", "192.0.2.99/32", "198.51.100.7/32"]);
});

step("flush takes off what is director's, and nothing else", async () => {
  const { code, stdout, stderr } = await director.cli("flush", "--config", director.configFile);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /address 192\.0\.2\.99 of ipvs0/);
  assert.deepEqual(await addressesOf("ipvs0"), ["10.77.0.1/24", "198.51.100.7/32"]);
  assert.deepEqual(kernelTable(), {});
});
