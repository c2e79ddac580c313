import { once } from "node:events";
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { NastyServer } from "./nasty-server.ts";

/** What is done with each call. */
export type GrpcBehaviour = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, request: Buffer) => void;

/** HTTP/2 by Node's own server: without TLS, or with this certificate. `seen` counts calls. */
export async function grpcServer(
  behave: GrpcBehaviour,
  { cert, key, host = "127.0.0.1" }: { readonly cert?: string; readonly key?: string; readonly host?: string } = {},
): Promise<NastyServer> {
  const server = cert === undefined ? createServer() : createSecureServer({ cert, key: key! });
  const open = new Set<Socket>();
  let seen = 0;
  let resets = 0;
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNRESET") resets += 1;
    });
  });
  server.on("sessionError", () => {});
  server.on("tlsClientError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    seen += 1;
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      if (!stream.destroyed) behave(stream, headers, Buffer.concat(chunks));
    });
  });
  server.listen(0, host);
  await once(server, "listening");
  let closing: Promise<unknown> | undefined;
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    if (closing === undefined) {
      closing = once(server, "close");
      server.close();
    }
    await closing;
  };
  const { port } = server.address() as AddressInfo;
  const counts = { seen: () => seen, held: () => open.size, resets: () => resets };
  return { port, ...counts, close, [Symbol.asyncDispose]: close };
}

/** Bytes of a message with its prefix. */
export function grpcMessage(bytes: Uint8Array, compressed = false): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed ? 1 : 0;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export const GRPC_HEAD: OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc" };

/** A body, and then these trailers. */
export function says(body: Buffer, trailers: OutgoingHttpHeaders = { "grpc-status": "0" }): GrpcBehaviour {
  return (stream) => {
    if (stream.destroyed) return;
    stream.respond(GRPC_HEAD, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(body);
  };
}

/** A HealthCheckResponse with this status. */
export function status(value: number): GrpcBehaviour {
  return says(grpcMessage(value === 0 ? Buffer.of() : Buffer.of(0x08, value)));
}

/** Trailers alone, as for calls that failed at once. */
export function refuses(code: number | string, message?: string, head = GRPC_HEAD): GrpcBehaviour {
  return (stream) =>
    stream.respond(
      { ...head, "grpc-status": String(code), ...(message !== undefined && { "grpc-message": message }) },
      { endStream: true },
    );
}
