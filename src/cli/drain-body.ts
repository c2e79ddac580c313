import { formatDuration, type Millis, parseDuration } from "../model/time.ts";
import { UsageError } from "./context.ts";

/** What stands behind `director drain SERVICE`, as it was written. */
export interface DrainOptions {
  readonly service?: string;
  readonly host?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly add?: boolean;
  readonly over?: string;
  readonly every?: string;
  readonly steps?: readonly string[];
  readonly now?: boolean;
  readonly pauseAt?: readonly string[];
  readonly ttl?: string;
  readonly minCapacity?: string;
  readonly allowEmpty?: boolean;
  readonly newDownTimeout?: string;
  readonly onNewDown?: "wait" | "rollback";
  readonly onRestart?: "pause" | "resume" | "rollback";
  readonly idle?: "active" | "all" | "none";
  readonly grace?: string;
  readonly atGrace?: "keep" | "remove";
  /** --then */
  readonly afterwards?: "keep" | "remove";
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly reason?: string;
  readonly requestId?: string;
}

/** POST /v1/drains. What was not said is left to the daemon, which has the defaults. */
export type DrainBody = Readonly<Record<string, unknown>>;

/** @param argument SERVICE
 *  @param requestId unless one was given: whoever asks again, because the answer was lost, is to get the same drain
 *  @throws UsageError */
export function drainBody(argument: string | undefined, options: DrainOptions, requestId: string): DrainBody {
  const { add, allowEmpty, onNewDown, onRestart, idle, atGrace, afterwards, force, dryRun, reason } = options;
  if (add && !options.to) throw new UsageError("--add needs --to: the server that is to be brought in");
  if (atGrace === "remove" && afterwards !== "remove")
    throw new UsageError("--at-grace remove needs --then remove: without it nothing is removed at all");
  return known({
    ...scope(argument, options),
    to: options.to,
    ...pace(options),
    pauseAt: options.pauseAt?.map((text) => percentage("--pause-at", text)),
    ttlMs: optional("--ttl", options.ttl, SHORTEST),
    minCapacity: options.minCapacity === undefined ? undefined : capacity(options.minCapacity),
    newDownTimeoutMs: optional("--new-down-timeout", options.newDownTimeout),
    graceMs: optional("--grace", options.grace),
    ...{ add, allowEmpty, onNewDown, onRestart, idle, atGrace, afterwards, force, reason },
    ...(dryRun ? { dryRun } : { requestId: options.requestId ?? requestId }),
  });
}

function known(body: DrainBody): DrainBody {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** One service with the servers that lose their weight, or a machine. */
function scope(argument: string | undefined, { service: named, host, from }: DrainOptions): DrainBody {
  if (named !== undefined && argument !== undefined && named !== argument)
    throw new UsageError(`two services: "${argument}" and --service "${named}"`);
  const service = named ?? argument;
  if (host !== undefined) {
    if (service !== undefined) throw new UsageError(`a service or a machine, not both: "${service}", --host ${host}`);
    if (from) throw new UsageError("--from has no meaning with --host: that machine is what is drained");
    return { host };
  }
  if (service === undefined)
    throw new UsageError(
      "which service? director drain SERVICE --from A --over 10m --every 30s; a machine in all its services: --host NAME",
    );
  if (!from || from.length === 0) throw new UsageError("--from is missing: the servers that are to lose their clients");
  return { service, from };
}

function pace({ over, every, steps, now }: DrainOptions): DrainBody {
  const said = [over && "--over", steps && "--steps", now && "--now"].filter((name) => name);
  if (said.length > 1) throw new UsageError(`${said.join(" and ")}: say one of them`);
  if (now) {
    if (every !== undefined) throw new UsageError("--every has no meaning with --now, which is one step");
    return { now };
  }
  const everyMs = () => duration("--every", every, "the time from step to step, 30s for example", SHORTEST);
  if (steps) return { steps: steps.map((text) => percentage("--steps", text)), everyMs: everyMs() };
  const what = "how long the whole shift takes, 10m for example; or say --steps 5,25,100, or --now";
  return { overMs: duration("--over", over, what), everyMs: everyMs() };
}

/** What the daemon takes for a time. */
const SHORTEST: Millis = 100;
const LONGEST: Millis = 30 * 86_400_000;

function duration(option: string, text: string | undefined, what: string, least: Millis = 0): Millis {
  if (text === undefined) throw new UsageError(`${option} is missing: ${what}`);
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`${option} ${text}: expected a duration such as 30s, 10m or 1h30m`);
  if (ms < least) throw new UsageError(`${option} ${text}: ${formatDuration(least)} is the least`);
  if (ms > LONGEST) throw new UsageError(`${option} ${text}: ${formatDuration(LONGEST)} is the most`);
  return ms;
}

function optional(option: string, text: string | undefined, least?: Millis): Millis | undefined {
  return text === undefined ? undefined : duration(option, text, "", least);
}

/** `5`, `12.5`, `100%`: more than nothing. */
function percentage(option: string, text: string): number {
  const value = Number(/^(\d{1,3}(?:\.\d{1,3})?)%?$/.exec(text)?.[1]);
  if (value > 0 && value <= 100) return value / 100;
  throw new UsageError(`${option} ${text}: expected percentages above 0 and up to 100, such as 5,25,100`);
}

/** As in director.conf: `50%`, `12.5%`. A bare number could be meant as a share. */
function capacity(text: string): number {
  const value = Number(/^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1]);
  if (value <= 100) return value / 100;
  throw new UsageError(`--min-capacity ${text}: expected a percentage from 0% to 100%`);
}
