import { type Answer, type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { type Behaviour, type NastyServer, tcpServer, type UdpBehaviour, udpServer } from "./nasty-server.ts";

/** What is answered to a query: messages, one after the other. */
export type DnsBehaviour = (query: DecodedPacket, bytes: Buffer) => Buffer | readonly Buffer[];

/** Replies with these records and whatever else is given. */
export function dnsReply(answers: Answer[] = [], more: Packet & { readonly rcode?: number } = {}): DnsBehaviour {
  const { rcode = 0, flags = 0, ...rest } = more;
  return ({ id = 0, questions }) =>
    encode({ type: "response", id, flags: flags | rcode, questions: questions ?? [], answers, ...rest });
}

/** Spoils what another would have replied. */
export function spoilt(behave: DnsBehaviour, spoil: (reply: Buffer) => Buffer): DnsBehaviour {
  return (query, bytes) => [behave(query, bytes)].flat().map((reply) => spoil(Buffer.from(reply)));
}

export function overUdp(behave: DnsBehaviour): UdpBehaviour {
  return (datagram, from, server) => {
    for (const reply of [behave(decode(datagram), datagram)].flat()) server.send(reply, from.port, from.address);
  };
}

export function overTcp(behave: DnsBehaviour): Behaviour {
  return (socket) => {
    socket.on("data", (chunk: Buffer) => {
      const query = chunk.subarray(2);
      for (const reply of [behave(decode(query), query)].flat()) socket.write(framed(reply));
    });
  };
}

export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Over UDP and TCP on one port; `seen` counts datagrams, `held` connections. */
export async function dnsServer(udp: UdpBehaviour, tcp: Behaviour, host = "127.0.0.1"): Promise<NastyServer> {
  for (;;) {
    const stream = await tcpServer(tcp, host);
    try {
      const datagrams = await udpServer(udp, host, stream.port);
      const close = async (): Promise<void> => {
        await Promise.all([stream.close(), datagrams.close()]);
      };
      return { ...stream, seen: datagrams.seen, close, [Symbol.asyncDispose]: close };
    } catch (error) {
      await stream.close();
      // Somebody else has the UDP port of that number.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}
