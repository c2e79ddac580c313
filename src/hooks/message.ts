import type { DirectorEvent } from "../director/events.ts";
import { eventName } from "../model/event-words.ts";
import { BODY_FIELD, type BodyField, type BodyTemplate } from "../model/hook.ts";
import type { EpochMs } from "../model/time.ts";

/** What a script reads on stdin and a webhook gets as body, one object; docs/hooks.md promises it. A field that says nothing is left out. Fields may be
 *  added within a version; what is here keeps its name and meaning. */
export interface HookMessage {
  readonly version: 1;
  /** When it happened: UTC, ISO 8601 with milliseconds. */
  readonly time: string;
  /** The event's number, growing by one over restarts; the same event has the same number for every hook and every attempt. */
  readonly sequence: number;
  readonly hostname: string;
  /** The hook's own name. */
  readonly hook: string;
  readonly kind: string;
  readonly severity: DirectorEvent["severity"];
  readonly service?: string;
  readonly server?: string;
  /** The server's, as it stands in the table of servers: `10.0.0.11:8080`. */
  readonly address?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  /** With `weight` events: what the kernel has now. */
  readonly weight?: number;
  readonly actor?: string;
  readonly drain?: string;
  /** One line for people. */
  readonly message: string;
  /** Events for this hook that were dropped from its full queue since the last one that was delivered. */
  readonly missed?: number;
}

export interface Sender {
  readonly hostname: string;
  readonly hook: string;
  readonly missed: number;
}

export function hookMessage(event: DirectorEvent, { hostname, hook, missed }: Sender): HookMessage {
  const { seq, at, kind, severity, service, server, address, from, to, reason, actor, drain, message } = event;
  const weight = kind === "weight" && to !== undefined ? Number(to) : undefined;
  const all = {
    version: 1 as const,
    time: isoTime(at),
    sequence: seq,
    hostname,
    hook,
    kind,
    severity,
    ...given({ service, server, address, from, to, reason, weight, actor, drain }),
    message,
  };
  return missed === 0 ? all : { ...all, missed };
}

/** One line of JSON: the message, or what the template makes of it. */
export function encoded(message: HookMessage, template?: BodyTemplate): string {
  return `${JSON.stringify(template === undefined ? message : filled(template, message))}\n`;
}

/** Fields that this message does not have are empty. What is filled in is not looked through again. */
function filled(template: BodyTemplate, message: HookMessage): unknown {
  if (typeof template === "string")
    return template.replace(BODY_FIELD, (_, field: BodyField) =>
      String(field === "event" ? eventName(message) : (message[field] ?? "")),
    );
  if (isList(template)) return template.map((item) => filled(item, message));
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, filled(item, message)]));
}

function isList(template: BodyTemplate): template is readonly BodyTemplate[] {
  return Array.isArray(template);
}

function given<T extends object>(fields: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  const there = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there) as { readonly [K in keyof T]?: Exclude<T[K], undefined> };
}

function isoTime(at: EpochMs): string {
  return new Date(at).toISOString();
}
