// The program that plays a name server, a mail server and a gRPC server in one namespace, for checks.lab.ts: told over the IPC channel how each is to
// behave from now on, and gone when that closes.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer } from "node:net";
import { TRUNCATED_RESPONSE } from "dns-packet";
import { type DnsBehaviour, dnsReply, overTcp, overUdp } from "../support/dns-server.ts";
import { refuses, status } from "../support/grpc-server.ts";

/** `dead`: nobody listens on UDP. `short`: the answer has to be fetched over TCP. */
export type DnsState = "well" | "dead" | "failing" | "short";
export type MailState = "well" | "busy";
export type GrpcState = "well" | "not serving" | "no health service";

export type Order =
  | { readonly who: "dns"; readonly state: DnsState }
  | { readonly who: "mail"; readonly state: MailState }
  | { readonly who: "grpc"; readonly state: GrpcState };

const answer = dnsReply([{ name: "www.example.test", type: "A", ttl: 1, data: "10.1.2.3" }]);
const overUdpWhen: Readonly<Record<DnsState, DnsBehaviour>> = {
  well: answer,
  dead: answer,
  failing: dnsReply([], { rcode: 2 }),
  short: dnsReply([], { flags: TRUNCATED_RESPONSE }),
};

let dns: DnsState = "well";
let datagrams: UdpSocket | undefined;

async function behaveDns(state: DnsState): Promise<void> {
  dns = state;
  if (state === "dead") {
    datagrams?.close();
    datagrams = undefined;
  } else datagrams ??= await listenUdp();
}

function listenUdp(): Promise<UdpSocket> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    let nth = 0;
    socket.on("message", (query, from) =>
      overUdp((...asked) => overUdpWhen[dns](...asked))(query, from, socket, ++nth),
    );
    socket.on("error", () => {});
    socket.bind(53, () => resolve(socket));
  });
}

let mail: MailState = "well";
let grpc: GrpcState = "well";

const mailServer = createServer((socket) => {
  socket.on("error", () => {});
  if (mail === "busy") return void socket.end("421 4.3.2 too busy\r\n");
  socket.write("220 mail.example.test\r\n");
  socket.on("data", (line: Buffer) => {
    if (line.toString().startsWith("QUIT")) socket.end("221 bye\r\n");
    else socket.write("250 hello\r\n");
  });
});

const grpcServer = createHttp2Server();
grpcServer.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.on("error", () => {});
  const behave = { well: status(1), "not serving": status(2), "no health service": refuses(12) }[grpc];
  stream.resume().on("end", () => behave(stream, headers, Buffer.alloc(0)));
});

const dnsOverTcp = createServer((socket) => {
  socket.on("error", () => {});
  overTcp(answer)(socket, 1);
});

await Promise.all([
  behaveDns("well"),
  ...(
    [
      [dnsOverTcp, 53],
      [mailServer, 25],
      [grpcServer, 50051],
    ] as const
  ).map(([server, port]) => new Promise<void>((resolve) => server.listen(port, resolve))),
]);

process.on("message", async (order: Order) => {
  if (order.who === "dns") await behaveDns(order.state);
  else if (order.who === "mail") mail = order.state;
  else grpc = order.state;
  process.send!("done");
});
process.on("disconnect", () => process.exit());
process.send!("ready");
