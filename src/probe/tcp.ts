import { z } from "zod";
import { bool, oneOf } from "../config/scalars.ts";
import type { ProbeType } from "../model/probe.ts";
import { tcpConnector } from "./connector.ts";
import { latencyKeys, latencyObjections, withinLatency } from "./latency.ts";
import { pattern, payload } from "./payload.ts";
import { openConnecting } from "./tcp-connect.ts";
import { openTalking } from "./tcp-talk.ts";
import { tlsConnector } from "./tls.ts";
import { askedTls } from "./tls-asked.ts";
import { pairMatches, TLS_KEYS, tlsKeys } from "./tls-options.ts";

const options = z
  .strictObject({
    send: payload.optional().describe("Sent as soon as the connection stands"),
    expect: pattern
      .optional()
      .describe(
        "What the server's first bytes must be. A server that speaks first and is not listened to sees its greeting answered with a reset",
      ),
    close: oneOf("fin", "reset")
      .prefault("fin")
      .describe("fin: an orderly close. reset: leaves nothing behind on either side, but some servers log it"),
    tls: bool.prefault("false").describe("TLS from the first byte on"),
    ...tlsKeys,
    ...latencyKeys,
  })
  .superRefine((check, context) => {
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: check });
    for (const key of TLS_KEYS)
      if (!check.tls && check[key] !== undefined) problem(key, "means something with `tls: true` only");
    if (check.tls && check.close === "reset") problem("close", "cannot be reset over TLS");
  })
  .superRefine(pairMatches);

export type TcpOptions = z.output<typeof options>;

/** Connects; with `tls` also shakes hands, with `send` and `expect` also talks. Passes as soon as what was asked for is there. */
export const tcpProbe: ProbeType<TcpOptions> = {
  name: "tcp",
  options,
  objections: latencyObjections,
  label: ({ tls }) => (tls ? "tcp with TLS" : "tcp"),
  open(target, options) {
    const { send, expect, close, tls, max_latency } = options;
    const connector = tls ? tlsConnector(target, askedTls(target, options), undefined) : tcpConnector(target);
    return withinLatency(max_latency, connector, (connect) =>
      !tls && send === undefined && expect === undefined
        ? openConnecting(target, close)
        : openTalking(target, connect, { send, expect, close }),
    );
  },
};
