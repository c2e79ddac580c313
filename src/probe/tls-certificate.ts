import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";
import { systemClock } from "../runtime/clock.ts";

/*
 * What is wrong with a server's certificate, in words.
 */

const DAY_MS = 86_400_000;

/** Why a certificate is not trusted, or undefined. */
export function distrust(socket: TLSSocket, name: string): string | undefined {
  if (socket.authorized) return undefined;
  // Node's typings promise an Error here; it is the code (lib/internal/tls/wrap.js, onConnectSecure).
  const code = String(socket.authorizationError);
  const leaf = socket.getPeerCertificate(true);
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return expiry(leaf);
    case "CERT_NOT_YET_VALID":
      return `certificate is not valid before ${day(new Date(leaf.valid_from))}`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
      return "certificate is self-signed";
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `certificate issued by ${JSON.stringify(leaf.issuer?.CN ?? "?")}, which is not trusted here`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `certificate is for ${namesOf(leaf)}, not for ${name}`;
    default:
      return `certificate refused (${code})`;
  }
}

/** The chain's certificate that has expired may be an issuer's. */
function expiry(leaf: DetailedPeerCertificate): string {
  const { epoch } = systemClock.now();
  for (const one of chain(leaf))
    if (Date.parse(one.valid_to) < epoch) return `${whose(one, leaf)} expired on ${day(new Date(one.valid_to))}`;
  return "certificate has expired";
}

/** Why a chain does not last for so many whole days from now on, or undefined: that of its certificates counts which ends first, an issuer that
 *  came with the handshake or is trusted here included. */
export function expiresSoon(socket: TLSSocket, days: number): string | undefined {
  const leaf = socket.getPeerCertificate(true);
  const first = endsFirst(leaf);
  const until = new Date(first.valid_to);
  const left = (endOf(first) - systemClock.now().epoch) / DAY_MS;
  if (left >= days) return undefined;
  if (left < 0) return `${whose(first, leaf)} expired on ${day(until)}`;
  const whole = Math.floor(left);
  return `${whose(first, leaf)} has ${whole} day${whole === 1 ? "" : "s"} left, until ${day(until)}, expected at least ${days}`;
}

function endsFirst(leaf: DetailedPeerCertificate): DetailedPeerCertificate {
  let first = leaf;
  for (const one of chain(leaf)) if (endOf(one) < endOf(first)) first = one;
  return first;
}

/** Milliseconds since 1970. What a server calls a date and is none counts as the earliest. */
function endOf({ valid_to: text }: DetailedPeerCertificate): number {
  const end = Date.parse(text);
  return Number.isNaN(end) ? Number.NEGATIVE_INFINITY : end;
}

/** From the server's own certificate to the root, which is its own issuer, or as far as they are known. */
function* chain(leaf: DetailedPeerCertificate): Generator<DetailedPeerCertificate> {
  yield leaf;
  for (let one = leaf; one.issuerCertificate !== undefined && one.issuerCertificate !== one; ) {
    one = one.issuerCertificate;
    yield one;
  }
}

function whose(one: DetailedPeerCertificate, leaf: DetailedPeerCertificate): string {
  return one === leaf ? "certificate" : `certificate of the issuer ${JSON.stringify(one.subject.CN)}`;
}

/** 2001-01-02, in UTC. */
function day(date: Date): string {
  return Number.isNaN(date.getTime()) ? "a date that cannot be read" : date.toISOString().slice(0, 10);
}

function namesOf({ subject, subjectaltname }: PeerCertificate): string {
  const names =
    subjectaltname?.replaceAll("DNS:", "").replaceAll("IP Address:", "") ?? String(subject?.CN ?? "no name");
  return names.length > 200 ? `${names.slice(0, 200)}…` : names;
}
