import { z } from "zod";
import { formatEndpoint } from "../../src/model/address.ts";
import type { ProbeOutcome, ProbeType } from "../../src/model/probe.ts";
import type { Clock } from "../../src/runtime/clock.ts";

/** `silent`: no answer until the deadline, which makes it a failure. `broken`: the prober itself throws. */
export type Answer = "pass" | "fail" | "decisive" | "inconclusive" | "silent" | "broken";

interface Options {
  readonly path: string;
}

/** A kind of check whose servers do as a test tells them. Answers take 2 ms unless said otherwise. Fails the test if a probe overlaps itself,
 *  or a prober is used after it was closed or closed twice. */
export interface Scripted {
  readonly type: ProbeType<Options>;
  /** What is answered from now on: at an endpoint (`10.0.0.1:80`) whatever is asked there, or to one question (`10.0.0.1:80 /healthz`),
   *  which counts more. */
  answer(where: string, answer: Answer | ProbeOutcome, afterMs?: number): void;
  /** When each probe of this question started, in milliseconds of the monotonic clock. */
  starts(where: string): readonly number[];
  /** Of all questions together. */
  startCount(): number;
  /** Probers that are open, by question; a question may have several. */
  open(): readonly string[];
  /** How many probers were ever opened for this question. */
  opened(where: string): number;
  /** The `done` of the last probe started for this question, to call it again or too late. */
  lastDone(where: string): (outcome: ProbeOutcome) => void;
  /** Everything that went wrong; a test ends with this being empty. */
  readonly misuse: readonly string[];
}

export function scripted(clock: Clock): Scripted {
  const answers = new Map<string, { readonly answer: Answer | ProbeOutcome; readonly afterMs: number }>();
  const starts = new Map<string, number[]>();
  const dones = new Map<string, (outcome: ProbeOutcome) => void>();
  const open: string[] = [];
  const opened = new Map<string, number>();
  const misuse: string[] = [];
  let count = 0;

  const type: ProbeType<Options> = {
    name: "scripted",
    options: z.strictObject({ path: z.string().prefault("/") }),
    label: ({ path }) => `scripted ${path}`,
    reports: ({ path }) => path === "/reports",
    open({ endpoint, timeout }, { path }) {
      const host = formatEndpoint(endpoint.address, endpoint.port);
      const where = `${host} ${path}`;
      open.push(where);
      opened.set(where, (opened.get(where) ?? 0) + 1);
      let closed = false;
      let inFlight: ((outcome: ProbeOutcome) => void) | undefined;
      let forget = () => {};

      function end(outcome: ProbeOutcome): void {
        forget();
        const done = inFlight;
        inFlight = undefined;
        done?.(outcome);
      }

      return {
        start(done) {
          if (closed) misuse.push(`${where}: started after close`);
          if (inFlight) misuse.push(`${where}: started while a probe was in flight`);
          count++;
          starts.set(where, [...(starts.get(where) ?? []), clock.now().mono]);
          dones.set(where, done);
          const { answer, afterMs } = answers.get(where) ?? answers.get(host) ?? { answer: "pass", afterMs: 2 };
          if (answer === "broken") throw new Error("prober is broken");
          inFlight = done;
          if (answer !== "silent")
            forget = clock.after(afterMs, () => end(typeof answer === "string" ? OUTCOMES[answer] : answer));
        },
        cancel() {
          if (!inFlight) misuse.push(`${where}: cancelled without a probe in flight`);
          end({ kind: "fail", reason: `timed out after ${timeout}ms` });
        },
        close() {
          if (closed) misuse.push(`${where}: closed twice`);
          if (closed) return;
          closed = true;
          inFlight = undefined;
          forget();
          open.splice(open.indexOf(where), 1);
        },
      };
    },
  };

  return {
    type,
    answer: (where, answer, afterMs = 2) => void answers.set(where, { answer, afterMs }),
    starts: (where) => starts.get(where) ?? [],
    startCount: () => count,
    open: () => [...open].sort(),
    opened: (where) => opened.get(where) ?? 0,
    lastDone: (where) => dones.get(where)!,
    misuse,
  };
}

const OUTCOMES: Readonly<Record<"pass" | "fail" | "decisive" | "inconclusive", ProbeOutcome>> = {
  pass: { kind: "pass", detail: "connected" },
  fail: { kind: "fail", reason: "connection refused" },
  decisive: { kind: "fail", reason: "refused twice by ICMP", decisive: true },
  inconclusive: { kind: "inconclusive", reason: "director is out of file descriptors (EMFILE)" },
};
