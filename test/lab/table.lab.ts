// The kernel's table: what we write is what it holds, and what we read is what is there.
// lab: topology=none timeout=400
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import fc from "fast-check";
import { SCHEDULERS } from "../../src/ipvs/apply.ts";
import { diff } from "../../src/ipvs/diff.ts";
import { sameOptions, sameTable } from "../../src/ipvs/equal.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { ruleLine } from "../../src/ipvs/rules.ts";
import type { Glance, IpvsTable, ServiceEntry } from "../../src/ipvs/table.ts";
import { ipvsadmTable } from "../../src/kernel/ipvsadm.ts";
import { memoryTable } from "../../src/kernel/memory.ts";
import { parseAddress } from "../../src/model/address.ts";
import type { Forwarding, Frontend, ServiceKey } from "../../src/model/service.ts";
import { parseRule } from "../ipvs/parse-rule.ts";
import { keyed, table as randomTable, tableOf } from "../ipvs/random-table.ts";
import { renderListing } from "../ipvs/render.ts";
import { contract, flush } from "../kernel/contract.ts";
import { must, savedRules, shell, step } from "./inside.ts";

const kernel = ipvsadmTable({
  command: "/usr/sbin/ipvsadm",
  timeoutMs: 30_000,
  onUnreadable: (lines) => assert.deepEqual(lines, []),
});
const never = new AbortController().signal;

for (const { name, keep } of contract)
  step(`the contract: ${name}`, async () => {
    await flush(kernel);
    await keep(kernel);
  });

/** Makes the table so by the difference to what is there, and looks at it in every way. */
async function become(wanted: IpvsTable): Promise<void> {
  const present = await kernel.read(never);
  const changes = diff(wanted, present, new Set(present.keys()));
  const { complaints } = await kernel.apply(changes, never);
  assert.deepEqual(complaints, []);
  const held = await kernel.read(never);
  assert.ok(sameTable(held, wanted), difference(held, wanted));
  assert.deepEqual(seenIn(await kernel.glance(held, never)), expectedIn(wanted));
}

function difference(held: IpvsTable, wanted: IpvsTable): string {
  const lines = diff(wanted, held, new Set(held.keys())).map(ruleLine);
  return `what was written did not arrive; still to do:\n${lines.join("\n")}\nheld:\n${renderListing(held)}`;
}

function seenIn(glance: Glance): readonly string[] {
  return [...glance]
    .map(([key, { scheduler, destinations }]) => {
      const servers = [...destinations].map(([at, d]) => `${at}=${d.weight} ${d.forwarding} ${d.active}+${d.inactive}`);
      return `${key} ${scheduler} ${servers.sort().join(", ")}`;
    })
    .sort();
}

function expectedIn(table: IpvsTable): readonly string[] {
  return [...table]
    .map(([key, { scheduler, destinations }]) => {
      const servers = [...destinations].map(([at, d]) => `${at}=${d.weight} ${d.forwarding.kind} 0+0`);
      return `${key} ${scheduler} ${servers.sort().join(", ")}`;
    })
    .sort();
}

step(
  "every scheduler with every flag, protocol, family, mark, persistence and one-packet is held as it was meant",
  async () => {
    await become(tableOf(everyService()));
  },
);

step("every way to edit a service arrives: each becomes each of its neighbours, in place", async () => {
  const services = everyService();
  for (const shift of [1, 7, 40]) {
    const options = services.map((_, i) => services[(i + shift) % services.length]!);
    const wanted = services.map((entry, i) => withOptionsOf(entry, options[i]!));
    const present = await kernel.read(never);
    const edits = wanted.filter(
      (entry) => !sameOptions(entry, [...tableOf([entry]).keys()].map((k) => present.get(k)!)[0]!),
    );
    const changes = diff(tableOf(wanted), present, new Set());
    assert.equal(changes.length, edits.length);
    assert.ok(changes.every(({ op }) => op === "edit-service"));
    await become(tableOf(wanted));
  }
});

