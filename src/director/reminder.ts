import { formatDuration, type Millis, type MonotonicMs } from "../model/time.ts";
import type { Desired } from "../policy/desired.ts";
import type { Clock } from "../runtime/clock.ts";

/** Servers that are named, the longest down first. */
const MOST_NAMED = 10;
/** Who has just gone down was told of a moment ago. */
const NEWS_MS: Millis = 60_000;

export interface Reminder {
  readonly down: number;
  readonly servers: number;
  readonly message: string;
}

/** One line for all servers that have been down for a minute or more; undefined: none has. */
export function stillDown(desired: Desired | undefined, now: MonotonicMs): Reminder | undefined {
  const down: { readonly name: string; readonly since: MonotonicMs; readonly reason: string }[] = [];
  let servers = 0;
  for (const { service, servers: decisions } of desired?.services.values() ?? []) {
    servers += service.servers.length;
    for (const server of service.servers) {
      const verdict = decisions.get(server.key)?.verdict;
      if (verdict?.kind !== "down" || now - verdict.since < NEWS_MS) continue;
      down.push({ name: `${service.name} ${server.name}`, since: verdict.since, reason: verdict.reason });
    }
  }
  if (down.length === 0) return undefined;
  const named = down
    .sort((a, b) => a.since - b.since)
    .slice(0, MOST_NAMED)
    .map(({ name, since, reason }) => `${name} (${minutes(now - since)}: ${reason})`);
  const more = down.length > MOST_NAMED ? ` and ${down.length - MOST_NAMED} more` : "";
  return {
    down: down.length,
    servers,
    message: `still down: ${down.length} of ${servers} servers: ${named.join(", ")}${more}`,
  };
}

function minutes(ms: Millis): string {
  return formatDuration(Math.floor(ms / 60_000) * 60_000);
}

/** As often as whoever reads the log once a shift wants to find it. */
export const REMIND_EVERY_MS: Millis = 3_600_000;

/** Says every hour who is still down, until the returned function is called. */
export function remindHourly(
  clock: Pick<Clock, "now" | "after">,
  desired: () => Desired | undefined,
  say: (reminder: Reminder) => void,
): () => void {
  const remind = () => {
    disarm = clock.after(REMIND_EVERY_MS, remind);
    const reminder = stillDown(desired(), clock.now().mono);
    if (reminder) say(reminder);
  };
  let disarm = clock.after(REMIND_EVERY_MS, remind);
  return () => disarm();
}
