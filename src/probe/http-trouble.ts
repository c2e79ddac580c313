import type { ProbeOutcome } from "../model/probe.ts";
import { fail, fromError, type Phase } from "./outcome.ts";
import { laterTrouble, type TlsError } from "./tls-trouble.ts";

/** What an error of undici's says once the connection stood: the server closed, reset, or did not speak HTTP. */
export function replyTrouble(error: TlsError, phase: Phase): ProbeOutcome {
  const { code = "", message } = error;
  if (error.name === "HTTPParserError") return fail(protocolTrouble(message));
  const tls = laterTrouble(error, phase);
  if (tls !== undefined) return fail(tls);
  switch (code) {
    case "UND_ERR_SOCKET":
      if (message === "bad upgrade") return fail("the reply changes the protocol (status 101)");
      // undici takes an unasked-for 100 Continue for an attack (lib/dispatcher/client-h1.js).
      if (message === "bad response") return fail("status 100, which was not asked for");
      return fail(
        phase === "waiting for the reply" ? "connection closed without a reply" : `connection closed ${phase}`,
      );
    case "UND_ERR_HEADERS_OVERFLOW":
      return fail("the headers are longer than 16KiB");
    case "UND_ERR_RES_CONTENT_LENGTH_MISMATCH":
      return fail("the body is not as long as its content-length says");
    default:
      return fromError(error, phase, "network");
  }
}

/** llhttp's own reason stands in brackets at the end. */
function protocolTrouble(message: string): string {
  const reason = /\((.*)\)$/.exec(message)?.[1] ?? message;
  return reason === "Invalid EOF state"
    ? "connection closed reading the body"
    : `the reply is not HTTP/1.1 (${reason})`;
}
