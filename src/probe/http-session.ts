import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Dispatcher } from "undici";
import type { ProbeOutcome } from "../model/probe.ts";
import type { Millis } from "../model/time.ts";
import type { Connector } from "./connector.ts";
import type { Phase } from "./outcome.ts";
import { sayGoodbye } from "./tcp-connect.ts";
import { Client, errors, neverTooOld } from "./undici.ts";

/** What happens to a request. None of it within `ask` itself, and nothing at all once the session is discarded. */
export interface SessionEvents {
  delayed(by: Millis): void;
  phase(phase: Phase): void;
  /** There is no connection. */
  unconnected(outcome: ProbeOutcome): void;
  /** The status and fields of the final reply; 1xx are passed over. */
  status(status: number, fields: HttpFields): void;
  data(chunk: Buffer): void;
  /** The fields after the body, if there are any; of HTTP/2 only. */
  trailers(fields: HttpFields): void;
  end(): void;
  /** The connection stood, and then something went wrong. */
  error(error: Error): void;
}

/** By names in lower case. */
export type HttpFields = Readonly<Record<string, string | string[] | undefined>>;

/** What is asked. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** As given; undefined: the origin's. */
  readonly host: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** An undici client with one connection at a time. After anything but an orderly reply it is discarded with all it may still have in hand, so that
 *  the next probe starts from nothing. */
export interface Session {
  /** Replies over the present connection; above 0 it is one that was kept. */
  readonly replies: number;
  /** One request at a time. */
  ask(): void;
  /** Closes the connection after an orderly reply; the next request has a new one. */
  hangUp(): void;
  discard(): void;
}

/** Ends a connection without cost: undici builds an error with a stack, and asks the kernel for both addresses, where a socket closes without one. */
const OVER = new errors.InformationalError("the probe is over");

/** undici's list of a kept connection's fields is older than they are; what an old object holds V8 collects as late as that. */
function forget(list: unknown): void {
  if (Array.isArray(list)) list.length = 0;
}

export function createSession(
  origin: string,
  { method, path, host, headers, body }: HttpRequest,
  connect: Connector,
  events: SessionEvents,
): Session {
  const request: Dispatcher.DispatchOptions = {
    method: method as Dispatcher.HttpMethod,
    path,
    headers: { ...(host !== undefined && { host }), ...headers },
    ...(body && { body }),
  };
  let replies = 0;
  let discarded = false;
  let socket: Socket | undefined;
  let abandon: (() => void) | undefined;

  const client = new Client(origin, {
    connect: (_options, done) => {
      replies = 0;
      abandon = connect({
        delayed: (by) => events.delayed(by),
        phase: (phase) => events.phase(phase),
        ready(connected) {
          socket = connected;
          done(null, connected);
        },
        failed: (outcome) => events.unconnected(outcome),
      });
    },
    pipelining: 1,
    // The deadline is the engine's; undici's timers are coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 0x7fffffff,
  });
  neverTooOld(client);

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {
      if (!discarded) events.phase("waiting for the reply");
    },
    onResponseStarted() {
      if (!discarded) events.phase("reading the headers");
    },
    onResponseStart(controller, status, fields) {
      forget(controller.rawHeaders);
      if (discarded || status < 200) return;
      events.phase("reading the body");
      events.status(status, fields);
    },
    onResponseData(_controller, chunk) {
      if (!discarded) events.data(chunk);
    },
    onResponseEnd() {
      replies += 1;
      if (!discarded) events.end();
    },
    onResponseError(_controller, error) {
      if (!discarded) events.error(error);
    },
  };

  return {
    get replies() {
      return replies;
    },
    ask() {
      client.dispatch(request, handler);
    },
    hangUp() {
      if (socket instanceof TLSSocket) sayGoodbye(socket, OVER);
      else socket?.destroy(OVER);
      // What is held until the next probe outlives V8's nursery, and is dear to collect then.
      socket = undefined;
      abandon = undefined;
    },
    discard() {
      discarded = true;
      abandon?.();
      client.destroy(OVER, () => {});
    },
  };
}
