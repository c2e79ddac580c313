import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, TRUNCATED_RESPONSE } from "dns-packet";
import fc from "fast-check";
import { dnsProbe } from "../../src/probe/dns.ts";
import { type DnsBehaviour, dnsReply, dnsServer, framed, overTcp, overUdp, spoilt } from "../support/dns-server.ts";
import { type Case, line, manyOfEach, open, probe, probeOnce, target, testEach } from "../support/drive.ts";
import {
  closeWithoutReply,
  later,
  nobodyOnUdp,
  refuse,
  reply,
  resetOnAccept,
  stall,
  tcpServer,
  udpServer,
} from "../support/nasty-server.ts";

const soa: Answer = {
  name: "example.com",
  type: "SOA",
  ttl: 60,
  data: { mname: "ns1.example.com", rname: "root.example.com", serial: 7, refresh: 1, retry: 1, expire: 1, minimum: 1 },
};
const a = (data: string): Answer => ({ name: "www.example.com", type: "A", ttl: 60, data });
const txt = (data: string): Answer => ({ name: "www.example.com", type: "TXT", ttl: 60, data });

const www = { name: "www.example.com", record: "A" };
const any = { ...www, expect: { answer: "any" } };
const the = (address: string) => ({ ...www, expect: { answer: { address } } });
const udp = (behave: DnsBehaviour) => () => udpServer(overUdp(behave));
const NOTHING = "unexpected reply";

/** Puts 16 bits somewhere. */
const put = (at: number, value: number) => (message: Buffer) => {
  message.writeUInt16BE(value, at);
  return message;
};

/** The bytes of a record that is all compressed name. */
const pointer = (to: number): Buffer => Buffer.from([0xc0 | (to >> 8), to & 0xff]);
const record = (name: Buffer, type: number, data: Buffer, length = data.length): Buffer => {
  const tail = Buffer.alloc(10);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(1, 2);
  tail.writeUInt16BE(length, 8);
  return Buffer.concat([name, tail, data]);
};

/** A reply whose answer section is these very bytes. */
const raw =
  (count: number, ...parts: Buffer[]): DnsBehaviour =>
  (query, bytes) =>
    put(6, count)(Buffer.concat([dnsReply()(query, bytes) as Buffer, ...parts]));

/** Answers the question it was asked, with an A record of this name and address bytes. */
const handmade = (name: Buffer, data: Buffer, length?: number): DnsBehaviour => raw(1, record(name, 1, data, length));

