import { formatEndpoint } from "../model/address.ts";
import type { ProbeTarget, ProbeType } from "../model/probe.ts";
import { tcpConnector } from "./connector.ts";
import { healthRequest } from "./grpc-message.ts";
import { type GrpcOptions, grpcOptions } from "./grpc-options.ts";
import { grpcVerdict, MAX_MESSAGE } from "./grpc-verdict.ts";
import { createH2Session } from "./h2-session.ts";
import { h2Trouble } from "./h2-trouble.ts";
import type { HttpRequest } from "./http-session.ts";
import { latencyObjections, withinLatency } from "./latency.ts";
import { openRequests } from "./requests.ts";
import { tlsConnector } from "./tls.ts";
import { askedTls } from "./tls-asked.ts";

/*
 * Health/Check of grpc.health.v1 (github.com/grpc/grpc, doc/health-checking.md) is one HTTP/2 request with two small messages. It goes over our own
 * connections, so that deadlines, source addresses and what is nobody's fault mean the same as in any other check; @grpc/grpc-js has its
 * own, which it looks up, shares, keeps and tries again as it sees fit.
 */

/** Passes where the server says SERVING. */
export const grpcProbe: ProbeType<GrpcOptions> = {
  name: "grpc",
  options: grpcOptions,
  objections: latencyObjections,
  label: ({ service, tls }) => `grpc${service === "" ? "" : ` ${service}`}${tls ? " with TLS" : ""}`,
  open(target, options) {
    const { tls, host, reuse_connection: reuse, max_latency: max } = options;
    const connector = tls ? tlsConnector(target, askedTls(target, options, host), ["h2"]) : tcpConnector(target);
    const origin = `${tls ? "https" : "http"}://${formatEndpoint(target.endpoint.address, target.endpoint.port)}`;
    const request = requestOf(target, options);
    return withinLatency(max, connector, (connect) =>
      openRequests(target, {
        name: "grpc",
        session: (events) => createH2Session(origin, request, connect, events),
        trouble: h2Trouble,
        judge: grpcVerdict(options),
        maxBody: MAX_MESSAGE,
        reuse,
      }),
    );
  },
};

function requestOf({ timeout }: ProbeTarget, { service, host }: GrpcOptions): HttpRequest {
  return {
    method: "POST",
    path: "/grpc.health.v1.Health/Check",
    host,
    headers: {
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "director",
      // At most eight digits; the unit is milliseconds.
      "grpc-timeout": `${Math.min(Math.ceil(timeout), 99_999_999)}m`,
    },
    body: healthRequest(service),
  };
}
