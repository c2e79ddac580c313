import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import {
  absolutePath,
  bool,
  duration,
  durationFrom,
  endpoint,
  hexBytes,
  integer,
  ipAddress,
  octalMode,
  oneOf,
  port,
  share,
  text,
} from "../../src/config/scalars.ts";

/** What a scalar makes of a text: its value, or the message of its first problem. */
function reading(schema: z.ZodType, source: unknown): { value: unknown } | { message: string } {
  const result = schema.safeParse(source);
  return result.success ? { value: result.data } : { message: result.error.issues[0]!.message };
}

const DURATION = "expected a duration such as 500ms, 10s or 5m";
const ADDRESS = "expected an IPv4 or IPv6 address";
const ENDPOINT = "expected ADDRESS:PORT such as 192.0.2.10:80 or [2001:db8::1]:80";
const HEX = "expected bytes in hexadecimal such as 00001e10";

const accepted: readonly [name: string, schema: z.ZodType, source: string, value: unknown][] = [
  ["duration", duration, "1m30s", 90_000],
  ["duration", duration, "0s", 0],
  ["duration from 100ms", durationFrom(100), "100ms", 100],
  ["integer", integer(0, 65_535), "0", 0],
  ["integer", integer(0, 65_535), "65535", 65_535],
  ["negative integer", integer(-5, 5), "-5", -5],
  ["port", port, "80", 80],
  ["bool", bool, "false", false],
  ["one of", oneOf("tcp", "udp"), "udp", "udp"],
  ["share", share, "50%", 0.5],
  ["share", share, "12.5%", 0.125],
  ["address", ipAddress, "10.0.0.1", { family: 4, text: "10.0.0.1" }],
  ["address", ipAddress, "2001:DB8:0:0::1", { family: 6, text: "2001:db8::1" }],
  ["endpoint", endpoint, "[2001:db8::1]:80", { address: { family: 6, text: "2001:db8::1" }, port: 80 }],
  ["mode", octalMode, "0660", 0o660],
  ["mode", octalMode, "660", 0o660],
  ["mode as YAML 1.2 writes octal", octalMode, "0o660", 0o660],
  ["hex that looks like a number", hexBytes, "00001e10", Uint8Array.of(0, 0, 0x1e, 0x10)],
  ["hex with blanks, either case", hexBytes, "AB cd\n EF\n", Uint8Array.of(0xab, 0xcd, 0xef)],
  ["path", absolutePath, "/run/director/control.sock", "/run/director/control.sock"],
  ["text", text, "0x10", "0x10"],
];

