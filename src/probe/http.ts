import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Client, type Dispatcher, errors } from "undici";
import { formatEndpoint } from "../model/address.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { type Connector, tcpConnector } from "./connector.ts";
import { type HttpOptions, type HttpsOptions, hostName, httpOptions, httpsOptions } from "./http-options.ts";
import { replyTrouble } from "./http-trouble.ts";
import { verdict } from "./http-verdict.ts";
import { type Done, type Phase, timedOut } from "./outcome.ts";
import { tlsConnector } from "./tls.ts";

/** One request over HTTP/1.1; redirects are answers like any other, not followed. */
export const httpProbe: ProbeType<HttpOptions> = {
  name: "http",
  options: httpOptions,
  label: ({ method, path }) => `http ${method} ${path}`,
  open: (target, options) => open("http", target, options, tcpConnector(target)),
};

/** The same over TLS, with the server's certificate verified. */
export const httpsProbe: ProbeType<HttpsOptions> = {
  name: "https",
  options: httpsOptions,
  label: ({ method, path }) => `https ${method} ${path}`,
  open(target, options) {
    const { verify, ca, sni, host } = options;
    const name = hostName(sni ?? host ?? formatEndpoint(target.endpoint.address));
    return open("https", target, options, tlsConnector(target, { verify, ca, name }, ["http/1.1"]));
  },
};

/** Ends a connection without cost: undici builds an error with a stack, and asks the kernel for both addresses, where a socket closes without one. */
const OVER = new errors.InformationalError("the probe is over");

/** An undici client and its one connection at a time. After anything but an orderly reply it is thrown away with all it may still have in hand, so
 *  that the next probe starts from nothing. */
interface Session {
  readonly client: Client;
  readonly handler: Dispatcher.DispatchHandler;
  socket: Socket | undefined;
  /** Replies over this very connection. */
  replies: number;
}

function open(scheme: "http" | "https", target: ProbeTarget, options: HttpOptions, connect: Connector): Prober {
  const origin = `${scheme}://${formatEndpoint(target.endpoint.address, target.endpoint.port)}`;
  const request = requestOf(options);
  const judge = verdict(options);
  const keep = options.reuse_connection;

  let session: Session | undefined;
  let done: Done | undefined;
  /** From start until the outcome is known; it is told a little later, outside undici's own stack. */
  let waiting = false;
  let phase: Phase = "while connecting";
  let retried = false;
  let status = 0;
  let received = 0;
  let chunks: Buffer[] = [];

  function settle(outcome: ProbeOutcome, orderly: boolean): void {
    if (!waiting) return;
    waiting = false;
    process.nextTick(tell, outcome, orderly);
  }

  function tell(outcome: ProbeOutcome, orderly: boolean): void {
    if (!orderly) discard();
    const last = done;
    done = undefined;
    last?.(outcome);
  }

  function discard(): void {
    const last = session;
    session = undefined;
    last?.socket?.destroy();
    last?.client.destroy(OVER, () => {});
  }

  function ask(): void {
    session ??= newSession();
    // One that is still saying goodbye.
    if (!keep) session.socket?.destroy(OVER);
    session.client.dispatch(request, session.handler);
  }

  function newSession(): Session {
    const own: Session = {
      client: new Client(origin, {
        connect: (_options, ready) => dial(own, (socket) => ready(null, socket)),
        pipelining: 1,
        // The deadline is the engine's; undici's timers are coarse.
        headersTimeout: 0,
        bodyTimeout: 0,
        // The longest a timer can be: a kept connection is the server's to close, or ends before a `Keep-Alive: timeout` it has announced.
        keepAliveTimeout: 0x7fffffff,
      }),
      handler: handlerOf(() => own),
      socket: undefined,
      replies: 0,
    };
    return own;
  }

  function dial(own: Session, ready: (socket: Socket) => void): void {
    phase = "while connecting";
    own.replies = 0;
    own.socket = connect({
      phase(next) {
        if (own === session) phase = next;
      },
      ready(socket) {
        if (own === session) ready(socket);
      },
      failed(outcome) {
        if (own === session) settle(outcome, false);
      },
    });
  }

  function handlerOf(session_: () => Session): Dispatcher.DispatchHandler {
    const current = (): boolean => waiting && session_() === session;
    return {
      onRequestStart() {
        if (current()) phase = "waiting for the reply";
      },
      onResponseStarted() {
        if (current()) phase = "reading the headers";
      },
      onResponseStart(_controller, code) {
        // 1xx: the real one is still to come.
        if (!current() || code < 200) return;
        phase = "reading the body";
        status = code;
        const failure = judge.status(code);
        if (failure !== undefined) settle(failure, false);
      },
      onResponseData(_controller, chunk) {
        if (!current()) return;
        received += chunk.length;
        if (judge.needsBody) chunks.push(chunk);
        if (received > options.max_body) settle(judge.body(status, body(), false), false);
      },
      onResponseEnd() {
        if (!current()) return;
        const own = session_();
        own.replies += 1;
        if (!keep) hangUp(own.socket);
        settle(judge.body(status, body(), true), true);
      },
      onResponseError(_controller, error) {
        if (!current()) return;
        // A kept connection that the server has closed meanwhile says nothing about the server: asked once more, over a new one.
        const unanswered = phase === "while connecting" || phase === "waiting for the reply";
        if (unanswered && !retried && session_().replies > 0) process.nextTick(retry);
        else settle(replyTrouble(error, phase), false);
      },
    };
  }

  function body(): Buffer {
    return Buffer.concat(chunks).subarray(0, options.max_body);
  }

  function retry(): void {
    if (!waiting) return;
    retried = true;
    discard();
    ask();
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error(`${scheme} probe started while one is in flight`);
      done = tell;
      waiting = true;
      phase = "while connecting";
      retried = false;
      received = 0;
      chunks = [];
      ask();
    },
    cancel() {
      if (!waiting) return;
      waiting = false;
      tell(timedOut(target.timeout, phase), false);
    },
    close() {
      waiting = false;
      done = undefined;
      discard();
    },
  };
}

/** Closes after an orderly reply. TLS is first told that this is the end: servers log a warning where it just stops. */
function hangUp(socket: Socket | undefined): void {
  if (!(socket instanceof TLSSocket)) {
    socket?.destroy(OVER);
    return;
  }
  socket.end();
  setImmediate(() => socket.destroy(OVER));
}

function requestOf({ path, method, host, headers }: HttpOptions): Dispatcher.DispatchOptions {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === "user-agent");
  return {
    path,
    method,
    headers: { ...(host !== undefined && { host }), ...(!named && { "user-agent": "director" }), ...headers },
  };
}
