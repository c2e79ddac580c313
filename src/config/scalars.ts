import { z } from "zod";
import { type Endpoint, formatEndpoint, type IpAddress, parseAddress, parseEndpoint } from "../model/address.ts";
import { err, ok, type Result } from "../model/result.ts";
import { formatDuration, type Millis, parseDuration } from "../model/time.ts";
import { didYouMean } from "./suggest.ts";

/*
 * Building blocks for everything that stands in director.conf as a scalar. A scalar arrives as its source text, never as a number or
 * boolean, so that `mode: 0660` and `hex: 00001e10` keep what was written.
 *
 * All of them are codecs: they read text and can write the value back, which `config show --effective` relies on. So a schema made of
 * them should
 *  - give a default as text, `duration.prefault("2s")`: the JSON Schema and the effective configuration then show it as it is written;
 *  - check with `.refine` or `.superRefine`, which keep that property, and never `.transform`, which loses it (`z.codec` instead).
 */

/** Marks what a scalar itself refused, apart from what a check across several keys did. */
export const REFUSED = { refused: true };

/** A codec from text. `read` says why it refuses; the words of `expected` follow where there was no text at all. */
export function scalar<T>(spec: {
  /** Begins with "expected". */
  readonly expected: string;
  readonly read: (text: string) => Result<T, string>;
  readonly write: (value: T) => string;
  /** JSON Schema of what an editor sees, which types plain scalars by YAML's own rules. Its title is the form, as `expected` has it; the manual
   *  page shows it. */
  readonly json: Readonly<Record<string, unknown>>;
}): z.ZodCodec<z.ZodString, z.ZodCustom<T, T>> {
  return z
    .codec(z.string({ error: spec.expected }), z.custom<T>(), {
      decode(text, context) {
        const result = spec.read(text);
        if (result.ok) return result.value;
        context.issues.push({ code: "custom", message: result.error, input: text, params: REFUSED });
        return z.NEVER;
      },
      encode: spec.write,
    })
    .meta({ title: spec.expected.replace(/^expected /, ""), ...spec.json });
}

const DURATION = "expected a duration such as 500ms, 10s or 5m";

/** Milliseconds, 0 and above. A bare number is refused. */
export const duration: z.ZodType<Millis, string> = durationFrom(0);

/** A duration within limits, both in milliseconds and included. */
export function durationFrom(min: Millis, max: Millis = Number.POSITIVE_INFINITY): z.ZodType<Millis, string> {
  return scalar<Millis>({
    expected: DURATION,
    read(text) {
      const ms = parseDuration(text);
      if (ms === undefined) return err(DURATION);
      if (ms < min) return err(`must be at least ${formatDuration(min)}`);
      if (ms > max) return err(`must be at most ${formatDuration(max)}`);
      return ok(ms);
    },
    write: formatDuration,
    json: {
      title: durationForm(min, max),
      type: "string",
      pattern: "^(?=.)(\\d+(\\.\\d+)?h)?(\\d+(\\.\\d+)?m)?(\\d+(\\.\\d+)?s)?(\\d+(\\.\\d+)?ms)?$",
    },
  });
}

function durationForm(min: Millis, max: Millis): string {
  if (max !== Number.POSITIVE_INFINITY) return `a duration from ${formatDuration(min)} to ${formatDuration(max)}`;
  return min > 0 ? `a duration of at least ${formatDuration(min)}` : "a duration";
}

/** A whole number in decimal digits, both limits included. Leading zeros are refused: they would pass for octal. */
export function integer(min: number, max: number): z.ZodType<number, string> {
  const expected = `expected a whole number from ${min} to ${max}`;
  return scalar<number>({
    expected,
    read(text) {
      const value = /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(value) && value >= min && value <= max ? ok(value) : err(expected);
    },
    write: String,
    json: { type: ["integer", "string"], minimum: min, maximum: max, pattern: "^(0|-?[1-9][0-9]*)$" },
  });
}

/** 1 to 65535. */
export const port: z.ZodType<number, string> = integer(1, 65_535);

export const bool: z.ZodType<boolean, string> = scalar<boolean>({
  expected: "expected true or false",
  read: (text) => (text === "true" || text === "false" ? ok(text === "true") : err("expected true or false")),
  write: String,
  json: { type: ["boolean", "string"], enum: [true, false, "true", "false"] },
});

/** Any text that is not empty. */
export const text: z.ZodType<string, string> = z
  .string({ error: "expected text" })
  .min(1, { error: "may not be empty" })
  .meta({ type: ["string", "number", "boolean"], minLength: 1 });

/** One of a few words; a near miss is named. */
export function oneOf<const T extends readonly [string, ...string[]]>(...words: T): z.ZodType<T[number], string> {
  const expected = words.length === 1 ? `expected ${words[0]}` : `expected one of ${words.join(", ")}`;
  return scalar<T[number]>({
    expected,
    read(text) {
      const word = words.find((w) => w === text);
      return word === undefined ? err(expected + didYouMean(text, words)) : ok(word);
    },
    write: String,
    json: { type: "string", enum: [...words] },
  });
}

/** A share of something, read as a percentage (`50%`, `12.5%`, at most three decimals): 0 to 1. */
export const share: z.ZodType<number, string> = scalar<number>({
  expected: "expected a percentage from 0% to 100%",
  read(text) {
    const digits = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1];
    const value = digits === undefined ? Number.NaN : Number(digits) / 100;
    return value <= 1 ? ok(value) : err("expected a percentage from 0% to 100%");
  },
  write: (value) => `${Number((value * 100).toFixed(3))}%`,
  json: { type: "string", pattern: "^[0-9]{1,3}(\\.[0-9]{1,3})?%$" },
});

