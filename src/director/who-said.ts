import type { RealServer } from "../model/service.ts";
import type { WeightRule } from "../policy/decide.ts";
import type { ServiceIntent } from "../policy/moves.ts";

/** Who commanded what makes a server's weight, as claimed; undefined: nobody did. */
export function whoSaid({ key }: RealServer, rule: WeightRule, { servers, drains }: ServiceIntent): string | undefined {
  switch (rule) {
    case "disabled":
      return servers.get(key)?.disabled?.by;
    case "set-by-command":
      return servers.get(key)?.weight?.by;
    case "drain":
    case "drained":
      return drains.findLast((drain) => drain.from.includes(key) || drain.to.includes(key))?.actor;
    default:
      return undefined;
  }
}
