import { readFileSync, statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { ParsedConfig } from "../config/parse.ts";
import { type LoadedFiles, loadFiles, parseTexts, type Texts } from "./config-file.ts";
import { oneCopyOfTexts } from "./one-copy.ts";

/** Files from this size on are parsed in a thread of their own: 10,000 servers (640 kB) would hold up every probe for 300 to 400 ms and leave 100 MB of
 *  memory behind that is not given back. Starting the thread costs 100 ms, and a file of 64 kB takes 40 ms here. */
const ASIDE_FROM_BYTES = 64 * 1024;

/** It is gone in a second, with its heap: a nursery that large is hardly ever looked through. The daemon's own is small (bin/director), and a quarter of the
 *  parser's time went into it. */
const ROOM = { maxYoungGenerationSizeMb: 192 };

/** As `loadFiles`, off the main thread where that pays. */
export async function loadFilesAside(file: string): Promise<LoadedFiles> {
  if (!isLarge(file)) return loadFiles(file);
  const worker = new Worker(new URL("./config-worker.ts", import.meta.url), { workerData: file, resourceLimits: ROOM });
  const { parsed, texts } = await new Promise<{ readonly parsed: ParsedConfig; readonly texts: Texts }>(
    (resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`reading ${file} ended with code ${code}`)));
    },
  );
  oneCopyOfTexts(parsed);
  return { parsed, with: (additions) => parseTexts(texts).with(additions) };
}

/** How much a file includes is not known before it is parsed. */
function isLarge(file: string): boolean {
  try {
    return statSync(file).size >= ASIDE_FROM_BYTES || /^include:/m.test(readFileSync(file, "utf8"));
  } catch {
    return false;
  }
}
