import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { ProbeOutcome, ProbeTarget } from "../model/probe.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Connector, connectOptions } from "./connector.ts";
import { fail, fromError, inconclusive, type Origin, type Phase } from "./outcome.ts";
import { createTurns } from "./turns.ts";

export interface TlsOptions {
  /** false: any certificate will do. */
  readonly verify: boolean;
  /** PEM file of the issuers to trust; undefined: those of this machine. */
  readonly ca: string | undefined;
  /** Asked for in the handshake (unless it is an address) and looked for in the certificate. */
  readonly name: string;
}

type TlsError = NodeJS.ErrnoException & { readonly reason?: string };

/** A handshake costs more than a millisecond of computing. Begun all together, hundreds of them end late together, each of them too late for its
 *  deadline; one after the other those at the front succeed, and the rest know that it was not the server they waited for. */
const handshakes = createTurns(64, 100, systemClock);

/** TCP, then TLS, then the certificate: `ready` comes only when all three are right. A session is never resumed, since that would skip the certificate. */
export function tlsConnector(
  target: ProbeTarget,
  { verify, ca, name }: TlsOptions,
  protocols: string[] | undefined,
): Connector {
  const options = {
    ...connectOptions(target),
    servername: isIP(name) === 0 ? name : "",
    ...(protocols && { ALPNProtocols: protocols }),
    // We judge the certificate ourselves below, to be able to say what is wrong with it.
    rejectUnauthorized: false,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
  return (dialling) => {
    let socket: TLSSocket | undefined;
    let over = false;
    dialling.phase("waiting for our turn");
    const giveBack = handshakes.take((waited) => {
      dialling.delayed(waited);
      dialling.phase("while connecting");
      try {
        socket = connect({ ...options, secureContext: trust(verify, ca) });
        handshake(socket);
      } catch (error) {
        // Deferred, for it may be within start; `giveBack` does not exist yet either.
        process.nextTick(failed, inconclusive(`cannot read the issuers to trust: ${(error as Error).message}`));
      }
    });

    function failed(outcome: ProbeOutcome): void {
      giveBack();
      if (!over) dialling.failed(outcome);
    }

    function handshake(own: TLSSocket): void {
      let phase: Phase | undefined = "while connecting";
      let origin: Origin = "own-call";
      own.on("connectionAttemptFailed", () => {
        origin = "network";
      });
      own.on("connect", () => {
        origin = "network";
        phase = "in TLS handshake";
        dialling.phase(phase);
      });
      own.on("secureConnect", () => {
        phase = undefined;
        const trouble = verify ? certificateTrouble(own, name) : undefined;
        if (trouble !== undefined) return failed(fail(trouble));
        giveBack();
        if (!over) dialling.ready(own);
      });
      own.on("error", (error: TlsError) => {
        // Node leaves an established connection open after a fatal alert; the alert is then lost behind the closing that follows.
        if (phase === undefined) return void own.destroy(error);
        const tls = phase === "in TLS handshake" ? handshakeTrouble(error) : undefined;
        failed(tls === undefined ? fromError(error, phase, origin) : fail(tls));
      });
    }

    return () => {
      over = true;
      giveBack();
      socket?.destroy();
    };
  };
}

/** Contexts by CA file, which is read again when it changes; the machine's own issuers are read once in the life of a process. */
const contexts = new Map<string, { readonly changed: number; readonly context: SecureContext }>();

function trust(verify: boolean, file: string | undefined): SecureContext {
  const key = verify ? (file ?? "") : "any";
  const changed = verify && file !== undefined ? statSync(file).mtimeMs : 0;
  const known = contexts.get(key);
  if (known?.changed === changed) return known.context;
  const context = createSecureContext(verify ? { ca: file === undefined ? machinesIssuers() : issuersIn(file) } : {});
  contexts.set(key, { changed, context });
  return context;
}

/** What the system trusts; Node's own collection where there is none. */
function machinesIssuers(): string[] {
  const system = getCACertificates("system");
  return system.length > 0 ? system : getCACertificates("bundled");
}

function issuersIn(file: string): string {
  const pem = readFileSync(file, "latin1");
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) throw new Error(`no PEM certificate in ${file}`);
  return pem;
}

/** What is wrong with the certificate, or undefined. */
function certificateTrouble(socket: TLSSocket, name: string): string | undefined {
  if (socket.authorized) return undefined;
  // Node's typings promise an Error here; it is the code (lib/internal/tls/wrap.js, onConnectSecure).
  const code = String(socket.authorizationError);
  const leaf = socket.getPeerCertificate(true);
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return expiry(leaf);
    case "CERT_NOT_YET_VALID":
      return `certificate is not valid before ${day(leaf.valid_from)}`;
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

/** The chain's certificate that expired first may be an issuer's. */
function expiry(leaf: DetailedPeerCertificate): string {
  const { epoch } = systemClock.now();
  for (let one = leaf; ; one = one.issuerCertificate) {
    if (Date.parse(one.valid_to) < epoch) {
      const whose = one === leaf ? "certificate" : `certificate of the issuer ${JSON.stringify(one.subject.CN)}`;
      return `${whose} expired on ${day(one.valid_to)}`;
    }
    // The root is its own issuer.
    if (one.issuerCertificate === undefined || one.issuerCertificate === one) return "certificate has expired";
  }
}

/** `Jan  2 00:00:00 2001 GMT` is 2001-01-02. */
function day(certificateTime: string): string {
  return new Date(certificateTime).toISOString().slice(0, 10);
}

function namesOf({ subject, subjectaltname }: PeerCertificate): string {
  const names =
    subjectaltname?.replaceAll("DNS:", "").replaceAll("IP Address:", "") ?? String(subject?.CN ?? "no name");
  return names.length > 200 ? `${names.slice(0, 200)}…` : names;
}

/** What OpenSSL made of the handshake, or undefined if it is a plain socket error. */
function handshakeTrouble(error: TlsError): string | undefined {
  const { code = "", reason, message } = error;
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LENGTH/.test(`${code} ${message}`)
  )
    return "TLS handshake failed: the answer is not TLS (a plain HTTP port?)";
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") return `TLS handshake failed: ${reason ?? message}`;
  return undefined;
}
