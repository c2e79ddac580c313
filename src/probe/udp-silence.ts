import { formatEndpoint } from "../model/address.ts";
import type { ProbeOutcome, Prober, ProbeTarget } from "../model/probe.ts";
import type { MonotonicMs } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Done } from "./outcome.ts";
import { createLedger, type LastRefusal, refusal, silence } from "./refusals.ts";
import { udpSocket } from "./udp-socket.ts";

/** A host has one ration of refusals for all the probes of this process. */
const ledger = createLedger();

const REPLIED: ProbeOutcome = Object.freeze({ kind: "pass", detail: "a reply" });

/** A server that never answers, such as syslog: only a refusal fails. */
export function openSilent(target: ProbeTarget, bytes: Uint8Array): Prober {
  const host = formatEndpoint(target.endpoint.address);
  let done: Done | undefined;
  let sentAt: MonotonicMs | undefined;
  let lastRefusal: LastRefusal;
  /** A refusal that came while no probe was in flight: the outcome of the next one. */
  let leftOver: ProbeOutcome | undefined;
  let unschedule: (() => void) | undefined;
  /** Where in the first half of the timeout the next datagram goes out to a contested host, 0 to 1. */
  let turn = (target.endpoint.port * GOLDEN) % 1;

  const socket = udpSocket(target, {
    reply() {
      lastRefusal = undefined;
      leftOver = undefined;
      finish(REPLIED);
    },
    refused(reason) {
      const { mono } = systemClock.now();
      const outcome = refusal(reason, lastRefusal, mono);
      lastRefusal = mono;
      ledger.note(host, mono);
      if (done === undefined) leftOver = outcome;
      else finish(outcome);
    },
    unsent: (outcome) => finish(outcome),
  });

  function send(): void {
    unschedule = undefined;
    sentAt = systemClock.now().mono;
    socket.send(bytes);
  }

  function stop(): Done | undefined {
    unschedule?.();
    unschedule = undefined;
    const last = done;
    done = undefined;
    return last;
  }

  function finish(outcome: ProbeOutcome): void {
    stop()?.(outcome);
  }

  return {
    start(tell) {
      if (done !== undefined) throw new Error("udp probe started while one is in flight");
      done = tell;
      sentAt = undefined;
      if (leftOver !== undefined) {
        const outcome = leftOver;
        leftOver = undefined;
        unschedule = systemClock.after(0, () => finish(outcome));
      } else if (!ledger.contested(host, systemClock.now().mono)) send();
      else {
        // At fixed times the same probes of a host would get its refusals every time, and others never any.
        turn = (turn + GOLDEN) % 1;
        unschedule = systemClock.after((turn * target.timeout) / 2, send);
      }
    },
    cancel() {
      if (done === undefined) return;
      const { mono } = systemClock.now();
      finish(silence(target.timeout, lastRefusal, sentAt === undefined || ledger.usedUp(host, sentAt), mono));
    },
    close() {
      stop();
      socket.renew();
    },
  };
}

/** The fraction that spreads successive turns most evenly. */
const GOLDEN = 0.618_033_988_749;
