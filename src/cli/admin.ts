import { apiPath } from "../control/client.ts";
import type { ExplainReply } from "../control/shapes.ts";
import { parseDuration } from "../model/time.ts";
import { type Context, EXIT, printJson, UsageError } from "./context.ts";
import { dateTime } from "./times.ts";

interface Noted {
  readonly note?: string;
}

export interface AdminOptions {
  readonly reason?: string;
  readonly until?: string;
}

export async function enable(
  context: Context,
  service: string,
  server: string,
  options: AdminOptions,
): Promise<number> {
  return order(context, [service, server, "enable"], { reason: options.reason }, `${service} ${server}: enabled`);
}

export async function disable(
  context: Context,
  service: string,
  server: string,
  { reason, until: text }: AdminOptions,
): Promise<number> {
  const until = text === undefined ? undefined : endOf(text, context.clock.now().epoch);
  const words = `${service} ${server}: disabled${until === undefined ? "" : ` until ${dateTime(until)}`}`;
  return order(context, [service, server, "disable"], { reason, until }, words);
}

export async function weight(
  context: Context,
  service: string,
  server: string,
  text: string,
  { reason }: AdminOptions,
): Promise<number> {
  const value = wantedWeight(text);
  const words = `${service} ${server}: weight ${value ?? "as configured"}`;
  return order(context, [service, server, "weight"], { weight: value, reason }, words);
}

async function order(
  context: Context,
  [service, server, word]: readonly [string, string, string],
  body: Readonly<Record<string, unknown>>,
  words: string,
): Promise<number> {
  const path = apiPath("services", service, "servers", server, word);
  const reply = await context.client.send<Noted>("POST", path, body, context.signal);
  if (context.json) printJson(context, reply.body);
  else context.out.print(reply.body.note === undefined ? words : `${words}; ${reply.body.note}`);
  return EXIT.ok;
}

/** null: as the file has it. */
function wantedWeight(text: string): number | null {
  if (text === "configured") return null;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`weight ${text}: expected a whole number from 0 to 65535, or "configured"`);
}

/** Reads a duration from now (`2h`) or a moment with its zone as RFC 3339 writes it (`2026-11-20T06:00:00Z`); milliseconds since 1970.
 *  @throws UsageError for anything else, and for the past */
export function endOf(text: string, now: number): number {
  const duration = parseDuration(text);
  if (duration !== undefined && duration > 0) return now + duration;
  const written = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})$/.test(text);
  const moment = written ? Date.parse(text.toUpperCase().replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(moment))
    throw new UsageError(
      `--until ${text}: expected a duration such as 30m or 2h, or a time with its zone such as 2026-11-20T06:00:00Z`,
    );
  if (moment <= now) throw new UsageError(`--until ${text}: that is over; it is ${new Date(now).toISOString()}`);
  return moment;
}

/** `director explain`: the weight formula of one server with its numbers. */
export async function explain(context: Context, service: string, server: string): Promise<number> {
  const path = apiPath("services", service, "servers", server, "explain");
  const { body } = await context.client.get<ExplainReply>(path, context.signal);
  if (context.json) printJson(context, body);
  else context.out.print(...explainText(body, context.out.paint));
  return EXIT.ok;
}

export function explainText(
  { service, server, weight: value, rule, formula, inputs }: ExplainReply,
  paint: Context["out"]["paint"],
): readonly string[] {
  return [
    `${paint("bold", `${service} ${server}`)}: weight ${value}, rule ${rule}`,
    `  ${formula}`,
    ...inputs.map((line) => `  - ${line}`),
  ];
}
