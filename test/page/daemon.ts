// director run FILE, all of it but the kernel: the table in memory has clients. Each line of standard input is JSON: how many come a second to
// which kernel entry, and how long each stays: {"tcp:192.0.2.10:80": {"rate": 40, "staysMs": 800}}. What is not named has none any more.
import { createInterface } from "node:readline";
import { runDaemon } from "../../src/cli/run.ts";
import { memoryTable } from "../../src/kernel/memory.ts";
import type { ServiceKey } from "../../src/model/service.ts";

const TICK_MS = 50;
const table = memoryTable();
let wanted: Readonly<Record<string, { readonly rate: number; readonly staysMs: number }>> = {};
let turn = 0;

const timer = setInterval(() => {
  turn++;
  // Up and down, as the day goes, in half a minute.
  const tide = 1 + 0.35 * Math.sin((turn * TICK_MS) / 5_000) + 0.1 * Math.sin(turn / 7);
  for (const [entry, { rate, staysMs }] of Object.entries(wanted)) {
    const service = entry as ServiceKey;
    const coming = (rate * tide * TICK_MS) / 1_000;
    for (let n = Math.floor(coming + Math.random()); n > 0; n--) {
      const destination = table.open(service);
      if (destination !== undefined)
        setTimeout(() => table.release(service, destination), staysMs * (0.2 + 1.6 * Math.random()));
    }
  }
}, TICK_MS);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  wanted = JSON.parse(line) as typeof wanted;
});
// Whoever started it is gone, however.
process.stdin.on("end", () => process.exit(1));
process.exitCode = await runDaemon({ configFile: process.argv[2]!, memory: () => table });
clearInterval(timer);
lines.close();
process.stdin.destroy();
