import type { Piece, View } from "./view.ts";

export interface Delta {
  /** The fields that changed, by piece; null: the field is gone. */
  readonly set: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Pieces that are gone. */
  readonly gone: readonly string[];
}

/** Fields whose change alone is not worth a message to everybody every second: counts and times that never stand still. */
const RESTLESS: ReadonlySet<string> = new Set(["active", "inactive", "probes", "lastSuccessAt", "connections"]);

/** Times reckoned from the monotonic clock waver by a millisecond from one look to the next. */
const WAVER_MS = 1_000;
const RECKONED: ReadonlySet<string> = new Set(["since", "nextAt", "undoneAt", "until"]);

/** What changes `before` into `after`. What was sent is what counts: `before` has to be the view that viewers have.
 *  @param all false: restless fields are left for a later time
 *  @returns the delta, and the view that viewers have then */
export function difference(before: View, after: View, all: boolean): { readonly delta: Delta; readonly sent: View } {
  const set: Record<string, Readonly<Record<string, unknown>>> = {};
  const sent = new Map<string, Piece>();
  for (const [key, piece] of after) {
    const old = before.get(key);
    const changed = changedFields(old, piece, all || old === undefined);
    sent.set(key, changed === undefined && old ? old : { ...old, ...changed });
    if (changed !== undefined) set[key] = changed;
  }
  return { delta: { set, gone: [...before.keys()].filter((key) => !after.has(key)) }, sent };
}

export function isEmpty({ set, gone }: Delta): boolean {
  return gone.length === 0 && Object.keys(set).length === 0;
}

function changedFields(
  old: Piece | undefined,
  piece: Piece,
  all: boolean,
): Readonly<Record<string, unknown>> | undefined {
  const before = (old ?? {}) as Readonly<Record<string, unknown>>;
  const after = piece as Readonly<Record<string, unknown>>;
  const differ = (field: string) => !isSame(field, before[field] ?? null, after[field] ?? null, all);
  const fields = [...Object.keys(after), ...Object.keys(before).filter((field) => !(field in after))].filter(differ);
  // What goes anyway takes the restless with it: a failure and when it was belong together.
  if (fields.length === 0 || (!all && fields.every((field) => RESTLESS.has(field)))) return undefined;
  return Object.fromEntries(fields.map((field) => [field, after[field] ?? null]));
}

function isSame(field: string, a: unknown, b: unknown, all: boolean): boolean {
  if (a === b) return true;
  if (typeof a === "number" && typeof b === "number") return RECKONED.has(field) && Math.abs(a - b) < WAVER_MS;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const text = JSON.stringify(a);
  const other = JSON.stringify(b);
  // Messages that differ only in how long something has lasted by now.
  return text === other || (!all && field === "list" && ageless(text) === ageless(other));
}

function ageless(text: string): string {
  return text.replace(/(?:\d+(?:ms|[hms]))+/g, "");
}
