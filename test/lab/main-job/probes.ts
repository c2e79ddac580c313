import type { LogLine } from "../inside.ts";

/** A probe as the debug log tells of it; times in milliseconds since 1970. */
export interface Probed {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: "pass" | "fail" | "inconclusive";
  readonly words: string;
}

/** All probes of one endpoint, `10.9.1.2 8080`, in their order. */
export function probesOf(log: readonly LogLine[], endpoint: string): readonly Probed[] {
  const probes: Probed[] = [];
  for (const { msg, startedAt, tookMs, outcome } of log) {
    if (typeof msg !== "string" || typeof startedAt !== "number" || typeof tookMs !== "number") continue;
    if (!msg.startsWith("probe ") || !msg.includes(` ${endpoint}: `)) continue;
    probes.push({ startedAt, endedAt: startedAt + tookMs, outcome: outcome as Probed["outcome"], words: msg });
  }
  return probes;
}

export interface Turn {
  readonly at: number;
  readonly to: "up" | "down";
  /** The probe that settles it, and which one of all it is, from 1. */
  readonly words: string;
  readonly nth: number;
}

/** When the promised rules turn the verdict, from nothing but the probes: the first pass, then `fall` failures in a row, then `rise` passes in a
 *  row, each counted to the end of its last probe. Written apart from the project's own machine: what is tested does not judge itself. */
export function turnsOf(
  probes: readonly Probed[],
  rules: { readonly fall: number; readonly rise: number },
): readonly Turn[] {
  const turns: Turn[] = [];
  let up: boolean | undefined;
  let against = 0;
  for (const [i, { endedAt, outcome, words }] of probes.entries()) {
    if (outcome === "inconclusive") continue;
    const passed = outcome === "pass";
    if (passed === up) {
      against = 0;
      continue;
    }
    const needed = up === undefined ? 1 : up ? rules.fall : rules.rise;
    if (++against < needed) continue;
    up = passed;
    against = 0;
    turns.push({ at: endedAt, to: passed ? "up" : "down", words, nth: i + 1 });
  }
  return turns;
}

/** After how many probes of the endpoint the director said each time that a server's check is now up, or down. */
export function toldAfter(
  log: readonly LogLine[],
  endpoint: string,
  server: { readonly service: string; readonly server: string },
): readonly { readonly nth: number; readonly to: unknown }[] {
  return log.flatMap((line, i) => {
    if (line.kind !== "server" || line.service !== server.service || line.server !== server.server) return [];
    return [{ nth: probesOf(log.slice(0, i), endpoint).length, to: line.to }];
  });
}
