import type { Millis, MonotonicMs } from "../model/time.ts";
import type { Clock } from "../runtime/clock.ts";

/** A handshake that resumes a session shows no certificate, so at least this often there is a whole one. A server that was restarted has lost its keys as a
 *  rule, and then shows its certificate at once. */
export const RESUMED_FOR_MS: Millis = 60_000;

/** The session that the next handshake with one server may resume. */
export interface Resumption {
  /** undefined: a whole handshake is due. @param trust whom we trust now; nothing is resumed that others were trusted for */
  offer(trust: object): Buffer | undefined;
  /** The server's certificate was seen, and was right. */
  approved(trust: object): void;
  /** What the server gave for the next time; there may be several for one connection. */
  keep(session: Buffer): void;
  /** After trouble of any kind the next handshake is a whole one. */
  forget(): void;
}

export function createResumption(clock: Clock): Resumption {
  let session: Buffer | undefined;
  let approval: { readonly at: MonotonicMs; readonly trust: object } | undefined;
  return {
    offer(trust) {
      if (approval === undefined || approval.trust !== trust) return undefined;
      return clock.now().mono - approval.at < RESUMED_FOR_MS ? session : undefined;
    },
    approved(trust) {
      approval = { at: clock.now().mono, trust };
    },
    keep(next) {
      session = next;
    },
    forget() {
      session = undefined;
      approval = undefined;
    },
  };
}
