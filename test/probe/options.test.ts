import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { RCODES, RECORDS } from "../../src/probe/dns-options.ts";
import { probeTypes } from "../../src/probe/registry.ts";
import { certificate } from "../support/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "director-options-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const mine = certificate({ subject: "director" });
const another = certificate({ subject: "another" });
const own = file("own.pem", mine.cert);
const ownKey = file("own.key", mine.key);
const otherKey = file("other.key", another.key);
const other = file("empty.pem", "nothing\n");
const damaged = file("damaged.pem", `${mine.cert}${mine.cert.replace("MII", "???")}`);
const damagedKey = file("damaged.key", "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n");
const encrypted = file(
  "encrypted.key",
  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGHAgEA\n-----END ENCRYPTED PRIVATE KEY-----\n",
);
const missing = join(folder, "none.pem");

const json = (demand: Record<string, unknown>) => ({ expect: { body: { json: demand } } });
const lengths = (expect: Record<string, unknown>) => ({ send: "a", expect });

type Row = readonly [type: string, options: Record<string, unknown>, at: string, message: string];

const HEX = "expected bytes in hexadecimal such as 00001e10, x for a digit that may be anything";
const STATUS = "expected a status such as 200 or a range such as 200-299";
const NAME = "expected a domain name such as www.example.com, or . for the root";
const HELO = "expected a host name such as director.example.com, or an address in brackets such as [192.0.2.5]";
const GRPC_SERVICE = "expected the name of a gRPC service such as shop.v1.Cart, or nothing for the server as a whole";

