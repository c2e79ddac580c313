import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseListing } from "../../src/ipvs/listing.ts";
import { createProcReader, parseProc } from "../../src/ipvs/proc.ts";
import type { Glance, IpvsTable } from "../../src/ipvs/table.ts";
import { parseAddress } from "../../src/model/address.ts";
import { atOnce } from "../../src/model/steps.ts";
import { table } from "./random-table.ts";
import { renderProc } from "./render.ts";

const HEADER = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`;

/** `key scheduler server=weight/active/inactive ...`, one line a service, sorted. */
function lines(glance: Glance): readonly string[] {
  return [...glance]
    .map(([key, { scheduler, destinations }]) =>
      [
        key,
        scheduler,
        ...[...destinations].map(([at, d]) => `${at}=${d.weight}/${d.active}/${d.inactive} ${d.forwarding}`).sort(),
      ].join(" "),
    )
    .sort();
}

function known(...listing: readonly string[]): IpvsTable {
  return parseListing(listing.join("\n")).table;
}

test("reads what Linux 6.1 prints: hexadecimal IPv4, expanded IPv6, weights and connections, persistence and one-packet or not", () => {
  // Copied from a machine; the blanks at the ends of lines are the kernel's.
  const text = `${HEADER}UDP  0A000007:13C4 wrr ops  persistent 6000 FFFFFF00
TCP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0050 wrr 
  -> [0000:0000:0000:0000:0000:0000:0102:0304]:0050      Masq    1      0          0         
  -> [0000:0000:0001:0000:0000:0000:0001:0000]:0050      Masq    2147483647 7          25        
  -> 0A010002:0050      Tunnel  1      0          0         
TCP  0A640001:0050 mh  persistent 267840000 FFFFFFFF
  -> 0A090202:1F90      Route   0      1          25        
SCTP  0A000001:0063 rr  
FWM  FFFFFFFF wlc ops persistent 6000 40000000
  -> 0A010001:0000      Masq    1      0          0         
`;
  assert.deepEqual(lines(parseProc(text, new Map())), [
    "fwmark4:4294967295 wlc 10.1.0.1:0=1/0/0 masquerade",
    "sctp:10.0.0.1:99 rr",
    "tcp:10.100.0.1:80 mh 10.9.2.2:8080=0/1/25 direct",
    "tcp:[fd00::1]:80 wrr 10.1.0.2:80=1/0/0 tunnel [0:0:1::1:0]:80=2147483647/7/25 masquerade [::102:304]:80=1/0/0 masquerade",
    "udp:10.0.0.7:5060 wrr",
  ]);
});

test("a glance at any table we can want shows its weights, forwarding and connections, given that table", () => {
  fc.assert(
    fc.property(table, (wanted) => {
      const connections = (index: number): [number, number] => [index * 3, index * 1000];
      const glance = parseProc(renderProc(wanted, connections), wanted);
      let index = 0;
      assert.deepEqual([...glance.keys()].sort(), [...wanted.keys()].sort());
      for (const [key, entry] of wanted) {
        const seen = glance.get(key)!;
        assert.equal(seen.scheduler, entry.scheduler);
        assert.equal(seen.destinations.size, entry.destinations.size);
        for (const [at, { weight, forwarding }] of [...entry.destinations].reverse()) {
          const [active, inactive] = connections(index++);
          assert.deepEqual(seen.destinations.get(at), { weight, forwarding: forwarding.kind, active, inactive });
        }
      }
    }),
  );
});

test("IPv6 addresses are written as everywhere else", () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff), fc.nat(15));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const full = groups.map((g) => g.toString(16).padStart(4, "0")).join(":");
      const [key] = parseProc(`${HEADER}TCP  [${full}]:0050 wrr \n`, new Map()).keys();
      assert.equal(key, `tcp:[${parseAddress(full)!.text}]:80`);
    }),
  );
});

describe("the family of a firewall mark, which the file does not tell", () => {
  const four = "  -> 0A010001:0000      Masq    4      0          0         ";
  const six = "  -> [fd00:0000:0000:0000:0000:0000:0000:0001]:0000      Masq    6      0          0         ";
  const tunnel4 = "  -> 0A010002:0000      Tunnel  4      0          0         ";
  const tunnel6 = "  -> [fd00:0000:0000:0000:0000:0000:0000:0002]:0000      Tunnel  6      0          0         ";
  const title = "FWM  00000007 wrr ";
  const none = known();
  const only4 = known("-A -f 7 -s wrr");
  const only6 = known("-A -f 7 -6 -s wrr");
  const bothTunnels = known(
    "-A -f 7 -s wrr",
    "-a -f 7 -r [fd00::2]:0 -i -w 6",
    "-A -f 7 -6 -s wrr",
    "-a -f 7 -6 -r 10.1.0.2:0 -i -w 4",
  );
  const rows: readonly {
    name: string;
    known: IpvsTable;
    text: readonly string[];
    expect: Record<string, readonly number[]>;
  }[] = [
    { name: "known as IPv4's", known: only4, text: [title], expect: { "fwmark4:7": [] } },
    { name: "known as IPv6's", known: only6, text: [title], expect: { "fwmark6:7": [] } },
    { name: "known as IPv6's, tunnels to IPv4", known: only6, text: [title, tunnel4], expect: { "fwmark6:7": [4] } },
    { name: "unknown, told by a server", known: none, text: [title, six], expect: { "fwmark6:7": [6] } },
    {
      name: "unknown, a server outweighs tunnels",
      known: none,
      text: [title, tunnel6, four],
      expect: { "fwmark4:7": [6, 4] },
    },
    {
      name: "unknown, tunnels only: most likely their own",
      known: none,
      text: [title, tunnel6],
      expect: { "fwmark6:7": [6] },
    },
    { name: "unknown and empty", known: none, text: [title], expect: { "fwmark4:7": [] } },
    {
      name: "known as IPv4's, but replaced: a server proves it",
      known: only4,
      text: [title, six],
      expect: { "fwmark6:7": [6] },
    },
    {
      name: "both, told by servers",
      known: none,
      text: [title, six, title, four],
      expect: { "fwmark6:7": [6], "fwmark4:7": [4] },
    },
    {
      name: "both, one of them empty",
      known: none,
      text: [title, title, four],
      expect: { "fwmark6:7": [], "fwmark4:7": [4] },
    },
    {
      name: "both, the empty one first known",
      known: only6,
      text: [title, four, title],
      expect: { "fwmark6:7": [], "fwmark4:7": [4] },
    },
    {
      name: "both with tunnels crossing, told by the destinations known",
      known: bothTunnels,
      text: [title, tunnel4, title, tunnel6],
      expect: { "fwmark6:7": [4], "fwmark4:7": [6] },
    },
    {
      name: "the same in the other order",
      known: bothTunnels,
      text: [title, tunnel6, title, tunnel4],
      expect: { "fwmark6:7": [4], "fwmark4:7": [6] },
    },
    { name: "both known, one has gone", known: bothTunnels, text: [title, tunnel4], expect: { "fwmark6:7": [4] } },
    {
      name: "known as IPv4's, emptied by somebody",
      known: known("-A -f 7 -s wrr", "-a -f 7 -r 10.1.0.1:0 -m -w 1"),
      text: [title],
      expect: { "fwmark4:7": [] },
    },
  ];
  for (const { name, known, text, expect } of rows)
    test(name, () => {
      const glance = parseProc(`${HEADER}${text.join("\n")}\n`, known);
      const found = [...glance].map(([key, { destinations }]) => [
        key,
        [...destinations.values()].map((d) => d.weight),
      ]);
      assert.deepEqual(Object.fromEntries(found), expect);
    });

  for (const [name, ...text] of [
    ["both empty, told by the schedulers known", title, "FWM  00000007 rr "],
    ["both empty, in the other order", "FWM  00000007 rr ", title],
  ])
    test(name!, () => {
      const glance = parseProc(`${HEADER}${text.join("\n")}\n`, known("-A -f 7 -s rr", "-A -f 7 -6 -s wrr"));
      assert.deepEqual(lines(glance), ["fwmark4:7 rr", "fwmark6:7 wrr"]);
    });
});

test("what cannot be read is left out and takes nothing else with it", () => {
  const text = `${HEADER}TCP  0A000001:0050 wrr  
  -> 0A010001:0050      Local   1      0          0         
  -> zz:0050      Masq    1      0          0         
  -> 0A010002:0050      Masq    2      0          0         
