// The program behind watcher.ts: reads the kernel's weights again and again in a process of its own, so that nothing the scenario does keeps it from looking.
import { kernelTable } from "../inside.ts";
import type { Seen, Weights } from "./watcher.ts";

/** A look that is later than this shows that the whole machine stood still: nothing else was done in that time either. */
const STALL_MS = 50;
const everyMs = Number(process.argv[2]);
const seen: { before: number; at: number; table: Weights }[] = [];
let last = "";
let looks = 0;
const stalls: { from: number; to: number }[] = [];
let lookedAt: number | undefined;
let begunAt = 0;

function lookNow(): void {
  const [before, begun] = [begunAt, Date.now()];
  const table: Record<string, Record<string, number>> = {};
  for (const [service, { servers }] of Object.entries(kernelTable())) {
    const weights: Record<string, number> = {};
    for (const [name, { weight }] of Object.entries(servers)) weights[name] = weight;
    table[service] = weights;
  }
  // After the reading: what is first seen here happened before this moment.
  const at = Date.now();
  looks++;
  if (lookedAt !== undefined && at - lookedAt > everyMs + STALL_MS) stalls.push({ from: lookedAt, to: at });
  lookedAt = at;
  const text = JSON.stringify(table);
  if (text !== last) seen.push({ before, at, table });
  last = text;
  begunAt = begun;
}

process.on("message", () => {
  lookNow();
  const answer: Seen = { looks, stalls, changes: seen };
  process.send!(answer);
});
process.on("disconnect", () => process.exit());
lookNow();
setInterval(lookNow, everyMs);
process.send!("ready");
