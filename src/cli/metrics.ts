import { setImmediate } from "node:timers/promises";
import type { ApiReply } from "../control/http.ts";
import type { HookStatus } from "../control/shapes.ts";
import { type CheckTallies, createCheckTallies } from "../director/check-tallies.ts";
import type { Director } from "../director/director.ts";
import { createEventTallies } from "../director/event-tallies.ts";
import type { DirectorEvent } from "../director/events.ts";
import { intentHash } from "../director/intent-hash.ts";
import { measureDrains, measureServices, measureTable } from "../director/measure.ts";
import { onDemand } from "../director/on-demand.ts";
import type { StatusInput } from "../director/status.ts";
import type { IpvsadmOptions } from "../kernel/ipvsadm.ts";
import type { KernelTable } from "../kernel/kernel-table.ts";
import type { Config } from "../model/config.ts";
import { COMMAND_BOUNDS, createHistogram } from "../model/histogram.ts";
import type { Metrics } from "../model/metrics.ts";
import type { EpochMs } from "../model/time.ts";
import { EXPOSITION_TYPE } from "../observe/exposition.ts";
import { metricFamilies, writeFamily } from "../observe/metrics.ts";
import { createTextBuffer } from "../observe/text-buffer.ts";
import type { Clock } from "../runtime/clock.ts";
import { processNumbers } from "../runtime/process-numbers.ts";
import { VERSION } from "./version.ts";

/** What the daemon counts, from its first moment on. */
export interface Tallies {
  readonly onEvent: (event: DirectorEvent) => void;
  readonly onCommand: NonNullable<IpvsadmOptions["onCommand"]>;
  readonly onProbe: CheckTallies["note"];
  /** Forgets the servers that this configuration does not have, whether anybody asks for the numbers or not. */
  readonly keep: (config: Config) => void;
  /** Answers /metrics. */
  serve(of: Measured): () => Promise<ApiReply>;
  stop(): void;
}

/** What is looked at when somebody asks. */
export interface Measured {
  readonly director: Director;
  readonly statusInput: () => StatusInput;
  readonly hooks: () => readonly HookStatus[];
  readonly ready: () => boolean;
  readonly loadedAt: () => number;
  readonly lastReloadOk: () => boolean;
}

const COUNTERS = { everyMs: 5_000, patienceMs: 2_000, oldestMs: 60_000 };

/** @param config the one in force
 *  @param table asked for connections, when somebody asks us */
export function createTallies(clock: Clock, config: () => Config, table: Pick<KernelTable, "stats">): Tallies {
  const checks = createCheckTallies(config);
  const events = createEventTallies();
  const results = { ok: 0, refused: 0, failed: 0 };
  const duration = createHistogram(COMMAND_BOUNDS);
  const stopping = new AbortController();
  const connections = onDemand(clock, COUNTERS, () => table.stats(stopping.signal));
  const process = processNumbers(clock);
  /** Bytes of the next answer, by those of the last. */
  let size: number | undefined;

  async function measure(of: Measured): Promise<Metrics> {
    const stats = await connections();
    const input = of.statusInput();
    const { director } = of;
    events.keep(director.config());
    const counted = { stats, checks: checks.of, transitions: events.transitions };
    return {
      version: VERSION,
      nodeVersion: globalThis.process.versions.node,
      ready: of.ready(),
      config: { loadedAt: of.loadedAt() as EpochMs, lastReloadOk: of.lastReloadOk(), reloads: events.reloads() },
      state: {
        writeFailures: director.intents().failures(),
        intentHash: intentHash(director.intent(), input.now.epoch),
      },
      table: {
        ...measureTable(input.reconciler, input.now),
        drift: events.drift(),
        commands: results.ok + results.refused + results.failed === 0 ? undefined : { results, duration },
      },
      services: measureServices(input, counted),
      drains: measureDrains(director.intent().drains, director.config()),
      drainsEnded: events.drainsEnded(),
      hooks: of.hooks(),
      checkLag: director.checkLag(),
      process: process.now(),
    };
  }

  return {
    onEvent: events.note,
    keep: events.keep,
    onCommand(result, tookMs) {
      results[result]++;
      duration.observe(tookMs / 1000);
    },
    onProbe: checks.note,
    serve: (of) => async () => {
      const to = createTextBuffer(size);
      for (const family of metricFamilies(await measure(of))) {
        writeFamily(family, to);
        // Probes that are due go first: all of it together would hold them up by tens of milliseconds at 10,000 servers.
        await setImmediate();
      }
      size = Math.ceil(to.length() * 1.05);
      return { kind: "text", status: 200, body: to.whole(), type: EXPOSITION_TYPE };
    },
    stop() {
      stopping.abort();
      process.stop();
    },
  };
}
