import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Weights by `tcp:10.100.0.1:80` and `10.9.1.2:80`. */
export type Weights = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What a watcher saw from its start on: the whole table whenever it was another one than at the look before. */
export interface Seen {
  readonly looks: number;
  /** Between looks that lay further apart than was asked for: the processor was busy with others, inside the machine or outside. */
  readonly stalls: readonly { readonly from: number; readonly to: number }[];
  /** `at` is the end of the look that first showed it, `before` the begin of the one before, which showed something else; in milliseconds since
   *  1970. The change itself lies between the two. */
  readonly changes: readonly { readonly before: number; readonly at: number; readonly table: Weights }[];
}

export interface Watcher {
  look(): Promise<Seen>;
}

/** Watches the kernel's weights from a process of its own until the scenario ends. */
export async function watchTable(everyMs: number): Promise<Watcher> {
  const child = fork(join(import.meta.dirname, "table-watch.ts"), [String(everyMs)], {
    execArgv: ["--v8-pool-size=0", "--wasm-lazy-compilation"],
  });
  await once(child, "message");
  child.unref();
  child.channel?.unref();
  return {
    async look() {
      child.channel?.ref();
      child.send("look");
      const [seen] = (await once(child, "message")) as [Seen];
      child.channel?.unref();
      return seen;
    },
  };
}

/** When a server's weight became which; undefined: it left the table, or was not in it yet. */
export function weightsOver(
  seen: Seen,
  service: string,
  server: string,
): readonly { readonly at: number; readonly weight: number | undefined }[] {
  const result: { at: number; weight: number | undefined }[] = [];
  for (const { at, table } of seen.changes) {
    const weight = table[service]?.[server];
    if (result.length === 0 || result.at(-1)!.weight !== weight) result.push({ at, weight });
  }
  return result;
}

/** The longest time without a look, in milliseconds: what was true for less may not have been seen. */
export function longestStall({ stalls }: Seen): number {
  return Math.max(0, ...stalls.map(({ from, to }) => to - from));
}
