import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, type PeerCertificate, type SecureContext, type TLSSocket } from "node:tls";
import type { ProbeOutcome, ProbeTarget } from "../model/probe.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Connector, connectOptions } from "./connector.ts";
import { fail, fromError, inconclusive, type Origin, type Phase } from "./outcome.ts";
import { distrust, expiresSoon } from "./tls-certificate.ts";
import { createResumption } from "./tls-session.ts";
import { handshakeTrouble, type TlsError } from "./tls-trouble.ts";
import { type Credentials, secureContext } from "./tls-trust.ts";
import { createTurns } from "./turns.ts";

export interface TlsOptions extends Credentials {
  /** Asked for in the handshake (unless it is an address) and looked for in the certificate. */
  readonly name: string;
  /** Days that the server's chain must still be valid; undefined: it need only be valid now, where it is verified. */
  readonly daysLeft: number | undefined;
}

/** A handshake costs more than a millisecond of computing. Begun all together, hundreds of them end late together, each of them too late for its
 *  deadline; one after the other those at the front succeed, and the rest know that it was not the server they waited for. */
const handshakes = createTurns(64, 100, systemClock);

/** TCP, then TLS, then the certificate: `ready` comes only when all three are right. Between two looks at the certificate sessions are resumed.
 *  @param standing a connection to go on over (STARTTLS), instead of a new one */
export function tlsConnector(
  target: ProbeTarget,
  { name, daysLeft, ...credentials }: TlsOptions,
  protocols: string[] | undefined,
  standing?: Socket,
): Connector {
  const { verify } = credentials;
  const resumption = createResumption(systemClock);
  const first = standing === undefined ? "while connecting" : "in TLS handshake";
  const options = {
    ...(standing === undefined ? connectOptions(target) : { socket: standing }),
    servername: isIP(name) === 0 ? name : "",
    ...(protocols && { ALPNProtocols: protocols }),
    // We judge the certificate ourselves below, to be able to say what is wrong with it.
    rejectUnauthorized: false,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  };
  return (dialling) => {
    let socket: TLSSocket | undefined;
    let over = false;
    let shaken = false;
    dialling.phase("waiting for our turn");
    const giveBack = handshakes.take((waited) => {
      dialling.delayed(waited);
      dialling.phase(first);
      try {
        const context = secureContext(credentials);
        const session = resumption.offer(context);
        socket = connect({ ...options, ...(session && { session }), secureContext: context });
        handshake(socket, context);
      } catch (error) {
        // Deferred, for it may be within start; `giveBack` does not exist yet either.
        process.nextTick(failed, inconclusive(`TLS: ${(error as Error).message}`));
      }
    });

    function failed(outcome: ProbeOutcome): void {
      resumption.forget();
      giveBack();
      if (!over) dialling.failed(outcome);
    }

    function handshake(own: TLSSocket, context: SecureContext): void {
      let phase: Phase | undefined = first;
      let origin: Origin = standing === undefined ? "own-call" : "network";
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
        shaken = true;
        if (!own.isSessionReused()) {
          const trouble =
            (verify ? distrust(own, name) : undefined) ??
            (daysLeft === undefined ? undefined : expiresSoon(own, daysLeft));
          if (trouble !== undefined) return failed(fail(trouble));
          resumption.approved(context);
        }
        giveBack();
        if (!over) dialling.ready(own);
      });
      own.on("session", resumption.keep);
      own.on("error", (error: TlsError) => {
        // Node leaves an established connection open after a fatal alert; the alert is then lost behind the closing that follows.
        if (phase === undefined) return void own.destroy(error);
        const tls = phase === "in TLS handshake" ? handshakeTrouble(error, protocols) : undefined;
        failed(tls === undefined ? fromError(error, phase, origin) : fail(tls));
      });
    }

    return () => {
      over = true;
      // Were it the session that the server cannot cope with, it would never come up again.
      if (!shaken) resumption.forget();
      giveBack();
      socket?.destroy();
    };
  };
}
