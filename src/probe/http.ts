import { formatEndpoint } from "../model/address.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { type Connector, tcpConnector } from "./connector.ts";
import { createH2Session } from "./h2-session.ts";
import { h2Trouble } from "./h2-trouble.ts";
import { type HttpOptions, type HttpsOptions, httpOptions, httpsOptions } from "./http-options.ts";
import { createSession, type HttpRequest } from "./http-session.ts";
import { replyTrouble } from "./http-trouble.ts";
import { verdict } from "./http-verdict.ts";
import { latencyObjections, withinLatency } from "./latency.ts";
import type { Phase } from "./outcome.ts";
import { payloadBytes } from "./payload.ts";
import { openRequests } from "./requests.ts";
import { tlsConnector } from "./tls.ts";
import { askedTls } from "./tls-asked.ts";

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
    const http = options.version === "2" ? HTTP_2 : HTTP_1;
    const connect = tlsConnector(target, askedTls(target, options, options.host), [http.protocol]);
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
  const origin = `${scheme}://${formatEndpoint(target.endpoint.address, target.endpoint.port)}`;
  const request = requestOf(options);
  return withinLatency(options.max_latency, connector, (connect) =>
    openRequests(target, {
      name: scheme,
      session: (events) => http.session(origin, request, connect, events),
      trouble: http.trouble,
      judge: verdict(options),
      maxBody: options.max_body,
      reuse: options.reuse_connection,
    }),
  );
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
