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
    /** Whose health is asked for; empty: that of the server as a whole. */
    service: serviceName.prefault(""),
    /** The :authority, as given; default the target's address and port. */
    host: hostText.optional(),
    tls: bool.prefault("false"),
    ...tlsKeys,
    ...latencyKeys,
    /** Keep the connection between probes. The probe then says less: a listener that takes no new connections goes unseen. */
    reuse_connection: bool.prefault("false"),
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
