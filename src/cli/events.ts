import { apiPath, Unreachable } from "../control/client.ts";
import type { DirectorEvent } from "../director/events.ts";
import { EVENT_WORDS, eventName, isKnownEvent } from "../model/event-words.ts";
import { type EpochMs, type Millis, parseDuration } from "../model/time.ts";
import { type Context, EXIT, pause, UsageError } from "./context.ts";
import type { Paint } from "./output.ts";
import { patient } from "./patience.ts";
import { dateTime } from "./times.ts";

export interface EventsOptions {
  readonly follow?: boolean;
  readonly after?: string;
  readonly service?: readonly string[];
  readonly kind?: readonly string[];
  readonly since?: string;
}

type Wanted = (event: DirectorEvent) => boolean;

/** Shown of the past before following, as `journalctl -f` does. */
const LAST = 10;
const BEFORE_AGAIN_MS: Millis = 200;

/** `director events`: what is kept, or with --follow what happens from now on; across restarts of the daemon. */
export async function events(context: Context, options: EventsOptions): Promise<number> {
  const after = options.after === undefined ? undefined : sequence(options.after);
  const wanted = filter(options, context.clock.now().epoch);
  if (!options.follow) {
    for await (const event of context.client.stream<DirectorEvent>(path(after ?? 0, false), context.signal))
      if (wanted(event)) show(context, event);
    return EXIT.ok;
  }
  const most = options.since === undefined ? LAST : Number.POSITIVE_INFINITY;
  return follow(context, after ?? (await showLast(context, wanted, most)), wanted);
}

/** @throws UsageError when it names what there is not */
function filter({ service = [], kind = [], since }: EventsOptions, now: EpochMs): Wanted {
  const strange = kind.find((word) => !isKnownEvent({ kind: word.split(".")[0]!, to: word.split(".")[1] }));
  if (strange !== undefined)
    throw new UsageError(
      `--kind ${strange}: expected ${Object.keys(EVENT_WORDS).join(", ")}, or one with what it became: server.down`,
    );
  const from = since === undefined ? Number.NEGATIVE_INFINITY : moment(since, now);
  return (event) =>
    event.at >= from &&
    (service.length === 0 || (event.service !== undefined && service.includes(event.service))) &&
    (kind.length === 0 || kind.includes(event.kind) || kind.includes(eventName(event)));
}

/** `10m` ago, or a time as RFC 3339 has it. */
function moment(text: string, now: EpochMs): number {
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(at)) throw new UsageError(`--since ${text}: expected 10m, 2h, or a time: 2026-11-20 06:00`);
  return at;
}

async function follow(context: Context, from: number, wanted: Wanted): Promise<number> {
  const { client, clock, signal } = context;
  const ask = patient(context);
  let after = from;
  for (;;) {
    try {
      for await (const event of client.stream<DirectorEvent>(path(after, true), signal)) {
        if (wanted(event)) show(context, event);
        after = event.seq;
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
    await pause(clock, BEFORE_AGAIN_MS, signal);
    // Numbers go on over a restart, unless the history was lost: then they begin anew.
    if ((await ask(() => lastNumber(context))) < after) after = 0;
  }
}

async function lastNumber({ client, signal }: Context): Promise<number> {
  let last = 0;
  for await (const event of client.stream<DirectorEvent>(path(0, false), signal)) last = event.seq;
  return last;
}

async function showLast(context: Context, wanted: Wanted, most: number): Promise<number> {
  const all: DirectorEvent[] = [];
  for await (const event of context.client.stream<DirectorEvent>(path(0, false), context.signal)) all.push(event);
  for (const event of all.filter(wanted).slice(-most)) show(context, event);
  return all.at(-1)?.seq ?? 0;
}

function path(after: number, following: boolean): string {
  return `${apiPath("events")}?after=${after}${following ? "&follow=1" : ""}`;
}

function sequence(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--after ${text}: expected the sequence number of an event`);
}

function show({ out, json }: Context, event: DirectorEvent): void {
  out.print(json ? JSON.stringify(event) : eventLine(event, out.paint));
}

export function eventLine({ at, severity, message, seq }: DirectorEvent, paint: Paint): string {
  const word = severity.padEnd(7);
  const marked = severity === "info" ? word : paint(severity === "error" ? "red" : "yellow", word);
  return `${dateTime(at)} ${String(seq).padStart(5)} ${marked} ${message}`;
}
