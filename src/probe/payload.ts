import { z } from "zod";
import { bool, hexBytes, scalar, text } from "../config/scalars.ts";
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
export const payload = textOr(EXPECTED, either(z.strictObject({ text: text.optional(), hex: hexBytes.optional() })));

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

const patternKeys = { text: text.optional(), hex: hexPattern.optional() };

/** What the bytes of a stream must begin with: `expect: "+PONG"`, `expect: { text: … }`, `expect: { hex: 1234xxxx }`. */
export const pattern = textOr(EXPECTED, either(z.strictObject(patternKeys)));

/** The same for a datagram, which with `exact: true` may not be longer either. */
export const datagramPattern = textOr(EXPECTED, either(z.strictObject({ ...patternKeys, exact: bool.optional() })));

export type Pattern = z.output<typeof datagramPattern>;

export function payloadBytes(value: Payload): Buffer {
  return value.hex === undefined ? Buffer.from(value.text ?? "") : Buffer.from(value.hex);
}

/** Tells whether a reply fits. `more`: it fits as far as it goes, but is still too short. */
export interface Matcher {
  readonly length: number;
  match(reply: Uint8Array): "yes" | "no" | "more";
}

export function matcher(value: Pattern): Matcher {
  const digits = value.hex ?? Buffer.from(value.text ?? "").toString("hex");
  const wanted = Buffer.from(digits.replaceAll("x", "0"), "hex");
  const mask = Buffer.from(digits.replaceAll(/[^x]/g, "f").replaceAll("x", "0"), "hex");
  const { length } = wanted;
  return {
    length,
    match(reply) {
      const common = Math.min(length, reply.length);
      for (let i = 0; i < common; i++) if ((reply[i]! & mask[i]!) !== wanted[i]) return "no";
      if (reply.length < length) return "more";
      return value.exact === true && reply.length > length ? "no" : "yes";
    },
  };
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
