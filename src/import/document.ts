import { type Hook, writtenHooks } from "./hooks.ts";
import { isExact, type Note, type NoteKind, type Notes, noteComment, type Place } from "./notes.ts";
import type { ImportEnvironment, Imported, Source } from "./source.ts";
import { type Entries, list, map, renderFile, type WrittenMap } from "./written.ts";

/** A service to be written; what several may share stands apart. */
export interface Part {
  readonly onFailure: "quiesce" | "remove";
  /** undefined: director's own default, `adopt`. */
  readonly initial: "up" | "down" | undefined;
  readonly hooks: readonly Hook[];
  /** @param shared keys that stand in `defaults` for all */
  write(shared: ReadonlySet<"on_failure" | "initial">): WrittenMap;
}

export interface Contents {
  readonly program: "keepalived" | "ldirectord";
  readonly source: Source;
  readonly env: ImportEnvironment;
  /** What stands below `ipvs`. */
  readonly globals: Entries;
  /** At least one. */
  readonly parts: readonly Part[];
  /** What was noted of services that did not become any. */
  readonly lost: readonly Notes[];
  /** The first virtual service of the original. */
  readonly first: Place;
}

/** The whole of director.conf, with everything that was noted beside what it is about. */
export function document(contents: Contents, notes: Notes): Imported {
  const { env, parts, globals } = contents;
  const onFailure = common(parts, (part) => part.onFailure);
  const initial = common(parts, (part) => part.initial);
  const shared = new Set<"on_failure" | "initial">();
  if (onFailure !== undefined) shared.add("on_failure");
  if (initial !== undefined) shared.add("initial");
  hints(contents, notes);
  const hooks = writtenHooks(parts.flatMap((part) => part.hooks));
  const services = parts.map((part) => part.write(shared));
  const ipvs = map({ mode: env.observe ? "observe" : undefined, ...globals });
  const root = map({
    ipvs: ipvs.entries.size === 0 ? undefined : ipvs,
    defaults: env.recommended || shared.size === 0 ? undefined : map({ on_failure: onFailure, initial }),
    hooks: hooks.length === 0 ? undefined : list(hooks),
    services: list(services),
  });
  return { text: renderFile(root, head(contents, notes)), notes: notes.all() };
}

function common<T>(parts: readonly Part[], of: (part: Part) => T): T | undefined {
  const values = new Set(parts.map(of));
  return values.size === 1 ? [...values][0] : undefined;
}

/** What is better left to director's own default, and what is otherwise whatever the original says. */
function hints({ program, env, parts, first }: Contents, notes: Notes): void {
  const hint = (subject: string, message: string) => notes.add("hint", first, subject, message);
  if (!env.recommended && parts.some((part) => part.onFailure === "remove"))
    hint(
      "on_failure: remove",
      `${program} deletes a server that fails, under its open connections; without this line director gives it weight 0 and takes it out only where weight 0 is not enough (auto)`,
    );
  if (!env.recommended && parts.some((part) => part.initial === "up"))
    hint(
      "initial: up",
      `${program} gives every server its weight at the start, dead or not; without this line director keeps what the kernel has until it knows better (adopt)`,
    );
  if (!env.recommended)
    hint("rise: 1", "one lucky answer brings a server back at full weight; director's own default is 2 in a row");
  hint("stop", `a stop of director leaves the table as it is, whatever ${program} did; \`director flush\` empties it`);
}

function head({ program, source, env, lost }: Contents, notes: Notes): readonly string[] {
  const all = notes.all();
  const count = (kind: NoteKind) => all.filter((note) => note.kind === kind).length;
  const losses = (["refused", "dropped", "changed"] as const).flatMap((kind) =>
    count(kind) > 0 ? [`${count(kind)} ${kind}`] : [],
  );
  const here = new Set<Note>([notes, ...lost].flatMap((each) => each.own()));
  const own = all.filter((note) => here.has(note));
  return [
    `Made of ${source.file} by \`director import ${program}${env.recommended ? " --recommended" : ""}\`.`,
    isExact(all)
      ? "Nothing is lost."
      : `Not taken over as it stood there: ${losses.join(", ")}; each with its line, here or beside its service.`,
    env.observe
      ? `It only observes, beside ${program}: nothing is written before it says  mode: manage.`
      : `Try it:  director config test FILE,  then with  ipvs: { mode: observe }  beside ${program}.`,
    ...(own.length > 0 ? [""] : []),
    ...own.map((note) => noteComment(note, source.file)),
  ];
}
