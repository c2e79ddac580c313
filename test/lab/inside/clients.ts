import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, isIPv4, type Socket } from "node:net";
import type { EndpointKind, Hold, HoldResult, Load, LoadResult } from "./protocol.ts";

export interface RunningLoad {
  look(): LoadResult;
  /** Resolves when the load has ended by itself or by stop(). */
  readonly finished: Promise<LoadResult>;
  stop(): void;
}

export function startLoad(load: Load): RunningLoad {
  const counts: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const seenFrom = new Set<string>();
  const look = (): LoadResult => ({ counts, errors, seenFrom: [...seenFrom] });
  let stopped = false;
  const concurrency = load.concurrency ?? (load.perSecond === undefined ? 1 : 100);

  const one = async () => {
    try {
      const { server, from } = await ask(load.kind, load.target, load.timeoutMs ?? 2000, load.path ?? "/");
      counts[server] = (counts[server] ?? 0) + 1;
      if (from !== undefined) seenFrom.add(from);
    } catch (error) {
      const reason = reasonOf(error);
      errors[reason] = (errors[reason] ?? 0) + 1;
    }
  };
  const everything = async (): Promise<LoadResult> => {
    const underWay = new Set<Promise<void>>();
    const startedAt = performance.now();
    for (let i = 0; i < (load.count ?? Number.POSITIVE_INFINITY) && !stopped; i++) {
      if (load.perSecond !== undefined) await pause(startedAt + (i * 1000) / load.perSecond - performance.now());
      while (underWay.size >= concurrency) await Promise.race(underWay);
      const request = one();
      underWay.add(request);
      void request.then(() => underWay.delete(request));
    }
    await Promise.all(underWay);
    return look();
  };
  return {
    look,
    finished: everything(),
    stop() {
      stopped = true;
    },
  };
}

/** One request over a connection, or flow, of its own. */
function ask(
  kind: EndpointKind,
  target: string,
  timeoutMs: number,
  path: string,
): Promise<{ server: string; from?: string }> {
  return within(timeoutMs, (resolve, reject) => {
    if (kind === "udp") {
      const socket = openUdp(target, () => socket.send("?"));
      socket.on("error", reject).on("message", (message) => resolve({ server: firstWord(String(message)) }));
      return () => socket.close();
    }
    const socket = openTcp(target);
    let text = "";
    if (kind === "http") {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n`);
      socket.on("end", () => {
        const [head = "", body = ""] = text.split("\r\n\r\n");
        const status = head.split(" ")[1];
        const content = /^[0-9a-f]+\r\n/.test(body) ? body.slice(body.indexOf("\n") + 1) : body;
        const [server, from] = content.trim().split(/\s+/);
        if (status === "200" && server !== undefined) resolve(from === undefined ? { server } : { server, from });
        else reject(new Error(status === undefined ? "closed" : `status ${status}`));
      });
    } else {
      socket.on("connect", () => socket.write("?"));
      socket.on("end", () => reject(new Error("closed")));
    }
    socket.setEncoding("utf8").on("data", (data) => {
      text += data;
      if (kind === "echo" && text.endsWith("\n?")) resolve({ server: text.slice(0, -2) });
    });
    socket.on("error", reject);
    return () => socket.destroy();
  });
}

/** Settles once; then calls what `begin` returned to let go of everything. */
function within<T>(
  timeoutMs: number,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  let letGo = () => {};
  let timer: NodeJS.Timeout | undefined;
  return new Promise<T>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error("timeout")), timeoutMs);
    letGo = begin(resolve, reject);
  }).finally(() => {
    clearTimeout(timer);
    letGo();
  });
}

export interface Held {
  look(): HoldResult;
  release(): void;
}

type Line =
  | { kind: "opening" }
  | { kind: "alive"; server: string }
  | { kind: "dead"; server: string; reason: string; afterMs: number };

/** Resolves when every connection has had its first exchange or failed. */
export async function hold(order: Hold): Promise<Held> {
  const startedAt = performance.now();
  const lines: Line[] = [];
  const closers: (() => void)[] = [];
  let exchanges = 0;
  let released = false;

  const keep = (index: number) =>
    new Promise<void>((settled) => {
      lines[index] = { kind: "opening" };
      let deadline: NodeJS.Timeout;
      const wait = () => {
        deadline = setTimeout(() => dead("timeout"), order.timeoutMs ?? 2000);
      };
      const dead = (reason: string) => {
        const line = lines[index]!;
        if (line.kind === "dead" || released) return;
        const server = line.kind === "alive" ? line.server : "";
        lines[index] = { kind: "dead", server, reason, afterMs: Math.round(performance.now() - startedAt) };
        clearTimeout(deadline);
        connection.close();
        settled();
      };
      const answered = (server: string) => {
        const line = lines[index]!;
        if (line.kind === "dead" || released) return;
        if (line.kind === "alive" && line.server !== server) return dead(`moved to ${server}`);
        lines[index] = { kind: "alive", server };
        exchanges++;
        clearTimeout(deadline);
        settled();
        setTimeout(() => {
          if (lines[index]!.kind === "dead" || released) return;
          wait();
          connection.exchange();
        }, order.everyMs ?? 100);
      };
      wait();
      const open = order.kind === "udp" ? holdUdp : holdTcp;
      const connection = open(order.target, answered, dead);
      closers.push(() => {
        clearTimeout(deadline);
        connection.close();
      });
    });
  await Promise.all(Array.from({ length: order.count }, (_, index) => keep(index)));
  return {
    look() {
      const alive: Record<string, number> = {};
      for (const line of lines) if (line.kind === "alive") alive[line.server] = (alive[line.server] ?? 0) + 1;
      const dead = lines.flatMap((line) => {
        if (line.kind !== "dead") return [];
        const { kind: _, ...rest } = line;
        return [rest];
      });
      return { alive, dead, exchanges };
    },
    release() {
      released = true;
      for (const close of closers) close();
    },
  };
}

interface HeldConnection {
  exchange(): void;
  close(): void;
}

function holdTcp(target: string, answered: (server: string) => void, dead: (reason: string) => void): HeldConnection {
  const socket = openTcp(target);
  let server: string | undefined;
  let text = "";
  socket.setEncoding("utf8").on("data", (data: string) => {
    if (server !== undefined) return answered(server);
    text += data;
    if (!text.endsWith("\n")) return;
    server = text.trim();
    socket.write("?");
  });
  socket.on("error", (error) => dead(reasonOf(error))).on("end", () => dead("closed"));
  return { exchange: () => socket.write("?"), close: () => socket.destroy() };
}

function holdUdp(target: string, answered: (server: string) => void, dead: (reason: string) => void): HeldConnection {
  const send = () => socket.send("?", (error) => error && dead(reasonOf(error)));
  const socket = openUdp(target, send);
  let open = true;
  socket.on("message", (message) => answered(firstWord(String(message)))).on("error", (error) => dead(reasonOf(error)));
  return {
    exchange: send,
    close() {
      if (open) socket.close();
      open = false;
    },
  };
}

function openTcp(target: string): Socket {
  return connect({ ...split(target), autoSelectFamily: false, noDelay: true });
}

/** Connected, so that an ICMP refusal is heard. */
function openUdp(target: string, ready: () => void): UdpSocket {
  const { host, port } = split(target);
  const socket = createSocket(isIPv4(host) ? "udp4" : "udp6");
  socket.connect(port, host, ready);
  return socket;
}

function split(target: string): { host: string; port: number } {
  const at = target.lastIndexOf(":");
  return { host: target.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(target.slice(at + 1)) };
}

function firstWord(text: string): string {
  return text.split(" ", 1)[0]!;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
