import assert from "node:assert/strict";
import { diff } from "../../src/ipvs/diff.ts";
import { sameTable } from "../../src/ipvs/equal.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import type { Glance, IpvsTable } from "../../src/ipvs/table.ts";
import type { KernelTable } from "../../src/kernel/kernel-table.ts";
import { parseRule } from "../ipvs/parse-rule.ts";

/** One thing that every table keeps, be it in memory or the kernel's behind ipvsadm. Starts from an empty table. */
export interface Clause {
  readonly name: string;
  keep(table: KernelTable): Promise<void>;
}

/** Empties the table, as every clause expects it. */
export async function flush(table: KernelTable): Promise<void> {
  const present = await table.read(never);
  await table.apply(diff(new Map(), present, new Set(present.keys())), never);
  assert.equal((await table.read(never)).size, 0);
}

const never = new AbortController().signal;

/** Orders in the words of ipvsadm; `expected` is what the table complains about, `LINE: words` for one. */
async function order(table: KernelTable, lines: readonly string[], expected: readonly string[] = []): Promise<void> {
  const { complaints } = await table.apply(lines.map(parseRule), never);
  assert.deepEqual([...complaints].sort(), [...expected].sort());
}

async function shows(table: KernelTable, ...listing: readonly string[]): Promise<void> {
  const { table: expected, unreadable } = parseListing(listing.join("\n"));
  assert.deepEqual(unreadable, []);
  const present = await table.read(never);
  assert.ok(sameTable(present, expected), `expected ${listing.join("\n")}, found ${JSON.stringify(dump(present))}`);
}

/** `10.1.0.1:80 100-75` of every destination that has some. */
async function limits(table: KernelTable): Promise<readonly string[]> {
  return [...(await table.read(never)).values()]
    .flatMap(({ destinations }) => [...destinations])
    .flatMap(([at, { limits }]) => (limits === undefined ? [] : [`${at} ${limits.upper}-${limits.lower}`]))
    .sort();
}

function dump(table: IpvsTable): unknown {
  return [...table.values()].map(({ destinations, ...entry }) => [entry, [...destinations.values()]]);
}

function weights(glance: Glance): Readonly<Record<string, Readonly<Record<string, number>>>> {
  return Object.fromEntries(
    [...glance].map(([key, { destinations }]) => [
      key,
      Object.fromEntries([...destinations].map(([at, { weight }]) => [at, weight])),
    ]),
  );
}

const NOT_UNICAST = "Invalid operation.  Possibly wrong module version, address not unicast, ...";

