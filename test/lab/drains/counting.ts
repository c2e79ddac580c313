import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { inNamespace } from "../inside.ts";

/** What the counting program is told to be. */
export type Role =
  | {
      readonly role: "servers";
      /** Says the name to whoever connects, and closes. */
      readonly listen: readonly { readonly port: number; readonly name: string }[];
    }
  | {
      readonly role: "clients";
      readonly targets: readonly { readonly host: string; readonly port: number }[];
    };

/** What the clients are asked for. `perSecond` is of each target; undefined: as fast as `concurrency` at a time goes, all targets together. */
export type Question =
  | { readonly ask: "start"; readonly perSecond: number | undefined; readonly concurrency: number }
  | { readonly ask: "stop" }
  | { readonly ask: "look" };

/** All connections so far, one entry in each list; times in milliseconds since 1970. */
export interface Counted {
  /** Index of the target. */
  readonly target: readonly number[];
  /** Index in `names`; -1 for one that failed. */
  readonly server: readonly number[];
  readonly openedAt: readonly number[];
  /** When the kernels had shaken hands, which no server's process can delay: the kernel has chosen the server between the two. */
  readonly connectedAt: readonly number[];
  readonly names: readonly string[];
  readonly errors: Readonly<Record<string, number>>;
  /** Not started in time, because too many were under way. */
  readonly late: number;
}

export interface CountingClients {
  start(options: { readonly perSecond?: number; readonly concurrency: number }): Promise<void>;
  /** Starts nothing more and waits for what is under way. */
  stop(): Promise<Counted>;
  look(): Promise<Counted>;
}

const program = join(import.meta.dirname, "counting-program.ts");

/** Many small servers in one process; they end with the scenario. */
export async function countingServers(
  namespace: string,
  listen: readonly { readonly port: number; readonly name: string }[],
): Promise<void> {
  await begin(namespace, { role: "servers", listen });
}

/** One process that makes the connections of all targets, and notes for each when and who answered. */
export async function countingClients(
  namespace: string,
  targets: readonly { readonly host: string; readonly port: number }[],
): Promise<CountingClients> {
  const child = await begin(namespace, { role: "clients", targets });
  const ask = async (question: Question): Promise<Counted> => {
    child.channel?.ref();
    child.send(question);
    const [answer] = (await once(child, "message")) as [Counted];
    child.channel?.unref();
    return answer;
  };
  return {
    async start({ perSecond, concurrency }) {
      await ask({ ask: "start", perSecond, concurrency });
    },
    stop: () => ask({ ask: "stop" }),
    look: () => ask({ ask: "look" }),
  };
}

async function begin(namespace: string, role: Role) {
  const [command, ...args] = inNamespace(namespace, [
    process.execPath,
    "--v8-pool-size=0",
    "--wasm-lazy-compilation",
    program,
  ]);
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  child.send(role);
  await once(child, "message");
  child.unref();
  child.channel?.unref();
  return child;
}
