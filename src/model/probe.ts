import type { z } from "zod";
import type { Endpoint, IpAddress } from "./address.ts";
import type { Millis } from "./time.ts";

/** What one probe found out. `inconclusive`: we could not ask (our own descriptors, ports, buffers, permissions or routes); it says
 *  nothing about the server and neither adds to nor resets a row of passes or failures. */
export type ProbeOutcome =
  | { readonly kind: "pass"; readonly detail: string; readonly report?: Report }
  | {
      readonly kind: "fail";
      /** As an operator says it: `connection refused`, `timed out after 2s in TLS handshake`, `status 503, expected 200-299`. */
      readonly reason: string;
      /** true: counts as `fall` failures at once (two ICMP refusals within 30s, where hosts rate-limit them). */
      readonly decisive?: true;
      readonly report?: Report;
    }
  | {
      readonly kind: "inconclusive";
      readonly reason: string;
      /** true: as long as nothing conclusive is known the check counts as passed. Others look after the server's health. */
      readonly harmless?: true;
    };

/** What a server wants of its weight, as a probe heard it. A key that is left out stays as it was heard last; undefined takes it back. */
export interface Report {
  /** The part of its weight that it is to have: 0 and above, 1 is all of it. */
  readonly factor?: number | undefined;
  /** What counts for its configured weight: 0 to 65535. */
  readonly weight?: number | undefined;
  /** It is well, but is to get no new clients. */
  readonly hold?: "drain" | "maint" | undefined;
}

/** One configured check of one server, every default filled in. */
export interface CheckSpec {
  /** Equal keys are one check, probed once, in however many services: probe identity and timings. */
  readonly key: string;
  /** Identity without timings: what is asked of which endpoint. A reload that leaves it keeps the check's state. */
  readonly probe: string;
  /** Identity without the server: what is asked. A service's template is unproven after a reload until it passed once somewhere. */
  readonly template: string;
  /** Short, for people: `http GET /healthz`, `tcp`, `udp port 53`. */
  readonly label: string;
  readonly type: string;
  readonly target: Endpoint;
  /** Local address to probe from; undefined: the kernel chooses. */
  readonly source: IpAddress | undefined;
  /** Start to start, while up and passing. */
  readonly interval: Millis;
  /** Start to start, from the first failure until down. */
  readonly fastInterval: Millis;
  /** Start to start, while down. */
  readonly downInterval: Millis;
  /** Total deadline of one probe: connect, TLS, sending and reading. */
  readonly timeout: Millis;
  /** Failures in a row that take an up server down, >= 1. */
  readonly fall: number;
  /** Passes in a row that bring a down server up, >= 1. */
  readonly rise: number;
  /** What the type's own schema made of the remaining keys. */
  readonly options: unknown;
}

export interface ProbeTarget {
  readonly endpoint: Endpoint;
  readonly source: IpAddress | undefined;
  /** The check's total deadline; the engine keeps it and calls cancel(), probers use it only for words and for resending. */
  readonly timeout: Millis;
}

/** One target's long-lived prober: it keeps what can be kept (socket, client) between probes.
 *  At most one probe is in flight. `done` is called exactly once for each start, also after cancel; never within start itself. */
export interface Prober {
  start(done: (outcome: ProbeOutcome) => void): void;
  /** The deadline has passed: end the probe in flight now, saying in which phase it stood (`timed out after 2s in TLS handshake`). */
  cancel(): void;
  /** Lets go of everything; a probe in flight ends without calling `done`. */
  close(): void;
}

/** A kind of check: one file below src/probe and one line in its registry. */
export interface ProbeType<O = unknown> {
  readonly name: string;
  /** Keys of this type beyond the common ones. Scalars come in as text; see config/scalars.ts. */
  readonly options: z.ZodType<O>;
  /** What does not go together with the check's timeout, by key. */
  objections?(options: O, timeout: Millis): readonly { readonly key: string; readonly message: string }[];
  /** Whether its outcomes may have a report of the weight; left out: never. */
  reports?(options: O): boolean;
  /** Programs that it runs, by their paths. */
  programs?(options: O): readonly string[];
  /** true: it asks at a port of its own, which has to be named, and a server that does not answer there is none the worse for it: another check has
   *  to look after its health. */
  readonly advisory?: true;
  /** For people: `http GET /healthz`. */
  label(options: O): string;
  open(target: ProbeTarget, options: O): Prober;
}
