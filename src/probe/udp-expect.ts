import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { Matcher } from "./payload.ts";
import { openAsking } from "./udp-ask.ts";

const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });

/** A server whose reply has to begin as expected. */
export function openExpecting(target: ProbeTarget, bytes: Uint8Array, wanted: Matcher): Prober {
  return openAsking(target, {
    question: () => bytes,
    judge: (reply) =>
      wanted.match(reply) === "yes" ? ANSWERED : { kind: "wrong", reason: () => wanted.trouble(reply) },
  });
}
