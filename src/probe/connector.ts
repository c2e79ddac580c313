import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { ProbeOutcome, ProbeTarget } from "../model/probe.ts";
import { fromError, type Origin, type Phase } from "./outcome.ts";

/** What becomes of a connection in the making: some phases, then `ready` or `failed`, once. */
export interface Dialling {
  phase(phase: Phase): void;
  ready(socket: Socket): void;
  failed(outcome: ProbeOutcome): void;
}

/** Begins a connection; nothing of `dialling` is called within the call itself. Whoever loses interest destroys the socket. */
export type Connector = (dialling: Dialling) => Socket | undefined;

export function connectOptions({ endpoint, source }: ProbeTarget): TcpNetConnectOpts {
  return {
    host: endpoint.address.text,
    port: endpoint.port,
    autoSelectFamily: false,
    ...(source && { localAddress: source.text }),
  };
}

export function tcpConnector(target: ProbeTarget): Connector {
  const where = connectOptions(target);
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
      dialling.ready(socket);
    });
    socket.on("error", (error) => {
      if (!dialled) dialling.failed(fromError(error, "while connecting", origin));
    });
    return socket;
  };
}
