import type { Result } from "../model/result.ts";
import type { Note } from "./notes.ts";

/** One file of the original as it was read. */
export interface Source {
  /** The name lines are reported under. */
  readonly file: string;
  readonly text: string;
}

/** One that was found and is not read. */
export interface Unread {
  readonly file: string;
  readonly why: string;
}

/** What an import needs of the world. */
export interface ImportEnvironment {
  /** The files that match the pattern of an include, relative to the file `from`, by name; or why they cannot be read. */
  readonly readInclude: (pattern: string, from: string) => Result<readonly (Source | Unread)[], string>;
  /** What `@id` conditions compare with: keepalived's --config-id. undefined: its default on that machine, the host name, is not known here. */
  readonly configId: string | undefined;
  /** director's own choices where they are better than the original's, rather than its behaviour. */
  readonly recommended: boolean;
  /** The file begins in observe mode: to be tried beside the original program. */
  readonly observe: boolean;
}

/** What an import makes of a file. */
export interface Imported {
  /** director.conf; undefined if none can be made. */
  readonly text: string | undefined;
  readonly notes: readonly Note[];
}
