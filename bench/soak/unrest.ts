import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Target } from "../probing/processes.ts";
import { DOORS, doorAddress, PARTS } from "./mixture.ts";

/** Servers go down this often, some for a moment that nobody is to notice, some for longer. */
const EVERY_MS = 4_000;
const DOWN_MS = [2_000, 25_000] as const;
/** As a rule a few at a time; every so many times a rack. */
const FEW = 20;
const RACK = 300;
const RACK_EVERY = 20;

/** The ways of being down: the connection is not answered, refused; the request answered with 503, or not at all; the datagram not answered. */
const TROUBLES = [
  { way: "tcp", word: "deaf" },
  { way: "http", word: "fail" },
  { way: "http", word: "mute" },
  { way: "http-kept", word: "fail" },
  { way: "http-kept", word: "mute" },
  { way: "udp", word: "fail" },
  { way: "door", word: "" },
] as const;

/** Takes servers down and brings them back until `signal` aborts. @returns how many servers went down */
export async function flap(target: Target, doors: Doors, signal: AbortSignal): Promise<number> {
  const random = dice(7);
  const under = new Set<string>();
  const ends: Promise<void>[] = [];
  let taken = 0;
  for (let turn = 0; ; turn++) {
    if (await over(EVERY_MS, signal)) break;
    const { way, word } = TROUBLES[turn % TROUBLES.length]!;
    // Not two of a kind at a time: who comes back would take others of the kind along.
    if (under.has(way)) continue;
    under.add(way);
    const downMs = DOWN_MS[0] + random(DOWN_MS[1] - DOWN_MS[0]);
    const [from, to] = someOf(way, turn % RACK_EVERY === 0 ? RACK : 1 + random(FEW), random);
    taken += to - from;
    const down = async () => {
      if (way === "door") await doors.close(from, to);
      else await target.ask(`${word} ${from} ${to}`);
      await over(downMs, signal);
      if (way === "door") await doors.open(from, to);
      else await target.ask(word === "deaf" ? "deaf 0 0" : `ok ${from} ${to}`);
      under.delete(way);
    };
    ends.push(down());
  }
  await Promise.all(ends);
  return taken;
}

function someOf(way: string, count: number, random: (below: number) => number): readonly [number, number] {
  const { from, to } = PARTS.find((part) => part.way === way) ?? { from: 0, to: DOORS };
  const size = Math.min(count, to - from);
  const first = from + random(to - from - size + 1);
  return [first, first + size];
}

/** @returns true when `signal` has aborted */
export async function over(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  return signal.aborted;
}

/** The same numbers in every run: 0 to below - 1. (Numerical Recipes' linear congruence.) */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export interface Doors {
  open(from: number, to: number): Promise<void>;
  close(from: number, to: number): Promise<void>;
}

/** TCP servers whose port can be closed. */
export function createDoors(port: number): Doors {
  const servers = new Map<number, Server>();
  const each = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  return {
    async open(from, to) {
      for (const n of each(from, to)) {
        const server = createServer((socket) => socket.on("error", () => {}).resume());
        servers.set(n, server);
        await new Promise<void>((resolve, reject) =>
          server.once("error", reject).listen({ port, host: doorAddress(n) }, resolve),
        );
      }
    },
    async close(from, to) {
      for (const n of each(from, to)) await new Promise((resolve) => servers.get(n)?.close(resolve));
    },
  };
}