const refused: readonly [name: string, schema: z.ZodType, source: unknown, message: string][] = [
  ["a bare number as duration", duration, "10", DURATION],
  ["a duration with a blank", duration, "10 s", DURATION],
  ["a map as duration", duration, {}, DURATION],
  ["a duration below its limit", durationFrom(100), "50ms", "must be at least 100ms"],
  ["a duration above its limit", durationFrom(0, 1000), "2s", "must be at most 1s"],
  ["a leading zero", integer(0, 65_535), "010", "expected a whole number from 0 to 65535"],
  ["a fraction", integer(0, 65_535), "1.5", "expected a whole number from 0 to 65535"],
  ["hexadecimal", integer(0, 65_535), "0x10", "expected a whole number from 0 to 65535"],
  ["a number above the limit", integer(0, 65_535), "65536", "expected a whole number from 0 to 65535"],
  ["port 0", port, "0", "expected a whole number from 1 to 65535"],
  ["yes", bool, "yes", "expected true or false"],
  ["a near miss", oneOf("tcp", "udp"), "upd", 'expected one of tcp, udp, did you mean "udp"?'],
  ["a far miss", oneOf("tcp", "udp"), "quic", "expected one of tcp, udp"],
  ["a share without percent sign", share, "0.5", "expected a percentage from 0% to 100%"],
  ["more than everything", share, "101%", "expected a percentage from 0% to 100%"],
  [
    "an octal address",
    ipAddress,
    "010.0.0.1",
    `${ADDRESS}: "010.0.0.1" has a leading zero, which other programs read as octal`,
  ],
  ["a short address", ipAddress, "10.1", `${ADDRESS}: "10.1" is a short form, write all four numbers`],
  ["a number above 255", ipAddress, "10.0.0.256", `${ADDRESS}: each number of "10.0.0.256" must be at most 255`],
  ["a network", ipAddress, "10.0.0.0/24", `${ADDRESS}, without a prefix length`],
  ["a name", ipAddress, "web1.example.com", `${ADDRESS}: names are not resolved`],
  ["a port after an address", ipAddress, "10.0.0.1:80", `${ADDRESS}, without a port`],
  [
    "brackets without port",
    ipAddress,
    "[::1]",
    `${ADDRESS}, brackets stand only around an IPv6 address that has a port`,
  ],
  [
    "a zone",
    ipAddress,
    "fe80::1%eth0",
    `${ADDRESS}, without a zone: link-local addresses mean something on one interface only`,
  ],
  ["an endpoint without address", endpoint, ":9180", `${ENDPOINT}: the address is missing`],
  ["an endpoint without port", endpoint, "10.0.0.1", `${ENDPOINT}: the port is missing`],
  [
    "an IPv6 endpoint without brackets",
    endpoint,
    "2001:db8::1",
    `${ENDPOINT}: an IPv6 address with a port stands in brackets`,
  ],
  ["a port that is none", endpoint, "10.0.0.1:http", 'expected a port from 1 to 65535 after "10.0.0.1", not "http"'],
  ["a port above the limit", endpoint, "[::1]:65536", 'expected a port from 1 to 65535 after "::1", not "65536"'],
  [
    "an octal address in an endpoint",
    endpoint,
    "010.0.0.1:80",
    `${ADDRESS}: "010.0.0.1" has a leading zero, which other programs read as octal`,
  ],
  ["IPv4 in brackets", endpoint, "[10.0.0.1]:80", `${ENDPOINT}: brackets are for IPv6 only`],
  ["a star", endpoint, "*:80", `${ENDPOINT}: "*" is no address`],
  ["a mode with a digit 8", octalMode, "0680", "expected permission bits in octal such as 0660"],
  ["half a byte", hexBytes, "00 1", '"1" has an odd number of hexadecimal digits: half a byte is missing'],
  ["no hex", hexBytes, "12 xy", '"xy" is not hexadecimal: expected bytes such as 00001e10'],
  ["no bytes", hexBytes, " ", HEX],
  ["a relative path", absolutePath, "run/x", "expected an absolute path, beginning with /"],
  ["no text", text, "", "may not be empty"],
  ["a list as text", text, [], "expected text"],
];

describe("scalars", () => {
  for (const [name, schema, source, value] of accepted)
    test(`${name}: ${JSON.stringify(source)} is read`, () => assert.deepEqual(reading(schema, source), { value }));

  for (const [name, schema, source, message] of refused)
    test(`${name}: ${JSON.stringify(source)} is refused`, () => assert.deepEqual(reading(schema, source), { message }));

  test("what was read is written as text that reads the same", () => {
    for (const [name, schema, source, value] of accepted)
      assert.deepEqual(schema.parse(z.encode(schema, schema.parse(source))), value, name);
  });

  test("every duration, share and run of bytes survives being written", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000_000),
        fc.integer({ min: 0, max: 100_000 }),
        fc.uint8Array({ minLength: 1 }),
        (ms, thousandths, bytes) => {
          assert.equal(duration.parse(z.encode(duration, ms)), ms);
          const asked = share.parse(`${thousandths / 1000}%`);
          assert.equal(share.parse(z.encode(share, asked)), asked);
          assert.deepEqual(hexBytes.parse(z.encode(hexBytes, bytes)), bytes);
        },
      ),
    );
  });

  test("no text makes a scalar throw", () => {
    const schemas = accepted.map(([, schema]) => schema);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[\d.:[\]%hms]{0,12}$/)), (source) => {
        for (const schema of schemas) schema.safeParse(source);
      }),
    );
  });

  test("the JSON Schema takes what a YAML editor sees, and shows forms and defaults as they are written", () => {
    const schema = z.strictObject({ weight: integer(0, 9), on: bool, interval: duration.prefault("2s") });
    assert.deepEqual(z.toJSONSchema(schema, { io: "input" }), {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        weight: {
          title: "a whole number from 0 to 9",
          type: ["integer", "string"],
          minimum: 0,
          maximum: 9,
          pattern: "^(0|-?[1-9][0-9]*)$",
        },
        on: { title: "true or false", type: ["boolean", "string"], enum: [true, false, "true", "false"] },
        interval: {
          title: "a duration",
          type: "string",
          pattern: "^(?=.)(\\d+(\\.\\d+)?h)?(\\d+(\\.\\d+)?m)?(\\d+(\\.\\d+)?s)?(\\d+(\\.\\d+)?ms)?$",
          default: "2s",
        },
      },
      required: ["weight", "on"],
      additionalProperties: false,
    });
  });
});
