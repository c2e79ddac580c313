import type { ServerKey } from "../model/service.ts";
import { formatDuration } from "../model/time.ts";
import { askedShare, type Drain } from "../policy/drain.ts";

/** One line about where a drain stands. */
export function describe(drain: Drain, nameOf: (key: ServerKey) => string = (key) => key): string {
  const { phase } = drain;
  const share = percent(askedShare(drain));
  const to = drain.to.length > 0 ? drain.to.map(nameOf).join(",") : "the rest";
  const where = `drain ${drain.id} ${drain.from.map(nameOf).join(",")} -> ${to}`;
  switch (phase.kind) {
    case "pending":
      return `${where}: waiting for the new to be healthy`;
    case "shifting":
      return `${where}: step ${drain.step}/${drain.steps.length}, ${share} moved`;
    case "paused":
      return `${where}: paused at ${share} (${phase.why}: ${phase.text})`;
    case "draining":
      return `${where}: all moved, waiting up to ${formatDuration(drain.policy.grace)} for open connections`;
    case "done":
      if (drain.policy.idle === "none") return `${where}: done, open connections were not waited for`;
      return phase.left === 0
        ? `${where}: done, no connection left`
        : `${where}: done, its grace is over with ${phase.left} connections left`;
    case "rolled-back":
      return `${where}: rolled back (${phase.text})`;
    case "aborted":
      return `${where}: aborted at ${share} (${phase.text})`;
    case "failed":
      return `${where}: failed (${phase.text})`;
  }
}

/** `12.5%`. */
export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`;
}