const refused: readonly Row[] = [
  ["tcp", { prot: "1" }, "", 'Unrecognized key: "prot"'],
  ["tcp", { close: "rst" }, "close", "expected one of fin, reset"],
  ["tcp", { send: {} }, "send", "expected either text or hex"],
  ["tcp", { send: { text: "a", hex: "00" } }, "send", "expected either text or hex"],
  ["tcp", { send: { hex: "0" } }, "send.hex", '"0" has an odd number of hexadecimal digits: half a byte is missing'],
  ["tcp", { send: { hexx: "00" } }, "send", 'Unrecognized key: "hexx"'],
  ["tcp", { send: "" }, "send.text", "may not be empty"],
  ["tcp", { send: ["a"] }, "send", "expected text, or a map with text or hex"],
  ["tcp", { expect: { text: "a", exact: "true" } }, "expect", 'Unrecognized key: "exact"'],
  ["tcp", { tls: "true", close: "reset" }, "close", "cannot be reset over TLS"],
  ["tcp", { verify: "false" }, "verify", "means something with `tls: true` only"],
  ["udp", { send: "a", expect: { hex: "zz" } }, "expect.hex", HEX],
  [
    "udp",
    { send: "a", expect: { hex: "0x12" } },
    "expect.hex",
    'write the digits without "0x" (for a first byte 00 to 0f write 0?)',
  ],
  [
    "udp",
    { send: "a", expect: { hex: "12x" } },
    "expect.hex",
    "an odd number of hexadecimal digits: half a byte is missing",
  ],
  ["udp", { expect: "a" }, "send", "expected text, or a map with text or hex"],
  [
    "udp",
    { send: "a" },
    "expect",
    "missing: say what the reply begins with, or `silence: pass` if the server never answers",
  ],
  [
    "udp",
    { send: "a", silence: "fail" },
    "expect",
    "missing: say what the reply begins with, or `silence: pass` if the server never answers",
  ],
  [
    "udp",
    { send: "a", expect: "b", silence: "pass" },
    "silence",
    "contradicts expect: leave one of them out, or write `silence: fail`",
  ],
  ["http", { path: "healthz" }, "path", "expected a path that begins with /"],
  ["http", { path: "/a b" }, "path", "blanks, # and characters beyond ASCII must be percent-encoded"],
  ["http", { path: "/ä" }, "path", "blanks, # and characters beyond ASCII must be percent-encoded"],
  ["http", { path: "/a#b" }, "path", "blanks, # and characters beyond ASCII must be percent-encoded"],
  ["http", { path: "/a\r\nX: 1" }, "path", "blanks, # and characters beyond ASCII must be percent-encoded"],
  [
    "http",
    { method: "get" },
    "method",
    "expected a method in capitals such as GET, HEAD or OPTIONS (CONNECT is not one that can be checked)",
  ],
  [
    "http",
    { method: "CONNECT" },
    "method",
    "expected a method in capitals such as GET, HEAD or OPTIONS (CONNECT is not one that can be checked)",
  ],
  ["http", { host: "http://www" }, "host", "expected a host name, with a port if need be, such as www.example.com"],
  ["http", { headers: { Host: "www" } }, "headers.Host", "cannot be set: use the key `host`"],
  ["http", { headers: { connection: "close" } }, "headers.connection", "cannot be set: use the key `reuse_connection`"],
  ["http", { headers: { "X Y": "1" } }, "headers.X Y", "is not a header name"],
  ["http", { headers: { "X-Y": "1\r\nZ: 2" } }, "headers.X-Y", "a header value is one line of Latin-1 text"],
  ["http", { expect: { status: "20" } }, "expect.status", `${STATUS}, from 200 to 599`],
  ["http", { expect: { status: "2xx" } }, "expect.status", `${STATUS}, from 200 to 599`],
  ["http", { expect: { status: "101" } }, "expect.status", `${STATUS}, from 200 to 599`],
  ["http", { expect: { status: "299-200" } }, "expect.status", "299-200 is upside down"],
  ["http", { expect: { status: ["200", "600"] } }, "expect.status.1", `${STATUS}, from 200 to 599`],
  ["http", { expect: { status: [] } }, "expect.status", "may not be empty"],
  ["http", { expect: { status: {} } }, "expect.status", STATUS],
  ["http", { expect: { body: {} } }, "expect.body", "expected contains, regex or json"],
  [
    "http",
    { expect: { body: { regex: "(" } } },
    "expect.body.regex",
    "Invalid regular expression: /(/: Unterminated group",
  ],
  ["http", { max_body: "17MiB" }, "max_body", "must be at most 16MiB"],
  ["http", { max_body: "64kb" }, "max_body", "expected a size such as 64KiB or 1MiB"],
  ["http", { verify: "false" }, "", 'Unrecognized key: "verify"'],
  ["https", { ca: "ca.pem" }, "ca", "expected the absolute path of a PEM file, beginning with /"],
  ["https", { ca: missing }, "ca", `cannot read ${missing}: no such file`],
  ["https", { ca: folder }, "ca", `cannot read ${folder}: it is a directory`],
  ["https", { ca: other }, "ca", `${other} has no certificate in PEM form`],
  ["https", { ca: damaged }, "ca", `${damaged} is damaged: certificate 2 of 2 cannot be read`],
  ["https", { certificate: own, key: own }, "key", `${own} has no private key in PEM form`],
  [
    "https",
    { certificate: own, key: encrypted },
    "key",
    `${encrypted} has an encrypted key: director knows no passphrase, give it unencrypted`,
  ],
  ["https", { certificate: own, key: damagedKey }, "key", `${damagedKey} is damaged: the private key cannot be read`],
  ["https", { certificate: own, key: otherKey }, "key", `is not the key of the first certificate in ${own}`],
  ["https", { certificate: own }, "key", "missing: `certificate` needs its key"],
  ["tcp", { tls: "true", key: ownKey }, "certificate", "missing: `key` needs its certificate"],
  ["tcp", { tls: "true", certificate: own, key: otherKey }, "key", `is not the key of the first certificate in ${own}`],
  ["tcp", { certificate_days_left: "14" }, "certificate_days_left", "means something with `tls: true` only"],
  ["https", { certificate_days_left: "0" }, "certificate_days_left", "expected a whole number from 1 to 3650"],
  ["https", { certificate_days_left: "14d" }, "certificate_days_left", "expected a whole number from 1 to 3650"],
  ["https", { version: "3" }, "version", 'expected one of 1.1, 2, did you mean "2"?'],
  ["http", { version: "2" }, "", 'Unrecognized key: "version"'],
  ["https", { version: "2", headers: { TE: "trailers" } }, "headers.TE", "HTTP/2 does not have it"],
  ["http", { body: "x" }, "body", "a GET request has none: say another method, such as POST"],
  ["http", { method: "HEAD", expect: { body: { contains: "x" } } }, "expect.body", "a reply to HEAD has none"],
  ["http", { headers: { "Content-Length": "1" } }, "headers.Content-Length", "cannot be set: it follows from `body`"],
  ["http", { max_latency: "0s" }, "max_latency", "must be at least 1ms"],
  ["http", { max_latency: "500" }, "max_latency", "expected a duration such as 500ms, 10s or 5m"],
  ["http", json({}), "expect.body.json.path", "expected a JSON path such as $.status"],
  [
    "http",
    json({ path: "status" }),
    "expect.body.json.path",
    "expected a JSON path such as $.status, beginning with $",
  ],
  [
    "http",
    json({ path: "$.a[" }),
    "expect.body.json.path",
    "is not a JSON path (RFC 9535): unclosed bracketed selection ('$.a[':4)",
  ],
  ["http", json({ path: "$.a", equals: "1", max: "2" }), "expect.body.json.equals", "goes with neither min nor max"],
  ["http", json({ path: "$.a", min: "3", max: "2" }), "expect.body.json.max", "is below min"],
  ["http", json({ path: "$.a", min: "x" }), "expect.body.json.min", "expected a number such as 10 or -0.5"],
  [
    "http",
    { ...json({ path: "$.a" }), max_body: "2MiB" },
    "max_body",
    "must be at most 1MiB where expect.body.json is given: it is read in one go",
  ],
  ["udp", lengths({}), "expect", "expected text, hex, min_length or max_length"],
  ["udp", lengths({ text: "a", hex: "00" }), "expect", "expected either text or hex"],
  ["udp", lengths({ min_length: "5", max_length: "4" }), "expect.max_length", "is below min_length"],
  ["udp", lengths({ text: "pong", max_length: "3" }), "expect.max_length", "is shorter than text or hex"],
  ["udp", lengths({ max_length: "65508" }), "expect.max_length", "expected a whole number from 0 to 65507"],
  [
    "udp",
    lengths({ text: "a", min_length: "3", exact: "true" }),
    "expect.exact",
    "is the length of text or hex: leave out min_length and max_length",
  ],
  ["tcp", { expect: { text: "a", min_length: "3" } }, "expect", 'Unrecognized key: "min_length"'],
  ["https", { verify: "no" }, "verify", "expected true or false"],
  ["dns", { name: "a..b" }, "name", NAME],
  ["dns", { name: "a b" }, "name", NAME],
  ["dns", { name: "käse.example" }, "name", `${NAME}; letters beyond ASCII are written as xn--…`],
  [
    "dns",
    { name: `${"a".repeat(64)}.example` },
    "name",
    'a part of a name has at most 63 letters, "aaaaaaaaaaaa…" is longer',
  ],
  ["dns", { name: `${"a.".repeat(127)}a` }, "name", "a name has at most 253 letters"],
  ["dns", { name: "10.0.0.7", record: "PTR" }, "name", "is an address: write 7.0.0.10.in-addr.arpa"],
  ["dns", { name: "2001:db8::7", record: "PTR" }, "name", "is an address: write its name below ip6.arpa"],
  ["dns", { record: "a" }, "record", `expected one of ${RECORDS.join(", ")}, did you mean "A"?`],
  ["dns", { expect: { rcode: "OK" } }, "expect.rcode", `expected one of ${RCODES.join(", ")}`],
  ["dns", { expect: { answer: "some" } }, "expect.answer", "expected any, or a map with contains or address"],
  ["dns", { expect: { answer: {} } }, "expect.answer", "expected either contains or address"],
  [
    "dns",
    { expect: { rcode: ["NOERROR", "NXDOMAIN"], answer: "any" } },
    "expect.answer",
    "means something with rcode NOERROR only: other replies have no answer",
  ],
  [
    "dns",
    { name: "a", record: "AAAA", expect: { answer: { address: "10.0.0.7" } } },
    "expect.answer.address",
    "stands in A records, and AAAA is asked for",
  ],
  ["smtp", { helo: "my_host" }, "helo", HELO],
  ["smtp", { helo: "10.0.0.5" }, "helo", "an address stands in brackets: [10.0.0.5]"],
  ["smtp", { helo: "2001:db8::5" }, "helo", "an address stands in brackets: [IPv6:2001:db8::5]"],
  ["smtp", { helo: "lb.test\r\nRSET" }, "helo", HELO],
  ["smtp", { tls: "true", starttls: "true" }, "starttls", "contradicts `tls: true`: leave one of them out"],
  ["smtp", { verify: "false" }, "verify", "means something with `tls: true` or `starttls: true` only"],
  ["grpc", { service: "my service" }, "service", GRPC_SERVICE],
  ["grpc", { sni: "a.example" }, "sni", "means something with `tls: true` only"],
  ["grpc", { tls: "true", certificate: own }, "key", "missing: `certificate` needs its key"],
];

