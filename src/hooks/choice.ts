import { ALL_EVENTS, eventName } from "../model/event-words.ts";
import type { Hook } from "../model/hook.ts";

/** What of an event a hook is chosen by. */
export interface Choosable {
  readonly kind: string;
  readonly from?: string;
  readonly to?: string;
  readonly service?: string;
}

/** Whether a hook is to be told of this event. */
export function isChosen({ on, services }: Pick<Hook, "on" | "services">, event: Choosable): boolean {
  if (isOldNews(event)) return false;
  if (services !== undefined && (event.service === undefined || !services.includes(event.service))) return false;
  return on.includes(ALL_EVENTS) || on.includes(event.kind) || on.includes(eventName(event));
}

/** A restart finds healthy who was serving before it: for clients nothing changed, and nobody wants a mail about every server. */
function isOldNews({ kind, from, to }: Choosable): boolean {
  return kind === "server" && from === "presumed-up" && to === "up";
}
