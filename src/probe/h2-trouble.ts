import type { ProbeOutcome } from "../model/probe.ts";
import { fail, fromError, type Phase } from "./outcome.ts";
import { laterTrouble, type TlsError } from "./tls-trouble.ts";

/** By code (RFC 9113, 7). */
const NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** A reply that ended before it was complete, where Node tells of no error: the server took back the stream, or (no code) the connection. */
export class CutOff extends Error {
  readonly code: string;
  constructor(rstCode: number | undefined) {
    super(`error code ${rstCode}`);
    this.code = rstCode === undefined ? "ERR_HTTP2_STREAM_CANCEL" : "ERR_HTTP2_STREAM_ERROR";
  }
}

/** What an error of node:http2 says once the connection stood. */
export function h2Trouble(error: TlsError, phase: Phase): ProbeOutcome {
  const tls = laterTrouble(error, phase);
  if (tls !== undefined) return fail(tls);
  const code = /error code (?:NGHTTP2_)?(\w+)/.exec(error.message)?.[1] ?? error.message;
  const name = NAMES[Number(code)] ?? code;
  switch (error.code) {
    case "ERR_HTTP2_STREAM_ERROR":
      return fail(name === "NO_ERROR" ? closed(phase) : `the server reset the stream ${phase} (${name})`);
    case "ERR_HTTP2_SESSION_ERROR":
      return fail(`the server gave up the connection ${phase} (GOAWAY ${name})`);
    case "ERR_HTTP2_STREAM_CANCEL":
    case "ERR_HTTP2_GOAWAY_SESSION":
    case "ERR_HTTP2_INVALID_SESSION":
      return error.cause instanceof Error ? h2Trouble(error.cause as TlsError, phase) : fail(closed(phase));
    case "ERR_HTTP2_ERROR":
      return fail(`the reply is not HTTP/2 (${error.message})`);
    default:
      return fromError(error, phase, "network");
  }
}

function closed(phase: Phase): string {
  return phase === "waiting for the reply" ? "connection closed without a reply" : `connection closed ${phase}`;
}
