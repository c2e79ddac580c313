import { z } from "zod";
import { bool, scalar } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { hostText } from "./host-name.ts";
import { latencyKeys } from "./latency.ts";
import { pairMatches, TLS_KEYS, tlsKeys } from "./tls-options.ts";

const SERVICE = "expected the name of a gRPC service such as shop.v1.Cart, or nothing for the server as a whole";

const serviceName = scalar<string>({
  expected: SERVICE,
  read: (source) => (/^[\x21-\x7e]{0,255}$/.test(source) ? ok(source) : err(SERVICE)),
  write: String,
  json: { type: "string" },
});

export const grpcOptions = z
  .strictObject({
    service: serviceName.prefault("").describe("Whose health is asked for; empty: that of the server as a whole"),
    host: hostText.optional().describe("The :authority, as given. Default: the target's address and port"),
    tls: bool.prefault("false").describe("TLS from the first byte on"),
    ...tlsKeys,
    ...latencyKeys,
    reuse_connection: bool
      .prefault("false")
      .describe("Keep the connection between probes; a listener that takes no new connections then goes unseen"),
  })
  .superRefine((check, context) => {
    for (const key of TLS_KEYS)
      if (!check.tls && check[key] !== undefined)
        context.addIssue({
          code: "custom",
          path: [key],
          message: "means something with `tls: true` only",
          input: check,
        });
  })
  .superRefine(pairMatches);

export type GrpcOptions = z.output<typeof grpcOptions>;
