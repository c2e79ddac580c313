import type { Command } from "commander";
import { apiPath } from "../control/client.ts";
import type { StatusReply } from "../control/shapes.ts";
import type { Millis } from "../model/time.ts";
import { type Ask, candidatesFor } from "./completion/candidates.ts";
import { placeOf } from "./completion/place.ts";
import { createContext, EXIT, type Surroundings } from "./context.ts";

/** Whoever pressed Tab waits for it. */
const PATIENCE_MS: Millis = 700;

/** `director __complete -- WORDS...`: what may stand where the last word is. Silent when nobody answers. */
export async function complete(
  program: Command,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const place = placeOf(program, words);
  const socket = place.given.get("--socket");
  const candidates = await candidatesFor(place, asking(surroundings, typeof socket === "string" ? socket : undefined));
  const { out } = surroundings;
  if (candidates === "files") out.print(":files");
  else out.print(...candidates.map(({ value, about }) => `${value}\t${firstWords(about)}`));
  return EXIT.ok;
}

function asking(surroundings: Surroundings, socket: string | undefined): Ask {
  return async () => {
    // Texts of servers go to a terminal.
    const { client, clock, signal, abort } = createContext(surroundings, socket === undefined ? {} : { socket });
    const disarm = clock.after(PATIENCE_MS, abort);
    try {
      return (await client.get<StatusReply>(apiPath("status"), signal)).body;
    } catch {
      return undefined;
    } finally {
      disarm();
    }
  };
}

function firstWords(about: string): string {
  return about.replace(/\s+/g, " ").slice(0, 100);
}
