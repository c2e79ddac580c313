import { appendFile, mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** One file holds this much before it becomes `.old`; so the two together hold the last 8 to 16 MiB, some 40,000 events or more. */
const MOST_BYTES = 8 * 1024 * 1024;

/** Events over restarts: lines of JSON, appended, best effort. A lost disk costs history, never health checks. */
export interface EventFile<E> {
  /** The last `count` events of earlier lives, oldest first. A half-written last line is passed over. */
  load(count: number): Promise<readonly E[]>;
  append(event: E): void;
  /** Waits until everything is handed to the kernel. */
  flush(): Promise<void>;
}

export function eventFile<E extends { readonly seq: number }>(
  path: string,
  onError: (problem: string) => void,
): EventFile<E> {
  let lines: string[] = [];
  let bytes = 0;
  /** A crash may have cut the last line off: what follows it begins on a line of its own. */
  let torn = false;
  let writing: Promise<void> | undefined;
  let complained = false;

  async function write(): Promise<void> {
    while (lines.length > 0) {
      const text = `${torn ? "\n" : ""}${lines.join("")}`;
      lines = [];
      torn = false;
      try {
        if (bytes > MOST_BYTES) {
          await rename(path, `${path}.old`);
          bytes = 0;
        }
        await appendFile(path, text, { mode: 0o640 });
        bytes += Buffer.byteLength(text);
        complained = false;
      } catch (error) {
        if (!complained) onError(`events are not kept: ${path}: ${error instanceof Error ? error.message : error}`);
        complained = true;
      }
    }
    writing = undefined;
  }

  return {
    async load(count) {
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o750 });
        bytes = (await stat(path)).size;
      } catch {
        bytes = 0;
      }
      const texts = [await readOr(`${path}.old`), await readOr(path)];
      torn = texts[1] !== "" && !texts[1]!.endsWith("\n");
      const events = texts.flatMap((text) => text.split("\n").flatMap((line) => parsed<E>(line)));
      return events.slice(-count);
    },
    append(event) {
      lines.push(`${JSON.stringify(event)}\n`);
      writing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(write);
    },
    flush: async () => writing,
  };
}

async function readOr(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}

function parsed<E extends { readonly seq: number }>(line: string): E[] {
  try {
    const event = JSON.parse(line) as E;
    return typeof event.seq === "number" ? [event] : [];
  } catch {
    return [];
  }
}
