import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../runtime/clock.ts";

/** A real HTTP server on 127.0.0.1: `/healthz` says ok, `/download` sends on and on, everything else says who it is. */
export interface LiveServer {
  readonly name: string;
  readonly port: number;
  /** On the port it had before. */
  start(): Promise<void>;
  /** As a process that is killed: nobody listens, what was open is cut. */
  stop(): Promise<void>;
  /** Lets every download come to its end. */
  endDownloads(): void;
}

const CHUNK_EVERY_MS = 100;

export async function liveServer(name: string, clock: Clock): Promise<LiveServer> {
  const downloads = new Set<ServerResponse>();
  let server: Server | undefined;
  let port = 0;

  function answer(path: string, response: ServerResponse): void {
    if (path !== "/download") {
      response.end(path === "/healthz" ? "ok\n" : name);
      return;
    }
    downloads.add(response);
    response.on("close", () => downloads.delete(response));
    sendOn(response);
  }

  function sendOn(response: ServerResponse): void {
    if (response.destroyed || response.writableEnded) return;
    response.write(`${name} `);
    clock.after(CHUNK_EVERY_MS, () => sendOn(response));
  }

  const live = {
    name,
    get port() {
      return port;
    },
    async start() {
      server = createServer((request, response) => answer(request.url ?? "/", response));
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      port = (server.address() as AddressInfo).port;
    },
    async stop() {
      if (!server?.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    endDownloads() {
      for (const response of downloads) response.end("end");
    },
  };
  await live.start();
  return live;
}
