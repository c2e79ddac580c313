import { z } from "zod";
import { oneOf } from "../config/scalars.ts";
import type { ProbeType } from "../model/probe.ts";
import { datagramPattern, matcher, payload, payloadBytes } from "./payload.ts";
import { openExpecting } from "./udp-expect.ts";
import { openSilent } from "./udp-silence.ts";

const options = z
  .strictObject({
    send: payload.describe("The datagram to send"),
    expect: datagramPattern
      .optional()
      .describe("What the reply must begin with, or be with `exact: true`, and how long it may be"),
    silence: oneOf("pass", "fail")
      .optional()
      .describe(
        "pass: for servers that never answer, such as syslog; only an ICMP refusal fails. One of expect and this is needed",
      ),
  })
  .superRefine((check, context) => {
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: check });
    if (check.expect === undefined && check.silence !== "pass")
      problem("expect", "missing: say what the reply begins with, or `silence: pass` if the server never answers");
    if (check.expect !== undefined && check.silence === "pass")
      problem("silence", "contradicts expect: leave one of them out, or write `silence: fail`");
  });

export type UdpOptions = z.output<typeof options>;

/** Sends a datagram over a kept, connected socket. With `expect` it goes out again at 1/3 and 2/3 of the timeout, and the first reply that fits
 *  passes. With `silence: pass` the deadline passes unless the host has refused by ICMP. */
export const udpProbe: ProbeType<UdpOptions> = {
  name: "udp",
  options,
  label: () => "udp",
  open(target, { send, expect }) {
    const bytes = payloadBytes(send);
    return expect === undefined ? openSilent(target, bytes) : openExpecting(target, bytes, matcher(expect));
  },
};
