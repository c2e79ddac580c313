import { apiPath, Refused } from "../control/client.ts";
import type { ReloadReply, StatusReply } from "../control/shapes.ts";
import { type Millis, parseDuration } from "../model/time.ts";
import {
  type Context,
  createContext,
  EXIT,
  type GlobalOptions,
  pause,
  printJson,
  type Surroundings,
  UsageError,
} from "./context.ts";

export interface ReloadOptions extends GlobalOptions {
  readonly config?: string;
  readonly force?: boolean;
  /** A duration; true: as long as DEFAULT_WAIT. */
  readonly wait?: string | true;
}

const DEFAULT_WAIT: Millis = 30_000;
const LOOK_EVERY_MS: Millis = 250;
const BAD_CONFIGURATION = 422;

/** `director reload`: the running director reads its file anew. 78 and every problem if the file is bad, 1 if it removes too much. */
export async function reload(surroundings: Surroundings, options: ReloadOptions): Promise<number> {
  const wait = options.wait === undefined ? undefined : waitTime(options.wait);
  const further = options.config === undefined ? undefined : await namedIn(options.config);
  const context = createContext(surroundings, options, further);
  const done = await ordered(context, options.force === true);
  if (typeof done === "number") return done;
  context.out.warn(...done.warnings.map((warning) => `warning: ${warning}`));
  const unproven = await unprovenAfter(context, wait ?? 0);
  if (context.json) printJson(context, { ...done, unproven });
  else context.out.print(done.changed ? "reloaded" : "reloaded; nothing has changed");
  if (unproven.length === 0) return EXIT.ok;
  const since = wait === undefined ? "so far" : `within ${wait / 1000}s`;
  context.out.warn(
    `unproven: these checks have passed on no server ${since}; until they do they take nothing down:`,
    ...unproven.map((check) => `  ${check}`),
  );
  return wait === undefined ? EXIT.ok : EXIT.failed;
}

async function ordered({ client, signal, out }: Context, force: boolean): Promise<ReloadReply | number> {
  try {
    return (await client.send<ReloadReply>("POST", apiPath("reload"), { force }, signal)).body;
  } catch (error) {
    if (!(error instanceof Refused) || error.problems.length === 0) throw error;
    out.warn(...error.problems, `director: not reloaded: ${error.message}`);
    return error.status === BAD_CONFIGURATION ? EXIT.badConfig : EXIT.failed;
  }
}

function waitTime(text: string | true): Millis {
  const ms = text === true ? DEFAULT_WAIT : parseDuration(text);
  if (ms === undefined) throw new UsageError(`--wait ${text}: expected a duration such as 30s`);
  return ms;
}

/** Looks until no check is unproven or the time is over; `service: check` for those that are then. */
async function unprovenAfter({ client, clock, signal }: Context, wait: Millis): Promise<readonly string[]> {
  const end = clock.now().mono + wait;
  for (;;) {
    const { body } = await client.get<StatusReply>(apiPath("status"), signal);
    const unproven = unprovenChecks(body);
    if (unproven.length === 0 || clock.now().mono >= end) return unproven;
    await pause(clock, LOOK_EVERY_MS, signal);
  }
}

function unprovenChecks({ services }: StatusReply): readonly string[] {
  return services.flatMap((service) => service.unproven.map((check) => `${service.name}: ${check}`));
}

async function namedIn(file: string): Promise<string | undefined> {
  const { socketIn } = await import("./socket-in-file.ts");
  return socketIn(file);
}
