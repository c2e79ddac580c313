import type { EpochMs } from "../model/time.ts";
import type { Fold } from "./event-folding.ts";

export type Severity = "info" | "warning" | "error";

/** Something that happened, as an operator and a program may want to know it. */
export interface DirectorEvent {
  /** Grows; resume with `after`. Numbers of events that were folded into one are passed over. */
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
  /** It stands for so many events, see event-folding.ts; left out: for itself. */
  readonly count?: number;
}

export type NewEvent = Omit<DirectorEvent, "seq" | "at">;

/** The last events kept for those who come later. */
export const KEPT_EVENTS = 10_000;

export interface EventLog {
  record(event: NewEvent): DirectorEvent;
  /** Events after this sequence number, oldest first, as far back as they are kept. */
  after(seq: number): readonly DirectorEvent[];
  /** Calls for each new event that is kept, until the returned function is called: what people read. */
  follow(listener: (event: DirectorEvent) => void): () => void;
  /** Likewise for every event, those that are folded into others for reading too: what counts, and what acts. */
  each(listener: (event: DirectorEvent) => void): () => void;
  lastSeq(): number;
}

/** @param earlier events of earlier lives, oldest first: numbers go on from the last of them.
 *  @param fold makes few events of many that are alike; without it each is kept. */
export function createEventLog(
  now: () => EpochMs,
  earlier: readonly DirectorEvent[] = [],
  fold: Fold = () => false,
): EventLog {
  let events: DirectorEvent[] = [...earlier];
  let seq = events.at(-1)?.seq ?? 0;
  const followers = new Set<(event: DirectorEvent) => void>();
  const listeners = new Set<(event: DirectorEvent) => void>();

  const numbered = (event: NewEvent): DirectorEvent => ({ seq: ++seq, at: now(), ...event });

  function keep(event: DirectorEvent): void {
    events.push(event);
    // Cut in one go now and then: shifting one off each time would move the whole array.
    if (events.length > KEPT_EVENTS * 1.2) events = events.slice(-KEPT_EVENTS);
    for (const follower of followers) follower(event);
  }

  function added<T>(set: Set<T>, one: T): () => void {
    set.add(one);
    return () => set.delete(one);
  }

  return {
    record(event) {
      const full = numbered(event);
      for (const listener of listeners) listener(full);
      if (!fold(full, (summary) => keep(numbered(summary)))) keep(full);
      return full;
    },
    after: (since) => events.filter((event) => event.seq > since),
    follow: (listener) => added(followers, listener),
    each: (listener) => added(listeners, listener),
    lastSeq: () => seq,
  };
}
