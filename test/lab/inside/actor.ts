import { spawn } from "node:child_process";
import { join } from "node:path";
import type {
  Answer,
  Behaviour,
  Endpoint,
  Hold,
  HoldResult,
  Load,
  LoadResult,
  Operation,
  Operations,
  Which,
} from "./protocol.ts";
import { inNamespace } from "./run.ts";

/** A process that plays servers and clients in one namespace. Ends with the scenario. */
export interface Actor {
  readonly namespace: string | undefined;
  /** Starts an endpoint; it behaves `ok`. */
  listen(endpoint: Endpoint): Promise<Server>;
  /** Makes a counted load and waits for its end. */
  load(load: Load & { readonly count: number }): Promise<LoadResult>;
  /** Starts a load that runs until stopped. */
  startLoad(load: Load): Promise<LoadInProgress>;
  /** Opens connections and keeps them talking. */
  hold(hold: Hold): Promise<HeldConnections>;
}

export interface Server {
  readonly name: string;
  /** Switches how it treats what comes in from now on; with `path` (http) only there. */
  behave(behaviour: Behaviour | Exclude<Behaviour["kind"], "status" | "slow">, path?: string): Promise<void>;
  /** Requests (http; on `path` only, if given), connections (echo) or datagrams (udp) so far. */
  seen(path?: string): Promise<number>;
  /** Resets every open connection. */
  cut(): Promise<void>;
}

export interface LoadInProgress {
  look(): Promise<LoadResult>;
  /** Starts nothing more and waits for what is under way. */
  stop(): Promise<LoadResult>;
}

export interface HeldConnections {
  look(): Promise<HoldResult>;
  release(): Promise<HoldResult>;
}

const program = join(import.meta.dirname, "../actors.ts");

/** On one slow processor the helper threads, and compiling all of the type stripper, cost half of Node's start. */
const quickStart = ["--v8-pool-size=0", "--wasm-lazy-compilation"];

/** Starts an actor in a namespace; `undefined` is the director's own. Takes about a second: start several at once. */
export async function startActor(namespace: string | undefined): Promise<Actor> {
  const [command, ...args] = inNamespace(namespace, [process.execPath, ...quickStart, program]);
  const child = spawn(command!, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  const fail = (why: string) => {
    for (const { reject } of waiting.values()) reject(new Error(`the actor in ${namespace ?? "the director"} ${why}`));
    waiting.clear();
  };
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code, signal) =>
      reject(new Error(`the actor in ${namespace} ended at once: ${signal ?? code}`)),
    );
    child.once("error", reject);
  });
  child.on("exit", (code, signal) => fail(`ended: ${signal ?? code}`));
  child.on("message", (answer: Answer) => {
    const asker = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) child.channel?.unref();
    if (answer.ok) asker?.resolve(answer.value);
    else asker?.reject(new Error(`${namespace ?? "director"}: ${answer.error}`));
  });
  // An idle actor does not keep the scenario from ending; the end of the scenario ends the actor.
  child.unref();
  child.channel?.unref();

  const call = <O extends Operation>(op: O, input: Operations[O]["takes"]): Promise<Operations[O]["gives"]> => {
    const id = ++last;
    return new Promise((resolve, reject) => {
      if (!child.connected) return reject(new Error(`the actor in ${namespace ?? "the director"} has ended`));
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      child.channel?.ref();
      child.send({ id, op, input });
    });
  };
  return {
    namespace,
    async listen(endpoint) {
      await call("listen", endpoint);
      const which: Which = { kind: endpoint.kind, port: endpoint.port };
      return {
        name: endpoint.name,
        async behave(behaviour, path) {
          const full = typeof behaviour === "string" ? { kind: behaviour } : behaviour;
          await call("behave", { ...which, behaviour: full, path });
        },
        seen: (path) => call("seen", { ...which, path }),
        async cut() {
          await call("cut", which);
        },
      };
    },
    async load(load) {
      return call("finish-load", await call("start-load", load));
    },
    async startLoad(load) {
      const id = await call("start-load", load);
      return { look: () => call("look-at-load", id), stop: () => call("stop-load", id) };
    },
    async hold(order) {
      const id = await call("hold", order);
      return { look: () => call("look-at-hold", id), release: () => call("release", id) };
    },
  };
}

/** One actor per namespace, started together, by the name of the namespace. */
export async function startActors<N extends string>(...namespaces: readonly N[]): Promise<Readonly<Record<N, Actor>>> {
  const entries = await Promise.all(namespaces.map(async (n) => [n, await startActor(n)] as const));
  return Object.fromEntries(entries) as Record<N, Actor>;
}
