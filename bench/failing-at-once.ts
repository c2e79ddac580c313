// What it costs director's own thread when N servers change at once: wording, counting, log line, file line.  node bench/failing-at-once.ts [10000]

import { parseConfig } from "../src/config/parse.ts";
import { checkWords } from "../src/director/check-words.ts";
import { createFolding } from "../src/director/event-folding.ts";
import { createEventLog } from "../src/director/events.ts";
import type { EpochMs } from "../src/model/time.ts";
import { createLog, logEvent } from "../src/observe/log.ts";
import type { CheckTransition } from "../src/probe/engine.ts";
import { probeTypes } from "../src/probe/registry.ts";
import { systemClock } from "../src/runtime/clock.ts";

const count = Number(process.argv[2] ?? 10_000);
const PER_SERVICE = 50;
const services = Array.from({ length: count / PER_SERVICE }, (_, s) => ({
  name: `s${s}`,
  vip: `192.0.2.${s % 250}:${1000 + s}`,
  servers: Array.from({ length: PER_SERVICE }, (_, i) => ({
    address: `10.${s % 250}.${Math.floor(s / 250)}.${i + 1}:80`,
  })),
}));
const { config, problems } = parseConfig(
  { file: "bench", text: JSON.stringify({ services }) },
  { probeTypes, readInclude: () => ({ ok: false, error: "none" }) },
);
if (!config) throw new Error(problems[0]?.message);

const batch = config.services.flatMap((service) =>
  service.servers.map(
    (server) =>
      ({
        record: { spec: server.checks[0]!, lastOutcome: undefined, unchecked: false, reported: undefined },
        from: { kind: "up" },
        to: { kind: "down", reason: "connection refused" },
        before: undefined,
        firstPass: false,
        uncheckedChanged: false,
      }) as unknown as CheckTransition,
  ),
);

for (const folded of [false, true])
  for (let round = 0; round < 3; round++) {
    let bytes = 0;
    let lines = 0;
    const log = createLog("info", "journal", (line) => {
      bytes += line.length;
      lines++;
    });
    const folding = createFolding(systemClock);
    const events = createEventLog(() => Date.now() as EpochMs, [], folded ? folding.fold : undefined);
    events.follow((event) => logEvent(log, event));
    events.follow((event) => (bytes += JSON.stringify(event).length));
    const began = performance.now();
    const up = { kind: "up" } as never;
    const down = { kind: "down", reason: "connection refused" } as never;
    const words = checkWords(batch, config, { was: () => up, is: () => down });
    const worded = performance.now();
    for (const event of words) events.record(event);
    const recorded = performance.now();
    folding.flush();
    console.log(
      `${folded ? "folded" : "each  "}  wording ${(worded - began).toFixed(1)} ms, recording ${(recorded - worded).toFixed(1)} ms, ${lines} lines, ${bytes} bytes`,
    );
  }
