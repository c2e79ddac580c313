import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { Connector } from "./connector.ts";
import { openConversation } from "./conversation.ts";
import { fail } from "./outcome.ts";

/** Asks over TCP, where each message has its length in two bytes before it (RFC 1035 4.2.2). The first reply decides. */
export function openDnsTcp(
  target: ProbeTarget,
  connect: Connector,
  question: () => Buffer,
  judge: (reply: Buffer) => ProbeOutcome,
): Prober {
  return openConversation(target, connect, (call) => {
    const query = question();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    call.phase("waiting for the reply");
    call.say(Buffer.concat([length, query]));
    const chunks: Buffer[] = [];
    let received = 0;

    return {
      heard(chunk) {
        chunks.push(chunk);
        received += chunk.length;
        if (received < 2) return;
        const size = ((chunks[0]![0]! << 8) | (chunks[0]![1] ?? chunks[1]![0]!)) + 2;
        if (received >= size) call.finish(judge(Buffer.concat(chunks).subarray(2, size)));
      },
      ended() {
        call.finish(fail(received === 0 ? "connection closed without a reply" : "connection closed within the reply"));
      },
    };
  });
}
