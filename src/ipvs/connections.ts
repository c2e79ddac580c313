import { type DestinationKey, destinationKey, type ServiceKey, serviceKey } from "../model/service.ts";
import { FORWARDING } from "./proc.ts";
import { readTitle } from "./stats.ts";
import type { Glance, GlanceDestination, GlanceService } from "./table.ts";
import { readCount, readEndpoint, wordsOf } from "./words.ts";

/** Reads the output of `ipvsadm -Ln`: what a glance at /proc/net/ip_vs shows, of all services. */
export function parseConnections(text: string): Glance {
  const glance = new Map<ServiceKey, GlanceService>();
  let current: Map<DestinationKey, GlanceDestination> | undefined;
  for (const line of text.split("\n")) {
    const words = wordsOf(line);
    const first = words.next();
    if (first === "->") {
      const at = readEndpoint(words.next());
      const forwarding = FORWARDING[words.next()];
      const [weight, active, inactive] = [words.next(), words.next(), words.next()].map(readCount);
      if (at && forwarding && weight !== undefined && active !== undefined && inactive !== undefined)
        current?.set(destinationKey(at.address, at.port), { weight, forwarding, active, inactive });
      continue;
    }
    const frontend = readTitle(first, words);
    current = frontend && new Map();
    if (frontend && current) glance.set(serviceKey(frontend), { scheduler: words.next(), destinations: current });
  }
  return glance;
}
