import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Connector } from "./connector.ts";
import { CutOff } from "./h2-trouble.ts";
import type { HttpRequest, Session, SessionEvents } from "./http-session.ts";
import { fail } from "./outcome.ts";

/*
 * HTTP/2 by Node itself. undici's client gives up a request at any GOAWAY, also at one that announces the server's restart after this very
 * reply (RFC 9113, 6.8), and asserts within listeners what a server can make untrue (lib/dispatcher/client-h2.js).
 */

/** One HTTP/2 connection at a time, one stream on it at a time. Without TLS the server has to know beforehand (RFC 9113, 3.3). */
export function createH2Session(
  origin: string,
  request: HttpRequest,
  connect: Connector,
  events: SessionEvents,
): Session {
  const { host, protocol } = new URL(origin);
  const { ":authority": authority, ...headers } = { ":authority": host, ...headersOf(request) };
  const fields = {
    ":method": request.method,
    ":scheme": protocol.slice(0, -1),
    ":authority": authority,
    ":path": request.path,
    ...headers,
  };
  let replies = 0;
  let discarded = false;
  let abandon: (() => void) | undefined;
  let present: { readonly session: ClientHttp2Session; readonly socket: Socket } | undefined;
  /** What ended the session, which its stream only tells as cancelled. */
  let cause: Error | undefined;

  function dial(): void {
    replies = 0;
    abandon = connect({
      delayed: (by) => events.delayed(by),
      phase: (phase) => events.phase(phase),
      failed: (outcome) => events.unconnected(outcome),
      ready(socket) {
        if (!(socket instanceof TLSSocket) || socket.alpnProtocol === "h2") send(establish(socket));
        else events.unconnected(fail("the server does not speak HTTP/2, it chose no protocol (ALPN)"));
      },
    });
  }

  function establish(socket: Socket): ClientHttp2Session {
    const session = connectHttp2(origin, { createConnection: () => socket, settings: { enablePush: false } });
    present = { session, socket };
    cause = undefined;
    session.on("error", (error) => {
      if (present?.session === session) cause = error;
    });
    return session;
  }

  function send(session: ClientHttp2Session): void {
    if (discarded) return;
    events.phase("waiting for the reply");
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(fields, { endStream: request.body === undefined });
    } catch (error) {
      // The connection has ended since the last reply, and its events are still to come.
      process.nextTick(failed, error as Error);
      return;
    }
    let trouble: Error | undefined;
    stream.on("response", (fields) => {
      if (discarded) return;
      events.phase("reading the body");
      events.status(fields[":status"] ?? 0, fields);
    });
    stream.on("trailers", (fields) => {
      if (!discarded) events.trailers(fields);
    });
    stream.on("data", (chunk: Buffer) => {
      if (!discarded) events.data(chunk);
    });
    stream.on("error", (error) => {
      trouble = error;
    });
    // The one event that always comes, and after everything else. A reply that was cut off differs by its code alone.
    stream.on("close", () => {
      if (trouble === undefined && stream.rstCode === constants.NGHTTP2_NO_ERROR && stream.readableEnded) {
        replies += 1;
        if (!discarded) events.end();
      } else failed(trouble ?? cause ?? new CutOff(session.destroyed ? undefined : stream.rstCode));
    });
    if (request.body !== undefined) stream.end(request.body);
  }

  function failed(error: Error): void {
    if (!discarded) events.error(error);
  }

  function hangUp(): void {
    const last = present;
    present = undefined;
    if (last === undefined) return;
    // Tells the server that this is the end, and does not wait for its answer.
    last.session.close();
    setImmediate(() => {
      last.session.destroy();
      last.socket.destroy();
    });
  }

  return {
    get replies() {
      return replies;
    },
    ask() {
      const session = present?.session;
      // `closed` also after a GOAWAY, which lets the present stream go on and no other begin.
      if (session !== undefined && !session.closed && !session.destroyed) return process.nextTick(send, session);
      hangUp();
      dial();
    },
    hangUp,
    discard() {
      discarded = true;
      present?.session.destroy();
      present = undefined;
      abandon?.();
    },
  };
}

function headersOf({ headers, host }: HttpRequest): Record<string, string> {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { ...(host !== undefined && { ":authority": host }), ...Object.fromEntries(lower) };
}
