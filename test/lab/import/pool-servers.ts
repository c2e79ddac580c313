// The program that plays everything a real server may have, in one namespace: for beside-keepalived.lab.ts. It is told over the IPC channel whether it is
// well, and gone when that closes.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { certificate } from "../../support/certificates.ts";
import { dnsReply, overUdp } from "../../support/dns-server.ts";

/** What answers on which port, and how it is sick.
 *  - 80: HTTP, and nobody listens any more
 *  - 8080, 443: HTTP that answers 503 without its words
 *  - 53: DNS over UDP that answers SERVFAIL
 *  - 25: a mail server that takes nobody in
 *  - 5000: UDP that answers 00f1 (00ff to what ends in 03), and 00ee when sick
 *  - 5001: UDP, and nobody listens any more */
export interface Order {
  readonly well: boolean;
}

let well = true;
/** Whether it was ever told anything. */
let begun = false;

/** From here probes come that were told `bindto`; behind the twin's translation of addresses it is that one. */
const BOUND = ["10.6.0.1", "10.7.0.2"];

const web: RequestListener = (request, response) => {
  const { servername } = request.socket as Partial<TLSSocket>;
  const from = (request.socket.remoteAddress ?? "").replace("::ffff:", "");
  const right: Readonly<Record<string, boolean>> = {
    "/host": request.headers.host === "www.example.test",
    "/sni": servername === "www.example.test",
    "/bound": BOUND.includes(from),
    "/begun": begun,
  };
  const path = request.url ?? "/";
  const status = path === "/moved" ? 301 : 200;
  if (!well || right[path] === false) response.writeHead(503).end("all is BROKEN\n");
  else response.writeHead(status).end("all is well\n");
};

const mail = createServer((socket) => {
  socket.on("error", () => {});
  if (!well) return void socket.end("421 4.3.2 too busy\r\n");
  socket.write("220 mail.example.test\r\n");
  socket.on("data", (line: Buffer) => {
    if (line.toString().startsWith("QUIT")) socket.end("221 bye\r\n");
    else socket.write("250 hello\r\n");
  });
});

const names = overUdp((...asked) => (well ? dnsReply([]) : dnsReply([], { rcode: 2 }))(...asked));

const gone = createHttpServer(web);
const listen = (server: Server, port: number) =>
  new Promise<void>((resolve) => server.listen({ port, backlog: 4096 }, resolve));
const udp = (port: number, answer: (message: Buffer, socket: UdpSocket, to: [number, string]) => void) =>
  new Promise<UdpSocket>((resolve) => {
    const socket = createSocket("udp4");
    socket.on("error", () => {});
    socket.on("message", (message, from) => answer(message, socket, [from.port, from.address]));
    socket.bind(port, () => resolve(socket));
  });
const silent = () => udp(5001, (message, socket, to) => socket.send(message, ...to));

const { cert, key } = certificate({ subject: "www.example.test" });
await Promise.all([
  listen(gone, 80),
  listen(createHttpServer(web), 8080),
  listen(createHttpsServer({ cert, key }, web), 443),
  listen(mail, 25),
  udp(53, (query, socket, [port, address]) => names(query, { port, address, family: "IPv4", size: 0 }, socket, 1)),
  udp(5000, (message, socket, to) => {
    const reply = well ? (message.at(-1) === 3 ? "00ff" : "00f1") : "00ee";
    socket.send(Buffer.from(reply, "hex"), ...to);
  }),
]);
let reachable: UdpSocket | undefined = await silent();

process.on("message", async (order: Order) => {
  begun = true;
  if (order.well !== well) {
    well = order.well;
    if (well) {
      await listen(gone, 80);
      reachable = await silent();
    } else {
      gone.close();
      reachable?.close();
      reachable = undefined;
    }
  }
  process.send!("done");
});
process.on("disconnect", () => process.exit());
process.send!("ready");
