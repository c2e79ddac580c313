import { parentPort, workerData } from "node:worker_threads";
import { loadFiles } from "./config-file.ts";

// The other side of config-aside.ts: parses, answers, and takes its memory along when it ends.
const { parsed, texts } = loadFiles(workerData as string);
parentPort!.postMessage({ parsed, texts });
