import type { DirectorOptions } from "../director/director.ts";
import type { createLog } from "../observe/log.ts";
import type { Tallies } from "./metrics.ts";

/** Who is told of every probe's end; undefined: nobody needs to be. */
export function probeListener(
  log: ReturnType<typeof createLog>,
  tallies: Tallies | undefined,
): DirectorOptions["onProbe"] {
  if (!log.isLevelEnabled("debug"))
    return tallies && ((record, outcome, _, tookMs) => tallies.onProbe(record, outcome, tookMs));
  return (record, outcome, startedAt, tookMs) => {
    tallies?.onProbe(record, outcome, tookMs);
    const { label, target, key } = record.spec;
    const what = outcome.kind === "pass" ? outcome.detail : outcome.reason;
    log.debug(
      { check: key, startedAt, tookMs, outcome: outcome.kind },
      `probe ${label} ${target.address.text} ${target.port}: ${outcome.kind}: ${what}`,
    );
  };
}
