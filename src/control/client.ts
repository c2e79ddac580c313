import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Millis } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** Nobody answered. `sent`: the request may have been acted upon, the answer was lost or did not come in time. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  /** The system's word: ENOENT, ECONNREFUSED, EACCES, ECONNRESET, ...; undefined: something else. */
  readonly code: string | undefined;
  readonly socket: string;
  readonly sent: boolean;

  constructor(message: string, code: string | undefined, socket: string, sent: boolean) {
    super(message);
    this.code = code;
    this.socket = socket;
    this.sent = sent;
  }
}

/** The daemon answered, and did not do it; the message is its reason, `problems` the single points where there are several. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  readonly problems: readonly string[];

  constructor(status: number, message: string, problems: readonly string[]) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

export interface Answer<T> {
  readonly body: T;
  readonly etag: string | undefined;
}

/** All methods reject with Unreachable, with Refused, or with `signal.reason` soon after `signal` aborts. */
export interface Client {
  readonly socket: string;
  get<T>(path: string, signal: AbortSignal): Promise<Answer<T>>;
  send<T>(
    method: "POST" | "PUT",
    path: string,
    body: unknown,
    signal: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer<T>>;
  /** NDJSON, value by value, until the daemon ends it. A lost connection rejects with Unreachable. */
  stream<T>(path: string, signal: AbortSignal): AsyncGenerator<T, void, undefined>;
}

export interface ClientOptions {
  readonly clock: Clock;
  /** The unix socket's path. */
  readonly socket: string;
  /** Whom the daemon is to record, as claimed. */
  readonly actor: string;
  /** Texts come from real servers as well: control characters in them would command the terminal. false: every byte as it was sent. */
  readonly printable: boolean;
}

/** Reading takes no time; a longer silence means that the daemon hangs. */
const READ_TIMEOUT_MS: Millis = 30_000;
/** A command ends after a pass: one or two ipvsadm calls of up to 10s each (ipvs.timeout); a reload may wait for the start to end (10s). */
const COMMAND_TIMEOUT_MS: Millis = 120_000;

/** /v1/drains/d-1 of "drains", "d-1". */
export function apiPath(...parts: readonly string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

/** Speaks to the daemon over its socket; one connection for each request. */
export function createClient(options: ClientOptions): Client {
  const { socket } = options;

  async function call<T>(call: Call, signal: AbortSignal): Promise<Answer<T>> {
    const { response, done } = await open(options, call, signal);
    try {
      const text = await wholeText(response, options, signal);
      if (!succeeded(response)) throw refusal(response, socket, text);
      return { body: parse(text, socket, options.printable) as T, etag: response.headers.etag };
    } finally {
      done();
    }
  }

  return {
    socket,
    get: (path, signal) => call({ method: "GET", path, timeoutMs: READ_TIMEOUT_MS }, signal),
    send: (method, path, body, signal, headers = {}) =>
      call({ method, path, timeoutMs: COMMAND_TIMEOUT_MS, body: JSON.stringify(body), headers }, signal),
    async *stream<T>(path: string, signal: AbortSignal) {
      const { response, done } = await open(options, { method: "GET", path, timeoutMs: READ_TIMEOUT_MS }, signal);
      try {
        if (!succeeded(response)) throw refusal(response, socket, await wholeText(response, options, signal));
        for await (const line of lines(response, socket, signal)) yield parse(line, socket, options.printable) as T;
      } finally {
        done();
      }
    },
  };
}

interface Call {
  readonly method: string;
  readonly path: string;
  /** Until the answer begins. */
  readonly timeoutMs: Millis;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends the request; resolves with the beginning of the answer. `done` lets go of the connection. */
function open(
  { socket, actor, clock }: ClientOptions,
  { method, path, timeoutMs, body, headers }: Call,
  signal: AbortSignal,
): Promise<{ readonly response: IncomingMessage; readonly done: () => void }> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let connected = false;
    const request = httpRequest({
      socketPath: socket,
      agent: false,
      method,
      path,
      headers: {
        host: "director",
        "director-actor": asHeader(actor),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
        ...headers,
      },
    });
    const disarm = clock.after(timeoutMs, () => {
      fail(new Unreachable(`no answer within ${timeoutMs / 1000} seconds`, "ETIMEDOUT", socket, connected));
    });
    const onAbort = () => fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const fail = (error: unknown) => {
      disarm();
      signal.removeEventListener("abort", onAbort);
      reject(error);
      request.destroy();
    };
    request.once("socket", (s) => s.once("connect", () => (connected = true)));
    request.on("error", (error) => fail(lost(error, socket, connected)));
    request.once("response", (response) => {
      disarm();
      response.on("error", () => {});
      const done = () => {
        signal.removeEventListener("abort", onAbort);
        request.destroy();
      };
      resolve({ response, done });
    });
    request.end(body);
  });
}

function lost(error: unknown, socket: string, sent: boolean): Unreachable {
  const { message, code } = error as NodeJS.ErrnoException;
  return new Unreachable(message, code, socket, sent);
}

/** Headers take printable ASCII only. */
function asHeader(actor: string): string {
  return actor.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
}

function succeeded({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

async function wholeText(
  response: IncomingMessage,
  { clock, socket }: ClientOptions,
  signal: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = [];
  const disarm = clock.after(READ_TIMEOUT_MS, () => response.destroy(new Error("the answer stopped half way")));
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    signal.throwIfAborted();
    throw lost(error, socket, true);
  } finally {
    disarm();
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* lines(
  response: IncomingMessage,
  socket: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  response.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) if (part !== "") yield part;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw lost(error, socket, true);
  }
}

function refusal(response: IncomingMessage, socket: string, text: string): Error {
  const status = response.statusCode ?? 0;
  const type = response.headers["content-type"] ?? "";
  if (!type.startsWith("application/problem+json")) return notDirector(`${status} ${type}`, socket);
  const { detail, title, problems } = parse(text, socket, true) as Partial<Problem>;
  return new Refused(status, detail ?? title ?? `status ${status}`, problems ?? []);
}

/** application/problem+json (RFC 9457) with the single points where there are several. */
interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly problems: readonly string[];
}

function parse(text: string, socket: string, cleaned: boolean): unknown {
  try {
    return JSON.parse(text, cleaned ? (_, value) => (typeof value === "string" ? printable(value) : value) : undefined);
  } catch {
    throw notDirector("no JSON", socket);
  }
}

function notDirector(what: string, socket: string): Unreachable {
  return new Unreachable(`whoever answers there is not director (${what})`, undefined, socket, true);
}

/** Control characters, line ends among them, as a blank: every text of a reply is one line. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}
