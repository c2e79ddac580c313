import type { Socket } from "node:net";
import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { Connector } from "./connector.ts";
import { type Done, fail, fromError, type Phase, timedOut } from "./outcome.ts";
import { matcher, type Pattern, type Payload, payloadBytes, shown } from "./payload.ts";
import { CONNECTED, hangUp } from "./tcp-connect.ts";
import { laterTrouble } from "./tls-trouble.ts";

export interface Talk {
  readonly send: Payload | undefined;
  readonly expect: Pattern | undefined;
  readonly close: "fin" | "reset";
}

const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });

/** Connects, and then sends, listens, or both. Every probe has a socket of its own, so that nothing of a stream reaches the next. */
export function openTalking(target: ProbeTarget, connect: Connector, { send, expect, close }: Talk): Prober {
  const bytes = send && payloadBytes(send);
  const wanted = expect && matcher(expect);
  let current: Attempt | undefined;

  interface Attempt {
    readonly done: Done;
    phase: Phase;
    waited: number;
    abandon: () => void;
  }

  function finish(attempt: Attempt, outcome: ProbeOutcome, socket?: Socket): void {
    if (attempt !== current) return;
    current = undefined;
    if (socket !== undefined && outcome.kind === "pass") hangUp(socket, close);
    else attempt.abandon();
    attempt.done(outcome);
  }

  function begin(attempt: Attempt): void {
    attempt.abandon = connect({
      delayed(by) {
        attempt.waited = by;
      },
      phase(phase) {
        attempt.phase = phase;
      },
      failed: (outcome) => finish(attempt, outcome),
      ready(socket) {
        socket.on("error", (error) => {
          const tls = laterTrouble(error, attempt.phase);
          finish(attempt, tls === undefined ? fromError(error, attempt.phase, "network") : fail(tls));
        });
        if (wanted !== undefined) listen(attempt, socket);
        if (bytes !== undefined) speak(attempt, socket);
        else if (wanted === undefined) finish(attempt, CONNECTED, socket);
      },
    });
  }

  function speak(attempt: Attempt, socket: Socket): void {
    attempt.phase = wanted === undefined ? "while sending" : "waiting for the reply";
    socket.write(bytes!, (error) => {
      if (!error && wanted === undefined) finish(attempt, CONNECTED, socket);
    });
  }

  function listen(attempt: Attempt, socket: Socket): void {
    attempt.phase = "waiting for the reply";
    let received: Buffer | undefined;
    socket.on("data", (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk]);
      const verdict = wanted!.match(received);
      if (verdict === "more") return;
      finish(attempt, verdict === "yes" ? ANSWERED : fail(wanted!.trouble(received)), socket);
    });
    socket.on("end", () => {
      const what = received ? `connection closed after ${shown(received)}` : "connection closed without a reply";
      finish(attempt, fail(what));
    });
  }

  return {
    start(done) {
      if (current !== undefined) throw new Error("tcp probe started while one is in flight");
      current = { done, phase: "while connecting", waited: 0, abandon: () => {} };
      begin(current);
    },
    cancel() {
      if (current !== undefined) finish(current, timedOut(target.timeout, current.phase, current.waited));
    },
    close() {
      const last = current;
      current = undefined;
      last?.abandon();
    },
  };
}
