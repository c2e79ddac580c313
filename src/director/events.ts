import type { EpochMs } from "../model/time.ts";

export type Severity = "info" | "warning" | "error";

/** Something that happened, as an operator and a program may want to know it. */
export interface DirectorEvent {
  /** Grows by one; resume with `after`. */
  readonly seq: number;
  readonly at: EpochMs;
  /** `server`, `service`, `weight`, `drain`, `drift`, `reload`, `admin`, `check`, `reconcile`, `process`. */
  readonly kind: string;
  readonly severity: Severity;
  /** One line for people. */
  readonly message: string;
  readonly service?: string;
  readonly server?: string;
  /** The server's, as it stands in the table of servers: `10.0.0.11:8080`. */
  readonly address?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly actor?: string;
  readonly drain?: string;
}

export type NewEvent = Omit<DirectorEvent, "seq" | "at">;

/** The last events kept for those who come later. */
export const KEPT_EVENTS = 10_000;

export interface EventLog {
  record(event: NewEvent): DirectorEvent;
  /** Events after this sequence number, oldest first, as far back as they are kept. */
  after(seq: number): readonly DirectorEvent[];
  /** Calls for each new event until the returned function is called. */
  follow(listener: (event: DirectorEvent) => void): () => void;
  lastSeq(): number;
}

/** @param earlier events of earlier lives, oldest first: numbers go on from the last of them. */
export function createEventLog(now: () => EpochMs, earlier: readonly DirectorEvent[] = []): EventLog {
  let events: DirectorEvent[] = [...earlier];
  let seq = events.at(-1)?.seq ?? 0;
  const listeners = new Set<(event: DirectorEvent) => void>();
  return {
    record(event) {
      const full = { seq: ++seq, at: now(), ...event };
      events.push(full);
      // Cut in one go now and then: shifting one off each time would move the whole array.
      if (events.length > KEPT_EVENTS * 1.2) events = events.slice(-KEPT_EVENTS);
      for (const listener of listeners) listener(full);
      return full;
    },
    after: (since) => events.filter((event) => event.seq > since),
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    lastSeq: () => seq,
  };
}
