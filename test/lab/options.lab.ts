// What services can do beyond weights, over a real director: limits on connections, ranges of ports, marks, sctp; timeouts and the sync daemon.
// lab: topology=none timeout=300
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { kernelTable, must, savedRules, shell, startDirector, step, until } from "./inside.ts";
import { ask, status } from "./main-job/api.ts";
import { soonMs } from "./main-job/soon.ts";

const ipvsadm = (words: string) => must(["/usr/sbin/ipvsadm", ...words.split(" ")]);
await shell(`ip link add sync0 type dummy; ip addr add 10.99.0.1/24 dev sync0; ip link set sync0 up
  ip link add sync1 type dummy; ip addr add 10.98.0.1/24 dev sync1; ip link set sync1 up
  ip link add vip0 type dummy; ip addr add 10.0.0.1/32 dev vip0; ip addr add 10.1.0.9/16 dev vip0; ip link set vip0 up`);

const config = (ipvs: string, more = "") => `
ipvs: { resync: 2s, ${ipvs} }
reload: { max_removed: 100% }
defaults: { check: none }
services:
  - name: web
    vips: ["10.0.0.1:8000-8003", "[fd00::1]:8000"]
    servers:
      - { name: a, address: 10.1.0.1, max_connections: 100, min_connections: 80 }
      - { name: b, address: "10.1.0.2:8080", max_connections: 7 }
      - { name: six, address: "fd00::2" }
      - { name: six-limited, address: "[fd00::3]:8080", max_connections: 2147483647, min_connections: 2147483647 }
  - { name: marked, fwmark: 4294967295, servers: [{ address: 10.1.0.1, max_connections: 5 }, { address: "fd00::2" }] }
  - { name: low, fwmark: 2147483648, scheduler: mh, scheduler_flags: [mh-fallback], servers: [{ address: 10.1.0.1 }] }
  - name: signalling
    vips: ["10.0.0.1:2905", "[fd00::1]:2905"]
    protocol: sctp
    persistence: { timeout: 1m, netmask: { ipv4: 24, ipv6: 64 } }
    servers: [{ address: 10.1.0.1, weight: 9 }, { address: "fd00::2", weight: 8, forward: direct }]
  - { name: dns, vip: "10.0.0.1:53", protocol: udp, servers: [{ name: a, address: 10.1.0.1, max_connections: 3 }, { name: b, address: 10.1.0.2 }] }
${more}`;

/** Room for a busy host. */
const timeoutMs = 20_000 + 10 * (await soonMs());
const soon = { timeoutMs };

/** `10.1.0.1:8000 100-80` of every server that has limits, below one title of ipvsadm's list. */
async function limits(title: string): Promise<readonly string[]> {
  const found: string[] = [];
  let inside = false;
  for (const line of (await ipvsadm("-Ln --thresholds")).split("\n")) {
    const [first, at, upper, lower] = line.trim().split(/\s+/);
    if (first !== "->") inside = line.startsWith(`${title} `);
    else if (inside && (upper !== "0" || lower !== "0")) found.push(`${at} ${upper}-${lower}`);
  }
  return found.sort();
}

const hasLimits = (title: string, ...expected: readonly string[]) =>
  until(`${title} has ${expected}`, async () => JSON.stringify(await limits(title)) === JSON.stringify(expected), soon);

const director = startDirector({ config: config("timeouts: { tcp_fin: 45s }") });
const problems = async () => (await status(director)).problems.map(({ message }) => message);

async function reload(text: string): Promise<void> {
  director.configure(text);
  await ask(director, "POST", "reload", {});
}

