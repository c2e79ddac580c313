import { z } from "zod";
import { bool, scalar } from "../config/scalars.ts";
import { parseAddress } from "../model/address.ts";
import { err, ok } from "../model/result.ts";
import { latencyKeys } from "./latency.ts";
import { pairMatches, TLS_KEYS, tlsKeys } from "./tls-options.ts";

const HELO = "expected a host name such as director.example.com, or an address in brackets such as [192.0.2.5]";

/** What EHLO and HELO take (RFC 5321 4.1.2): a name, or an address literal. Never looked up. */
const helo = scalar<string>({
  expected: HELO,
  read(source) {
    if (parseAddress(source) !== undefined)
      return err(`an address stands in brackets: [${source.includes(":") ? "IPv6:" : ""}${source}]`);
    const literal = /^\[(?:IPv6:)?([0-9a-f:.]+)\]$/i.exec(source)?.[1];
    if (literal !== undefined) return parseAddress(literal) === undefined ? err(HELO) : ok(source);
    const name = /^(?=.{1,255}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
    return name.test(source) ? ok(source) : err(HELO);
  },
  write: String,
  json: { type: "string" },
});

export const smtpOptions = z
  .strictObject({
    helo: helo
      .optional()
      .describe(
        "How we introduce ourselves. Default: our own address in brackets, which is right everywhere (RFC 5321 4.1.1.1)",
      ),
    tls: bool.prefault("false").describe("TLS from the first byte on, as on port 465"),
    starttls: bool.prefault("false").describe("TLS after EHLO, which the server has to offer"),
    ...tlsKeys,
    ...latencyKeys,
  })
  .superRefine((check, context) => {
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: check });
    if (check.tls && check.starttls) problem("starttls", "contradicts `tls: true`: leave one of them out");
    for (const key of TLS_KEYS)
      if (!check.tls && !check.starttls && check[key] !== undefined)
        problem(key, "means something with `tls: true` or `starttls: true` only");
  })
  .superRefine(pairMatches);

export type SmtpOptions = z.output<typeof smtpOptions>;
