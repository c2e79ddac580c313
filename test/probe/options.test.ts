import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { probeTypes } from "../../src/probe/registry.ts";

type Row = readonly [type: string, options: Record<string, unknown>, at: string, message: string];

const HEX = "expected bytes in hexadecimal such as 00001e10, x for a digit that may be anything";
const STATUS = "expected a status such as 200 or a range such as 200-299";

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
  ["http", { expect: { body: {} } }, "expect.body", "expected contains or regex"],
  [
    "http",
    { expect: { body: { regex: "(" } } },
    "expect.body.regex",
    "Invalid regular expression: /(/: Unterminated group",
  ],
  ["http", { max_body: "17MiB" }, "max_body", "must be at most 16MiB"],
  ["http", { max_body: "64kb" }, "max_body", "expected a size such as 64KiB or 1MiB"],
  ["http", { verify: "false" }, "", 'Unrecognized key: "verify"'],
  ["https", { ca: "ca.pem" }, "ca", "expected an absolute path, beginning with /"],
  ["https", { verify: "no" }, "verify", "expected true or false"],
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
  [
    "tcp",
    { tls: "true", sni: "mail.example.com", ca: "/etc/ssl/own.pem", verify: "true", expect: "220" },
    "tcp with TLS",
  ],
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
  ["https", { sni: "www.example.com", ca: "/etc/ssl/own.pem", verify: "false", max_body: "1MiB" }, "https GET /"],
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
    assert.ok(Object.keys(schema.properties ?? {}).length > 1, name);
  }
});
