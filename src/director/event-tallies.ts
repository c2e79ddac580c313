import type { Config } from "../model/config.ts";
import type { Counts, DrainEnd } from "../model/metrics.ts";
import type { DirectorEvent } from "./events.ts";

/** How often a server became what. */
export interface Transitions {
  readonly ups: number;
  readonly downs: number;
}

export interface EventTallies {
  /** To be called with every event. */
  note(event: DirectorEvent): void;
  /** Forgets the servers that this configuration does not have. */
  keep(config: Config): void;
  transitions(service: string, server: string): Transitions;
  reloads(): Counts<"done" | "refused">;
  drift(): number;
  drainsEnded(): Counts<DrainEnd>;
}

/** Counts what happens, from the events that tell of it. */
export function createEventTallies(): EventTallies {
  let servers = new Map<string, Map<string, { ups: number; downs: number }>>();
  const reloads = { done: 0, refused: 0 };
  const ended = { done: 0, "rolled-back": 0, aborted: 0, failed: 0 };
  let drift = 0;
  let kept: Config | undefined;

  function moved({ service, server, from, to }: DirectorEvent): void {
    if (service === undefined || server === undefined || (to !== "up" && to !== "down")) return;
    // Who is seen for the first time has neither gone nor come back.
    if (from === "unknown" || (to === "up" && from === "presumed-up")) return;
    const own = servers.get(service) ?? new Map<string, { ups: number; downs: number }>();
    const counts = own.get(server) ?? { ups: 0, downs: 0 };
    if (to === "up") counts.ups++;
    else counts.downs++;
    servers.set(service, own.set(server, counts));
  }

  return {
    note(event) {
      const { kind, to } = event;
      if (kind === "server") moved(event);
      else if (kind === "drift") drift++;
      else if (kind === "reload" && (to === "done" || to === "refused")) reloads[to]++;
      else if (kind === "drain" && isEnd(to)) ended[to]++;
    },
    keep(config) {
      if (config === kept) return;
      kept = config;
      const next: typeof servers = new Map();
      for (const { name, servers: all } of config.services) {
        const own = servers.get(name);
        if (own) next.set(name, new Map(all.flatMap((s) => (own.has(s.name) ? [[s.name, own.get(s.name)!]] : []))));
      }
      servers = next;
    },
    transitions: (service, server) => servers.get(service)?.get(server) ?? NONE,
    reloads: () => reloads,
    drift: () => drift,
    drainsEnded: () => ended,
  };
}

const NONE: Transitions = { ups: 0, downs: 0 };

function isEnd(word: string | undefined): word is DrainEnd {
  return word === "done" || word === "rolled-back" || word === "aborted" || word === "failed";
}
