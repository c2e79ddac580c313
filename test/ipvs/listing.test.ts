import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sameTable } from "../../src/ipvs/equal.ts";
import { parseListing } from "../../src/ipvs/listing.ts";
import { parseStats, parseThresholds, withThresholds } from "../../src/ipvs/stats.ts";
import { table } from "./random-table.ts";
import { renderListing, renderThresholds } from "./render.ts";

describe("ipvsadm -Sn", () => {
  test("what is rendered as ipvsadm prints it reads back to the same table, for every table we can want", () => {
    fc.assert(
      fc.property(table, (wanted) => {
        const { table: listed, unreadable } = parseListing(renderListing(wanted));
        assert.deepEqual(unreadable, []);
        const read = withThresholds(listed, parseThresholds(renderThresholds(wanted)));
        assert.ok(sameTable(read, wanted));
        assert.deepEqual([...read.keys()], [...wanted.keys()]);
        assert.deepEqual(
          [...read.values()].map((entry) => [entry.frontend, [...entry.destinations]]),
          [...wanted.values()].map((entry) => [entry.frontend, [...entry.destinations]]),
        );
      }),
    );
  });

  // As printed by ipvsadm 1.31 over Linux 6.1.
  const services: readonly { line: string; key: string; persistence?: unknown; flags?: readonly string[] }[] = [
    {
      line: "-A -t 10.0.0.2:80 -s wlc -p 300 -M 255.255.255.0",
      key: "tcp:10.0.0.2:80",
      persistence: [300, 24, undefined],
    },
    { line: "-A -t 10.0.0.7:0 -s wrr -p 360", key: "tcp:10.0.0.7:0", persistence: [360, 32, undefined] },
    { line: "-A -t 10.0.0.7:80 -s wrr -p 5 -M 0.0.0.0", key: "tcp:10.0.0.7:80", persistence: [5, 0, undefined] },
    { line: "-A -t 10.0.0.7:80 -s wrr -p 5 -M 128.0.0.0", key: "tcp:10.0.0.7:80", persistence: [5, 1, undefined] },
    { line: "-A -u 10.0.0.7:5060 -s rr -p 60 --pe sip", key: "udp:10.0.0.7:5060", persistence: [60, 32, "sip"] },
    { line: "-A -u 10.0.0.8:5060 -s rr --pe sip", key: "udp:10.0.0.8:5060", persistence: [0, 32, "sip"] },
    { line: "-A -t [fd00::1]:80 -s wrr -p 60 -M 64", key: "tcp:[fd00::1]:80", persistence: [60, 64, undefined] },
    { line: "-A -t [fd00::3]:80 -s wrr -p 60", key: "tcp:[fd00::3]:80", persistence: [60, 128, undefined] },
    { line: "-A -f 8 -6 -s wrr -p 60 -M 64 -o", key: "fwmark6:8", persistence: [60, 64, undefined] },
    { line: "-A -f -1 -6 -s wrr", key: "fwmark6:4294967295" },
    { line: "-A -f -2147483648 -s wrr", key: "fwmark4:2147483648" },
    { line: "-A -f 2147483647 -s wrr", key: "fwmark4:2147483647" },
    {
      line: "-A -t 10.0.0.4:80 -s mh -b mh-fallback,mh-port",
      key: "tcp:10.0.0.4:80",
      flags: ["mh-fallback", "mh-port"],
    },
    { line: "-A --sctp-service 10.0.0.1:99 -s wrr", key: "sctp:10.0.0.1:99" },
    { line: "-A -t [0:0:1::1:0]:80 -s wrr", key: "tcp:[0:0:1::1:0]:80" },
    { line: "-A -t [::1.2.3.4]:80 -s wrr", key: "tcp:[::102:304]:80" },
  ];
  for (const { line, key, persistence, flags = [] } of services)
    test(`reads ${line}`, () => {
      const { table, unreadable } = parseListing(`${line}\n`);
      assert.deepEqual(unreadable, []);
      assert.deepEqual([...table.keys()], [key]);
      const [entry] = table.values();
      const p = entry!.persistence;
      assert.deepEqual(p && [p.timeoutSec, p.prefix, p.engine], persistence);
      assert.deepEqual(entry!.flags, flags);
      assert.equal(entry!.onePacket, line.endsWith("-o"));
    });

  const unreadable: readonly { name: string; text: string; left: readonly string[]; bad: readonly string[] }[] = [
    {
      name: "an unknown option of a service is reported, and the service is there, to be edited back",
      text: "-A -t 10.0.0.1:80 -s wrr --shiny 5\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n",
      left: ["tcp:10.0.0.1:80 10.1.0.1:80"],
      bad: ["-A -t 10.0.0.1:80 -s wrr --shiny 5"],
    },
    {
      name: "a netmask with holes likewise",
      text: "-A -t 10.0.0.1:80 -s wrr -p 60 -M 255.0.255.0\n-A -t 10.0.0.2:80 -s wrr -p 60 -M 127.255.255.255\n",
      left: ["tcp:10.0.0.1:80", "tcp:10.0.0.2:80"],
      bad: ["-A -t 10.0.0.1:80 -s wrr -p 60 -M 255.0.255.0", "-A -t 10.0.0.2:80 -s wrr -p 60 -M 127.255.255.255"],
    },
    {
      name: "more behind a server than we know is reported, and the server is there",
      text: "-A -f 1 -s wrr\n-a -f 1 -r 10.1.0.1:0 -g -w 1 -x 10\n",
      left: ["fwmark4:1 10.1.0.1:0"],
      bad: ["-a -f 1 -r 10.1.0.1:0 -g -w 1 -x 10"],
    },
    {
      name: "a tunnel we do not know is left out, alone",
      text: "-A -f 1 -s wrr\n-a -f 1 -r 10.1.0.1:0 -i -w 1 --tun-type vxlan\n-a -f 1 -r 10.1.0.2:0 -i -w 1\n",
      left: ["fwmark4:1 10.1.0.2:0"],
      bad: ["-a -f 1 -r 10.1.0.1:0 -i -w 1 --tun-type vxlan"],
    },
    {
      name: "a frontend we cannot read takes its servers with it",
      text: "-A -x 10.0.0.1:80 -s wrr\n-a -x 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-A -f 1 -s wrr\n",
      left: ["fwmark4:1"],
      bad: ["-A -x 10.0.0.1:80 -s wrr", "-a -x 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1"],
    },
    {
      name: "a server without its service, and names instead of numbers",
      text: "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-A -t localhost:http -s wrr\nhello\n",
      left: [],
      bad: ["-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1", "-A -t localhost:http -s wrr", "hello"],
    },
  ];
  for (const { name, text, left, bad } of unreadable)
    test(name, () => {
      const listing = parseListing(text);
      const there = [...listing.table].flatMap(([key, { destinations }]) =>
        destinations.size === 0 ? [key] : [...destinations.keys()].map((destination) => `${key} ${destination}`),
      );
      assert.deepEqual(there, left);
      assert.deepEqual(listing.unreadable, bad);
    });
});

