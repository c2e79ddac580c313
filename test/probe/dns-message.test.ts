import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answer, encode } from "dns-packet";
import fc from "fast-check";
import { queryMessage, readReply } from "../../src/probe/dns-message.ts";
import { RCODES, RECORDS, type RecordType } from "../../src/probe/dns-options.ts";

const name = "www.example.com";
const key = Buffer.from("key");
const records: Readonly<Record<RecordType, readonly [answer: Answer, shown: string]>> = {
  A: [{ name, type: "A", data: "10.0.0.7" }, "10.0.0.7"],
  AAAA: [{ name, type: "AAAA", data: "2001:db8::7" }, "2001:db8::7"],
  CAA: [{ name, type: "CAA", data: { flags: 0, tag: "issue", value: "ca.test" } }, "0 issue ca.test"],
  CNAME: [{ name, type: "CNAME", data: "other.test" }, "other.test"],
  DNSKEY: [{ name, type: "DNSKEY", data: { flags: 257, algorithm: 8, key } }, "257 3 8 a2V5"],
  MX: [{ name, type: "MX", data: { preference: 10, exchange: "mx.test" } }, "10 mx.test"],
  NS: [{ name, type: "NS", data: "ns.test" }, "ns.test"],
  PTR: [{ name, type: "PTR", data: "host.test" }, "host.test"],
  RRSIG: [
    {
      name,
      type: "RRSIG",
      data: {
        typeCovered: "A",
        algorithm: 8,
        labels: 2,
        originalTTL: 60,
        expiration: 2,
        inception: 1,
        keyTag: 99,
        signersName: "test",
        signature: key,
      },
    },
    "A 8 2 60 2 1 99 test a2V5",
  ],
  SOA: [
    {
      name,
      type: "SOA",
      data: { mname: "ns.test", rname: "root.test", serial: 5, refresh: 4, retry: 3, expire: 2, minimum: 1 },
    },
    "ns.test root.test 5 4 3 2 1",
  ],
  SRV: [{ name, type: "SRV", data: { priority: 1, weight: 2, port: 5060, target: "sip.test" } }, "1 2 5060 sip.test"],
  TXT: [{ name, type: "TXT", data: ["v=spf1 ", "-all"] }, "v=spf1 -all"],
};

const ask = (record: RecordType) => queryMessage(4660, { name, record, recursion: true });
const replyWith = (record: RecordType, answers: Answer[]): Buffer =>
  encode({ type: "response", id: 4660, questions: [{ type: record, name }], answers });

describe("the data of a record is shown as dig shows it", () => {
  for (const record of RECORDS)
    test(record, () => {
      const [answer, shown] = records[record];
      // Others before and after it are passed over.
      const others = Object.values(records)
        .map(([other]) => other)
        .filter((other) => other.type !== record);
      const read = readReply(ask(record), record, replyWith(record, [...others, answer, ...others]));
      assert.deepEqual(read, { ok: true, value: { rcode: "NOERROR", truncated: false, data: [shown] } });
    });
});

test("a query is, byte for byte, what RFC 1035 has", () => {
  const root = queryMessage(0x1d17, { name: ".", record: "NS", recursion: true });
  assert.equal(root.toString("hex"), "1d1701000001000000000000" + "00" + "00020001");
  const host = queryMessage(1, { name: "ab.c", record: "AAAA", recursion: false });
  assert.equal(host.toString("hex"), "000100000001000000000000" + "0261620163" + "00" + "001c0001");
});

test("every response code has its word", () => {
  for (const [code, word] of RCODES.entries()) {
    const reply = encode({ type: "response", id: 4660, flags: code, questions: [{ type: "A", name }] });
    assert.deepEqual(readReply(ask("A"), "A", reply), {
      ok: true,
      value: { rcode: word, truncated: false, data: [] },
    });
  }
});

test("no prefix of a reply is taken for a whole one", () => {
  for (const record of RECORDS) {
    const whole = replyWith(record, [records[record][0], records[record][0]]);
    for (let length = 0; length < whole.length; length++)
      assert.equal(readReply(ask(record), record, whole.subarray(0, length)).ok, false, `${record} ${length}`);
  }
});

describe("whatever bytes come, reading ends at once and throws nothing", () => {
  const record = fc.constantFrom(...RECORDS);
  const noted = (type: RecordType, bytes: Uint8Array): void => {
    const began = performance.now();
    const read = readReply(ask(type), type, Buffer.from(bytes));
    if (read.ok) for (const data of read.value.data) assert.equal(typeof data, "string");
    else assert.notEqual(read.error, "");
    assert.ok(performance.now() - began < 1000);
  };

  test("random ones", () =>
    fc.assert(fc.property(record, fc.uint8Array({ maxLength: 600 }), noted), { numRuns: 2000 }));

  test("random ones after a header and question that are right", () =>
    fc.assert(
      fc.property(record, fc.nat(0xffff), fc.uint8Array({ maxLength: 300 }), (type, count, bytes) => {
        const head = replyWith(type, []);
        head.writeUInt16BE(count, 6);
        noted(type, Buffer.concat([head, bytes]));
      }),
      { numRuns: 2000 },
    ));

  test("good replies with some bytes changed", () =>
    fc.assert(
      fc.property(
        record,
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (type, changes) => {
          const bytes = replyWith(type, [records.CNAME[0], records[type][0], records[type][0]]);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          noted(type, bytes);
        },
      ),
      { numRuns: 5000 },
    ));

  test("64 KiB of names that are nothing but pointers to pointers", () => {
    const head = replyWith("NS", []);
    const chain = Buffer.alloc(16_000);
    // The first one is the root; each of the others points at the one before it.
    for (let at = 2; at < chain.length; at += 2) chain.writeUInt16BE(0xc000 | (head.length + 9 + 2 + at - 2), at);
    const last = 0xc000 | (head.length + 11 + chain.length - 2);
    const hidden = Buffer.concat([
      Buffer.of(0, 0, 16, 0, 1, 0, 0, 0, 0),
      Buffer.of(chain.length >> 8, chain.length & 255),
      chain,
    ]);
    const one = Buffer.alloc(14);
    one.writeUInt16BE(last, 0);
    one.writeUInt16BE(2, 2);
    one.writeUInt16BE(1, 4);
    one.writeUInt16BE(2, 10);
    one.writeUInt16BE(last, 12);
    const count = Math.floor((65_000 - head.length - hidden.length) / one.length);
    const message = Buffer.concat([head, hidden, ...Array.from({ length: count }, () => one)]);
    message.writeUInt16BE(count + 1, 6);
    const began = performance.now();
    const read = readReply(ask("NS"), "NS", message);
    const took = performance.now() - began;
    assert.deepEqual(read.ok && [read.value.data.length, new Set(read.value.data)], [250, new Set(["."])]);
    assert.ok(took < 500, `${took} ms`);
  });
});
