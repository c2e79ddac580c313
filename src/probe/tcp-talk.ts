import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { Connector } from "./connector.ts";
import { type Call, openConversation, type Talker } from "./conversation.ts";
import { fail } from "./outcome.ts";
import { type Matcher, matcher, type Pattern, type Payload, payloadBytes, shown } from "./payload.ts";
import { CONNECTED } from "./tcp-connect.ts";

export interface Talk {
  readonly send: Payload | undefined;
  readonly expect: Pattern | undefined;
  readonly close: "fin" | "reset";
}

const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });

/** Connects, and then sends, listens, or both. */
export function openTalking(target: ProbeTarget, connect: Connector, { send, expect, close }: Talk): Prober {
  const bytes = send && payloadBytes(send);
  const wanted = expect && matcher(expect);
  const talk = (call: Call): Talker | undefined => {
    if (wanted === undefined) {
      if (bytes === undefined) call.finish(CONNECTED);
      else deliver(call, bytes);
      return undefined;
    }
    call.phase("waiting for the reply");
    if (bytes !== undefined) call.say(bytes);
    return listener(call, wanted);
  };
  return openConversation(target, connect, talk, close);
}

function deliver(call: Call, bytes: Buffer): void {
  call.phase("while sending");
  call.say(bytes, () => call.finish(CONNECTED));
}

function listener(call: Call, wanted: Matcher): Talker {
  let received: Buffer | undefined;
  return {
    heard(chunk) {
      received = received === undefined ? chunk : Buffer.concat([received, chunk]);
      const verdict = wanted.match(received);
      if (verdict === "more") return;
      call.finish(verdict === "yes" ? ANSWERED : fail(wanted.trouble(received)));
    },
    ended() {
      const what = received ? `connection closed after ${shown(received)}` : "connection closed without a reply";
      call.finish(fail(what));
    },
  };
}
