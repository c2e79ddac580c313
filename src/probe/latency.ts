import { durationFrom } from "../config/scalars.ts";
import type { Prober } from "../model/probe.ts";
import { formatDuration, later, type Millis, type MonotonicMs } from "../model/time.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Connector } from "./connector.ts";
import { type Done, fail } from "./outcome.ts";

/** How long a good answer may take at most. */
export const latencyKeys = {
  max_latency: durationFrom(1)
    .optional()
    .describe("How long a good answer may take at most; shorter than timeout. Without it: as long as timeout"),
};

interface Latency {
  readonly max_latency?: Millis | undefined;
}

export function latencyObjections(
  { max_latency }: Latency,
  timeout: Millis,
): readonly { readonly key: string; readonly message: string }[] {
  if (max_latency === undefined || max_latency < timeout) return [];
  const message = `${formatDuration(max_latency)} is not shorter than timeout, ${formatDuration(timeout)}, which ends a probe first`;
  return [{ key: "max_latency", message }];
}

/** A mark passed this much later than it was set for was missed by us: the process stood still, and the answer may be waiting to be read. */
const STOOD_STILL_MS = 25;
/** How long such a probe gets to take what is there. */
const SECOND_LOOK_MS = 50;

/** Makes a failure of what passes only after `max`, from the beginning of the connection to the end of the probe. The time behind probes of other
 *  servers does not count. Without `max` the prober is as it is. */
export function withinLatency(
  max: Millis | undefined,
  connect: Connector,
  open: (connect: Connector) => Prober,
): Prober {
  if (max === undefined) return open(connect);
  let beganAt = 0 as MonotonicMs;
  let late = false;
  let disarm: () => void = () => {};

  function begin(): void {
    disarm();
    late = false;
    beganAt = systemClock.now().mono;
    disarm = systemClock.after(max!, () => {
      if (systemClock.now().mono - later(beganAt, max!) <= STOOD_STILL_MS) late = true;
      else disarm = systemClock.after(SECOND_LOOK_MS, () => (late = true));
    });
  }

  const prober = open((dialling) =>
    connect({
      ...dialling,
      delayed(by) {
        begin();
        dialling.delayed(by);
      },
    }),
  );

  function ended(tell: Done): Done {
    return (outcome) => {
      disarm();
      if (outcome.kind !== "pass" || !late) return tell(outcome);
      const took = Math.round(systemClock.now().mono - beganAt);
      tell(fail(`the right answer took ${formatDuration(took)}, expected within ${formatDuration(max!)}`));
    };
  }

  return {
    start(tell) {
      begin();
      prober.start(ended(tell));
    },
    cancel: () => prober.cancel(),
    close() {
      disarm();
      prober.close();
    },
  };
}
