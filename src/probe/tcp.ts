import { Socket } from "node:net";
import { z } from "zod";
import { oneOf } from "../config/scalars.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { connectOptions } from "./connector.ts";
import { type Done, fail, fromError, type Origin, type Phase, timedOut } from "./outcome.ts";
import { matcher, pattern, payload, payloadBytes, shown } from "./payload.ts";

const options = z.strictObject({
  /** Sent as soon as the connection stands. */
  send: payload.optional(),
  /** What the server's first bytes must be. */
  expect: pattern.optional(),
  /** fin: an orderly close. reset: leaves nothing behind on either side, but some servers log it. */
  close: oneOf("fin", "reset").prefault("fin"),
});

export type TcpOptions = z.output<typeof options>;

/** Connects; with `send` and `expect` also talks. Passes as soon as what was asked for is there. */
export const tcpProbe: ProbeType<TcpOptions> = { name: "tcp", options, label: () => "tcp", open };

const CONNECTED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "connected" });
const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });

function open(target: ProbeTarget, { send, expect, close }: TcpOptions): Prober {
  const where = connectOptions(target);
  const bytes = send && payloadBytes(send);
  const wanted = expect && matcher(expect);

  let done: Done | undefined;
  let phase: Phase = "while connecting";
  let origin: Origin = "own-call";
  let socket: Socket | undefined;
  /** The last socket, once it is closed altogether: connecting the same object again costs half as much as a new one. Kept only after a probe
   *  that did nothing but connect, so that no state of a stream can reach the next probe. */
  let spare: Socket | undefined;

  function finish(outcome: ProbeOutcome): void {
    const tell = done;
    const last = socket;
    done = undefined;
    socket = undefined;
    if (last !== undefined) letGo(last, outcome.kind === "pass");
    tell?.(outcome);
  }

  /** close(2) sends a FIN and frees the descriptor at once, whatever the peer does; it sends a reset instead if unread data has arrived. */
  function letGo(last: Socket, passed: boolean): void {
    if (passed && close === "reset") last.resetAndDestroy();
    else last.destroy();
  }

  function newSocket(): Socket {
    const own = new Socket();
    let received: Buffer | undefined;
    // Announces only what the network answered, not a refusal of our own call.
    own.on("connectionAttemptFailed", () => {
      if (own === socket) origin = "network";
    });
    own.on("connect", () => {
      if (own === socket) connected(own);
    });
    own.on("error", (error) => {
      if (own === socket) finish(fromError(error, phase, origin));
    });
    own.on("close", (failed) => {
      if (!failed && bytes === undefined && wanted === undefined) spare = own;
    });
    if (wanted === undefined) return own;
    own.on("data", (chunk: Buffer) => {
      if (own !== socket) return;
      received = received === undefined ? chunk : Buffer.concat([received, chunk]);
      const verdict = wanted.match(received);
      if (verdict !== "more") finish(verdict === "yes" ? ANSWERED : fail(`unexpected reply ${shown(received)}`));
    });
    own.on("end", () => {
      if (own !== socket) return;
      finish(fail(received ? `connection closed after ${shown(received)}` : "connection closed without a reply"));
    });
    return own;
  }

  function connected(own: Socket): void {
    origin = "network";
    if (bytes === undefined && wanted === undefined) {
      finish(CONNECTED);
      return;
    }
    phase = wanted === undefined ? "while sending" : "waiting for the reply";
    if (bytes === undefined) return;
    own.write(bytes, (error) => {
      if (own === socket && !error && wanted === undefined) finish(CONNECTED);
    });
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error("tcp probe started while one is in flight");
      done = tell;
      phase = "while connecting";
      origin = "own-call";
      socket = spare ?? newSocket();
      spare = undefined;
      socket.connect(where);
    },
    cancel() {
      if (done !== undefined) finish(timedOut(target.timeout, phase));
    },
    close() {
      done = undefined;
      spare = undefined;
      socket?.destroy();
      socket = undefined;
    },
  };
}