export const contract: readonly Clause[] = [
  {
    name: "what was ordered is read back with every option, and glanced at with every weight",
    async keep(table) {
      const listing = [
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 0",
        "-a -t 10.0.0.1:80 -r [fd00::5]:80 -i -w 7",
        "-A -f 4294967295 -6 -s mh -b mh-fallback,mh-port -p 60 -M 64",
        "-a -f 4294967295 -6 -r [fd00::1]:0 -m -w 1",
        "-A -f 4294967295 -s sh",
        "-A -u [fd00::2]:5060 -s wlc -p 300 --pe sip -o",
      ];
      await order(table, listing);
      await shows(table, ...listing);
      assert.deepEqual(weights(await table.glance(await table.read(never), never)), {
        "tcp:10.0.0.1:80": { "10.1.0.1:8080": 3, "10.1.0.2:80": 0, "[fd00::5]:80": 7 },
        "fwmark6:4294967295": { "[fd00::1]:0": 1 },
        "fwmark4:4294967295": {},
        "udp:[fd00::2]:5060": {},
      });
      const stats = await table.stats(never);
      assert.deepEqual(stats.get("tcp:10.0.0.1:80" as never)?.get("10.1.0.1:8080" as never), {
        connections: 0,
        packetsIn: 0,
      });
      assert.equal(stats.size, 4);
    },
  },
  {
    name: "an edit replaces everything it does not restate",
    async keep(table) {
      await order(table, [
        "-A -u 10.0.0.1:53 -s mh -b mh-port -p 60 -M 255.255.255.0 --pe sip -o",
        "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -i --tun-type gue --tun-port 5555 --tun-remcsum -w 9",
      ]);
      await order(table, ["-E -u 10.0.0.1:53 -s wrr", "-e -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 9"]);
      await shows(table, "-A -u 10.0.0.1:53 -s wrr", "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 9");
      await order(table, ["-e -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1"]);
      await shows(table, "-A -u 10.0.0.1:53 -s wrr", "-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1");
    },
  },
  {
    name: "limits on connections are held, read back, and end with an edit that does not restate them",
    async keep(table) {
      const at = [
        "-t 10.0.0.1:80 -r 10.1.0.1:8080",
        "-f 4294967295 -6 -r [fd00::1]:0",
        "-u [fd00::9]:53 -r [fd00::2]:53",
      ];
      await order(table, ["-A -t 10.0.0.1:80 -s wrr", "-A -f 4294967295 -6 -s wrr", "-A -u [fd00::9]:53 -s wrr -p 60"]);
      await order(table, ["-A -f 4294967295 -s wrr", "-a -f 4294967295 -r 10.1.0.1:0 -m -w 1"]);
      await order(table, [
        `-a ${at[0]} -m -w 3 -x 10 -y 5`,
        `-a ${at[1]} -m -w 3 -x 2147483647`,
        `-a ${at[2]} -m -w 3`,
      ]);
      assert.deepEqual(await limits(table), ["10.1.0.1:8080 10-5", "[fd00::1]:0 2147483647-0"]);
      await order(table, [`-e ${at[0]} -m -w 3`, `-e ${at[1]} -m -w 3 -x 7 -y 7`, `-e ${at[2]} -m -w 3 -x 1`]);
      assert.deepEqual(await limits(table), ["[fd00::1]:0 7-7", "[fd00::2]:53 1-0"]);
      const refused: Readonly<Record<string, string>> = {
        [`-e ${at[0]} -m -w 3 -x 3 -y 5`]: "Numerical result out of range",
        [`-e ${at[1]} -m -w 3 -y 1`]: "Numerical result out of range",
        [`-e ${at[2]} -m -w 3 -x 2147483648`]: "illegal u_threshold specified",
      };
      const lines = Object.keys(refused);
      await order(
        table,
        lines,
        lines.map((line) => `${line}: ${refused[line]}`),
      );
      assert.deepEqual(await limits(table), ["[fd00::1]:0 7-7", "[fd00::2]:53 1-0"]);
    },
  },
  {
    name: "a service takes its servers with it, and comes back without them",
    async keep(table) {
      await order(table, ["-A -f 7 -s wrr", "-a -f 7 -r 10.1.0.1:0 -m -w 1", "-A -f 7 -6 -s wrr"]);
      await order(table, ["-D -f 7"]);
      await shows(table, "-A -f 7 -6 -s wrr");
      await order(table, ["-A -f 7 -s rr"]);
      await shows(table, "-A -f 7 -s rr", "-A -f 7 -6 -s wrr");
    },
  },
  {
    name: "every refusal is told with its line, and everything else is done, before it and after it",
    async keep(table) {
      await order(table, ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1"]);
      const refused: Readonly<Record<string, string>> = {
        "-A -t 10.0.0.1:80 -s rr": "Service already exists",
        "-E -t 10.0.0.2:80 -s rr": "No such service",
        "-A -t 10.0.0.4:80 -s nosuch": "Scheduler or persistence engine not found",
        "-a -t 10.0.0.4:80 -r 10.1.0.9:80 -m -w 1": "Service not defined",
        "-e -t 10.0.0.2:80 -r 10.1.0.9:80 -m -w 1": "Service not defined",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5": "Destination already exists",
        "-e -t 10.0.0.1:80 -r 10.1.0.3:80 -m -w 5": "No such destination",
        "-a -t 10.0.0.1:80 -r 0.0.0.0:80 -m -w 1": NOT_UNICAST,
        "-a -t 10.0.0.1:80 -r 224.0.0.1:80 -m -w 1": NOT_UNICAST,
        "-a -t 10.0.0.5:80 -r 10.1.0.9:80 -m -w 1": "Service not defined",
      };
      const lines = Object.keys(refused);
      const good = ["-A -t 10.0.0.9:80 -s wrr", "-a -t 10.0.0.9:80 -r 10.1.0.1:80 -m -w 4"];
      const complaints = lines.map((line) => `${line}: ${refused[line]}`);
      await order(table, [...lines.slice(0, 6), good[0]!, ...lines.slice(6), good[1]!], complaints);
      const before = ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1"];
      await shows(table, ...before, ...good);
    },
  },
  {
    name: "a deletion of what is gone already is remarked upon",
    async keep(table) {
      await order(table, ["-A -f 7 -s wrr"]);
      for (const [line, words] of [
        ["-D -f 8", "No such service"],
        ["-d -f 7 -r 10.1.0.1:0", "No such destination"],
      ] as const) {
        const { complaints } = await table.apply([parseRule(line)], never);
        assert.match(complaints.join(), new RegExp(`${words}$`));
      }
      await shows(table, "-A -f 7 -s wrr");
    },
  },
  {
    name: "a line that ipvsadm itself cannot take stops nobody either",
    async keep(table) {
      await order(
        table,
        [
          "-A -t 10.0.0.1:80 -s wrr",
          "-A -t 10.0.0.2:80 -s wrr -b mh-port",
          "-A -t 10.0.0.3:80 -s wrr -o",
          "-a -t 10.0.0.1:80 -r [fd00::1]:80 -m -w 1",
          "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 2147483648",
          "-A --sctp-service 10.0.0.4:80 -s wrr -o",
          "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 2147483647",
        ],
        [
          "-A -t 10.0.0.2:80 -s wrr -b mh-port: incompatible scheduler flag `mh-port'",
          "-A -t 10.0.0.3:80 -s wrr -o: One-Packet Scheduling is only for UDP virtual services",
          "-a -t 10.0.0.1:80 -r [fd00::1]:80 -m -w 1: Different address family is allowed only for tunneling servers",
          "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 2147483648: illegal weight specified",
          "-A --sctp-service 10.0.0.4:80 -s wrr -o: One-Packet Scheduling is only for UDP virtual services",
        ],
      );
      await shows(table, "-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 2147483647");
    },
  },
  {
    name: "a refused service among many holds up none of the others, and its servers are told too",
    async keep(table) {
      const lines = Array.from({ length: 30 }, (_, i) => [
        `-A -t 10.0.1.${i}:80 -s ${i % 10 === 5 ? "nosuch" : "wrr"}`,
        `-a -t 10.0.1.${i}:80 -r 10.1.0.1:80 -m -w ${i}`,
        `-a -t 10.0.1.${i}:80 -r 10.1.0.2:80 -m -w ${i}`,
      ]).flat();
      const bad = (line: string): boolean => /10\.0\.1\.(5|15|25):/.test(line);
      await order(
        table,
        lines,
        lines
          .filter(bad)
          .map(
            (line) =>
              `${line}: ${line.startsWith("-A") ? "Scheduler or persistence engine not found" : "Service not defined"}`,
          ),
      );
      await shows(table, ...lines.filter((line) => !bad(line)));
    },
  },
  {
    name: "a reader that gives up gets its own reason, and so does a writer, who has written nothing",
    async keep(table) {
      const reason = new Error("given up");
      const gone = AbortSignal.abort(reason);
      await assert.rejects(table.read(gone), reason);
      await assert.rejects(table.glance(new Map(), gone), reason);
      await assert.rejects(table.stats(gone), reason);
      await assert.rejects(table.apply([parseRule("-A -f 1 -s wrr")], gone), reason);
      await shows(table);
    },
  },
  {
    name: "nothing to do is nothing to complain about",
    async keep(table) {
      await order(table, []);
      await shows(table);
    },
  },
];
