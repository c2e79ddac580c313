import { z } from "zod";
import { bool, oneOf } from "../config/scalars.ts";
import { formatEndpoint } from "../model/address.ts";
import type { ProbeTarget, ProbeType } from "../model/probe.ts";
import { type Connector, tcpConnector } from "./connector.ts";
import { hostName } from "./host-name.ts";
import { latencyKeys, latencyObjections, withinLatency } from "./latency.ts";
import { pattern, payload } from "./payload.ts";
import { openConnecting } from "./tcp-connect.ts";
import { openTalking } from "./tcp-talk.ts";
import { tlsConnector } from "./tls.ts";
import { pairMatches, TLS_KEYS, tlsKeys } from "./tls-options.ts";

const options = z
  .strictObject({
    /** Sent as soon as the connection stands. */
    send: payload.optional(),
    /** What the server's first bytes must be. A server that speaks first and is not listened to sees its greeting answered with a reset. */
    expect: pattern.optional(),
    /** fin: an orderly close. reset: leaves nothing behind on either side, but some servers log it. */
    close: oneOf("fin", "reset").prefault("fin"),
    /** TLS from the first byte on. */
    tls: bool.prefault("false"),
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
    return withinLatency(max_latency, connector(target, options), (connect) =>
      !tls && send === undefined && expect === undefined
        ? openConnecting(target, close)
        : openTalking(target, connect, { send, expect, close }),
    );
  },
};

function connector(target: ProbeTarget, options: TcpOptions): Connector {
  const { tls, verify = true, ca, sni, certificate, key, certificate_days_left: daysLeft } = options;
  if (!tls) return tcpConnector(target);
  const name = sni === undefined ? formatEndpoint(target.endpoint.address) : hostName(sni);
  return tlsConnector(target, { verify, ca, certificate, key, name, daysLeft }, undefined);
}
