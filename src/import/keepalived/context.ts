import type { NoteKind, Notes, Place } from "../notes.ts";
import type { ImportEnvironment } from "../source.ts";

/** What every part of the mapping needs. */
export interface Context {
  readonly env: ImportEnvironment;
  /** Says what is true of many places once, at the first of them. */
  readonly once: (kind: NoteKind, place: Place, subject: string, message: string) => void;
}

export function createContext(env: ImportEnvironment, notes: Notes): Context {
  const said = new Set<string>();
  return {
    env,
    once(kind, place, subject, message) {
      if (said.has(subject + message)) return;
      said.add(subject + message);
      notes.add(kind, place, subject, message);
    },
  };
}
