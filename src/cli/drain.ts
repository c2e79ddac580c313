import { randomUUID } from "node:crypto";
import { apiPath, Unreachable } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import { parseDuration } from "../model/time.ts";
import { type Context, EXIT, Failed, printJson, UsageError } from "./context.ts";
import { type Plan, planText } from "./drain-plan-text.ts";
import { drainDetail, drainTable, isRunning, standing } from "./drain-text.ts";
import { waitForDrain } from "./drain-wait.ts";
import { patient } from "./patience.ts";

export interface DrainOptions {
  readonly service?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly over?: string;
  readonly every?: string;
  readonly minCapacity?: string;
  readonly allowEmpty?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly reason?: string;
  readonly requestId?: string;
}

/** `director drain SERVICE ...`: begins one, and waits for its end unless told not to. */
export async function drain(context: Context, argument: string | undefined, options: DrainOptions): Promise<number> {
  const body = request(argument, options);
  const { client, signal, out } = context;
  const begin = () => client.send<DrainStatus & Partial<Plan>>("POST", apiPath("drains"), body, signal);
  if (options.dryRun) {
    const reply = (await begin()).body;
    if (context.json) printJson(context, reply);
    else out.print(...planText(reply, { paint: out.paint, width: out.columns() }));
    return EXIT.ok;
  }
  const started = await beginOnce(context, begin);
  if (!options.detach) return waitForDrain(context, started);
  if (context.json) printJson(context, started);
  else out.print(started.id);
  return EXIT.ok;
}

/** A lost answer is asked for again: with its request id the same order does not begin a second drain. */
async function beginOnce(context: Context, begin: () => Promise<{ readonly body: DrainStatus }>): Promise<DrainStatus> {
  try {
    return (await begin()).body;
  } catch (error) {
    if (!(error instanceof Unreachable && error.sent)) throw error;
    return (await patient(context)(begin)).body;
  }
}

function request(argument: string | undefined, options: DrainOptions): Readonly<Record<string, unknown>> {
  const service = options.service ?? argument;
  if (options.service !== undefined && argument !== undefined && options.service !== argument)
    throw new UsageError(`two services: "${argument}" and --service "${options.service}"`);
  if (service === undefined)
    throw new UsageError("which service? director drain SERVICE --from A --over 10m --every 30s");
  if (!options.from) throw new UsageError("--from is missing: the servers that are to lose their clients");
  const { minCapacity, allowEmpty, force, reason, dryRun, requestId = randomUUID() } = options;
  return {
    service,
    from: options.from,
    to: options.to ?? [],
    overMs: duration("--over", options.over, "how long the whole shift takes, 10m for example"),
    everyMs: duration("--every", options.every, "the time from step to step, 30s for example"),
    ...(minCapacity === undefined ? {} : { minCapacity: share("--min-capacity", minCapacity) }),
    allowEmpty: allowEmpty === true,
    force: force === true,
    ...(reason === undefined ? {} : { reason }),
    ...(dryRun ? { dryRun: true } : { requestId }),
  };
}

function duration(option: string, text: string | undefined, what: string): number {
  if (text === undefined) throw new UsageError(`${option} is missing: ${what}`);
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`${option} ${text}: expected a duration such as 30s, 10m or 1h30m`);
  return ms;
}

/** As in director.conf: `50%`, `12.5%`. */
function share(option: string, text: string): number {
  const digits = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text)?.[1];
  if (digits === undefined || Number(digits) > 100)
    throw new UsageError(`${option} ${text}: expected a percentage from 0% to 100%`);
  return Number(digits) / 100;
}

interface Drains {
  readonly drains: readonly DrainStatus[];
}

/** A name may stand for the drains of a whole machine. */
type Found = DrainStatus | Drains;

function allOf(found: Found): readonly DrainStatus[] {
  return "drains" in found ? found.drains : [found];
}

async function fetchAll({ client, signal }: Context): Promise<readonly DrainStatus[]> {
  return (await client.get<Drains>(apiPath("drains"), signal)).body.drains;
}

export async function drainList(context: Context): Promise<number> {
  const { out, clock } = context;
  const drains = await fetchAll(context);
  if (context.json) printJson(context, { drains });
  else out.print(...drainTable(drains, clock.now().epoch, { paint: out.paint, width: out.columns() }));
  return EXIT.ok;
}

/** One drain in detail; without a name all that are under way. */
export async function drainStatus(
  context: Context,
  name: string | undefined,
  { wait = false }: { readonly wait?: boolean },
): Promise<number> {
  const { client, signal, out, clock } = context;
  const look = { paint: out.paint, width: out.columns() };
  if (name === undefined && !wait) {
    const running = (await fetchAll(context)).filter(isRunning);
    if (context.json) printJson(context, { drains: running });
    else if (running.length === 0) out.print("no drain is under way; all there were: director drain list");
    else out.print(...running.flatMap((d) => drainDetail(d, clock.now().epoch, look)));
    return EXIT.ok;
  }
  const chosen = name ?? (await onlyOne(context));
  const { body } = await client.get<Found>(apiPath("drains", chosen), signal);
  const [first, ...others] = allOf(body);
  if (wait && first) {
    if (others.length === 0) return waitForDrain(context, first);
    throw new UsageError(`wait for one of them: ${allOf(body).map(named).join(", ")}`);
  }
  if (context.json) printJson(context, body);
  else out.print(...allOf(body).flatMap((d) => drainDetail(d, clock.now().epoch, look)));
  return EXIT.ok;
}

export type DrainWord = "pause" | "resume" | "rollback" | "abort";

/** An operator's word to a drain; without a name to the only one under way. */
export async function drainOrder(
  context: Context,
  word: DrainWord,
  name: string | undefined,
  reason: string | undefined,
): Promise<number> {
  const path = apiPath("drains", name ?? (await onlyOne(context)), word);
  const { body } = await context.client.send<Found>("POST", path, { reason }, context.signal);
  if (context.json) printJson(context, body);
  else context.out.print(...allOf(body).map((d) => `${d.id} ${d.service}: ${standing(d, false)}`));
  return EXIT.ok;
}

async function onlyOne(context: Context): Promise<string> {
  const running = (await fetchAll(context)).filter(isRunning);
  const [first, second] = running;
  if (first === undefined) throw new Failed("no drain is under way; name one: director drain list shows them");
  if (second !== undefined) throw new UsageError(`which one? ${running.map(named).join(", ")}`);
  return first.id;
}

function named({ id, service }: DrainStatus): string {
  return `${id} (${service})`;
}
