import { err, ok, type Result } from "../model/result.ts";
import type { ServerKey } from "../model/service.ts";
import type { Now } from "../model/time.ts";
import { askedShare, type Drain, isActive, isStanding } from "./drain.ts";
import type { Intent } from "./intent.ts";

/** Moves, or has moved, weight off this server, and it still counts. */
export function drains(drain: Drain, server: ServerKey): boolean {
  return drain.from.includes(server) && (isActive(drain) || isStanding(drain));
}

/** Without what was moved off one of its olds; what the others gave stays with the news exactly. While it runs a drain is one thing: it has to
 *  have a single old. */
export function undrained(drain: Drain, server: ServerKey, text: string, now: Now): Result<Drain, string> {
  const { result } = drain;
  const others = drain.from.filter((key) => key !== server);
  if (isActive(drain) && others.length > 0)
    return err(`drain ${drain.id} also moves ${others.join(", ")}: roll it back as a whole, or wait for its end`);
  if (!result || others.length === 0)
    return ok({ ...drain, result: undefined, phase: { kind: "rolled-back", at: now.epoch, text } });
  // Whose part is not in the result any more (it left the file, or got another weight there) has given it all the same.
  const gave = (key: ServerKey): number => result.given[key] ?? askedShare(drain) * (drain.configured[key] ?? 0);
  const moved = drain.from.reduce((sum, key) => sum + gave(key), 0);
  const kept = moved === 0 ? 0 : 1 - (result.given[server] ?? 0) / moved;
  const given = Object.fromEntries(Object.entries(result.given).filter(([key]) => key !== server));
  const taken = Object.fromEntries(Object.entries(result.taken).map(([key, amount]) => [key, amount * kept]));
  return ok({ ...drain, from: others, result: { given, taken } });
}

/** A drain that moved weight of the same servers later and still counts. */
export function standingUpon(intent: Intent, drain: Drain): Drain | undefined {
  const servers = new Set([...drain.from, ...drain.to]);
  const newer = intent.drains.slice(intent.drains.findIndex((d) => d.id === drain.id) + 1);
  return newer.find(
    (d) =>
      (isActive(d) || isStanding(d)) &&
      d.service.some((key) => drain.service.includes(key)) &&
      [...d.from, ...d.to].some((key) => servers.has(key)),
  );
}
