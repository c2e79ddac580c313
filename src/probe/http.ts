import { formatEndpoint } from "../model/address.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { type Connector, tcpConnector } from "./connector.ts";
import { createH2Session } from "./h2-session.ts";
import { h2Trouble } from "./h2-trouble.ts";
import { hostName } from "./host-name.ts";
import { type HttpOptions, type HttpsOptions, httpOptions, httpsOptions } from "./http-options.ts";
import { createSession, type HttpRequest, type Session } from "./http-session.ts";
import { replyTrouble } from "./http-trouble.ts";
import { verdict } from "./http-verdict.ts";
import { latencyObjections, withinLatency } from "./latency.ts";
import { type Done, type Phase, timedOut } from "./outcome.ts";
import { payloadBytes } from "./payload.ts";
import { tlsConnector } from "./tls.ts";

/** One request over HTTP/1.1; redirects are answers like any other, not followed. */
export const httpProbe: ProbeType<HttpOptions> = {
  name: "http",
  options: httpOptions,
  objections: latencyObjections,
  label: ({ method, path }) => `http ${method} ${path}`,
  open: (target, options) => open("http", target, options, tcpConnector(target), HTTP_1),
};

/** The same over TLS, with the server's certificate verified; HTTP/2 where it is asked for. */
export const httpsProbe: ProbeType<HttpsOptions> = {
  name: "https",
  options: httpsOptions,
  objections: latencyObjections,
  label: ({ method, path }) => `https ${method} ${path}`,
  open(target, options) {
    const { verify, ca, certificate, key, certificate_days_left: daysLeft, sni, host, version } = options;
    const name = hostName(sni ?? host ?? formatEndpoint(target.endpoint.address));
    const http = version === "2" ? HTTP_2 : HTTP_1;
    const connect = tlsConnector(target, { verify, ca, certificate, key, name, daysLeft }, [http.protocol]);
    return open("https", target, options, connect, http);
  },
};

interface HttpVersion {
  /** As ALPN calls it. */
  readonly protocol: string;
  readonly session: typeof createSession;
  readonly trouble: (error: Error, phase: Phase) => ProbeOutcome;
}

const HTTP_1: HttpVersion = { protocol: "http/1.1", session: createSession, trouble: replyTrouble };
const HTTP_2: HttpVersion = { protocol: "h2", session: createH2Session, trouble: h2Trouble };

function open(
  scheme: "http" | "https",
  target: ProbeTarget,
  options: HttpOptions,
  connector: Connector,
  http: HttpVersion,
): Prober {
  return withinLatency(options.max_latency, connector, (connect) => prober(scheme, target, options, connect, http));
}

function prober(
  scheme: "http" | "https",
  target: ProbeTarget,
  options: HttpOptions,
  connect: Connector,
  http: HttpVersion,
): Prober {
  const origin = `${scheme}://${formatEndpoint(target.endpoint.address, target.endpoint.port)}`;
  const request = requestOf(options);
  const judge = verdict(options);

  let session: Session | undefined;
  let done: Done | undefined;
  /** From start until the outcome is known. */
  let waiting = false;
  let phase: Phase = "while connecting";
  let waited = 0;
  let status = 0;
  let received = 0;
  let chunks: Buffer[] = [];

  /** The outcome is told a little later, outside undici's own stack: what is thrown there undici would keep to itself. */
  function settle(outcome: ProbeOutcome, orderly: boolean): void {
    if (!waiting) return;
    waiting = false;
    process.nextTick(tell, outcome, orderly);
  }

  function tell(outcome: ProbeOutcome, orderly: boolean): void {
    const last = done;
    done = undefined;
    if (chunks.length > 0) chunks = [];
    if (!orderly) discard();
    last?.(outcome);
  }

  function discard(): void {
    session?.discard();
    session = undefined;
  }

  function ask(): void {
    session ??= http.session(origin, request, connect, {
      delayed(by) {
        waited += by;
      },
      phase(next) {
        phase = next;
      },
      unconnected: (outcome) => settle(outcome, false),
      status(code) {
        status = code;
        const failure = judge.status(code);
        if (failure !== undefined) settle(failure, false);
      },
      data,
      end() {
        if (!options.reuse_connection) session?.hangUp();
        settle(judge.body(status, body(), true), true);
      },
      error,
    });
    session.ask();
  }

  function data(chunk: Buffer): void {
    received += chunk.length;
    if (judge.needsBody) chunks.push(chunk);
    if (received > options.max_body) settle(judge.body(status, body(), false), false);
  }

  function body(): Buffer {
    return Buffer.concat(chunks).subarray(0, options.max_body);
  }

  function error(cause: Error): void {
    // A kept connection that the server has closed meanwhile says nothing about the server: asked once more, over a new one,
    // which is none that was kept.
    const unanswered = phase === "while connecting" || phase === "waiting for the reply";
    if (waiting && unanswered && session !== undefined && session.replies > 0) process.nextTick(retry);
    else settle(http.trouble(cause, phase), false);
  }

  function retry(): void {
    if (!waiting) return;
    discard();
    ask();
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error(`${scheme} probe started while one is in flight`);
      done = tell;
      waiting = true;
      phase = "while connecting";
      waited = 0;
      received = 0;
      ask();
    },
    cancel() {
      if (!waiting) return;
      waiting = false;
      tell(timedOut(target.timeout, phase, waited), false);
    },
    close() {
      waiting = false;
      done = undefined;
      discard();
    },
  };
}

function requestOf({ path, method, host, headers, body }: HttpOptions): HttpRequest {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === "user-agent");
  return {
    path,
    method,
    host,
    headers: { ...(!named && { "user-agent": "director" }), ...headers },
    body: body && payloadBytes(body),
  };
}
