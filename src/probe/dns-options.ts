import { isIP } from "node:net";
import { z } from "zod";
import { bool, ipAddress, oneOf, type REFUSED, scalar, text } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { latencyKeys } from "./latency.ts";
import { oneOrMore } from "./shapes.ts";

/** What can be asked for: those whose data can be shown and compared. */
export const RECORDS = [
  "A",
  "AAAA",
  "CAA",
  "CNAME",
  "DNSKEY",
  "MX",
  "NS",
  "PTR",
  "RRSIG",
  "SOA",
  "SRV",
  "TXT",
] as const;

export type RecordType = (typeof RECORDS)[number];

/** Response codes by number (RFC 1035 4.1.1, RFC 2136 2.2). */
export const RCODES = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "YXDOMAIN",
  "YXRRSET",
  "NXRRSET",
  "NOTAUTH",
  "NOTZONE",
] as const;

const NAME = "expected a domain name such as www.example.com, or . for the root";

/** A name without its last dot, `.` for the root. RFC 1035 2.3.4: labels of up to 63 bytes, 255 in all with their lengths. */
const domainName = scalar<string>({
  expected: NAME,
  read(source) {
    const name = source === "." ? source : source.replace(/\.$/, "");
    if (name === ".") return ok(name);
    const labels = name.split(".");
    if (labels.some((label) => label === "" || /[^\x21-\x7e]|[\\"]/.test(label)))
      return err(/[\u0080-\uffff]/.test(name) ? `${NAME}; letters beyond ASCII are written as xn--…` : NAME);
    const long = labels.find((label) => label.length > 63);
    if (long !== undefined) return err(`a part of a name has at most 63 letters, "${long.slice(0, 12)}…" is longer`);
    return name.length <= 253 ? ok(name) : err("a name has at most 253 letters");
  },
  write: String,
  json: { type: "string" },
});

/** The reverse zone's name of an address, which people tend to ask for by the address itself. */
function reverse(address: string): string {
  return isIP(address) === 4 ? `${address.split(".").reverse().join(".")}.in-addr.arpa` : "its name below ip6.arpa";
}

const answer = z.union(
  [
    z.literal("any"),
    z
      .strictObject({
        contains: text
          .optional()
          .describe(
            "Somewhere in the record's data as dig shows it, names without their last dot; case does not matter",
          ),
        address: ipAddress.optional().describe("The very address of an A or AAAA record"),
      })
      .refine(({ contains, address }) => (contains === undefined) !== (address === undefined), {
        error: "expected either contains or address",
        when: ({ issues }) => issues.length === 0,
      }),
  ],
  { error: "expected any, or a map with contains or address" },
);

export const dnsOptions = z
  .strictObject({
    name: domainName.prefault(".").describe("What is asked for"),
    record: oneOf(...RECORDS)
      .prefault("SOA")
      .describe("The type of record to ask for; `type` is the check's own"),
    expect: z
      .strictObject({
        rcode: oneOrMore(oneOf(...RCODES))
          .prefault("NOERROR")
          .describe("Response codes that pass"),
        answer: answer
          .optional()
          .describe("any: a record of the type asked for; or one that fits. Left out: an empty answer passes too"),
      })
      .prefault({})
      .describe("What passes"),
    recursion: bool.prefault("true").describe("Whether the server shall ask others, as resolvers are asked"),
    transport: oneOf("udp", "tcp").prefault("udp").describe("A truncated answer over udp is asked for again over tcp"),
    ...latencyKeys,
  })
  .superRefine(({ name, record, expect }, context) => {
    const problem = (path: string[], message: string, params?: typeof REFUSED): void =>
      context.addIssue({ code: "custom", path, message, input: name, ...(params && { params }) });
    if (record === "PTR" && isIP(name) !== 0) problem(["name"], `is an address: write ${reverse(name)}`);
    const { answer, rcode } = expect;
    if (answer === undefined) return;
    if (rcode.some((code) => code !== "NOERROR"))
      problem(["expect", "answer"], "means something with rcode NOERROR only: other replies have no answer");
    if (answer === "any" || answer.address === undefined) return;
    const type = answer.address.family === 4 ? "A" : "AAAA";
    if (record !== type)
      problem(["expect", "answer", "address"], `stands in ${type} records, and ${record} is asked for`);
  });

export type DnsOptions = z.output<typeof dnsOptions>;
