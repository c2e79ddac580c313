import { z } from "zod";
import { absolutePath, bool, REFUSED, scalar, text } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { hostText } from "./host-name.ts";
import { oneOrMore } from "./shapes.ts";

/** HTTP status codes, both ends included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

const STATUS = "expected a status such as 200 or a range such as 200-299";

const statusRange = scalar<StatusRange>({
  expected: STATUS,
  read(source) {
    const match = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(source);
    if (match === null) return err(`${STATUS}, from 200 to 599`);
    const range = { from: Number(match[1]), to: Number(match[2] ?? match[1]) };
    return range.from <= range.to ? ok(range) : err(`${source} is upside down`);
  },
  write: formatStatus,
  json: { type: ["integer", "string"], pattern: "^[2-5]\\d\\d(-[2-5]\\d\\d)?$" },
});

export function formatStatus({ from, to }: StatusRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

const SIZE = "expected a size such as 64KiB or 1MiB";
const KIB = 1024;
const MAX_SIZE = 16 * KIB * KIB;

/** Bytes, 1 to 16 MiB: that much of a body may have to be held in memory, for every probe in flight. */
const size = scalar<number>({
  expected: SIZE,
  read(source) {
    const match = /^([1-9]\d{0,8})(|KiB|MiB)$/.exec(source);
    if (match === null) return err(SIZE);
    const bytes = Number(match[1]) * (match[2] === "" ? 1 : match[2] === "KiB" ? KIB : KIB * KIB);
    return bytes <= MAX_SIZE ? ok(bytes) : err("must be at most 16MiB");
  },
  write: (bytes) => (bytes % KIB === 0 ? formatSize(bytes) : String(bytes)),
  json: { type: ["string", "integer"], pattern: "^[1-9][0-9]{0,8}(KiB|MiB)?$" },
});

/** 65536 is `64KiB`. */
export function formatSize(bytes: number): string {
  if (bytes % KIB !== 0) return `${bytes} bytes`;
  return bytes % (KIB * KIB) === 0 ? `${bytes / KIB / KIB}MiB` : `${bytes / KIB}KiB`;
}

const path = scalar<string>({
  expected: "expected a path such as /healthz",
  read(source) {
    if (!source.startsWith("/")) return err("expected a path that begins with /");
    return /^[\x21\x22\x24-\x7e]+$/.test(source)
      ? ok(source)
      : err("blanks, # and characters beyond ASCII must be percent-encoded");
  },
  write: String,
  json: { type: "string", pattern: '^/[!"$-~]*$' },
});

const method = scalar<string>({
  expected: "expected a method such as GET, HEAD or OPTIONS",
  read: (source) =>
    /^[A-Z]+(-[A-Z]+)*$/.test(source) && source !== "CONNECT"
      ? ok(source)
      : err("expected a method in capitals such as GET, HEAD or OPTIONS (CONNECT is not one that can be checked)"),
  write: String,
  json: { type: "string", pattern: "^[A-Z]+(-[A-Z]+)*$" },
});

const regex = scalar<string>({
  expected: "expected a regular expression",
  read(source) {
    try {
      new RegExp(source);
      return ok(source);
    } catch (error) {
      return err((error as Error).message);
    }
  },
  write: String,
  json: { type: "string", format: "regex" },
});

/** Headers that follow from other keys or from how a probe is made; undici refuses most of them. */
const OWN_HEADERS: Readonly<Record<string, string>> = {
  host: "use the key `host`",
  connection: "use the key `reuse_connection`",
  "keep-alive": "use the key `reuse_connection`",
  "content-length": "a probe has no body",
  "transfer-encoding": "a probe has no body",
  expect: "a probe has no body",
  upgrade: "a probe does not change the protocol",
};

const headers = z.record(z.string(), text).superRefine((map, context) => {
  const problem = (name: string, message: string): void =>
    context.addIssue({ code: "custom", path: [name], message, input: map[name], params: REFUSED });
  for (const [name, value] of Object.entries(map)) {
    const own = OWN_HEADERS[name.toLowerCase()];
    if (own !== undefined) problem(name, `cannot be set: ${own}`);
    else if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) problem(name, "is not a header name");
    else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) problem(name, "a header value is one line of Latin-1 text");
  }
});

const body = z
  .strictObject({ contains: text.optional(), regex: regex.optional() })
  .refine(({ contains, regex }) => contains !== undefined || regex !== undefined, "expected contains or regex");

const keys = {
  path: path.prefault("/"),
  method: method.prefault("GET"),
  /** The Host header, as given; default the target's address and, unless it is the scheme's own, port. */
  host: hostText.optional(),
  headers: headers.prefault({}),
  expect: z
    .strictObject({
      status: oneOrMore(statusRange).prefault("200-299"),
      /** Both must hold where both are given. */
      body: body.optional(),
    })
    .prefault({}),
  /** What is read of a body at most. Where `expect.body` is not given, a longer body passes by its status. */
  max_body: size.prefault("64KiB"),
  /** Keep the connection between probes. The probe then says less: a listener that takes no new connections goes unseen. */
  reuse_connection: bool.prefault("false"),
};

export const httpOptions = z.strictObject(keys);

export const httpsOptions = z.strictObject({
  ...keys,
  /** false: any certificate will do. */
  verify: bool.prefault("true"),
  /** PEM file of the issuers to trust, instead of this machine's. */
  ca: absolutePath.optional(),
  /** The name asked for in the handshake and looked for in the certificate, if it is not that of `host`. */
  sni: hostText.optional(),
});

export type HttpOptions = z.output<typeof httpOptions>;
export type HttpsOptions = z.output<typeof httpsOptions>;
