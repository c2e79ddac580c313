import { z } from "zod";
import { bool, oneOf, REFUSED, scalar, text } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { bodyExpectation } from "./body-options.ts";
import { hostText } from "./host-name.ts";
import { latencyKeys } from "./latency.ts";
import { payload } from "./payload.ts";
import { oneOrMore } from "./shapes.ts";
import { pairMatches, tlsKeys } from "./tls-options.ts";

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
/** Parsing holds up the whole process: some 10 ms for so much. */
const MAX_JSON = KIB * KIB;

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

/** Headers that follow from other keys or from how a probe is made; undici refuses most of them. */
const OWN_HEADERS: Readonly<Record<string, string>> = {
  host: "use the key `host`",
  connection: "use the key `reuse_connection`",
  "keep-alive": "use the key `reuse_connection`",
  "content-length": "it follows from `body`",
  "transfer-encoding": "the body goes out as a whole",
  expect: "the body goes out as a whole",
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

const keys = {
  path: path.prefault("/").describe("What is asked for, with its query"),
  method: method.prefault("GET").describe("Of the request"),
  host: hostText
    .optional()
    .describe("The Host header, as given. Default: the target's address and, unless it is the scheme's own, port"),
  headers: headers.prefault({}).describe("Further headers of the request"),
  body: payload.optional().describe("What is sent after the headers; needs another method than GET or HEAD"),
  expect: z
    .strictObject({
      status: oneOrMore(statusRange).prefault("200-299").describe("Statuses that pass, 200 to 599"),
      body: bodyExpectation.optional().describe("What the body must be; all that is given must hold"),
    })
    .prefault({})
    .describe("What passes"),
  max_body: size
    .prefault("64KiB")
    .describe(
      "What is read of a body at most, up to 16MiB. Where `expect.body` is not given, a longer body passes by its status",
    ),
  reuse_connection: bool
    .prefault("false")
    .describe("Keep the connection between probes; a listener that takes no new connections then goes unseen"),
  ...latencyKeys,
};

type Keys = Pick<z.output<z.ZodObject<typeof keys>>, "method" | "body" | "expect" | "max_body">;

/** Methods whose requests have no body by what they mean (RFC 9110, 9.3.1, 9.3.2 and 9.3.8). */
const BODILESS = ["GET", "HEAD", "TRACE"];

function fitTogether<T extends Keys>({ method, body, expect, max_body }: T, context: z.core.$RefinementCtx<T>): void {
  const problem = (path: string[], message: string): void =>
    context.addIssue({ code: "custom", path, message, input: method });
  if (body !== undefined && BODILESS.includes(method))
    problem(["body"], `a ${method} request has none: say another method, such as POST`);
  if (expect.body !== undefined && method === "HEAD") problem(["expect", "body"], "a reply to HEAD has none");
  if (expect.body?.json !== undefined && max_body > MAX_JSON)
    problem(
      ["max_body"],
      `must be at most ${formatSize(MAX_JSON)} where expect.body.json is given: it is read in one go`,
    );
}

export const httpOptions = z.strictObject(keys).superRefine(fitTogether);

/** Headers that belong to a connection, of which HTTP/2 has none (RFC 9113, 8.2.2); those of OWN_HEADERS aside. */
const NOT_IN_HTTP2 = ["proxy-connection", "http2-settings", "te"];

export const httpsOptions = z
  .strictObject({
    ...keys,
    ...tlsKeys,
    verify: bool.prefault("true").describe("false: any certificate will do"),
    version: oneOf("1.1", "2").prefault("1.1").describe("Of HTTP; the only one that is offered"),
  })
  .superRefine(fitTogether)
  .superRefine(pairMatches)
  .superRefine(({ version, headers }, context) => {
    for (const name of Object.keys(headers))
      if (version === "2" && NOT_IN_HTTP2.includes(name.toLowerCase()))
        context.addIssue({ code: "custom", path: ["headers", name], message: "HTTP/2 does not have it", input: name });
  });

export type HttpOptions = z.output<typeof httpOptions>;
export type HttpsOptions = z.output<typeof httpsOptions>;
