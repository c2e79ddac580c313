import { apiPath, Refused } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import { type Context, EXIT, printJson, UsageError } from "./context.ts";
import { ALL, allOf, type Found, fetchAll, fetchRunning, grouped, onlyOne, watchedOf } from "./drain-find.ts";
import { drainTable } from "./drain-list-text.ts";
import { drainDetail, standing } from "./drain-text.ts";
import { waitForDrains } from "./drain-wait.ts";

/** `director drain list`: those that count for the weights, with `all` those that are over as well. */
export async function drainList(context: Context, { all = false }: { readonly all?: boolean }): Promise<number> {
  const { out, clock } = context;
  const kept = await fetchAll(context);
  const drains = kept.filter((drain) => all || drain.stands);
  if (context.json) printJson(context, { drains });
  else {
    out.print(...drainTable(drains, clock.now().epoch, { paint: out.paint, width: out.columns() }));
    const over = kept.length - drains.length;
    if (over > 0) out.print(`${over} ${over === 1 ? "is" : "are"} over: director drain list --all`);
  }
  return EXIT.ok;
}

/** `director drain status`: what a name stands for in detail; without one all that are under way. */
export async function drainStatus(context: Context, name: string | undefined): Promise<number> {
  const { client, signal, out, clock } = context;
  const found: Found =
    name === undefined
      ? { drains: await fetchRunning(context) }
      : (await client.get<Found>(apiPath("drains", name), signal)).body;
  const drains = allOf(found);
  const look = { paint: out.paint, width: out.columns() };
  if (context.json) printJson(context, found);
  else if (drains.length === 0) out.print("no drain is under way; all there were: director drain list --all");
  else out.print(...drains.flatMap((drain) => drainDetail(drain, clock.now().epoch, look)));
  return EXIT.ok;
}

/** Which drains a command means: what a name stands for, every one under way, or (neither) the only one. */
export interface Which {
  readonly name?: string | undefined;
  readonly all?: boolean | undefined;
}

/** `director drain watch`. Nothing to wait for is no failure: a script that waits for all of them is through. */
export async function drainWatch(context: Context, which: Which): Promise<number> {
  const { client, signal } = context;
  if (!meansAll(which)) {
    const path = apiPath("drains", which.name ?? (await onlyOne(context)));
    return waitForDrains(context, watchedOf((await client.get<Found>(path, signal)).body));
  }
  const drains = await fetchRunning(context);
  if (drains.length > 0) return waitForDrains(context, { name: ALL, drains });
  if (!context.json) context.out.print("no drain is under way");
  return EXIT.ok;
}

export type DrainWord = "pause" | "resume" | "finish" | "rollback" | "abort";

/** An operator's word to drains. */
export async function drainOrder(
  context: Context,
  word: DrainWord,
  which: Which,
  reason: string | undefined,
): Promise<number> {
  if (meansAll(which)) return orderAll(context, word, reason);
  const found = await order(context, word, which.name ?? (await onlyOne(context)), reason);
  if (context.json) printJson(context, found);
  else context.out.print(...allOf(found).map(afterwards));
  return EXIT.ok;
}

/** To each in its turn: one that refuses holds up no other. The newest first: what moved last goes back first. */
async function orderAll(context: Context, word: DrainWord, reason: string | undefined): Promise<number> {
  const running = await fetchRunning(context);
  const meant = running.filter((drain) => concerns(word, drain));
  const drains: DrainStatus[] = [];
  const refused: { readonly name: string; readonly problem: string }[] = [];
  for (const name of [...grouped(meant).keys()].reverse())
    try {
      drains.push(...allOf(await order(context, word, name, reason)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refused.push({ name, problem: error.message });
    }
  if (context.json) printJson(context, { drains, refused });
  else if (meant.length > 0) context.out.print(...drains.map(afterwards));
  else if (running.length === 0) context.out.print("no drain is under way");
  else context.out.print(`of ${running.length} under way none ${word === "resume" ? "is paused" : "has a step left"}`);
  context.out.warn(...refused.map(({ name, problem }) => `director: ${name}: ${problem}`));
  return refused.length === 0 ? EXIT.ok : EXIT.failed;
}

/** Of all drains under way a word is for those that it can change. */
function concerns(word: DrainWord, { state, step, steps }: DrainStatus): boolean {
  if (word === "resume") return state === "paused";
  return word !== "finish" || step < steps;
}

async function order(
  { client, signal }: Context,
  word: DrainWord,
  name: string,
  reason: string | undefined,
): Promise<Found> {
  return (await client.send<Found>("POST", apiPath("drains", name, word), { reason }, signal)).body;
}

function afterwards(drain: DrainStatus): string {
  return `${drain.id} ${drain.service}: ${standing(drain, false)}`;
}

function meansAll({ name, all = false }: Which): boolean {
  if (all && name !== undefined) throw new UsageError(`${name}, or ${ALL}? Say one of them`);
  return all;
}
