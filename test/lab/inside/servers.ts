import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer as createHttpServer } from "node:http";
import { createServer, isIPv4, Server as NetServer, type Socket } from "node:net";
import type { Behaviour, Endpoint } from "./protocol.ts";

/** A listening endpoint whose behaviour can be switched while it runs. */
export interface Listening {
  behave(behaviour: Behaviour, path: string | undefined): Promise<void>;
  seen(path: string | undefined): number;
  cut(): void;
}

export function listen(endpoint: Endpoint): Promise<Listening> {
  return endpoint.kind === "udp" ? listenUdp(endpoint) : listenTcp(endpoint);
}

async function listenTcp(endpoint: Endpoint): Promise<Listening> {
  let general: Behaviour = { kind: "ok" };
  const byPath = new Map<string, Behaviour>();
  const counts = new Map<string | undefined, number>();
  const count = (path: string | undefined) => counts.set(path, (counts.get(path) ?? 0) + 1);
  const sockets = new Set<Socket>();

  const server =
    endpoint.kind === "http"
      ? createHttpServer((request, response) => {
          const path = request.url ?? "/";
          count(path);
          count(undefined);
          const from = (request.socket.remoteAddress ?? "?").replace("::ffff:", "");
          const answer = () => response.end(`${endpoint.name} ${from}\n`);
          const behaviour = byPath.get(path) ?? general;
          if (behaviour.kind === "slow") setTimeout(answer, behaviour.delayMs);
          else if (behaviour.kind === "reset") request.socket.resetAndDestroy();
          else if (behaviour.kind === "status")
            response.writeHead(behaviour.status).end(`${behaviour.status} ${from}\n`);
          else if (behaviour.kind !== "silent") answer();
        })
      : createServer((socket) => {
          count(undefined);
          const answer = () => {
            socket.write(`${endpoint.name}\n`);
            socket.pipe(socket);
          };
          if (general.kind === "slow") setTimeout(answer, general.delayMs);
          else if (general.kind === "silent") socket.resume();
          else answer();
        });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    if (general.kind === "reset") socket.resetAndDestroy();
  });

  const open = () =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: endpoint.port, host: endpoint.address, backlog: 4096 }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  await open();
  return {
    async behave(behaviour, path) {
      if (path !== undefined) {
        byPath.set(path, behaviour);
        return;
      }
      general = behaviour;
      // The http server's own close would end idle connections too.
      if (behaviour.kind === "refuse" && server.listening) NetServer.prototype.close.call(server);
      if (behaviour.kind !== "refuse" && !server.listening) await open();
    },
    seen: (path) => counts.get(path) ?? 0,
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

async function listenUdp(endpoint: Endpoint): Promise<Listening> {
  let behaviour: Behaviour = { kind: "ok" };
  let seen = 0;
  const address = endpoint.address ?? "::";
  const open = () =>
    new Promise<UdpSocket>((resolve, reject) => {
      const fresh = createSocket(isIPv4(address) ? "udp4" : "udp6");
      fresh.once("error", reject);
      fresh.on("message", (message, from) => {
        seen++;
        const answer = () => fresh.send(`${endpoint.name} ${message}`, from.port, from.address, () => {});
        if (behaviour.kind === "slow") setTimeout(answer, behaviour.delayMs);
        else if (behaviour.kind === "ok") answer();
      });
      fresh.bind(endpoint.port, address, () => resolve(fresh));
    });
  let socket: UdpSocket | undefined = await open();
  return {
    async behave(next, _path) {
      behaviour = next;
      if (next.kind === "refuse") {
        socket?.close();
        socket = undefined;
      } else socket ??= await open();
    },
    seen: () => seen,
    cut() {},
  };
}
