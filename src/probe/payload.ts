import { z } from "zod";
import { bool, hexBytes, integer, scalar, text } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { textOr } from "./shapes.ts";

const EXPECTED = "expected text, or a map with text or hex";

/** Exactly one of `text` and `hex`; not complained of where something else is wrong, which is likely a misspelling of one of them. */
function either<T extends { readonly text?: unknown; readonly hex?: unknown }, I>(
  map: z.ZodType<T, I>,
): z.ZodType<T, I> {
  return map.refine(({ text, hex }) => (text === undefined) !== (hex === undefined), {
    error: "expected either text or hex",
    when: ({ issues }) => issues.length === 0,
  });
}

/** Bytes to send: `send: "PING\r\n"`, `send: { text: "PING\r\n" }` or `send: { hex: 50494e470d0a }`. Text goes out as UTF-8. */
export const payload = textOr(
  EXPECTED,
  either(
    z.strictObject({
      text: text.optional().describe("Goes out as UTF-8"),
      hex: hexBytes.optional().describe("Bytes, two digits each"),
    }),
  ),
);

export type Payload = z.output<typeof payload>;

const PATTERN = "expected bytes in hexadecimal such as 00001e10, x for a digit that may be anything";

/** Hexadecimal digits in which `x` stands for any digit, in lower case and without blanks. */
const hexPattern = scalar<string>({
  expected: PATTERN,
  read(source) {
    const digits = source.replaceAll(/\s+/g, "").toLowerCase().replaceAll("?", "x");
    if (/^\s*0x/i.test(source)) return err('write the digits without "0x" (for a first byte 00 to 0f write 0?)');
    if (!/^[0-9a-fx]+$/.test(digits)) return err(PATTERN);
    return digits.length % 2 === 0 ? ok(digits) : err("an odd number of hexadecimal digits: half a byte is missing");
  },
  write: (digits) => digits.replace(/^0x/, "0?"),
  json: { type: ["string", "number"], pattern: "^\\s*([0-9a-fA-FxX?]\\s*)+$" },
});

const patternKeys = {
  text: text.optional().describe("What the reply begins with"),
  hex: hexPattern.optional().describe("The same as hexadecimal digits; x stands for any digit"),
};

/** What the bytes of a stream must begin with: `expect: "+PONG"`, `expect: { text: … }`, `expect: { hex: 1234xxxx }`. */
export const pattern = textOr(EXPECTED, either(z.strictObject(patternKeys)));

/** What a UDP datagram can hold over IPv4: 65535 less two headers. */
const MAX_DATAGRAM = 65_507;
const length = integer(0, MAX_DATAGRAM);

/** The same for a datagram, which may be held to a length: that of the pattern itself, or one within limits, with or without a pattern. */
export const datagramPattern = textOr(
  EXPECTED,
  z
    .strictObject({
      ...patternKeys,
      exact: bool.optional().describe("The reply may not be longer than text or hex. Default: false"),
      min_length: length.optional().describe("Bytes the reply has at least"),
      max_length: length.optional().describe("Bytes the reply has at most"),
    })
    .superRefine(({ text, hex, exact, min_length: min, max_length: max }, context) => {
      const problem = (message: string, ...path: string[]): void =>
        context.addIssue({ code: "custom", path, message, input: text });
      const limited = (min ?? max) !== undefined;
      if (text !== undefined && hex !== undefined) problem("expected either text or hex");
      if (text === undefined && hex === undefined && !limited) problem("expected text, hex, min_length or max_length");
      if (exact && limited) problem("is the length of text or hex: leave out min_length and max_length", "exact");
      if (exact && text === undefined && hex === undefined) problem("needs text or hex", "exact");
      if (min !== undefined && max !== undefined && min > max) problem("is below min_length", "max_length");
      if (max !== undefined && max < patternLength({ text, hex })) problem("is shorter than text or hex", "max_length");
    }),
);

export type Pattern = z.output<typeof datagramPattern>;

function patternLength({ text, hex }: Pick<Pattern, "text" | "hex">): number {
  return hex === undefined ? Buffer.byteLength(text ?? "") : hex.length / 2;
}

export function payloadBytes(value: Payload): Buffer {
  return value.hex === undefined ? Buffer.from(value.text ?? "") : Buffer.from(value.hex);
}

/** Tells whether a reply fits. `more`: it fits as far as it goes, but is still too short. */
export interface Matcher {
  match(reply: Uint8Array): "yes" | "no" | "more";
  /** What a reply is that does not fit. */
  trouble(reply: Uint8Array): string;
}

export function matcher(value: Pattern): Matcher {
  const digits = value.hex ?? Buffer.from(value.text ?? "").toString("hex");
  const wanted = Buffer.from(digits.replaceAll("x", "0"), "hex");
  const mask = Buffer.from(digits.replaceAll(/[^x]/g, "f").replaceAll("x", "0"), "hex");
  const { length } = wanted;
  const min = Math.max(length, value.min_length ?? 0);
  const max = value.exact ? length : (value.max_length ?? Number.POSITIVE_INFINITY);

  function match(reply: Uint8Array): "yes" | "no" | "more" {
    const common = Math.min(length, reply.length);
    for (let i = 0; i < common; i++) if ((reply[i]! & mask[i]!) !== wanted[i]) return "no";
    if (reply.length < min) return "more";
    return reply.length > max ? "no" : "yes";
  }

  return {
    match,
    trouble(reply) {
      const fits = reply.length >= (value.min_length ?? 0) && reply.length <= (value.max_length ?? reply.length);
      return `unexpected reply ${shown(reply)}${fits ? "" : `, expected ${limitWords(value)}`}`;
    },
  };
}

function limitWords({ min_length: min, max_length: max }: Pattern): string {
  if (min === undefined) return `at most ${max}`;
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
}

/** The first bytes of a reply as people can read them: text where it is printable, else hexadecimal. */
export function shown(reply: Uint8Array): string {
  const head = Buffer.from(reply.subarray(0, 24));
  const rest = reply.length > head.length ? "…" : "";
  const line = head.toString("latin1");
  if (reply.length === 0) return "of 0 bytes";
  const words = /^[\x20-\x7e\r\n\t]+$/.test(line) ? JSON.stringify(line) : `hex ${head.toString("hex")}`;
  return `${words}${rest} of ${reply.length} bytes`;
}
