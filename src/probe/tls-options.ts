import type { z } from "zod";
import { bool, integer } from "../config/scalars.ts";
import { hostText } from "./host-name.ts";
import { certificatesPath, keyPath, mismatch } from "./pem-files.ts";

/** The keys of TLS in https and tcp checks. */
export const tlsKeys = {
  verify: bool.optional().describe("false: any certificate will do. Default: true"),
  ca: certificatesPath.optional().describe("PEM file of the issuers to trust, instead of this machine's"),
  sni: hostText
    .optional()
    .describe(
      "The name asked for in the handshake and looked for in the certificate. Default: host, where there is one",
    ),
  certificate: certificatesPath
    .optional()
    .describe(
      "PEM file of what we show a server that asks who we are: our certificate, then those between it and its root",
    ),
  key: keyPath.optional().describe("PEM file with the private key of certificate, unencrypted"),
  certificate_days_left: integer(1, 3650)
    .optional()
    .describe("Whole days that the server's certificate, and each of its issuers', must still be valid"),
};

export const TLS_KEYS = Object.keys(tlsKeys) as readonly (keyof typeof tlsKeys)[];

type Pair = { readonly certificate?: string | undefined; readonly key?: string | undefined };

/** Our certificate and its key come together, and belong together. */
export function pairMatches<T extends Pair>({ certificate, key }: T, context: z.core.$RefinementCtx<T>): void {
  const problem = (at: keyof Pair, message: string): void =>
    context.addIssue({ code: "custom", path: [at], message, input: key });
  if (certificate !== undefined && key === undefined) problem("key", "missing: `certificate` needs its key");
  if (key !== undefined && certificate === undefined) problem("certificate", "missing: `key` needs its certificate");
  if (certificate === undefined || key === undefined) return;
  const why = mismatch(certificate, key);
  if (why !== undefined) problem("key", why);
}
