import { randomUUID } from "node:crypto";
import { apiPath, Unreachable } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import type { Millis } from "../model/time.ts";
import { type Context, EXIT, printJson } from "./context.ts";
import { type DrainOptions, drainBody } from "./drain-body.ts";
import { allOf, type Found, groupOf, watchedOf } from "./drain-find.ts";
import { type Planned, planText } from "./drain-plan-text.ts";
import { PAUSE_PATIENCE_MS, waitForDrains } from "./drain-wait.ts";
import { patient } from "./patience.ts";

/** `director drain SERVICE ...`: begins one, or one for each service of a machine, and waits for the end unless told not to. */
export async function drain(context: Context, argument: string | undefined, options: DrainOptions): Promise<number> {
  const body = drainBody(argument, options, randomUUID());
  const { client, signal, out } = context;
  const begin = async () => (await client.send<Found>("POST", apiPath("drains"), body, signal)).body;
  if (options.dryRun) {
    const planned = await begin();
    if (context.json) printJson(context, planned);
    else out.print(...planText(allOf(planned) as readonly Planned[], { paint: out.paint, width: out.columns() }));
    return EXIT.ok;
  }
  const begun = await beginOnce(context, begin);
  if (!options.detach) return waitForDrains(context, watchedOf(begun), patienceFor(body));
  if (context.json) printJson(context, begun);
  else out.print(groupOf(allOf(begun)[0] as DrainStatus));
  return EXIT.ok;
}

/** A lost answer is asked for again: with its request id the same order does not begin a second drain. */
async function beginOnce(context: Context, begin: () => Promise<Found>): Promise<Found> {
  try {
    return await begin();
  } catch (error) {
    if (!(error instanceof Unreachable && error.sent)) throw error;
    return patient(context)(begin);
  }
}

/** A new that is down gets its time, and a little more to be seen. */
function patienceFor({ newDownTimeoutMs }: { readonly newDownTimeoutMs?: unknown }): Millis {
  return Math.max(PAUSE_PATIENCE_MS, typeof newDownTimeoutMs === "number" ? newDownTimeoutMs + 10_000 : 0);
}