step(
  "every forwarding, family and port of a server is held as it was meant, and each can be edited into each",
  async () => {
    const forwardings = everyForwarding();
    for (let shift = 0; shift < forwardings.length; shift++) {
      const entries = everyFrontend().map((frontend, at): ServiceEntry => {
        const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
        const destinations = forwardings.map((_, i) => {
          const forwarding = forwardings[(i + shift) % forwardings.length]!;
          const own = family === 4 ? `10.1.${at}.${i + 1}` : `fd00:1::${at}:${i + 1}`;
          const port = frontend.kind === "fwmark" ? 0 : frontend.port;
          return {
            address: parseAddress(own)!,
            port,
            forwarding,
            weight: [0, 1, 65_535, 2_147_483_647][(i + shift) % 4]!,
          };
        });
        const other = { kind: "tunnel", encapsulation: "ipip" } as const;
        const across = parseAddress(family === 4 ? `fd00:2::${at}` : `10.2.0.${at}`)!;
        destinations.push({
          address: across,
          port: frontend.kind === "fwmark" ? 0 : frontend.port,
          forwarding: other,
          weight: 3,
        });
        const elsewhere = parseAddress(family === 4 ? "10.3.0.1" : "fd00:3::1")!;
        if (frontend.kind === "address")
          destinations.push({ address: elsewhere, port: 8080, forwarding: { kind: "masquerade" }, weight: 4 });
        return { ...plainService(frontend), destinations: keyed(destinations) };
      });
      await become(tableOf(entries));
    }
  },
);

const seed = Number(process.env.SEED ?? Date.now());
step(`60 random tables, each made from the one before by their difference (SEED=${seed})`, async () => {
  for (const table of fc.sample(randomTable, { numRuns: 60, seed })) await become(table);
});

