import { apiPath, Unreachable } from "../control/client.ts";
import type { StatusReply } from "../control/shapes.ts";
import type { Millis } from "../model/time.ts";
import { type Context, EXIT, Failed, pause, printJson } from "./context.ts";
import { fitted, statusText } from "./status-text.ts";
import { clockTime } from "./times.ts";
import { unreachableWords } from "./unreachable.ts";

const WATCH_EVERY_MS: Millis = 2_000;
/** Home, and what is below there is cleared after drawing: no flicker. */
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export interface StatusOptions {
  readonly watch?: boolean;
}

/** `director status`: once, or again and again until Ctrl-C. */
export async function status(context: Context, services: readonly string[], options: StatusOptions): Promise<number> {
  if (options.watch) return watch(context, services);
  const reply = await fetchStatus(context, services);
  if (context.json) printJson(context, reply);
  else context.out.print(...statusText(reply, { paint: context.out.paint, width: context.out.columns() }));
  return EXIT.ok;
}

export async function fetchStatus({ client, signal }: Context, services: readonly string[]): Promise<StatusReply> {
  const { body } = await client.get<StatusReply>(`${apiPath("status")}?rates=1`, signal);
  if (services.length === 0) return body;
  const known = body.services.map((service) => service.name);
  const unknown = services.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Failed(`no service "${unknown}"; there are: ${known.join(", ")}`);
  return { ...body, services: body.services.filter((service) => services.includes(service.name)) };
}

async function watch(context: Context, services: readonly string[]): Promise<number> {
  const { out, clock, signal } = context;
  while (!signal.aborted) {
    const lines = await currentLines(context, services);
    if (out.tty) {
      const rows = fitted(lines, Math.max(5, (out.rows() ?? 25) - 1));
      out.write(`${HOME}${rows.map((line) => `${line}${CLEAR_LINE}\n`).join("")}${CLEAR_BELOW}`);
    } else out.print(...lines, ...(context.json ? [] : [""]));
    await pause(clock, WATCH_EVERY_MS, signal);
  }
  return EXIT.ok;
}

/** While the daemon is away (a restart), that is what there is to see. */
async function currentLines(context: Context, services: readonly string[]): Promise<readonly string[]> {
  const { out, clock, json } = context;
  try {
    const reply = await fetchStatus(context, services);
    if (json) return [JSON.stringify(reply)];
    return [...statusText(reply, { paint: out.paint, width: out.columns() }), "", `every 2s, ${clockTime(reply.now)}`];
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    if (json) throw error;
    return [...unreachableWords(error), "", `every 2s, ${clockTime(clock.now().epoch)}`];
  }
}
