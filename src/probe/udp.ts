import { createSocket, type Socket } from "node:dgram";
import { z } from "zod";
import { oneOf } from "../config/scalars.ts";
import type { ProbeOutcome, Prober, ProbeTarget, ProbeType } from "../model/probe.ts";
import { systemClock } from "../runtime/clock.ts";
import { type Done, fail, fromError, timedOut } from "./outcome.ts";
import { datagramPattern, matcher, payload, payloadBytes, shown } from "./payload.ts";
import { type LastRefusal, refusal, silence } from "./refusals.ts";

const options = z
  .strictObject({
    /** The datagram to send. */
    send: payload,
    /** What the reply must begin with, or be with `exact: true`. */
    expect: datagramPattern.optional(),
    /** pass: for servers that never answer, such as syslog; only an ICMP refusal fails. */
    silence: oneOf("pass", "fail").optional(),
  })
  .superRefine((check, context) => {
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: check });
    if (check.expect === undefined && check.silence !== "pass")
      problem("expect", "missing: say what the reply begins with, or `silence: pass` if the server never answers");
    if (check.expect !== undefined && check.silence === "pass")
      problem("silence", "contradicts expect: leave one of them out, or write `silence: fail`");
  });

export type UdpOptions = z.output<typeof options>;

/** Sends a datagram over a kept, connected socket. With `expect` it goes out again at 1/3 and 2/3 of the timeout, and the first reply that fits
 *  passes; one that does not fit is waited out, since a right one may still be on its way. */
export const udpProbe: ProbeType<UdpOptions> = { name: "udp", options, label: () => "udp", open };

const ANSWERED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "expected reply" });
const REPLIED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "a reply" });

function open(target: ProbeTarget, { send, expect }: UdpOptions): Prober {
  const { endpoint, source, timeout } = target;
  const bytes = payloadBytes(send);
  const wanted = expect && matcher(expect);

  let socket: Socket | undefined;
  let connected = false;
  let done: Done | undefined;
  /** Counts probes, so that what was put off during one never ends another. */
  let round = 0;
  /** Datagrams of this probe, and datagrams that came back. */
  let sent = 0;
  let answered = 0;
  let wrong: Buffer | undefined;
  let stopResending: (() => void) | undefined;
  let lastRefusal: LastRefusal;
  /** A refusal that came while no probe was in flight: the outcome of the next one. */
  let leftOver: ProbeOutcome | undefined;

  function finish(outcome: ProbeOutcome): void {
    const tell = done;
    done = undefined;
    stopResending?.();
    stopResending = undefined;
    tell?.(outcome);
  }

  /** Some errors come up within start, where `done` may not be called. */
  function finishSoon(outcome: ProbeOutcome): void {
    const asked = round;
    process.nextTick(() => {
      if (round === asked) finish(outcome);
    });
  }

  function drop(): void {
    const last = socket;
    socket = undefined;
    connected = false;
    last?.close();
  }

  function connect(): void {
    const { family, text: host } = endpoint.address;
    const own = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      // The addresses are literal. Answered at once, so that there is no half-bound state to be closed in.
      lookup: (address, _options, callback) => callback(null, address, family),
    });
    socket = own;
    own.on("connect", () => {
      if (own !== socket) return;
      connected = true;
      if (done !== undefined) transmit(own);
    });
    own.on("message", (reply) => {
      if (own === socket) received(reply);
    });
    own.on("error", (error: NodeJS.ErrnoException) => {
      if (own === socket) trouble(error);
    });
    own.bind({ port: 0, exclusive: true, ...(source && { address: source.text }) });
    if (own === socket) own.connect(endpoint.port, host);
  }

  function transmit(own: Socket): void {
    sent += 1;
    own.send(bytes, (error) => {
      if (error && own === socket) trouble(error);
    });
    if (wanted === undefined || sent > 2) return;
    stopResending = systemClock.after(timeout / 3, () => transmit(own));
  }

  function received(reply: Buffer): void {
    answered += 1;
    lastRefusal = undefined;
    leftOver = undefined;
    if (done === undefined) return;
    if (wanted === undefined) finish(REPLIED);
    else if (wanted.match(reply) === "yes") finish(ANSWERED);
    else wrong = reply;
  }

  /** A refusal comes as an event, or in place of the next datagram if it was waiting when that was sent. */
  function trouble(error: NodeJS.ErrnoException): void {
    let outcome = fromError(error, "waiting for the reply", error.syscall === "recvmsg" ? "network" : "own-call");
    if (outcome.kind !== "fail") drop();
    else {
      const reason = error.code === "ECONNREFUSED" ? "port unreachable (ICMP)" : outcome.reason;
      const { mono } = systemClock.now();
      outcome = wanted === undefined ? refusal(reason, lastRefusal, mono) : fail(reason);
      lastRefusal = mono;
    }
    if (done !== undefined) finishSoon(outcome);
    else if (wanted === undefined) leftOver = outcome;
  }

  function deadlineOutcome(): ProbeOutcome {
    if (wanted === undefined) return silence(timeout, lastRefusal, systemClock.now().mono);
    return wrong === undefined ? timedOut(timeout, "waiting for the reply") : fail(`unexpected reply ${shown(wrong)}`);
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error("udp probe started while one is in flight");
      done = tell;
      round += 1;
      wrong = undefined;
      // A reply still owed to an earlier probe must not answer this one: it goes to a port that is no longer ours.
      if (wanted !== undefined && answered < sent) drop();
      sent = 0;
      answered = 0;
      if (leftOver !== undefined) {
        finishSoon(leftOver);
        leftOver = undefined;
      } else if (socket === undefined) connect();
      else if (connected) transmit(socket);
    },
    cancel() {
      if (done !== undefined) finish(deadlineOutcome());
    },
    close() {
      done = undefined;
      round += 1;
      stopResending?.();
      drop();
    },
  };
}
