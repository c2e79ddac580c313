/** Every kind of event there is, and the words its `to` may have; `number`: weights; nothing: events of this kind have no `to`. What is recorded must
 *  stand here (tests hold the daemon to it): hooks are chosen by these words, and a mistyped one is to be told from a right one. */
export const EVENT_WORDS: Readonly<Record<string, readonly string[] | "number">> = {
  server: ["up", "down", "ready", "drain", "maint", "flapping"],
  service: ["quorum-lost", "quorum-regained", "sorry-server", "real-servers", "fail-open", "by-checks"],
  drain: ["pending", "shifting", "paused", "draining", "done", "rolled-back", "aborted", "failed"],
  drift: ["repaired", "reported", "fight"],
  reload: ["done", "refused"],
  admin: ["enabled", "disabled", "weight", "frozen", "thawed", "held", "intent"],
  check: ["up", "down", "unchecked", "checked", "proven"],
  weight: "number",
  reconcile: [],
  process: [],
};

/** Stands for every kind of event. */
export const ALL_EVENTS = "all";

/** How hooks name this event: `server.down`, or its kind alone where it has no `to`. */
export function eventName({ kind, to }: { readonly kind: string; readonly to?: string | undefined }): string {
  return to === undefined ? kind : `${kind}.${to}`;
}

export function isKnownEvent(event: { readonly kind: string; readonly to?: string | undefined }): boolean {
  const words = EVENT_WORDS[event.kind];
  if (words === undefined) return false;
  return event.to === undefined || (words === "number" ? /^\d+$/.test(event.to) : words.includes(event.to));
}
