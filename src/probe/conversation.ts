import type { Socket } from "node:net";
import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { Connector } from "./connector.ts";
import { type Done, fail, fromError, type Phase, timedOut } from "./outcome.ts";
import { hangUp } from "./tcp-connect.ts";
import { laterTrouble } from "./tls-trouble.ts";

/** What the one who talks can do. */
export interface Call {
  /** Our own address, as the server sees it unless there is translation on the way. */
  readonly from: string;
  /** @param sent is called when the kernel has taken it */
  say(bytes: Uint8Array | string, sent?: () => void): void;
  /** Where the conversation stands, for the reason of whatever goes wrong next. */
  phase(phase: Phase): void;
  /** The end. After a pass the connection is closed in order, else it is dropped. */
  finish(outcome: ProbeOutcome): void;
  /** Goes on over another connection on top of this one, `next` being called when it stands. */
  change(connector: (socket: Socket) => Connector, next: () => void): void;
}

/** The one who talks: made anew for every connection, nothing of which reaches the next. */
export interface Talker {
  heard(chunk: Buffer): void;
  /** The server has closed its side. */
  ended(): void;
}

/** Connects, and lets somebody talk to the server; every probe has a connection of its own.
 *  @param talk begins, with the connection standing; returns nothing if nobody is to listen
 *  @param close how a connection ends after a pass */
export function openConversation(
  target: ProbeTarget,
  connect: Connector,
  talk: (call: Call) => Talker | undefined,
  close: "fin" | "reset" = "fin",
): Prober {
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

  function dial(attempt: Attempt, connector: Connector, ready: (socket: Socket) => void): void {
    const below = attempt.abandon;
    const abandon = connector({
      delayed(by) {
        attempt.waited += by;
      },
      phase(phase) {
        attempt.phase = phase;
      },
      failed: (outcome) => finish(attempt, outcome),
      ready,
    });
    attempt.abandon = () => {
      abandon();
      below();
    };
  }

  function converse(attempt: Attempt, first: Socket): void {
    let socket = first;
    let stopListening = (): void => {};
    const talker = talk({
      from: first.localAddress ?? "",
      say(bytes, sent) {
        if (attempt !== current) return;
        socket.write(bytes, (error) => {
          if (!error) sent?.();
        });
      },
      phase(phase) {
        attempt.phase = phase;
      },
      finish: (outcome) => finish(attempt, outcome, socket),
      change(connector, next) {
        if (attempt !== current) return;
        stopListening();
        dial(attempt, connector(socket), (over) => {
          socket = over;
          next();
          listen(over);
        });
      },
    });
    listen(first);

    function listen(own: Socket): void {
      own.on("error", (error) => {
        const tls = laterTrouble(error, attempt.phase);
        finish(attempt, tls === undefined ? fromError(error, attempt.phase, "network") : fail(tls));
      });
      if (talker === undefined) return;
      const heard = (chunk: Buffer): void => {
        if (attempt === current) talker.heard(chunk);
      };
      const ended = (): void => {
        if (attempt === current) talker.ended();
      };
      own.on("data", heard);
      own.on("end", ended);
      stopListening = () => own.off("data", heard).off("end", ended);
    }
  }

  return {
    start(done) {
      if (current !== undefined) throw new Error("a probe was started while one is in flight");
      const attempt: Attempt = { done, phase: "while connecting", waited: 0, abandon: () => {} };
      current = attempt;
      dial(attempt, connect, (socket) => converse(attempt, socket));
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
