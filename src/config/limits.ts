import type { ConnectionLimits } from "../model/service.ts";
import type { Problems } from "./problems.ts";
import type { ServerKeys } from "./service-keys.ts";
import { atKey, type MapNode } from "./tree.ts";

/** The limits of merged keys. The kernel refuses a lower one without an upper and one above it ("Numerical result out of range").
 *  `own` is the most specific level: a `min_connections` written there without a limit is a mistake, one inherited is only not needed. */
export function limitsOf(
  { max_connections: upper, min_connections: lower }: Pick<ServerKeys, "max_connections" | "min_connections">,
  merged: MapNode,
  own: MapNode,
  problems: Problems,
): ConnectionLimits | undefined {
  if (upper === 0) {
    if (own.entries.has("min_connections") && lower > 0)
      problems.error(atKey(own, "min_connections"), "means something below a max_connections only, and there is none");
    return undefined;
  }
  if (lower > upper)
    problems.error(
      atKey(merged, own.entries.has("max_connections") ? "max_connections" : "min_connections"),
      `max_connections ${upper} is below min_connections ${lower}: a full server gets clients again below the latter, which cannot be more`,
    );
  return { upper, lower };
}
