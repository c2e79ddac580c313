import type { Phase } from "./outcome.ts";

/*
 * What OpenSSL's errors say, in words. An alert from the server about certificates is always about ours: about its own it sends none.
 */

export type TlsError = NodeJS.ErrnoException & { readonly reason?: string };

/** What went wrong within a handshake that offered these protocols, or undefined if it is a plain socket error. */
export function handshakeTrouble(error: TlsError, protocols: readonly string[] = []): string | undefined {
  const { code = "", message } = error;
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LENGTH/.test(`${code} ${message}`)
  )
    return "TLS handshake failed: the answer is not TLS (a plain HTTP port?)";
  if (!code.startsWith("ERR_SSL_") && code !== "EPROTO") return undefined;
  const words = /alert no application protocol/.test(error.reason ?? message)
    ? `the server does not speak ${protocols.join(" or ")}`
    : alertWords(error);
  return `TLS handshake failed: ${words}`;
}

/** What went wrong on a connection that stood; TLS 1.3 refuses a client only after the handshake, as seen from here. undefined: no error of TLS. */
export function laterTrouble(error: TlsError, phase: Phase): string | undefined {
  return error.code?.startsWith("ERR_SSL_") ? `TLS error ${phase}: ${alertWords(error)}` : undefined;
}

function alertWords({ reason, message }: TlsError): string {
  const text = reason ?? message;
  const alert = /alert (.*)/.exec(text)?.[1];
  if (alert === "certificate required") return "the server demands a client certificate";
  return alert !== undefined && /certificate|unknown ca|access denied/.test(alert)
    ? `the server does not accept our certificate (${alert})`
    : text;
}