describe("ipvsadm -Ln --thresholds", () => {
  // As printed by ipvsadm 1.31 over Linux 6.1.
  const LISTED = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
FWM  -1 wrr
FWM  -1 IPv6 wrr
  -> [fd00::1]:80                 7          3          0          0         
TCP  10.0.0.1:80 wrr
  -> 10.1.0.1:8080                10         5          4          1         
  -> 10.1.0.2:8080                0          0          9          9         
  -> 10.1.0.7:8080                2147483647 0          0          0         
TCP  [fd00::9]:80 wrr persistent 60
  -> [fd00:1:2:3:4:5:6:7]:8080    1234567    333333     0          0         
`;
  test("gives the limits of every destination that has some", () => {
    const limits = [...parseThresholds(LISTED)].map(([key, servers]) => [
      key,
      Object.fromEntries([...servers].map(([at, { upper, lower }]) => [at, [upper, lower]])),
    ]);
    assert.deepEqual(Object.fromEntries(limits), {
      "fwmark4:4294967295": {},
      "fwmark6:4294967295": { "[fd00::1]:80": [7, 3] },
      "tcp:10.0.0.1:80": { "10.1.0.1:8080": [10, 5], "10.1.0.7:8080": [2_147_483_647, 0] },
      "tcp:[fd00::9]:80": { "[fd00:1:2:3:4:5:6:7]:8080": [1_234_567, 333_333] },
    });
  });
  test("what is not in the table, because it came or went meanwhile, is nobody's", () => {
    const { table } = parseListing("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 1\n");
    assert.ok(sameTable(withThresholds(table, parseThresholds(LISTED)), table));
  });
});

describe("ipvsadm -Ln --stats --exact", () => {
  const LISTED = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.0.0.1:80                        12       12        3      720      120
  -> 240.1.2.3:80                        3        3        0      180        0
  -> [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535 123456789012 998877665544 0 0 0
TCP  [fd00::3]:80                        0        0        0        0        0
UDP  10.0.0.1:80                         0        0        0        0        0
FWM  -1                                  0        0        0        0        0
  -> 10.1.2.3:0                          1        2        0        0        0
FWM  -1 IPv6                             0        0        0        0        0
  -> [fd00::1]:0                         3        4        0        0        0
`;
  test("gives connections and packets of every destination", () => {
    const stats = [...parseStats(LISTED)].map(([key, servers]) => [
      key,
      Object.fromEntries([...servers].map(([at, { connections, packetsIn }]) => [at, [connections, packetsIn]])),
    ]);
    assert.deepEqual(Object.fromEntries(stats), {
      "tcp:10.0.0.1:80": {
        "240.1.2.3:80": [3, 3],
        "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535": [123_456_789_012, 998_877_665_544],
      },
      "tcp:[fd00::3]:80": {},
      "udp:10.0.0.1:80": {},
      "fwmark4:4294967295": { "10.1.2.3:0": [1, 2] },
      "fwmark6:4294967295": { "[fd00::1]:0": [3, 4] },
    });
  });
  test("servers below a service it cannot read go to nobody", () => {
    const stats = parseStats("TCP  10.0.0.1:80  1 1 1 1 1\nXYZ  10.0.0.2:80  1 1 1 1 1\n  -> 10.1.0.1:80 5 5 5 5 5\n");
    assert.deepEqual(
      [...stats].map(([key, servers]) => [key, servers.size]),
      [["tcp:10.0.0.1:80", 0]],
    );
  });
});
