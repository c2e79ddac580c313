import { apiPath, Refused, Unreachable } from "../control/client.ts";
import type { StatusReply } from "../control/shapes.ts";
import { LEVELS, type Level, type Thresholds, type Verdict, verdictOn } from "./check-verdict.ts";
import { type Context, pause } from "./context.ts";

export interface CheckOptions {
  readonly warningCapacity: string;
  readonly criticalCapacity: string;
  readonly timeout: string;
}

/** One line holds so many problems; agents cut what is longer than some thousand characters. */
const MOST_PROBLEMS = 5;

/** `director check`, a monitoring plugin: one line with numbers behind a bar; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Never another code, and never longer than
 *  its timeout. */
export async function check(context: Context, services: readonly string[], options: CheckOptions): Promise<number> {
  const asked = thresholds(options);
  if (typeof asked === "string") return unknown(context, asked);
  const seconds = Number(/^(\d{1,3})s?$/.exec(options.timeout)?.[1] ?? 0);
  if (seconds < 1) return unknown(context, `--timeout ${options.timeout}: expected seconds, 1 to 999`);
  const status = await ask(context, seconds * 1000);
  if (typeof status === "string") return unknown(context, status);
  const known = status.services.map(({ name }) => name);
  const strange = services.find((name) => !known.includes(name));
  if (strange !== undefined) return unknown(context, `no service "${strange}"`);
  const wanted = services.length === 0 ? status.services : status.services.filter((s) => services.includes(s.name));
  return tell(context, verdictOn(status, wanted, asked));
}

async function ask(context: Context, timeoutMs: number): Promise<StatusReply | string> {
  const { client, clock, signal, abort } = context;
  const late = Symbol("late");
  try {
    const answer = client.get<StatusReply>(apiPath("status"), signal);
    const first = await Promise.race([answer, pause(clock, timeoutMs, signal).then(() => late)]);
    if (first === late) {
      answer.catch(() => {});
      return `the daemon did not answer within ${timeoutMs / 1000}s`;
    }
    return (first as Awaited<typeof answer>).body;
  } catch (error) {
    if (error instanceof Unreachable) return `the daemon is not reachable at ${error.socket}: ${error.message}`;
    if (error instanceof Refused) return error.message;
    return `internal error: ${error instanceof Error ? error.message : error}`;
  } finally {
    // Whichever of the two is still waited for.
    abort();
  }
}

function thresholds({ warningCapacity, criticalCapacity }: CheckOptions): Thresholds | string {
  const [warning, critical] = [percent(warningCapacity), percent(criticalCapacity)];
  if (warning === undefined) return `--warning-capacity ${warningCapacity}: expected a share such as 70%`;
  if (critical === undefined) return `--critical-capacity ${criticalCapacity}: expected a share such as 50%`;
  return { warning, critical };
}

/** `70%` is 0.7. Above 100% everything is too little. */
function percent(text: string): number | undefined {
  const number = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text)?.[1];
  return number === undefined ? undefined : Number(number) / 100;
}

function unknown(context: Context, message: string): number {
  return tell(context, { level: 3, problems: [{ level: 3, message }], summary: "", perfdata: [] });
}

function tell({ json, out }: Context, verdict: Verdict): Level {
  const { level, problems, summary, perfdata } = verdict;
  if (json) {
    const named = problems.map((p) => ({ level: LEVELS[p.level], message: p.message }));
    out.print(JSON.stringify({ level: LEVELS[level], code: level, problems: named, summary, perfdata }, undefined, 2));
    return level;
  }
  const shown = problems.slice(0, MOST_PROBLEMS).map(({ message }) => message);
  const left = problems.length - shown.length;
  const words = problems.length === 0 ? summary : [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join("; ");
  const numbers = perfdata.length === 0 ? "" : ` | ${perfdata.join(" ")}`;
  out.print(`DIRECTOR ${LEVELS[level]} - ${plain(words)}${numbers}`);
  return level;
}

/** What follows a bar are numbers, and what follows a line end nobody reads. */
function plain(words: string): string {
  return words.replace(/\|/g, "/").replace(/\s+/g, " ").slice(0, 1_000);
}