const ASKED = 12;
const cases: readonly Case[] = [
  // What is asked by default
  ["an empty NOERROR, when nothing is expected of the answer", udp(dnsReply()), {}, "pass: NOERROR"],
  ["a SOA, when nothing is expected of the answer", udp(dnsReply([soa])), { name: "example.com" }, "pass: NOERROR"],
  // Response codes
  ["NXDOMAIN", udp(dnsReply([], { rcode: 3 })), {}, "fail: NXDOMAIN, expected NOERROR"],
  ["REFUSED", udp(dnsReply([], { rcode: 5 })), {}, "fail: REFUSED, expected NOERROR"],
  ["SERVFAIL", udp(dnsReply([], { rcode: 2 })), any, "fail: SERVFAIL, expected NOERROR"],
  ["a code nobody knows", udp(dnsReply([], { rcode: 15 })), {}, "fail: RCODE 15, expected NOERROR"],
  [
    "SERVFAIL without the question",
    udp(dnsReply([], { rcode: 2, questions: [] })),
    {},
    "fail: SERVFAIL, expected NOERROR",
  ],
  [
    "NXDOMAIN, when it is as good",
    udp(dnsReply([], { rcode: 3 })),
    { expect: { rcode: ["NOERROR", "NXDOMAIN"] } },
    "pass: NXDOMAIN",
  ],
  [
    "NOERROR, when only NXDOMAIN is",
    udp(dnsReply()),
    { expect: { rcode: "NXDOMAIN" } },
    "fail: NOERROR, expected NXDOMAIN",
  ],
  // Answers
  ["an answer", udp(dnsReply([a("10.0.0.7")])), any, "pass: NOERROR, 1 A record"],
  ["no answer", udp(dnsReply()), any, "fail: NOERROR, but no A record in the answer"],
  [
    "an alias that leads nowhere",
    udp(dnsReply([{ name: "www.example.com", type: "CNAME", data: "gone.example.com" }])),
    any,
    "fail: NOERROR, but no A record in the answer",
  ],
  [
    "an alias and what it leads to",
    udp(dnsReply([{ name: "www.example.com", type: "CNAME", data: "w.example.com" }, a("10.0.0.7")])),
    any,
    "pass: NOERROR, 1 A record",
  ],
  [
    "records in the authority section only",
    udp(dnsReply([], { authorities: [a("10.0.0.7")] })),
    any,
    "fail: NOERROR, but no A record in the answer",
  ],
  [
    "the address among others",
    udp(dnsReply([a("10.0.0.6"), a("10.0.0.7"), a("10.0.0.8")])),
    the("10.0.0.7"),
    "pass: NOERROR, 3 A records",
  ],
  [
    "an address that begins like it",
    udp(dnsReply([a("10.0.0.77"), a("10.0.0.6")])),
    the("10.0.0.7"),
    'fail: no A record with 10.0.0.7 in the answer, but "10.0.0.77" and 1 more',
  ],
  [
    "an IPv6 address, however it is written",
    udp(dnsReply([{ name: "www.example.com", type: "AAAA", data: "2001:db8:0:0::7" }])),
    { name: "www.example.com", record: "AAAA", expect: { answer: { address: "2001:DB8::0:7" } } },
    "pass: NOERROR, 1 AAAA record",
  ],
  [
    "a text that contains",
    udp(dnsReply([txt("hello"), txt("v=spf1 -all")])),
    { name: "www.example.com", record: "TXT", expect: { answer: { contains: "V=SPF1" } } },
    "pass: NOERROR, 2 TXT records",
  ],
  [
    "a long text that does not",
    udp(dnsReply([txt("x".repeat(100))])),
    { name: "www.example.com", record: "TXT", expect: { answer: { contains: "y" } } },
    `fail: no TXT record with "y" in the answer, but "${"x".repeat(60)}…"`,
  ],
  // Who answers what
  [
    "the question in capitals",
    udp((query, bytes) => {
      const message = dnsReply([a("10.0.0.7")])(query, bytes) as Buffer;
      message.write("WWW", ASKED + 1, "latin1");
      return message;
    }),
    any,
    "pass: NOERROR, 1 A record",
  ],
  [
    "another id",
    udp(spoilt(dnsReply(), (m) => put(0, m.readUInt16BE(0) ^ 1)(m))),
    {},
    `fail: ${NOTHING}: the id is not that of the query`,
  ],
  [
    "another id, and then the right one",
    udp((query, bytes) => {
      const right = dnsReply()(query, bytes) as Buffer;
      return [put(0, right.readUInt16BE(0) ^ 1)(Buffer.from(right)), right];
    }),
    {},
    "pass: NOERROR",
  ],
  [
    "another name",
    udp(dnsReply([soa], { questions: [{ type: "SOA", name: "b" }] })),
    { name: "a" },
    `fail: ${NOTHING}: it answers another question`,
  ],
  [
    "another type",
    udp(dnsReply([soa], { questions: [{ type: "NS", name: "a" }] })),
    { name: "a" },
    `fail: ${NOTHING}: it answers another question`,
  ],
  [
    "another class",
    udp(dnsReply([soa], { questions: [{ type: "SOA", name: "a", class: "CH" }] })),
    { name: "a" },
    `fail: ${NOTHING}: it answers another question`,
  ],
  [
    "no question",
    udp(dnsReply([soa], { questions: [] })),
    { name: "a" },
    `fail: ${NOTHING}: it answers another question`,
  ],
  ["its own question", udp((_query, bytes) => bytes), {}, `fail: ${NOTHING}: it is a query, not a reply`],
  // Garbage
  ["nothing at all", udp(() => Buffer.alloc(0)), {}, `fail: ${NOTHING}: 0 bytes are no DNS message`],
  [
    "half a header",
    udp(spoilt(dnsReply(), (m) => m.subarray(0, 7))),
    {},
    `fail: ${NOTHING}: 7 bytes are no DNS message`,
  ],
  [
    "half a question",
    udp(spoilt(dnsReply(), (m) => m.subarray(0, 14))),
    any,
    `fail: ${NOTHING}: it answers another question`,
  ],
  ["text", udp(() => Buffer.from("-ERR unknown command\r\n")), {}, `fail: ${NOTHING}: the id is not that of the query`],
  ["more answers promised than there are", udp(spoilt(dnsReply(), put(6, 9))), {}, `fail: ${NOTHING}: it is malformed`],
  [
    "an answer cut short",
    udp(spoilt(dnsReply([a("10.0.0.7")]), (m) => m.subarray(0, -1))),
    {},
    `fail: ${NOTHING}: it is malformed`,
  ],
  // Without our own look at the length these two would read as addresses.
  [
    "an address of two bytes",
    udp(handmade(pointer(ASKED), Buffer.of(10, 0))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "an address of five bytes",
    udp(handmade(pointer(ASKED), Buffer.of(10, 0, 0, 7, 1))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "data longer than the message",
    udp(handmade(pointer(ASKED), Buffer.of(10, 0, 0, 7), 400)),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "a name that points at itself",
    udp(handmade(pointer(33), Buffer.of(10, 0, 0, 7))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "a name that points ahead",
    udp(handmade(pointer(600), Buffer.of(10, 0, 0, 7))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "two names that point at each other",
    udp(raw(2, record(pointer(ASKED), 1, Buffer.of(10, 0, 0, 7)), record(pointer(49), 1, Buffer.of(10, 0, 0, 7)))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "a label of a kind that does not exist",
    udp(handmade(Buffer.of(0x80, 0), Buffer.of(10, 0, 0, 7))),
    any,
    `fail: ${NOTHING}: it is malformed`,
  ],
  [
    "rubbish where nobody looks",
    udp(spoilt(dnsReply([a("10.0.0.7")]), (m) => put(8, 77)(Buffer.concat([m, Buffer.from("rubbish")])))),
    any,
    "pass: NOERROR, 1 A record",
  ],
  // Who does not answer
  ["silence", () => udpServer(() => {}), {}, "fail: timed out after 300ms waiting for the reply"],
  [
    "a reply that comes too late",
    () => udpServer(later(500, overUdp(dnsReply()))),
    {},
    "fail: timed out after 300ms waiting for the reply",
  ],
  ["nobody", () => nobodyOnUdp(), {}, "fail: port unreachable (ICMP)"],
];

describe("a dns probe meets", () => {
  testEach(dnsProbe, cases, /300ms|unexpected/);
});

test("a hundred probes of each leave no descriptor open", () => manyOfEach(dnsProbe, cases, /timed out|unexpected/));

const tcp = { ...www, transport: "tcp" };
const stream = (behave: DnsBehaviour) => () => tcpServer(overTcp(behave));
const tcpCases: readonly Case[] = [
  ["an answer", stream(dnsReply([a("10.0.0.7")])), { ...tcp, expect: { answer: "any" } }, "pass: NOERROR, 1 A record"],
  [
    "1,500 answers",
    stream(dnsReply(Array.from({ length: 1500 }, (_, i) => a(`10.1.${i >> 8}.${i & 255}`)))),
    { ...tcp, expect: { answer: { address: "10.1.0.9" } } },
    "pass: NOERROR, 250 A records",
  ],
  [
    "an answer a byte at a time",
    () =>
      tcpServer((socket) => {
        overTcp((query, bytes) => {
          const message = framed(dnsReply([a("10.0.0.7")])(query, bytes) as Buffer);
          let sent = 0;
          const timer = setInterval(() => sent < message.length && socket.write(message.subarray(sent, ++sent)), 1);
          socket.on("close", () => clearInterval(timer));
          return [];
        })(socket, 1);
      }),
    { ...tcp, expect: { answer: "any" } },
    "pass: NOERROR, 1 A record",
  ],
  ["SERVFAIL", stream(dnsReply([], { rcode: 2 })), tcp, "fail: SERVFAIL, expected NOERROR"],
  [
    "a truncated reply",
    stream(dnsReply([], { flags: TRUNCATED_RESPONSE })),
    tcp,
    "fail: the reply is truncated over TCP, too",
  ],
  [
    "another id",
    stream(spoilt(dnsReply(), (m) => put(0, m.readUInt16BE(0) ^ 1)(m))),
    tcp,
    `fail: ${NOTHING}: the id is not that of the query`,
  ],
  ["a length of zero", () => tcpServer(reply(Buffer.of(0, 0))), tcp, `fail: ${NOTHING}: 0 bytes are no DNS message`],
  [
    "HTTP",
    () => tcpServer(reply("HTTP/1.1 400 Bad Request\r\n\r\n", "close")),
    tcp,
    "fail: connection closed within the reply",
  ],
  ["no reply", () => tcpServer(stall), tcp, "fail: timed out after 300ms waiting for the reply"],
  ["a close", () => tcpServer(closeWithoutReply), tcp, "fail: connection closed without a reply"],
  [
    "a close within the length",
    () => tcpServer(reply(Buffer.of(0), "close")),
    tcp,
    "fail: connection closed within the reply",
  ],
  ["a reset", () => tcpServer(resetOnAccept), tcp, /^fail: connection reset (while connecting|waiting for the reply)$/],
  ["nobody", () => refuse(), tcp, "fail: connection refused"],
];

describe("over TCP, a dns probe meets", () => {
  testEach(dnsProbe, tcpCases);
  test("and a hundred of each leave no descriptor open", () => manyOfEach(dnsProbe, tcpCases));
});

const truncated = overUdp(dnsReply([], { flags: TRUNCATED_RESPONSE }));
const bothCases: readonly Case[] = [
  [
    "an answer",
    () => dnsServer(truncated, overTcp(dnsReply([a("10.0.0.7")]))),
    any,
    "pass: NOERROR, 1 A record, over TCP",
  ],
  ["nothing expected of it", () => dnsServer(truncated, overTcp(dnsReply())), www, "pass: NOERROR, over TCP"],
  [
    "SERVFAIL",
    () => dnsServer(truncated, overTcp(dnsReply([], { rcode: 2 }))),
    any,
    "fail: SERVFAIL, expected NOERROR, over TCP after a truncated reply",
  ],
  ["nobody", () => udpServer(truncated), any, "fail: connection refused, over TCP after a truncated reply"],
  [
    "no reply",
    () => dnsServer(truncated, stall),
    any,
    "fail: timed out after 300ms waiting for the reply, over TCP after a truncated reply",
  ],
];

describe("after a truncated reply a dns probe asks over TCP and meets", () => {
  testEach(dnsProbe, bothCases);
  test("and a hundred of each leave no descriptor open", () => manyOfEach(dnsProbe, bothCases));

  test("not where the datagram says enough: a code that fails", async () => {
    let connections = 0;
    const refused = overUdp(dnsReply([], { rcode: 5, flags: TRUNCATED_RESPONSE }));
    await using server = await dnsServer(refused, () => connections++);
    assert.equal(line(await probeOnce(dnsProbe, target(server.port), any)), "fail: REFUSED, expected NOERROR");
    assert.equal(connections, 0);
  });

  test("again over UDP the next time", async () => {
    let short = true;
    const whole = overUdp(dnsReply([a("10.0.0.7")]));
    await using server = await dnsServer(
      (...query) => (short ? truncated : whole)(...query),
      overTcp(dnsReply([a("10.0.0.7")])),
    );
    const prober = open(dnsProbe, target(server.port), any);
    const seen = [];
    for (const next of [true, false, true]) {
      short = next;
      seen.push(line(await probe(prober, 2000)));
    }
    prober.close();
    const pass = "pass: NOERROR, 1 A record";
    assert.deepEqual(seen, [`${pass}, over TCP`, pass, `${pass}, over TCP`]);
  });
});

describe("a query", () => {
  const rows: readonly [options: Record<string, unknown>, asked: string][] = [
    [{}, "SOA . rd"],
    [{ name: "Example.COM.", record: "MX" }, "MX Example.COM rd"],
    [{ name: "_sip._tcp.example.com", record: "SRV", recursion: "false" }, "SRV _sip._tcp.example.com"],
    [{ name: "1.0.0.10.in-addr.arpa", record: "PTR" }, "PTR 1.0.0.10.in-addr.arpa rd"],
  ];
  for (const [options, asked] of rows)
    for (const transport of ["udp", "tcp"])
      test(`${JSON.stringify(options)} over ${transport} asks ${asked}`, async () => {
        const seen: string[] = [];
        const note: DnsBehaviour = (query, bytes) => {
          for (const { type, name } of query.questions ?? [])
            seen.push([type, name, ...(query.flag_rd ? ["rd"] : [])].join(" "));
          return dnsReply()(query, bytes);
        };
        await using server = await dnsServer(overUdp(note), overTcp(note));
        assert.equal(line(await probeOnce(dnsProbe, target(server.port), { ...options, transport })), "pass: NOERROR");
        assert.deepEqual(seen, [asked]);
      });

  test("has an id of its own in every probe, and the same when it is repeated", async () => {
    const ids: number[] = [];
    await using server = await udpServer(
      overUdp(({ id = 0 }) => {
        ids.push(id);
        return [];
      }),
    );
    const prober = open(dnsProbe, target(server.port, 150), {});
    for (let i = 0; i < 5; i++) await probe(prober, 150);
    prober.close();
    assert.equal(ids.length, 15);
    // Two of five random ids of 16 bits are equal once in 6,500 runs.
    assert.ok(new Set(ids).size >= 4, ids.join());
    for (let i = 0; i < 15; i += 3) assert.equal(new Set(ids.slice(i, i + 3)).size, 1, ids.join());
  });

  test("a datagram that is lost is made good by the next", async () => {
    let count = 0;
    await using server = await udpServer((...query) => {
      count += 1;
      if (count === 2) overUdp(dnsReply())(...query);
    });
    assert.equal(line(await probeOnce(dnsProbe, target(server.port, 900), {})), "pass: NOERROR");
  });

  test("comes from the source address, over either transport", async () => {
    const from: (string | undefined)[] = [];
    await using server = await dnsServer(
      (datagram, peer, socket, nth) => {
        from.push(peer.address);
        truncated(datagram, peer, socket, nth);
      },
      (socket, nth) => {
        from.push(socket.remoteAddress);
        overTcp(dnsReply())(socket, nth);
      },
    );
    await probeOnce(dnsProbe, target(server.port, 2000, "127.0.0.1", "127.0.0.9"), {});
    assert.deepEqual(from, ["127.0.0.9", "127.0.0.9"]);
    for (const transport of ["udp", "tcp"])
      assert.equal(
        line(await probeOnce(dnsProbe, target(server.port, 2000, "127.0.0.1", "192.0.2.1"), { transport })),
        "inconclusive: the source address is not on this machine (EADDRNOTAVAIL)",
      );
  });

  test("goes over IPv6 too", async () => {
    await using server = await dnsServer(truncated, overTcp(dnsReply()), "::1");
    assert.equal(line(await probeOnce(dnsProbe, target(server.port, 2000, "::1"), {})), "pass: NOERROR, over TCP");
  });
});

test("a right answer that takes too long is a failure where that is asked for, over TCP after UDP too", async () => {
  const whole = overUdp(dnsReply([a("10.0.0.7")]));
  await using slow = await dnsServer(later(700, whole), stall);
  await using half = await dnsServer(later(400, truncated), (socket, nth) => {
    setTimeout(() => overTcp(dnsReply())(socket, nth), 400);
  });
  for (const { port } of [slow, half])
    for (const [max_latency, expected] of [
      ["90ms", /^fail: the right answer took \d+ms, expected within 90ms$/],
      ["4s", /^pass: NOERROR/],
    ] as const)
      assert.match(line(await probeOnce(dnsProbe, target(port, 5000), { ...www, max_latency })), expected);
});

test("a late reply does not answer the next probe", async () => {
  await using server = await udpServer(later(120, overUdp(dnsReply())));
  const prober = open(dnsProbe, target(server.port, 100), {});
  for (let i = 0; i < 5; i++)
    assert.equal(line(await probe(prober, 100)), "fail: timed out after 100ms waiting for the reply");
  prober.close();
});

for (const transport of ["udp", "tcp"])
  test(`whatever comes back over ${transport}, the probe ends with an outcome`, async () => {
    let rubbish = Buffer.alloc(0);
    const lie: DnsBehaviour = (query, bytes) => put(6, 3)(Buffer.concat([dnsReply()(query, bytes) as Buffer, rubbish]));
    await using server = await dnsServer(overUdp(lie), overTcp(lie));
    const prober = open(dnsProbe, target(server.port, 20), { ...any, transport });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        rubbish = Buffer.from(bytes);
        assert.match(line(await probe(prober, 20)), /^(fail|pass): /);
      }),
      { numRuns: 60 },
    );
    prober.close();
  });

test("the next probe may begin within the outcome of the last, in every state", async () => {
  await using good = await udpServer(overUdp(dnsReply()));
  await using nobody = await nobodyOnUdp();
  await using both = await dnsServer(truncated, overTcp(dnsReply()));
  await using half = await udpServer(truncated);
  for (const { port } of [good, nobody, both, half]) {
    const prober = open(dnsProbe, target(port), {});
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const again = (): void =>
        prober.start((outcome) => {
          seen.push(line(outcome));
          if (seen.length < 50) again();
          else resolve();
        });
      again();
    });
    prober.close();
    assert.equal(new Set(seen).size, 1, seen.join());
  }
});

test("after close no outcome comes any more", async () => {
  await using server = await dnsServer(later(10, truncated), (socket, nth) => {
    setTimeout(() => overTcp(dnsReply())(socket, nth), 20);
  });
  for (const wait of [0, 5, 15, 25]) {
    const prober = open(dnsProbe, target(server.port), {});
    let outcomes = 0;
    prober.start(() => outcomes++);
    await new Promise((resolve) => setTimeout(resolve, wait));
    const before = outcomes;
    prober.close();
    prober.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(outcomes, before);
  }
});
