import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { Worker } from "node:worker_threads";

/** A server that misbehaves on purpose, on an ephemeral port of the loopback. `await using` closes it with all its connections. */
export interface NastyServer extends AsyncDisposable {
  readonly port: number;
  /** Connections (or datagrams) that reached the server so far. */
  readonly seen: () => number;
  /** Connections that the server holds at this moment. */
  readonly held: () => number;
  /** Connections that ended with a reset, as the server saw it. */
  readonly resets: () => number;
  close(): Promise<void>;
}

type Counts = Pick<NastyServer, "seen" | "held" | "resets">;

/** What is done with each connection; `nth` counts from 1. */
export type Behaviour = (socket: Socket, nth: number) => void;

export function tcpServer(behave: Behaviour, host = "127.0.0.1"): Promise<NastyServer> {
  return serve(createServer({ allowHalfOpen: true }), "connection", behave, host);
}

/** TLS around the same behaviours; `nth` counts handshakes that succeeded. */
export function tlsServer(options: TlsOptions, behave: Behaviour, host = "127.0.0.1", port = 0): Promise<NastyServer> {
  const server = createTlsServer({ ...options, allowHalfOpen: true });
  server.on("tlsClientError", () => {});
  return serve(server, "secureConnection", behave, host, port);
}

async function serve(server: Server, event: string, behave: Behaviour, host: string, port = 0): Promise<NastyServer> {
  const open = new Set<Socket>();
  let seen = 0;
  let resets = 0;
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  server.on(event, (socket: Socket) => {
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNRESET") resets += 1;
    });
    behave(socket, ++seen);
  });
  server.listen(port, host);
  await once(server, "listening");
  return nasty(
    (server.address() as AddressInfo).port,
    async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
    { seen: () => seen, held: () => open.size, resets: () => resets },
  );
}

function nasty(port: number, close: () => Promise<void>, counts: Partial<Counts> = {}): NastyServer {
  let closing: Promise<void> | undefined;
  const once = (): Promise<void> => {
    closing ??= close();
    return closing;
  };
  const none = (): number => 0;
  return { port, seen: none, held: none, resets: none, ...counts, close: once, [Symbol.asyncDispose]: once };
}

// ---- behaviours of a connection ---------------------------------------------------------------------------------------------

/** Takes the connection and never says a word, nor closes. */
export const stall: Behaviour = (socket) => {
  socket.resume();
};

/** Resets the connection as soon as it is accepted. */
export const resetOnAccept: Behaviour = (socket) => {
  socket.resetAndDestroy();
};

/** Waits for a request and closes without an answer. */
export const closeWithoutReply: Behaviour = (socket) => {
  socket.once("data", () => socket.end());
};

/** Speaks first, as SMTP and SSH do, and keeps the connection. */
export function greet(text: string): Behaviour {
  return (socket) => {
    socket.resume();
    socket.write(text);
  };
}

/** Answers each piece of input with the same bytes, whatever was asked; then leaves the connection open, closes or resets it. */
export function reply(text: string | Buffer, then: "stay" | "close" | "reset" = "stay"): Behaviour {
  return (socket) => {
    socket.on("data", () => {
      socket.write(text, () => {
        if (then === "close") socket.end();
        // A reset discards what the peer has not read yet: let it read.
        if (then === "reset") setTimeout(() => socket.resetAndDestroy(), 30);
      });
    });
  };
}

/** Answers after a pause; the server's own time to think. */
export function replyAfter(ms: number, text: string): Behaviour {
  return (socket) => {
    socket.on("data", () => setTimeout(() => socket.write(text), ms).unref());
  };
}

/** Sends `text` a byte at a time, `everyMs` apart, for ever (from the start again). */
export function drip(text: string, everyMs = 1000, head = ""): Behaviour {
  return (socket) => {
    socket.once("data", () => {
      let sent = 0;
      if (head !== "") socket.write(head);
      const timer = setInterval(() => socket.write(text[sent++ % text.length] ?? ""), everyMs);
      socket.on("close", () => clearInterval(timer));
    });
  };
}

/** Sends `head`, then `megabytes` of x as fast as the peer reads. */
export function flood(head: string, megabytes = 100): Behaviour {
  const block = Buffer.alloc(1 << 20, "x");
  return (socket) => {
    socket.once("data", () => {
      socket.write(head);
      let left = megabytes;
      const pour = (): void => {
        while (left-- > 0) if (!socket.write(block)) return void socket.once("drain", pour);
        socket.end();
      };
      pour();
    });
  };
}

// ---- ports that do not behave like a server at all ----------------------------------------------------------------------------

/** A TCP port that refuses. It is held by a connection from it to somewhere else, so that nobody else can be given it meanwhile. */
export async function refuse(host = "127.0.0.1"): Promise<NastyServer> {
  const anchor = await tcpServer(stall, host);
  const held = connect({ host, port: anchor.port });
  await once(held, "connect");
  return nasty(held.localPort!, async () => {
    held.destroy();
    await anchor.close();
  });
}

/** A TCP port where the connection never comes to stand: a listener that accepts nothing, its queue full, so that the kernel drops every SYN as
 *  a black hole in the network would. */
export async function stallBeforeAccept(): Promise<NastyServer> {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer();
     server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       // Blocks this thread's loop, so that it never accepts; the message above is on its way already.
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true },
  );
  const [port] = (await once(worker, "message")) as [number];
  // One more than the backlog fits in (net/core/sock.h: sk_acceptq_is_full).
  const fillers = [1, 2].map(() => connect({ host: "127.0.0.1", port }).on("error", () => {}));
  await Promise.all(fillers.map((socket) => once(socket, "connect")));
  return nasty(port, async () => {
    for (const socket of fillers) socket.destroy();
    await worker.terminate();
  });
}

/** A UDP port where nobody listens: every datagram is answered by ICMP port unreachable. Held by a socket that is connected elsewhere. */
export async function nobodyOnUdp(host = "127.0.0.1"): Promise<NastyServer> {
  const family = host.includes(":") ? "udp6" : "udp4";
  const anchor = createSocket(family);
  anchor.bind(0, host);
  await once(anchor, "listening");
  const held = createSocket(family);
  held.bind(0, host);
  await once(held, "listening");
  held.connect(anchor.address().port, host);
  await once(held, "connect");
  return nasty(held.address().port, async () => {
    held.close();
    anchor.close();
  });
}

/** What is done with each datagram; `nth` counts from 1. */
export type UdpBehaviour = (datagram: Buffer, from: RemoteInfo, server: UdpSocket, nth: number) => void;

/** The same, `ms` later. */
export function later(ms: number, behave: UdpBehaviour): UdpBehaviour {
  return (datagram, from, server, nth) => {
    const timer = setTimeout(() => behave(datagram, from, server, nth), ms);
    server.once("close", () => clearTimeout(timer));
  };
}

export async function udpServer(behave: UdpBehaviour, host = "127.0.0.1", port = 0): Promise<NastyServer> {
  const server = createSocket(host.includes(":") ? "udp6" : "udp4");
  let seen = 0;
  server.on("message", (datagram, from) => behave(datagram, from, server, ++seen));
  // An ICMP answer to a reply of ours (the prober's socket is gone) is none of our business.
  server.on("error", () => {});
  server.bind(port, host);
  await once(server, "listening");
  return nasty(
    server.address().port,
    async () => {
      server.close();
      await once(server, "close");
    },
    { seen: () => seen },
  );
}
