import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ProcessMetrics } from "../model/metrics.ts";
import type { EpochMs, Millis } from "../model/time.ts";
import type { Clock } from "./clock.ts";

/** Fifty looks a second cost a fiftieth of a per mille of a core. */
const RESOLUTION_MS: Millis = 20;
/** The longest wait is that of this window and the one before it, whoever looks how often. */
const WINDOW_MS: Millis = 30_000;

export interface ProcessNumbers {
  now(): ProcessMetrics;
  stop(): void;
}

/** What this process takes and how late it is. Begins to watch the event loop at once. */
export function processNumbers(clock: Clock): ProcessNumbers {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const startedAt = (clock.now().epoch - process.uptime() * 1000) as EpochMs;
  let windowBegan = clock.now().mono;
  let before: Millis = 0;

  /** What is recorded is the time from one look to the next. */
  function loopLag(): Millis {
    const longest = delay.count === 0 ? 0 : Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
    const lag = Math.max(before, longest);
    const { mono } = clock.now();
    if (mono - windowBegan >= WINDOW_MS) {
      before = longest;
      windowBegan = mono;
      delay.reset();
    }
    return lag;
  }

  return {
    now() {
      const { user, system } = process.cpuUsage();
      const { residentBytes, virtualBytes } = memory();
      return {
        cpuSeconds: (user + system) / 1e6,
        residentBytes,
        virtualBytes,
        startedAt,
        openFiles: openFiles(),
        mostFiles: mostFiles(),
        loopLag: loopLag(),
      };
    },
    stop: () => void delay.disable(),
  };
}

function memory(): { readonly residentBytes: number; readonly virtualBytes: number | undefined } {
  const residentBytes = process.memoryUsage.rss();
  try {
    const kilobytes = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return { residentBytes, virtualBytes: kilobytes === undefined ? undefined : Number(kilobytes) * 1024 };
  } catch {
    return { residentBytes, virtualBytes: undefined };
  }
}

/** Less the one with which we look. */
function openFiles(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return undefined;
  }
}

/** undefined: not known, or no limit. */
function mostFiles(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