step("marks from 2147483648 up are listed as negative numbers, and come back as they are", async () => {
  await flush(kernel);
  const marks = [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
  await become(
    tableOf(marks.flatMap((mark) => ([4, 6] as const).map((family) => plainService({ kind: "fwmark", mark, family })))),
  );
  assert.match(await savedRules(), /^-A -f -1 -6 -s wrr$/m);
});

step("what somebody else wrote in words of his own is read, and what we cannot write is edited back", async () => {
  await flush(kernel);
  for (const words of [
    "-A -t 10.0.0.1:0 -s wrr -p",
    "-A -u 10.0.0.1:53 --pe sip",
    "-A -u 10.0.0.2:53 -s wrr -p 60 -M 255.0.255.0",
    "-A -t 10.0.0.3:80 -s mh -b flag-1,flag-2,flag-3",
  ])
    await must(["/usr/sbin/ipvsadm", ...words.split(" ")]);
  const told: string[] = [];
  const present = await ipvsadmTable({
    command: "/usr/sbin/ipvsadm",
    timeoutMs: 30_000,
    onUnreadable: (lines) => told.push(...lines),
  }).read(never);
  assert.deepEqual(told, ["-A -u 10.0.0.2:53 -s wrr -p 60 -M 255.0.255.0"]);
  assert.deepEqual([...present.keys()].sort(), [
    "tcp:10.0.0.1:0",
    "tcp:10.0.0.3:80",
    "udp:10.0.0.1:53",
    "udp:10.0.0.2:53",
  ]);
  const ours = [
    "-A -u 10.0.0.1:53 -s wrr",
    "-A -u 10.0.0.2:53 -s wrr -p 60",
    "-A -t 10.0.0.3:80 -s mh -b mh-fallback,mh-port",
  ];
  const { table: wanted } = parseListing(ours.join("\n"));
  const changes = diff(wanted, present, new Set());
  assert.deepEqual(changes.map(ruleLine), ["-E -u 10.0.0.1:53 -s wrr", "-E -u 10.0.0.2:53 -s wrr -p 60"]);
  assert.deepEqual((await kernel.apply(changes, never)).complaints, []);
  assert.match(await savedRules(), /^-A -u 10\.0\.0\.1:53 -s wrr\n-A -u 10\.0\.0\.2:53 -s wrr -p 60$/m);
});

step("the sync daemon and servers of the other family refuse each other, and nothing else is held up", async () => {
  await flush(kernel);
  await shell("ip link add sync0 type dummy; ip addr add 10.99.0.1/24 dev sync0; ip link set sync0 up");
  await must(["/usr/sbin/ipvsadm", "--start-daemon", "master", "--mcast-interface", "sync0", "--syncid", "1"]);
  const across = "-a -t 10.0.0.1:80 -r [fd00::5]:80 -i -w 1";
  const lines = ["-A -t 10.0.0.1:80 -s wrr", across, "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1"];
  const { complaints } = await kernel.apply(lines.map(parseRule), never);
  assert.deepEqual(complaints, [
    `${across}: Invalid operation.  Possibly wrong module version, address not unicast, ...`,
  ]);
  assert.equal((await kernel.read(never)).get("tcp:10.0.0.1:80" as ServiceKey)?.destinations.size, 1);
  await must(["/usr/sbin/ipvsadm", "--stop-daemon", "master"]);
  assert.deepEqual((await kernel.apply([parseRule(across)], never)).complaints, []);
});

step("a broadcast address of our own network is no server, and holds up nobody", async () => {
  await flush(kernel);
  const bad = "-a -t 10.0.0.1:80 -r 10.99.0.255:80 -m -w 1";
  const lines = ["-A -t 10.0.0.1:80 -s wrr", bad, "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1"];
  const { complaints } = await kernel.apply(lines.map(parseRule), never);
  assert.equal(complaints.length, 1);
  assert.ok(complaints[0]!.startsWith(`${bad}: Invalid operation`), complaints[0]);
});

step("the table in memory gives each connection to the server to whom the kernel gives it, through edits", async () => {
  await flush(kernel);
  await shell(
    "ip link add vip0 type dummy; ip addr add 10.0.0.1/32 dev vip0; ip addr add 10.1.0.9/16 dev vip0; ip link set vip0 up",
  );
  const [wrr, rr] = ["udp:10.0.0.1:53", "udp:10.0.0.1:54"] as ServiceKey[];
  const memory = memoryTable();
  const both = async (...lines: readonly string[]): Promise<void> => {
    for (const table of [kernel, memory])
      assert.deepEqual((await table.apply(lines.map(parseRule), never)).complaints, []);
  };
  const server = (port: number, name: number, weight: number): string =>
    `-u 10.0.0.1:${port} -r 10.1.0.${name}:${port} -m -w ${weight}`;
  for (const [port, scheduler] of [
    [53, "wrr"],
    [54, "rr"],
  ] as const)
    await both(
      `-A -u 10.0.0.1:${port} -s ${scheduler}`,
      ...[100, 60, 40].map((weight, i) => `-a ${server(port, i + 1, weight)}`),
    );
  const compare = async (count: number): Promise<void> => {
    for (const [service, port] of [
      [wrr!, 53],
      [rr!, 54],
    ] as const) {
      const [expected, got] = [[] as unknown[], [] as unknown[]];
      for (let i = 0; i < count; i++) {
        expected.push(memory.open(service));
        got.push(await served(service, port));
      }
      assert.deepEqual(got, expected, `${service} of ${renderListing(await kernel.read(never))}`);
    }
  };
  await compare(25);
  const edits: readonly (readonly [command: string, name: number, weight: number])[] = [
    ["-e", 1, 100],
    ["-e", 2, 0],
    ["-e", 3, 20],
    ["-e", 2, 7],
    ["-a", 4, 13],
    ["-e", 1, 0],
    ["-d", 3, 0],
    ["-e", 1, 1],
    ["-e", 4, 12],
    ["-a", 3, 6],
    ["-d", 4, 0],
    ["-e", 2, 0],
    ["-e", 3, 0],
    ["-e", 1, 0],
    ["-e", 2, 50],
    ["-e", 1, 51],
  ];
  for (const [command, name, weight] of edits) {
    for (const port of [53, 54])
      await both(
        command === "-d"
          ? `-d -u 10.0.0.1:${port} -r 10.1.0.${name}:${port}`
          : `${command} ${server(port, name, weight)}`,
      );
    await compare(6);
  }
  await both("-E -u 10.0.0.1:53 -s wrr -o", "-E -u 10.0.0.1:54 -s wrr");
  await both("-E -u 10.0.0.1:53 -s wrr");
  await compare(12);
});

/** Each connection from a port of its own: one chosen by chance is soon one that the kernel has a connection from. */
let clientPort = 20_000;

/** To whom a datagram from a new port goes, by the connections that /proc counts. */
async function served(service: ServiceKey, port: number): Promise<string | undefined> {
  const counts = async (): Promise<ReadonlyMap<string, number>> => {
    const destinations = (await kernel.glance(new Map(), never)).get(service)!.destinations;
    return new Map([...destinations].map(([at, { inactive }]) => [at, inactive]));
  };
  const before = await counts();
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  socket.bind(clientPort++);
  await once(socket, "listening");
  await new Promise((resolve) => socket.send("?", port, "10.0.0.1", resolve));
  socket.close();
  const after = await counts();
  return [...after].find(([at, count]) => count > before.get(at)!)?.[0];
}

function plainService(frontend: Frontend): ServiceEntry {
  return { frontend, scheduler: "wrr", flags: [], onePacket: false, persistence: undefined, destinations: new Map() };
}

/** One of each kind. */
function everyFrontend(): readonly Frontend[] {
  const protocols = ["tcp", "udp", "sctp"] as const;
  const addresses = ["10.100.0.1", "fd00:100::1"].map((text) => parseAddress(text)!);
  return [
    ...protocols.flatMap((protocol) =>
      addresses.map((address): Frontend => ({ kind: "address", protocol, address, port: 80 })),
    ),
    ...([4, 6] as const).map((family): Frontend => ({ kind: "fwmark", mark: 4_000_000_000, family })),
  ];
}

function everyForwarding(): readonly Forwarding[] {
  const gue = { kind: "tunnel", encapsulation: "gue" } as const;
  const gre = { kind: "tunnel", encapsulation: "gre" } as const;
  return [
    { kind: "masquerade" },
    { kind: "direct" },
    { kind: "tunnel", encapsulation: "ipip" },
    ...(["none", "checksum", "remote"] as const).map((checksum): Forwarding => ({ ...gue, port: 5555, checksum })),
    { ...gue, port: 65_535, checksum: "none" },
    ...(["none", "checksum"] as const).map((checksum): Forwarding => ({ ...gre, checksum })),
  ];
}

/** Every scheduler with every set of flags, below frontends in turn, and persistence with every mask. */
function everyService(): readonly ServiceEntry[] {
  const frontends = everyFrontend();
  const scheduled = [...SCHEDULERS].flatMap((scheduler) =>
    flagSets(scheduler).map((flags, i) => ({ scheduler, flags, onePacket: i % 2 === 0, persistence: undefined })),
  );
  const persistent = ([4, 6] as const).flatMap((family) =>
    Array.from({ length: family === 4 ? 32 : 128 }, (_, i) => {
      const own = frontends.filter((f) => (f.kind === "fwmark" ? f.family : f.address.family) === family);
      const timeoutSec = [1, 360, 2_678_400][i % 3]!;
      const persistence = { timeoutSec, prefix: i + 1, engine: i % 5 === 0 ? "sip" : undefined };
      return { ...plainService(own[i % own.length]!), onePacket: i % 7 === 0, persistence };
    }),
  );
  const services = [
    ...scheduled.map((options, i) => ({ ...plainService(frontends[(i + (i >> 3)) % frontends.length]!), ...options })),
    ...persistent,
  ];
  return services.map((entry, i) => {
    const frontend = numbered(entry.frontend, i);
    return { ...entry, frontend, onePacket: entry.onePacket && mayBeOnePacket(frontend) };
  });
}

/** All subsets of a scheduler's flags. */
function flagSets(scheduler: string): readonly (readonly string[])[] {
  const own = scheduler === "sh" || scheduler === "mh";
  const names = own ? [`${scheduler}-fallback`, `${scheduler}-port`] : ["flag-1", "flag-2", "flag-3"];
  return Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_, i) => bits & (1 << i)));
}

/** The same kind, and another entry. */
function numbered(frontend: Frontend, number: number): Frontend {
  if (frontend.kind === "fwmark") return { ...frontend, mark: frontend.mark + number };
  return { ...frontend, port: 1000 + number };
}

function mayBeOnePacket(frontend: Frontend): boolean {
  return frontend.kind === "fwmark" || frontend.protocol === "udp";
}

function withOptionsOf(entry: ServiceEntry, { scheduler, flags, onePacket, persistence }: ServiceEntry): ServiceEntry {
  const four = (entry.frontend.kind === "fwmark" ? entry.frontend.family : entry.frontend.address.family) === 4;
  return {
    ...entry,
    scheduler,
    flags,
    onePacket: onePacket && mayBeOnePacket(entry.frontend),
    persistence: persistence && {
      ...persistence,
      prefix: four ? Math.min(persistence.prefix, 32) : persistence.prefix,
    },
  };
}