describe("refused", () => {
  for (const [type, options, at, message] of refused)
    test(`${type} ${JSON.stringify(options)}`, () => {
      const result = probeTypes.get(type)!.options.safeParse(options);
      const issues = result.error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
      assert.deepEqual(issues, [`${at}: ${message}`]);
    });
});

const accepted: readonly (readonly [type: string, options: Record<string, unknown>, label: string])[] = [
  ["tcp", {}, "tcp"],
  ["tcp", { send: "PING\r\n", expect: { hex: "2B xx 0?" }, close: "reset" }, "tcp"],
  ["tcp", { tls: "true", sni: "mail.example.com", ca: own, verify: "true", expect: "220" }, "tcp with TLS"],
  [
    "tcp",
    { tls: "true", certificate: own, key: ownKey, certificate_days_left: "14", max_latency: "300ms" },
    "tcp with TLS",
  ],
  ["udp", lengths({ min_length: "1" }), "udp"],
  ["udp", lengths({ hex: "12xx", min_length: "12", max_length: "512" }), "udp"],
  ["http", { method: "POST", body: { hex: "00ff" }, max_latency: "1s500ms" }, "http POST /"],
  ["http", json({ path: "$.status", equals: ["ok", "1", "true"] }), "http GET /"],
  [
    "http",
    { expect: { body: { json: [{ path: "$.queue", min: "-0.5", max: "1000" }, { path: "$..x" }] } } },
    "http GET /",
  ],
  ["https", { version: "2", certificate: own, key: ownKey }, "https GET /"],
  ["udp", { send: { hex: "00001e10" }, expect: { hex: "0?1E", exact: "true" } }, "udp"],
  ["udp", { send: "x", silence: "pass" }, "udp"],
  ["http", {}, "http GET /"],
  ["http", { method: "HEAD", path: "/ready?x=%20" }, "http HEAD /ready?x=%20"],
  [
    "http",
    { expect: { status: ["200", "301-302"], body: { contains: "ok", regex: "^ok" } }, headers: { "X-A": "1" } },
    "http GET /",
  ],
  ["http", { expect: { status: "204" }, max_body: "1000", host: "[2001:db8::1]:8080" }, "http GET /"],
  ["https", { sni: "www.example.com", ca: own, verify: "false", max_body: "1MiB" }, "https GET /"],
  ["dns", {}, "dns SOA ."],
  ["dns", { name: "Example.com.", record: "MX", recursion: "false", transport: "tcp" }, "dns MX Example.com over TCP"],
  ["dns", { name: "_sip._udp.example.com", record: "SRV", expect: { answer: "any" } }, "dns SRV _sip._udp.example.com"],
  ["dns", { name: "a", record: "A", expect: { answer: { address: "10.0.0.7" } }, max_latency: "100ms" }, "dns A a"],
  ["dns", { name: `${"a.".repeat(126)}a`, expect: { rcode: ["NXDOMAIN", "REFUSED"] } }, `dns SOA ${"a.".repeat(126)}a`],
  ["smtp", {}, "smtp"],
  ["smtp", { helo: "lb-1.example.com", starttls: "true", ca: own, sni: "mail.example.com" }, "smtp with STARTTLS"],
  ["smtp", { helo: "[IPv6:2001:db8::5]", tls: "true", verify: "false" }, "smtp with TLS"],
  ["grpc", {}, "grpc"],
  [
    "grpc",
    { service: "shop.v1.Cart", tls: "true", ca: own, host: "cart.example.com:443" },
    "grpc shop.v1.Cart with TLS",
  ],
  ["grpc", { reuse_connection: "true", max_latency: "1s" }, "grpc"],
];

describe("accepted, and the same again when written back", () => {
  for (const [name, options, label] of accepted)
    test(`${name} ${JSON.stringify(options)}`, () => {
      const type = probeTypes.get(name)!;
      const value = type.options.parse(options);
      assert.equal(type.label(value), label);
      const written = z.encode(type.options, value);
      assert.deepEqual(type.options.parse(written), value);
      assert.deepEqual(z.encode(type.options, type.options.parse(written)), written);
    });
});

test("every type says in JSON Schema what it takes", () => {
  for (const [name, type] of probeTypes) {
    const schema = z.toJSONSchema(type.options, { io: "input" });
    assert.equal(schema.type, "object", name);
    assert.equal(schema.additionalProperties, false, name);
    assert.ok(Object.keys(schema.properties ?? {}).length > 0, name);
  }
});
