import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import { later } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Done, fail, timedOut } from "./outcome.ts";
import { udpSocket } from "./udp-socket.ts";
import { createWheel, NOWHERE, type WheelItem } from "./wheel.ts";

/** Datagrams of one probe: at once, and after 1/3 and 2/3 of the timeout. */
const TRIES = 3;

interface Repetition extends WheelItem {
  readonly send: () => void;
}

/** For all who ask: nearly every answer comes long before a repetition is due, and a timer each would be for nothing. */
const repetitions = createWheel<Repetition>(
  systemClock,
  ({ send }) => send(),
  () => {},
);

/** No answer to what was asked. */
export interface Wrong {
  readonly kind: "wrong";
  /** Said if nothing better comes until the deadline. */
  readonly reason: () => string;
}

/** What is asked of a server that has to answer. */
export interface Asking {
  /** The datagram of a probe that begins; repetitions are the same. */
  question(): Uint8Array;
  /** What a reply says. A wrong one is waited out, since a right one may still be on its way. */
  judge(reply: Buffer): ProbeOutcome | Wrong;
}

/** A server that has to answer. */
export function openAsking(target: ProbeTarget, { question, judge }: Asking): Prober {
  let done: Done | undefined;
  let bytes: Uint8Array;
  /** Datagrams of this probe, and datagrams that came back. */
  let sent = 0;
  let answered = 0;
  let wrong: Wrong | undefined;

  const socket = udpSocket(target, {
    reply(reply) {
      answered += 1;
      if (done === undefined) return;
      const verdict = judge(reply);
      if (verdict.kind === "wrong") wrong = verdict;
      else finish(verdict);
    },
    refused: (reason) => finish(fail(reason)),
    unsent: finish,
  });

  const repetition: Repetition = { tick: -1, previous: NOWHERE, next: NOWHERE, send };

  function send(): void {
    sent += 1;
    if (sent < TRIES) repetitions.schedule(repetition, later(systemClock.now().mono, target.timeout / TRIES));
    socket.send(bytes);
  }

  function stop(): Done | undefined {
    repetitions.cancel(repetition);
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
      bytes = question();
      send();
    },
    cancel() {
      if (done === undefined) return;
      if (wrong === undefined) finish(timedOut(target.timeout, "waiting for the reply"));
      else finish(fail(wrong.reason()));
    },
    close() {
      stop();
      socket.renew();
    },
  };
}
