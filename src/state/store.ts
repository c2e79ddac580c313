import { constants } from "node:fs";
import { copyFile, mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { err, ok, type Result } from "../model/result.ts";
import type { MonotonicMs } from "../model/time.ts";
import type { Intent } from "../policy/intent.ts";
import { intentSchema } from "./intent.ts";

/** What was found at start. */
export type Loaded =
  | { readonly kind: "found"; readonly intent: Intent }
  /** The newest copy was unreadable; this is the one before it. */
  | { readonly kind: "previous"; readonly intent: Intent; readonly problem: string }
  /** Nothing readable at all: a first start, or a lost state directory. `problem` undefined: there was no file. */
  | { readonly kind: "none"; readonly problem: string | undefined };

export interface IntentStore {
  load(): Promise<Loaded>;
  /** Resolves when the document is on the disk (fsync of file and directory) and would survive a power cut; rejects with the place and the remedy. */
  save(intent: Intent): Promise<void>;
  /** Notes that we are alive; not synced, since only a restart of the same boot asks for it. */
  beat(bootId: string, now: MonotonicMs): Promise<void>;
  /** When we were last alive, if that was in this boot. */
  lastBeat(bootId: string): Promise<MonotonicMs | undefined>;
}

/** `intent.json` in the state directory, the copy before it in `intent.previous.json`. A document that could not be read (of a later version, or
 *  spoilt) is put aside as `intent.unreadable.json` when the first new one is written: it may be all there is of what operators said. */
export function fileStore(directory: string): IntentStore {
  const current = join(directory, "intent.json");
  const previous = join(directory, "intent.previous.json");
  const aside = join(directory, "intent.unreadable.json");
  const alive = join(directory, "alive.json");
  /** An unreadable document must never take the place of the readable one before it. */
  let found: "none" | "good" | "unreadable" = "none";

  return {
    async load() {
      const newest = await readIntent(current);
      found = newest.ok ? "good" : newest.error === undefined ? "none" : "unreadable";
      if (newest.ok) return { kind: "found", intent: newest.value };
      const older = await readIntent(previous);
      const problem = newest.error ?? `${current}: missing, though ${previous} is there`;
      if (older.ok) return { kind: "previous", intent: older.value, problem };
      return { kind: "none", problem: newest.error ?? older.error };
    },

    async save(intent) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o750 });
        await writeSynced(`${current}.new`, `${readable(intent)}\n`);
        if (found === "good") await keepPrevious(current, previous);
        if (found === "unreadable") await rename(current, aside);
        await rename(`${current}.new`, current);
        found = "good";
        await syncDirectory(directory);
      } catch (cause) {
        throw new Error(
          `cannot write ${current}: ${wordsOf(cause)}; make ${directory} writable for director, with free space (state.directory names it)`,
          { cause },
        );
      }
    },

    async beat(bootId, now) {
      await writeFile(`${alive}.new`, JSON.stringify({ bootId, now }));
      await rename(`${alive}.new`, alive);
    },

    async lastBeat(bootId) {
      try {
        const { bootId: boot, now } = JSON.parse(await readFile(alive, "utf8")) as { bootId?: unknown; now?: unknown };
        return boot === bootId && bootId !== "" && typeof now === "number" ? (now as MonotonicMs) : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** For `backend: memory` without a state directory worth keeping, and for tests: remembers for the life of the process. */
export function memoryStore(): IntentStore {
  let kept: Intent | undefined;
  let beat: MonotonicMs | undefined;
  return {
    load: () => Promise.resolve(kept ? { kind: "found", intent: kept } : { kind: "none", problem: undefined }),
    async save(intent) {
      kept = intent;
    },
    async beat(_, now) {
      beat = now;
    },
    lastBeat: () => Promise.resolve(beat),
  };
}

/** The document as text. @throws if it could not be read back: at the next start it would count as lost, with everything that was ever said. */
function readable(intent: Intent): string {
  const text = JSON.stringify(intent, undefined, 1);
  const back = parseIntent(text, "the new document");
  if (!back.ok) throw new Error(`refused, it could not be read back: ${back.error}`);
  return text;
}

/** Reads a stored, exported or imported document; the error names each place that does not fit. */
export function parseIntent(text: string, name: string): Result<Intent, string> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return err(`${name}: not JSON: ${wordsOf(error)}`);
  }
  const parsed = intentSchema.safeParse(data);
  if (parsed.success) return ok(parsed.data);
  const places = parsed.error.issues.slice(0, 5).map((i) => `${i.path.join(".") || "document"}: ${i.message}`);
  return err(`${name}: ${places.join("; ")}`);
}

/** An undefined error: there is no such file. */
async function readIntent(path: string): Promise<Result<Intent, string | undefined>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    return err((error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : `${path}: ${wordsOf(error)}`);
  }
  return parseIntent(text, path);
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o640);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A copy, so that at every moment one whole document has its own name. */
async function keepPrevious(current: string, previous: string): Promise<void> {
  try {
    await copyFile(current, `${previous}.new`, constants.COPYFILE_FICLONE);
    await rename(`${previous}.new`, previous);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
