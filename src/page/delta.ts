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
  let changed: Record<string, unknown> | undefined;
  const before = (old ?? {}) as Readonly<Record<string, unknown>>;
  for (const [field, value = null] of Object.entries(piece)) {
    const known = before[field] ?? null;
    if (known === value || (!all && RESTLESS.has(field)) || isSame(field, known, value, all)) continue;
    changed ??= {};
    changed[field] = value;
  }
  for (const field of Object.keys(before))
    if (!(field in piece) && before[field] != null) {
      changed ??= {};
      changed[field] = null;
    }
  return changed;
}

function isSame(field: string, a: unknown, b: unknown, all: boolean): boolean {
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
