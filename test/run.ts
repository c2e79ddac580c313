// Runs the project's tests: the quick ones side by side, then those in the lab; one report and one summary by node's own runner.
//   node test/run.ts quick|all [PART...]     PART: only files with this in their path; in the lab, scenarios likewise
import { globSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { join, relative } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec, type TestEvent } from "node:test/reporters";
import { compileCache } from "./lab/host.ts";

const root = join(import.meta.dirname, "..");
const [scope, ...parts] = process.argv.slice(2);
if (scope !== "quick" && scope !== "all") throw new Error("usage: node test/run.ts quick|all [PART...]");

const wanted = (file: string) => parts.length === 0 || parts.some((part) => relative(root, file).includes(part));
const find = (pattern: string) => globSync(join(root, "test", pattern)).sort();
const inLab = find("lab/**/*.lab.test.ts");
const quick = find("**/*.test.ts").filter((file) => !inLab.includes(file) && wanted(file));
const scenarios = find("lab/**/*.lab.ts").some(wanted);
const lab = inLab.filter((file) => wanted(file) || (scenarios && file.endsWith("/scenarios.lab.test.ts")));

// What the quick tests compile, the machines need not compile again.
const compiled = compileCache();
if (compiled !== undefined) process.env.NODE_COMPILE_CACHE ??= compiled;

/** A file that takes longer hangs. Machines have time limits of their own. */
const quickTimeoutMs = 120_000;

type Summary = Extract<TestEvent, { type: "test:summary" }>["data"];

// Whoever ends this run ends what it has started, machines included.
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    process.exitCode = 128 + constants.signals[signal];
    ending.abort();
  });
}

const reporter = spec();
reporter.pipe(process.stdout);
const summaries: Summary[] = [];
await phase(quick, availableParallelism(), quickTimeoutMs);
// One file at a time: within it, two machines at a time.
let untested: string | undefined;
if (scope === "all") await phase(lab, 1, Number.POSITIVE_INFINITY);
summarize();
await finished(reporter);
if (untested) console.error(`\n*** NOT tested on the kernel's own IPVS: ${untested}`);

async function phase(files: readonly string[], concurrency: number, timeout: number): Promise<void> {
  if (files.length === 0 || ending.signal.aborted) return;
  process.env.LAB_ONLY = parts.join(",");
  for await (const event of run({ files, concurrency, timeout, signal: ending.signal })) {
    if (event.type === "test:summary" && event.data.file === undefined) summaries.push(event.data);
    else if (!isTotal(event)) reporter.write(event);
    if (files === lab) untested ??= reasonToSkip(event);
  }
}

/** Why a whole scenario was skipped; steps are deeper down, and skipped where one before them failed. */
function reasonToSkip(event: TestEvent): string | undefined {
  if (event.type !== "test:pass" || event.data.nesting > 1) return undefined;
  return typeof event.data.skip === "string" ? event.data.skip : undefined;
}

/** The runner ends with `tests 12`, `pass 12`, ... as diagnostics; ours come once, after the last phase. */
function isTotal(event: TestEvent): boolean {
  if (event.type !== "test:diagnostic" || event.data.file !== undefined || event.data.nesting !== 0) return false;
  return /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(event.data.message);
}

function summarize(): void {
  const sum = (of: (summary: Summary) => number) => summaries.reduce((total, summary) => total + of(summary), 0);
  const totals = {
    tests: sum((s) => s.counts.tests),
    suites: sum((s) => s.counts.suites),
    pass: sum((s) => s.counts.passed),
    fail: sum((s) => s.counts.tests - s.counts.passed - s.counts.cancelled - s.counts.skipped - s.counts.todo),
    cancelled: sum((s) => s.counts.cancelled),
    skipped: sum((s) => s.counts.skipped),
    todo: sum((s) => s.counts.todo),
    duration_ms: sum((s) => s.duration_ms),
  };
  for (const [name, count] of Object.entries(totals)) {
    reporter.write({ type: "test:diagnostic", data: { nesting: 0, message: `${name} ${count}` } });
  }
  const success = summaries.length > 0 && summaries.every((s) => s.success);
  reporter.end({ type: "test:summary", data: { ...summaries.at(-1), success } });
  if (summaries.length === 0) console.error("no test file matches");
  if (!success) process.exitCode ??= 1;
}