DCCP  0A000009:0050 wrr  
  -> 0A010003:0050      Masq    3      0          0         
UDP  0A000001:0035 rr  
`;
  assert.deepEqual(lines(parseProc(text, new Map())), [
    "tcp:10.0.0.1:80 wrr 10.1.0.2:80=2/0/0 masquerade",
    "udp:10.0.0.1:53 rr",
  ]);
  assert.equal(parseProc("", new Map()).size, 0);
});

describe("read again and again", () => {
  const first = "TCP  0A000001:0050 wrr \n  -> 0A010001:0050      Masq    1      0          0         \n";
  const second = "UDP  0A000001:0035 rr \n  -> 0A010002:0035      Masq    1      0          0         \n";
  const more = "  -> 0A010003:0050      Masq    1      0          0         \n";

  test("a service shown with the same words is the same object, wherever it stands; any other is read anew", () => {
    const read = createProcReader();
    const glance = (text: string) => atOnce(read(`${HEADER}${text}`, new Map()));
    const [tcp, udp] = [...glance(first + second).values()];
    const [again, changed] = [...glance(first + second.replace("1      0 ", "1      7 ")).values()];
    assert.equal(again, tcp);
    assert.equal(changed?.destinations.values().next().value?.active, 7);
    assert.notEqual(changed, udp);
    assert.equal([...glance(second + first).values()][1], tcp);
    assert.equal([...glance(first + more).values()][0]?.destinations.size, 2);
    assert.equal([...glance(first).values()][0]?.destinations.size, 1);
    assert.equal(glance("").size, 0);
  });

  test("says what a first reading would say, whatever came before", () => {
    const read = createProcReader();
    let texts = 0;
    fc.assert(
      fc.property(table, fc.nat(3), (wanted, busy) => {
        const text = `${HEADER}${renderProc(wanted, (i) => [i % (busy + 1), busy])}`;
        texts++;
        assert.deepEqual(lines(atOnce(read(text, wanted))), lines(parseProc(text, wanted)));
        assert.deepEqual(lines(atOnce(read(text, wanted))), lines(parseProc(text, wanted)));
      }),
    );
    assert.ok(texts >= 100);
  });
});
