import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Done, fail, timedOut } from "./outcome.ts";
import { type Matcher, shown } from "./payload.ts";
import { udpSocket } from "./udp-socket.ts";

/** Datagrams of one probe: at once, and after 1/3 and 2/3 of the timeout. */
const TRIES = 3;

const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });

/** A server that has to answer. A reply that does not fit is waited out, since a right one may still be on its way. */
export function openExpecting(target: ProbeTarget, bytes: Uint8Array, wanted: Matcher): Prober {
  let done: Done | undefined;
  /** Datagrams of this probe, and datagrams that came back. */
  let sent = 0;
  let answered = 0;
  let wrong: Buffer | undefined;
  let stopResending: (() => void) | undefined;

  const socket = udpSocket(target, {
    reply(reply) {
      answered += 1;
      if (done === undefined) return;
      if (wanted.match(reply) === "yes") finish(ANSWERED);
      else wrong = reply;
    },
    refused: (reason) => finish(fail(reason)),
    unsent: finish,
  });

  function send(): void {
    sent += 1;
    stopResending = sent < TRIES ? systemClock.after(target.timeout / TRIES, send) : undefined;
    socket.send(bytes);
  }

  function stop(): Done | undefined {
    stopResending?.();
    stopResending = undefined;
    const last = done;
    done = undefined;
    return last;
  }

  function finish(outcome: ProbeOutcome): void {
    stop()?.(outcome);
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error("udp probe started while one is in flight");
      done = tell;
      wrong = undefined;
      // A reply still owed to an earlier probe must not answer this one.
      if (answered < sent) socket.renew();
      sent = 0;
      answered = 0;
      send();
    },
    cancel() {
      if (done === undefined) return;
      if (wrong === undefined) finish(timedOut(target.timeout, "waiting for the reply"));
      else finish(fail(`unexpected reply ${shown(wrong)}`));
    },
    close() {
      stop();
      socket.renew();
    },
  };
}
