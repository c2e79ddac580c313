import { apiPath } from "../control/client.ts";
import { parseDuration } from "../model/time.ts";
import { type Context, EXIT, printJson, UsageError } from "./context.ts";

interface Noted {
  readonly note?: string;
}

export interface FreezeOptions {
  readonly for?: string;
  readonly reason?: string;
}

/** `director freeze [SERVICE] --for 30m`: probing goes on, nothing is written. */
export async function freeze(context: Context, service: string | undefined, options: FreezeOptions): Promise<number> {
  const forMs = options.for === undefined ? undefined : parseDuration(options.for);
  if (forMs === undefined || forMs < 1_000)
    throw new UsageError(
      `${options.for === undefined ? "--for is missing" : `--for ${options.for}`}: say how long, such as 30m or 2h (7 days at most); a freeze that nobody ends ends then`,
    );
  const body = { service, forMs, reason: options.reason };
  return send(context, "freeze", body, `${service ?? "everything"}: frozen for ${options.for}: nothing is written`);
}

export async function thaw(context: Context, service: string | undefined, { reason }: FreezeOptions): Promise<number> {
  return send(context, "thaw", { service, reason }, `${service ?? "everything"}: thawed`);
}

async function send(context: Context, path: string, sent: object, words: string): Promise<number> {
  const { body } = await context.client.send<Noted>("POST", apiPath(path), sent, context.signal);
  if (context.json) printJson(context, body);
  else context.out.print(body.note === undefined ? words : `${words}; ${body.note}`);
  return EXIT.ok;
}