/** A literal address; the reason for a refusal says what ipvsadm would quietly have made of it. */
export const ipAddress: z.ZodType<IpAddress, string> = scalar<IpAddress>({
  expected: "expected an IPv4 or IPv6 address",
  read(text) {
    const address = parseAddress(text);
    return address === undefined ? err(addressTrouble(text)) : ok(address);
  },
  write: (address) => address.text,
  json: { type: "string" },
});

/** An address with a port: `10.0.0.1:80`, `[2001:db8::1]:80`. */
export const endpoint: z.ZodType<Endpoint, string> = scalar<Endpoint>({
  expected: "expected ADDRESS:PORT",
  read(text) {
    const value = parseEndpoint(text);
    return value === undefined ? err(endpointTrouble(text)) : ok(value);
  },
  write: (value) => formatEndpoint(value.address, value.port),
  json: { type: "string" },
});

/** Permission bits as octal digits: `0660`, `660` and `0o660` are the same. */
export const octalMode: z.ZodType<number, string> = scalar<number>({
  expected: "expected permission bits in octal such as 0660",
  read(text) {
    const digits = /^(?:0o|0)?([0-7]{3})$/.exec(text)?.[1];
    return digits === undefined
      ? err("expected permission bits in octal such as 0660")
      : ok(Number.parseInt(digits, 8));
  },
  write: (value) => value.toString(8).padStart(4, "0"),
  json: { type: ["string", "integer"], pattern: "^(0o|0)?[0-7]{3}$" },
});

/** Bytes as hexadecimal digits, upper or lower case; blanks and line ends between bytes are ignored. At least one byte. */
export const hexBytes: z.ZodType<Uint8Array, string> = scalar<Uint8Array>({
  expected: "expected bytes in hexadecimal such as 00001e10",
  read(text) {
    const groups = text.split(/\s+/).filter((group) => group !== "");
    const odd = groups.find((group) => !/^([0-9a-f]{2})+$/i.test(group));
    if (groups.length === 0) return err("expected bytes in hexadecimal such as 00001e10");
    if (odd === undefined) return ok(bytesOf(groups.join("")));
    return err(
      /^[0-9a-f]+$/i.test(odd)
        ? `"${odd}" has an odd number of hexadecimal digits: half a byte is missing`
        : `"${odd}" is not hexadecimal: expected bytes such as 00001e10`,
    );
  },
  write: (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  json: { type: ["string", "number"], pattern: "^\\s*([0-9a-fA-F]{2}\\s*)+$" },
});

function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** An absolute path of a file or directory. */
export const absolutePath: z.ZodType<string, string> = scalar<string>({
  expected: "expected an absolute path",
  read: (text) => (/^\/[^\0]*$/.test(text) ? ok(text) : err("expected an absolute path, beginning with /")),
  write: String,
  json: { type: "string", pattern: "^/" },
});

/** Why a text is not a literal address, in words that name the remedy. ipvsadm reads octal and short forms as other addresses than
 *  people mean (`010.0.0.1` becomes 8.0.0.1, `10.1` becomes 10.0.0.1), and resolves names once, at the moment of the call. */
export function addressTrouble(text: string): string {
  const expected = "expected an IPv4 or IPv6 address";
  if (text.includes("/")) return `${expected}, without a prefix length`;
  if (text.includes("%"))
    return `${expected}, without a zone: link-local addresses mean something on one interface only`;
  if (/^\[.*\]$/.test(text)) return `${expected}, brackets stand only around an IPv6 address that has a port`;
  if (/^\d+(\.\d+){0,3}$/.test(text)) {
    const parts = text.split(".");
    if (parts.length < 4) return `${expected}: "${text}" is a short form, write all four numbers`;
    if (parts.some((part) => /^0\d/.test(part)))
      return `${expected}: "${text}" has a leading zero, which other programs read as octal`;
    return `${expected}: each number of "${text}" must be at most 255`;
  }
  if (/^[a-z0-9_.-]+$/i.test(text) && /[a-z]/i.test(text)) return `${expected}: names are not resolved`;
  if (/^(\d+\.){3}\d+:\d*$/.test(text)) return `${expected}, without a port`;
  return expected;
}

/** Why a text is not ADDRESS:PORT. */
export function endpointTrouble(text: string): string {
  const expected = "expected ADDRESS:PORT such as 192.0.2.10:80 or [2001:db8::1]:80";
  if (text.startsWith(":")) return `${expected}: the address is missing`;
  if (text.startsWith("*:")) return `${expected}: "*" is no address`;
  const bare = parseAddress(text);
  if (bare?.family === 6) return `${expected}: an IPv6 address with a port stands in brackets`;
  if (bare !== undefined) return `${expected}: the port is missing`;
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(.*)$/.exec(text);
  if (match === null) return expected;
  const [, inner, outer, digits = ""] = match;
  const address = inner ?? outer ?? "";
  if (parseAddress(address) === undefined) return addressTrouble(address);
  if (inner !== undefined && parseAddress(inner)?.family === 4) return `${expected}: brackets are for IPv6 only`;
  return `expected a port from 1 to 65535 after "${address}", not "${digits}"`;
}
