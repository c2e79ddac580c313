import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, isIP } from "node:net";
import { dirname } from "node:path";
import type { Endpoint } from "../model/address.ts";
import { formatEndpoint } from "../model/address.ts";
import type { Handler } from "./door.ts";
import { type ApiReply, type ApiRequest, Oversized, problem, readBody, sendReply } from "./http.ts";

export interface Listening {
  readonly where: string;
  close(): Promise<void>;
}

interface Door {
  readonly handler: Handler;
  /** GET alone. */
  readonly readOnly: boolean;
  /** Whether this Host header is one of ours: browsers on other sites are not. */
  readonly hostAllowed: (host: string) => boolean;
  /** Whether a page that came from here may ask: browsers say where even their own page's scripts are loaded from. */
  readonly ownPages: boolean;
}

/** Commands and reading, or reading alone, over a unix socket. A stale socket file is replaced; a living daemon's never.
 *  @throws Error that names the path and the remedy */
export async function listenUnix(
  options: {
    readonly path: string;
    readonly mode: number;
    readonly group: string | undefined;
    readonly readOnly: boolean;
  },
  handler: Handler,
): Promise<Listening> {
  const { path, mode, group, readOnly } = options;
  if (await answers(path))
    throw new Error(`${path}: another director answers there; stop it first, or give this one its own control.socket`);
  const gid = group === undefined ? undefined : groupId(group);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  removeStale(path);
  const server = serverFor({ handler, readOnly, hostAllowed: (host) => host === "director", ownPages: false });
  // Nobody may connect before owner and mode are set.
  const umask = process.umask(0o177);
  try {
    await listening(server, () => server.listen(path));
  } catch (cause) {
    throw new Error(`cannot listen on ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  } finally {
    process.umask(umask);
  }
  try {
    if (gid !== undefined) chownSync(path, -1, gid);
    chmodSync(path, mode);
  } catch (cause) {
    server.close();
    const why = cause instanceof Error ? cause.message : cause;
    throw new Error(`cannot give ${path} to group ${group}: ${why}; director must belong to that group`, { cause });
  }
  return { where: path, close: () => closed(server) };
}

/** Reading alone, over TCP. `hosts`: names beyond IP addresses and localhost that a Host header may have. */
export async function listenTcp(endpoint: Endpoint, hosts: readonly string[], handler: Handler): Promise<Listening> {
  const where = formatEndpoint(endpoint.address, endpoint.port);
  const hostAllowed = (host: string) => {
    const name = host
      .replace(/:\d+$/, "")
      .replace(/^\[(.*)\]$/, "$1")
      .toLowerCase();
    return isIP(name) !== 0 || name === "localhost" || hosts.includes(name);
  };
  const server = serverFor({ handler, readOnly: true, hostAllowed, ownPages: true });
  try {
    await listening(server, () => server.listen(endpoint.port, endpoint.address.text));
  } catch (cause) {
    throw new Error(`cannot listen on ${where} (http.listen): ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  return { where, close: () => closed(server) };
}

function serverFor(door: Door): Server {
  const server = createServer(
    // Node looks for connections that are too slow every 30 seconds unless told otherwise: 5s would be up to 35.
    { headersTimeout: 5_000, requestTimeout: 30_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      void answer(door, request, response);
    },
  );
  server.maxConnections = 64;
  return server;
}

async function answer(door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on("error", () => {});
  try {
    sendReply(response, refusal(door, request) ?? (await door.handler(await parsed(request))));
  } catch (error) {
    if (response.headersSent) response.destroy();
    else sendReply(response, trouble(error));
  }
}

/** What must not even be looked at: other sites' browsers, and commands where only reading is allowed. */
function refusal(door: Door, request: IncomingMessage): ApiReply | undefined {
  const host = request.headers.host ?? "";
  const { origin } = request.headers;
  const own = door.ownPages && (origin === `http://${host}` || origin === `https://${host}`);
  if (origin !== undefined && !own)
    return problem(403, "requests with an Origin header are refused: no web page commands director");
  if (!door.hostAllowed(host))
    return problem(403, `Host "${host}" is not one of ours (over the unix socket it is "director"; see http.hosts)`);
  if (door.readOnly && request.method !== "GET" && request.method !== "HEAD")
    return problem(405, "this socket is for reading; commands go over control.socket");
  return undefined;
}

function trouble(error: unknown): ApiReply {
  if (error instanceof Oversized) return problem(413, "the body is larger than 1 MiB");
  if (error instanceof SyntaxError) return problem(400, `the body is not JSON: ${error.message}`);
  if (error instanceof URIError) return problem(400, "the path is not encoded properly");
  return problem(500, `internal: ${error instanceof Error ? error.message : error}`);
}

async function parsed(request: IncomingMessage): Promise<ApiRequest> {
  const url = new URL(request.url ?? "/", "http://director");
  const actor = request.headers["director-actor"];
  return {
    method: request.method === "HEAD" ? "GET" : (request.method ?? "GET"),
    path: url.pathname
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent),
    query: url.searchParams,
    body: await readBody(request),
    // As claimed: the socket's permissions decide who may speak at all.
    actor: typeof actor === "string" && actor !== "" ? actor.slice(0, 100) : "unknown",
    ifMatch: request.headers["if-match"],
    ifNoneMatch: request.headers["if-none-match"],
  };
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    listen();
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Whether a living process answers on this socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** A socket file that nobody listens on is what a killed daemon leaves. Anything else that stands there is somebody's. */
function removeStale(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error(`${path} is there and not a socket: name another path, or remove it first`);
  unlinkSync(path);
}

function groupId(name: string): number {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const gid = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isInteger(gid))
    throw new Error(
      `control.group: there is no group "${name}"; create it (groupadd --system ${name}) or name another`,
    );
  return gid;
}
