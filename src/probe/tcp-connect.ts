import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import { connectOptions, mayReachItself, REFUSED, reachedItself } from "./connector.ts";
import { type Done, fromError, type Origin, timedOut } from "./outcome.ts";

export const CONNECTED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "connected" });

/** Connects and closes. The socket object of a probe that passed is connected again by the next: half as dear as a new one. */
export function openConnecting(target: ProbeTarget, close: "fin" | "reset"): Prober {
  const where = connectOptions(target);
  const doubtful = mayReachItself(target);
  let done: Done | undefined;
  let origin: Origin = "own-call";
  let socket: Socket | undefined;
  /** The last one, once it is closed altogether. */
  let spare: Socket | undefined;

  function finish(outcome: ProbeOutcome): void {
    const tell = done;
    const last = socket;
    done = undefined;
    socket = undefined;
    if (last !== undefined) hangUp(last, outcome === CONNECTED ? close : "fin");
    tell?.(outcome);
  }

  function newSocket(): Socket {
    const own = new Socket();
    // Announces only what the network answered, not a refusal of our own call.
    own.on("connectionAttemptFailed", () => {
      if (own === socket) origin = "network";
    });
    own.on("connect", () => {
      if (own === socket) finish(doubtful && reachedItself(own) ? REFUSED : CONNECTED);
    });
    own.on("error", (error) => {
      if (own === socket) finish(fromError(error, "while connecting", origin));
    });
    own.on("close", (failed) => {
      if (!failed) spare = own;
    });
    return own;
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error("tcp probe started while one is in flight");
      done = tell;
      origin = "own-call";
      socket = spare ?? newSocket();
      spare = undefined;
      socket.connect(where);
    },
    cancel() {
      if (done !== undefined) finish(timedOut(target.timeout, "while connecting"));
    },
    close() {
      done = undefined;
      spare = undefined;
      socket?.destroy();
      socket = undefined;
    },
  };
}

/** close(2) sends a FIN and frees the descriptor at once, whatever the peer does. It sends a reset instead if data has arrived that nobody read. */
export function hangUp(socket: Socket, how: "fin" | "reset"): void {
  if (how === "reset") socket.resetAndDestroy();
  else if (socket instanceof TLSSocket) sayGoodbye(socket);
  else socket.destroy();
}

/** Tells TLS that this is the end before closing: servers log a warning where it just stops. `last` is what to destroy the socket with. */
export function sayGoodbye(socket: TLSSocket, last?: Error): void {
  socket.end();
  setImmediate(() => socket.destroy(last));
}
