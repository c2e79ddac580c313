import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { ProbeOutcome, ProbeTarget } from "../model/probe.ts";
import type { Millis } from "../model/time.ts";
import { ownPorts } from "../runtime/boot.ts";
import { fail, fromError, type Origin, type Phase } from "./outcome.ts";

/** What becomes of a connection in the making: some phases, then `ready` or `failed`, once. */
export interface Dialling {
  /** It begins now, and not earlier since we were busy with others. */
  delayed(by: Millis): void;
  phase(phase: Phase): void;
  /** From here on the socket's errors are the new owner's to look after. */
  ready(socket: Socket): void;
  failed(outcome: ProbeOutcome): void;
}

/** Begins a connection; `ready` and `failed` come later than the call itself. The returned function ends the matter, in any state. */
export type Connector = (dialling: Dialling) => () => void;

export function connectOptions({ endpoint, source }: ProbeTarget): TcpNetConnectOpts {
  return {
    host: endpoint.address.text,
    port: endpoint.port,
    autoSelectFamily: false,
    ...(source && { localAddress: source.text }),
  };
}

/** Where nobody listens on a port of this machine, the kernel may give a connection that very port to come from: it then meets itself and stands
 *  (RFC 9293, 3.5), once in some ten thousand times. Nobody is there. */
export function reachedItself(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}

/** Whether that can happen at all; asking each connection for its names is a tenth of what it costs. */
export function mayReachItself({ endpoint }: ProbeTarget): boolean {
  const [first, last] = ownPorts();
  return endpoint.port >= first && endpoint.port <= last;
}

/** What it would have been without that. */
export const REFUSED: ProbeOutcome = Object.freeze(fail("connection refused"));

export function tcpConnector(target: ProbeTarget): Connector {
  const where = connectOptions(target);
  const doubtful = mayReachItself(target);
  return (dialling) => {
    const socket = connect(where);
    let dialled = false;
    let origin: Origin = "own-call";
    // Announces only what the network answered, not a refusal of our own call.
    socket.on("connectionAttemptFailed", () => {
      origin = "network";
    });
    socket.on("connect", () => {
      dialled = true;
      if (doubtful && reachedItself(socket)) dialling.failed(REFUSED);
      else dialling.ready(socket);
    });
    socket.on("error", (error) => {
      if (!dialled) dialling.failed(fromError(error, "while connecting", origin));
    });
    return () => socket.destroy();
  };
}
