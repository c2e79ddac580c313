import { createSocket, type Socket } from "node:dgram";
import type { ProbeOutcome, ProbeTarget } from "../model/probe.ts";
import { fromError } from "./outcome.ts";

export interface UdpEvents {
  /** A datagram from the target's very address and port; the kernel keeps others from us. */
  reply(reply: Buffer): void;
  /** The host, or a router on the way, refused by ICMP; it does not say which datagram. */
  refused(reason: string): void;
  /** We could not send. Comes in a later turn, and the next datagram gets a new socket. */
  unsent(outcome: ProbeOutcome): void;
}

/** A connected UDP socket that is kept between probes: made when first used, and again after trouble of our own. */
export interface UdpSocket {
  /** Sends, as soon as it can. */
  send(bytes: Uint8Array): void;
  /** What is still on its way to us goes to a port that is no longer ours; the next datagram comes from another. */
  renew(): void;
}

export function udpSocket({ endpoint, source }: ProbeTarget, events: UdpEvents): UdpSocket {
  const { family, text: host } = endpoint.address;
  let socket: Socket | undefined;
  let connected = false;
  let waiting: Uint8Array | undefined;

  function renew(): void {
    const last = socket;
    socket = undefined;
    connected = false;
    waiting = undefined;
    last?.close();
  }

  function open(): Socket {
    const own = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      // The addresses are literal. Answered at once, so that there is no half-bound state to be closed in.
      lookup: (address, _options, callback) => callback(null, address, family),
    });
    own.on("connect", () => {
      if (own !== socket) return;
      connected = true;
      if (waiting !== undefined) transmit(own, waiting);
    });
    own.on("message", (reply) => {
      if (own === socket) events.reply(reply);
    });
    // A socket without this listener would take the process with it.
    own.on("error", (error: NodeJS.ErrnoException) => trouble(own, error));
    return own;
  }

  function transmit(own: Socket, bytes: Uint8Array): void {
    own.send(bytes, (error) => {
      if (error) trouble(own, error);
    });
  }

  /** A refusal comes as an event of its own, or in place of the next datagram if it was waiting when that was sent. */
  function trouble(own: Socket, error: NodeJS.ErrnoException): void {
    if (own !== socket) return;
    const outcome = fromError(error, "waiting for the reply", error.syscall === "recvmsg" ? "network" : "own-call");
    if (outcome.kind === "fail") {
      events.refused(error.code === "ECONNREFUSED" ? "port unreachable (ICMP)" : outcome.reason);
    } else {
      renew();
      process.nextTick(() => events.unsent(outcome));
    }
  }

  return {
    send(bytes) {
      if (socket !== undefined && connected) return transmit(socket, bytes);
      renew();
      waiting = bytes;
      const own = open();
      socket = own;
      own.bind({ port: 0, exclusive: true, ...(source && { address: source.text }) });
      // Binding may have failed, which is told at once.
      if (own === socket) own.connect(endpoint.port, host);
    },
    renew,
  };
}
