import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { HttpFields, Session, SessionEvents } from "./http-session.ts";
import { type Done, type Phase, timedOut } from "./outcome.ts";

/** What is made of a reply. */
export interface Judge {
  /** Whether the body has to be kept for `body`. */
  readonly needsBody: boolean;
  /** The failure, if the beginning of the reply alone is one. */
  status(status: number, fields: HttpFields): ProbeOutcome | undefined;
  /** Of a reply that began well; `whole` is false if the body was longer than `maxBody`. `fields` are those before and after the body. */
  body(status: number, body: Buffer, whole: boolean, fields: HttpFields): ProbeOutcome;
}

export interface Requests {
  readonly name: string;
  readonly session: (events: SessionEvents) => Session;
  readonly trouble: (error: Error, phase: Phase) => ProbeOutcome;
  readonly judge: Judge;
  /** Bytes that are read of a body at most. */
  readonly maxBody: number;
  /** Keep the connection between probes. */
  readonly reuse: boolean;
}

const NO_FIELDS: HttpFields = {};

/** One request a probe, over HTTP of any version. */
export function openRequests(target: ProbeTarget, requests: Requests): Prober {
  const { judge, maxBody } = requests;
  let session: Session | undefined;
  let done: Done | undefined;
  /** From start until the outcome is known. */
  let waiting = false;
  let phase: Phase = "while connecting";
  let waited = 0;
  let status = 0;
  let fields = NO_FIELDS;
  /** It is told already, and the rest of its reply still comes. */
  let unfinished = false;
  let received = 0;
  let chunks: Buffer[] = [];

  /** The outcome is told a little later, outside the session's own stack: what is thrown there undici would keep to itself. */
  function settle(outcome: ProbeOutcome, orderly: boolean): void {
    if (!waiting) return;
    waiting = false;
    process.nextTick(tell, outcome, orderly);
  }

  function tell(outcome: ProbeOutcome, orderly: boolean): void {
    const last = done;
    done = undefined;
    if (chunks.length > 0) chunks = [];
    fields = NO_FIELDS;
    if (!orderly) discard();
    last?.(outcome);
  }

  function discard(): void {
    unfinished = false;
    session?.discard();
    session = undefined;
  }

  function ask(): void {
    session ??= requests.session({
      delayed(by) {
        waited += by;
      },
      phase(next) {
        phase = next;
      },
      unconnected: (outcome) => settle(outcome, false),
      status(code, head) {
        status = code;
        fields = head;
        const failure = judge.status(code, head);
        if (failure === undefined) return;
        // The connection is as good as before, and a new one dear when all servers fail at once.
        unfinished = true;
        settle(failure, true);
      },
      data,
      trailers(tail) {
        fields = { ...fields, ...tail };
      },
      end() {
        unfinished = false;
        if (!requests.reuse) session?.hangUp();
        if (waiting) settle(judge.body(status, body(), true, fields), true);
      },
      error,
    });
    session.ask();
  }

  function data(chunk: Buffer): void {
    received += chunk.length;
    if (unfinished) {
      if (received > maxBody) process.nextTick(discard);
      return;
    }
    if (judge.needsBody) chunks.push(chunk);
    if (received > maxBody) settle(judge.body(status, body(), false, fields), false);
  }

  function body(): Buffer {
    return Buffer.concat(chunks).subarray(0, maxBody);
  }

  function error(cause: Error): void {
    if (unfinished) {
      process.nextTick(discard);
      return;
    }
    // A kept connection that the server has closed meanwhile says nothing about the server: asked once more, over a new one,
    // which is none that was kept.
    const unanswered = phase === "while connecting" || phase === "waiting for the reply";
    if (waiting && unanswered && session !== undefined && session.replies > 0) process.nextTick(retry);
    else settle(requests.trouble(cause, phase), false);
  }

  function retry(): void {
    if (!waiting) return;
    discard();
    ask();
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error(`${requests.name} probe started while one is in flight`);
      done = tell;
      waiting = true;
      if (unfinished) discard();
      phase = "while connecting";
      waited = 0;
      received = 0;
      ask();
    },
    cancel() {
      if (!waiting) return;
      waiting = false;
      tell(timedOut(target.timeout, phase, waited), false);
    },
    close() {
      waiting = false;
      done = undefined;
      discard();
    },
  };
}