step("everything stands in the kernel as the file says it", async () => {
  await director.ready();
  await until("the table is in order", async () => (await status(director)).table.inSync, soon);
  assert.deepEqual((await savedRules()).trim().split("\n").sort(), EXPECTED);
  for (const port of [8000, 8001, 8002, 8003])
    assert.deepEqual(await limits(`TCP  10.0.0.1:${port}`), [`10.1.0.1:${port} 100-80`, "10.1.0.2:8080 7-0"]);
  assert.deepEqual(await limits("TCP  [fd00::1]:8000"), ["[fd00::3]:8080 2147483647-2147483647"]);
  assert.deepEqual(await limits("FWM  -1"), ["10.1.0.1:0 5-0"]);
  assert.deepEqual((await status(director)).services[0]!.frontends, ["tcp 10.0.0.1:8000-8003", "tcp [fd00::1]:8000"]);
  assert.deepEqual(
    (await problems()).filter((text) => !text.includes("no check")),
    [],
  );
});

const EXPECTED = [
  ...[8000, 8001, 8002, 8003].flatMap((port) => [
    `-A -t 10.0.0.1:${port} -s wrr`,
    `-a -t 10.0.0.1:${port} -r 10.1.0.1:${port} -m -w 100`,
    `-a -t 10.0.0.1:${port} -r 10.1.0.2:8080 -m -w 100`,
  ]),
  "-A -t [fd00::1]:8000 -s wrr",
  "-a -t [fd00::1]:8000 -r [fd00::2]:8000 -m -w 100",
  "-a -t [fd00::1]:8000 -r [fd00::3]:8080 -m -w 100",
  "-A -f -1 -s wrr",
  "-a -f -1 -r 10.1.0.1:0 -m -w 100",
  "-A -f -1 -6 -s wrr",
  "-a -f -1 -6 -r [fd00::2]:0 -m -w 100",
  "-A -f -2147483648 -s mh -b mh-fallback",
  "-a -f -2147483648 -r 10.1.0.1:0 -m -w 100",
  "-A --sctp-service 10.0.0.1:2905 -s wrr -p 60 -M 255.255.255.0",
  "-a --sctp-service 10.0.0.1:2905 -r 10.1.0.1:2905 -m -w 9",
  "-A --sctp-service [fd00::1]:2905 -s wrr -p 60 -M 64",
  "-a --sctp-service [fd00::1]:2905 -r [fd00::2]:2905 -g -w 8",
  "-A -u 10.0.0.1:53 -s wrr",
  "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -m -w 100",
  "-a -u 10.0.0.1:53 -r 10.1.0.2:53 -m -w 100",
].sort();

step("a server at its limit gets nobody new, and what the kernel counts as inactive counts", async () => {
  for (let port = 20_000; port < 20_010; port++) {
    const socket = createSocket("udp4").on("error", () => {});
    socket.bind(port);
    await once(socket, "listening");
    await new Promise((resolve) => socket.send("?", 53, "10.0.0.1", resolve));
    socket.close();
  }
  const { servers } = kernelTable()["udp:10.0.0.1:53"]!;
  assert.deepEqual(
    ["10.1.0.1:53", "10.1.0.2:53"].map((at) => [servers[at]!.active, servers[at]!.inactive]),
    [
      [0, 3],
      [0, 7],
    ],
  );
});

step("limits survive a change of weight by command, and one lost, changed or added by hand is put back", async () => {
  const { code, stderr } = await director.cli("weight", "web", "a", "30");
  assert.equal(code, 0, stderr);
  await until(
    "the weight is there",
    () => kernelTable()["tcp:10.0.0.1:8001"]!.servers["10.1.0.1:8001"]!.weight === 30,
    soon,
  );
  assert.deepEqual(await limits("TCP  10.0.0.1:8001"), ["10.1.0.1:8001 100-80", "10.1.0.2:8080 7-0"]);
  // One after the other: what somebody changes in the very moment of our own write is put back without a word.
  await ipvsadm("-e -t 10.0.0.1:8001 -r 10.1.0.1:8001 -m -w 30");
  await director.logged("web a: drift: somebody else set its limits on connections to none");
  await hasLimits("TCP  10.0.0.1:8001", "10.1.0.1:8001 100-80", "10.1.0.2:8080 7-0");
  await ipvsadm("-e -t 10.0.0.1:8001 -r 10.1.0.2:8080 -m -w 100 -x 9 -y 2");
  await director.logged(
    "web b: drift: somebody else set its limits on connections to 9 at most, again below 2 (ours: 7 at most)",
  );
  await ipvsadm("-e -t [fd00::1]:8000 -r [fd00::2]:8000 -m -w 100 -x 1");
  await hasLimits("TCP  10.0.0.1:8001", "10.1.0.1:8001 100-80", "10.1.0.2:8080 7-0");
  await hasLimits("TCP  [fd00::1]:8000", "[fd00::3]:8080 2147483647-2147483647");
});

