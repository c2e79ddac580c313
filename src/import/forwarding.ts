import type { Forwarding } from "../model/service.ts";
import { type Entries, flow } from "./written.ts";

/** The keys `forward` and `tunnel`. */
export function forwardingEntries(forwarding: Forwarding): Entries {
  if (forwarding.kind !== "tunnel") return { forward: forwarding.kind };
  if (forwarding.encapsulation === "ipip") return { forward: "tunnel" };
  const { encapsulation, checksum } = forwarding;
  return {
    forward: "tunnel",
    tunnel: flow({
      type: encapsulation,
      port: encapsulation === "gue" ? String(forwarding.port) : undefined,
      checksum: checksum === "none" ? undefined : checksum,
    }),
  };
}

export function sameForwarding(a: Forwarding, b: Forwarding): boolean {
  return JSON.stringify(forwardingEntries(a)) === JSON.stringify(forwardingEntries(b));
}

/** The one that most have, the first of several; so that it can be said once. */
export function mostUsual(all: readonly Forwarding[], otherwise: Forwarding): Forwarding {
  const count = (one: Forwarding) => all.filter((each) => sameForwarding(each, one)).length;
  return all.reduce((best, one) => (count(one) > count(best) ? one : best), all[0] ?? otherwise);
}
