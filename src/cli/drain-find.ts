import { apiPath } from "../control/client.ts";
import type { DrainStatus } from "../control/shapes.ts";
import { type Context, Failed, UsageError } from "./context.ts";
import { isRunning } from "./drain-text.ts";

interface Several {
  readonly parent?: DrainStatus["parent"];
  readonly drains: readonly DrainStatus[];
}

/** What the daemon answers where a name may stand for the drains of a whole machine. */
export type Found = DrainStatus | Several;

export function allOf(found: Found): readonly DrainStatus[] {
  return "drains" in found ? found.drains : [found];
}

/** Drains that are looked at together, with what commands call them: an id, a machine's id, or `--all`. */
export interface Watched {
  readonly name: string;
  readonly drains: readonly DrainStatus[];
}

export const ALL = "--all";

export function watchedOf(found: Found): Watched {
  const drains = allOf(found);
  return { name: drains.length === 1 ? drains[0]!.id : groupOf(drains[0]!), drains };
}

/** The same drains as they are now.
 *  @throws Failed when one of them is not there any more */
export async function lookAgain({ client, signal }: Context, { name, drains }: Watched): Promise<Watched> {
  const path = name === ALL ? apiPath("drains") : apiPath("drains", name);
  const found = allOf((await client.get<Found>(path, signal)).body);
  const next = drains.map((before) => {
    const now = found.find((drain) => drain.id === before.id);
    if (now) return now;
    throw new Failed(
      `drain ${before.id} is not known any more: another intent has taken the place of the one it was in`,
    );
  });
  return { name, drains: next };
}

export async function fetchAll({ client, signal }: Context): Promise<readonly DrainStatus[]> {
  return (await client.get<Several>(apiPath("drains"), signal)).body.drains;
}

export async function fetchRunning(context: Context): Promise<readonly DrainStatus[]> {
  return (await fetchAll(context)).filter(isRunning);
}

/** What a command means that names nothing: the only drain under way, or the only machine whose drains are. */
export async function onlyOne(context: Context): Promise<string> {
  const groups = grouped(await fetchRunning(context));
  const [first, second] = groups.keys();
  if (first === undefined) throw new Failed("no drain is under way; name one: director drain list --all shows them");
  if (second === undefined) return first;
  const each = [...groups].map(([id, drains]) => `${id} (${drains.map((drain) => drain.service).join(", ")})`);
  throw new UsageError(`which one? ${each.join(", ")}; or ${ALL}`);
}

/** By what a command calls them: a machine's drains together, all others by themselves; oldest first. */
export function grouped(drains: readonly DrainStatus[]): ReadonlyMap<string, readonly DrainStatus[]> {
  return Map.groupBy(drains, groupOf);
}

export function groupOf({ id, parent }: DrainStatus): string {
  return parent?.id ?? id;
}
