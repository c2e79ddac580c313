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
import type { ProbeTarget } from "../model/probe.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Connector, connectOptions } from "./connector.ts";
import { fail, fromError, inconclusive, type Origin, type Phase } from "./outcome.ts";

export interface TlsOptions {
  /** false: any certificate will do. */
  readonly verify: boolean;
  /** PEM file of the issuers to trust; undefined: those of this machine. */
  readonly ca: string | undefined;
  /** Asked for in the handshake (unless it is an address) and looked for in the certificate. */
  readonly name: string;
}

/** TCP, then TLS, then the certificate: `ready` comes only when all three are right. A session is never resumed, since that would skip the certificate. */
export function tlsConnector(target: ProbeTarget, { verify, ca, name }: TlsOptions, protocols: string[]): Connector {
  const options = {
    ...connectOptions(target),
    servername: isIP(name) === 0 ? name : "",
    ALPNProtocols: protocols,
    // We judge the certificate ourselves below, to be able to say what is wrong with it.
    rejectUnauthorized: false,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
  return (dialling) => {
    let secureContext: SecureContext;
    try {
      secureContext = trust(verify, ca);
    } catch (error) {
      const reason = `cannot read the issuers to trust: ${(error as Error).message}`;
      process.nextTick(() => dialling.failed(inconclusive(reason)));
      return undefined;
    }
    const socket = connect({ ...options, secureContext });
    let phase: Phase | undefined = "while connecting";
    let origin: Origin = "own-call";
    socket.on("connectionAttemptFailed", () => {
      origin = "network";
    });
    socket.on("connect", () => {
      origin = "network";
      phase = "in TLS handshake";
      dialling.phase(phase);
    });
    socket.on("secureConnect", () => {
      phase = undefined;
      const trouble = verify ? certificateTrouble(socket, name) : undefined;
      if (trouble === undefined) dialling.ready(socket);
      else dialling.failed(fail(trouble));
    });
    socket.on("error", (error: NodeJS.ErrnoException & { reason?: string }) => {
      if (phase === undefined) {
        // Node leaves an established connection open after a fatal alert; the alert is then lost behind the closing that follows.
        socket.destroy(error);
        return;
      }
      const tls = phase === "in TLS handshake" ? handshakeTrouble(error) : undefined;
      dialling.failed(tls === undefined ? fromError(error, phase, origin) : fail(tls));
    });
    return socket;
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
function handshakeTrouble(error: NodeJS.ErrnoException & { reason?: string }): string | undefined {
  const { code = "", reason, message } = error;
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LENGTH/.test(`${code} ${message}`)
  )
    return "TLS handshake failed: the answer is not TLS (a plain HTTP port?)";
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") return `TLS handshake failed: ${reason ?? message}`;
  return undefined;
}