step(
  "timeouts are those of the file, where it has any; drift is put back, and they stay when they leave the file",
  async () => {
    const are = (expected: string) =>
      until(`timeouts ${expected}`, async () => (await ipvsadm("-Ln --timeout")).includes(`: ${expected}\n`), soon);
    await are("900 45 300");
    await ipvsadm("--set 77 77 77");
    await are("77 45 77");
    await director.logged("ipvs.timeouts: tcp_fin: drift: somebody else made it 77s (ours: 45s); put back");
    await reload(config("timeouts: { tcp: 31m, udp: 744h }"));
    await are("1860 45 2678400");
    await reload(config("mode: manage"));
    assert.match(await ipvsadm("-Ln --timeout"), /: 1860 45 2678400\n/);
  },
);

step(
  "the sync daemon is started, started anew with other parameters, and stopped when the file has it no more",
  async () => {
    const running = (...expected: readonly string[]) =>
      until(
        `sync daemons: ${expected.join(" and ") || "none"}`,
        async () => {
          const lines = (await ipvsadm("-Ln --daemon")).trim().split("\n").filter(Boolean);
          return lines.length === expected.length && lines.every((line, i) => line.includes(expected[i]!));
        },
        soon,
      );
    await reload(config("sync: { role: master, interface: sync0, id: 7 }"));
    await running("master sync daemon (mcast=sync0, syncid=7,");
    await reload(config("sync: { role: both, interface: sync1, id: 8 }"));
    await running("master sync daemon (mcast=sync1, syncid=8,", "backup sync daemon (mcast=sync1, syncid=8,");
    await ipvsadm("--stop-daemon backup");
    await running("master sync daemon (mcast=sync1, syncid=8,", "backup sync daemon (mcast=sync1, syncid=8,");
    await reload(config("sync: { role: master, interface: nosuch0, id: 8 }"));
    await until(
      "that there is no such interface is a problem",
      async () =>
        (await problems()).some((text) =>
          /ipvs\.sync: master cannot be made on nosuch0 with id 8: .*No such device/.test(text),
        ),
      soon,
    );
    await reload(config("mode: manage"));
    await running();
    assert.deepEqual(
      (await problems()).filter((text) => text.includes("sync")),
      [],
    );
  },
);

step("beside servers of another family the sync daemon is refused, which is shown and holds up nothing", async () => {
  const across = `  - { name: across, vip: "10.0.0.1:99", forward: tunnel, servers: [{ address: "fd00::5" }] }\n`;
  await reload(config("mode: manage", across));
  await reload(config("sync: { role: master, interface: sync0, id: 7 }", across));
  await until(
    "it is a problem",
    async () => (await problems()).some((text) => text.includes("ipvs.sync: master cannot be made on sync0")),
    soon,
  );
  assert.ok((await status(director)).table.inSync);
  await reload(config("sync: { role: master, interface: sync0, id: 7 }"));
  await until("it runs once they are gone", async () => (await ipvsadm("-Ln --daemon")).includes("mcast=sync0"), {
    timeoutMs: timeoutMs + 30_000,
  });
  await reload(config("sync: { role: master, interface: sync0, id: 7 }", across));
  await until(
    "now the server is refused",
    async () => (await status(director)).table.refused.some(({ what }) => what.includes("[fd00::5]:99 -i")),
    soon,
  );
  await until(
    "and everything else stands",
    () => kernelTable()["tcp:10.0.0.1:99"] !== undefined && kernelTable()["tcp:10.0.0.1:8000"] !== undefined,
    soon,
  );
});
