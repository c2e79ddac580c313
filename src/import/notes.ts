/** A line of the original. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** What the import says about one line of the original.
 *  - stopped: no configuration can be made of it at all
 *  - refused: the line is not taken over, since the original does not read it as it is written
 *  - dropped: it had an effect that director has not
 *  - changed: it is taken over, but not exactly
 *  - hint: the effect is the same; what would be better, or what to know */
export type NoteKind = "stopped" | "refused" | "dropped" | "changed" | "hint";

export interface Note {
  readonly kind: NoteKind;
  readonly place: Place;
  /** The words of the original it is about. */
  readonly subject: string;
  readonly message: string;
}

/** Takes notes; each part of the original that becomes a part of the new file has its own, so that they can stand there as comments. */
export interface Notes {
  add(kind: NoteKind, place: Place, subject: string, message: string): void;
  /** For a part within this one. */
  child(): Notes;
  /** Takes back what was noted of a part of the original that does not matter. */
  forget(doesNotMatter: (note: Note) => boolean): void;
  /** What was noted of this part itself, without the parts within. */
  own(): readonly Note[];
  /** Everything, by file and line. */
  all(): readonly Note[];
}

/** More are not worth reading, and a list made by ~SEQ has no end. */
const MOST = 2_000;

export function takeNotes(): Notes {
  const all: Note[] = [];
  const seen = new Set<string>();
  const files: string[] = [];

  function part(): Notes {
    const own: Note[] = [];
    return {
      add(kind, place, subject, message) {
        const key = [kind, place.file, place.line, subject, message].join("\0");
        if (seen.has(key) || (all.length >= MOST && kind !== "stopped")) return;
        seen.add(key);
        if (!files.includes(place.file)) files.push(place.file);
        const note = { kind, place, subject, message };
        own.push(note);
        all.push(note);
      },
      child: part,
      forget(doesNotMatter) {
        for (const list of [own, all]) list.splice(0, list.length, ...list.filter((note) => !doesNotMatter(note)));
      },
      own: () => own,
      all: () =>
        all
          .map((note, i) => ({ note, i }))
          .sort(
            (a, b) =>
              files.indexOf(a.note.place.file) - files.indexOf(b.note.place.file) ||
              a.note.place.line - b.note.place.line ||
              a.i - b.i,
          )
          .map(({ note }) => note),
    };
  }
  return part();
}

/** `keepalived.conf:12`. */
export function placeWords({ file, line }: Place): string {
  return `${file}:${line}`;
}

/** `keepalived.conf:12: dropped smtp_alert: director sends no mail`. */
export function formatNote({ kind, place, subject, message }: Note): string {
  return `${placeWords(place)}: ${kind} ${subject}: ${message}`;
}

/** What stands for a note beside the part it is about; the file is left out where the part names it. */
export function noteComment({ kind, place, subject, message }: Note, file: string): string {
  const where = place.file === file ? `line ${place.line}` : placeWords(place);
  return `${kind} (${where}) ${subject}: ${message}`;
}

/** Whether the new file behaves as the original as far as that can be: nothing but hints. */
export function isExact(notes: readonly Note[]): boolean {
  return notes.every((note) => note.kind === "hint");
}
