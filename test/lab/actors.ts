// The program that plays real servers and clients, one process per network namespace. It does what inside/actor.ts asks over the IPC channel
// and ends when that closes.
import { flushCompileCache } from "node:module";
import { type Held, hold, type RunningLoad, startLoad } from "./inside/clients.ts";
import type { Answer, Operation, Operations, Request, Which } from "./inside/protocol.ts";
import { type Listening, listen } from "./inside/servers.ts";

const endpoints = new Map<string, Listening>();
const loads: RunningLoad[] = [];
const holds: Held[] = [];

type Handlers = { readonly [O in Operation]: (input: Operations[O]["takes"]) => Promise<Operations[O]["gives"]> };

const handlers: Handlers = {
  async listen(endpoint) {
    endpoints.set(`${endpoint.kind} ${endpoint.port}`, await listen(endpoint));
    return null;
  },
  async behave({ behaviour, path, ...which }) {
    await find(which).behave(behaviour, path);
    return null;
  },
  seen: async ({ path, ...which }) => find(which).seen(path),
  async cut(which) {
    find(which).cut();
    return null;
  },
  "start-load": async (load) => loads.push(startLoad(load)) - 1,
  "finish-load": (id) => loads[id]!.finished,
  "look-at-load": async (id) => loads[id]!.look(),
  async "stop-load"(id) {
    loads[id]!.stop();
    return loads[id]!.finished;
  },
  hold: async (order) => holds.push(await hold(order)) - 1,
  "look-at-hold": async (id) => holds[id]!.look(),
  async release(id) {
    const result = holds[id]!.look();
    holds[id]!.release();
    return result;
  },
};

function find(which: Which): Listening {
  const endpoint = endpoints.get(`${which.kind} ${which.port}`);
  if (endpoint === undefined) throw new Error(`nothing listens here on ${which.kind} port ${which.port}`);
  return endpoint;
}

async function answer<O extends Operation>({ id, op, input }: Request<O>): Promise<void> {
  const tell = (message: Answer) => process.connected && process.send!(message);
  try {
    tell({ id, ok: true, value: await handlers[op](input) });
  } catch (error) {
    tell({ id, ok: false, error: error instanceof Error ? error.message : String(error) });
  }
}

process.on("message", (request: Request) => void answer(request));
process.on("disconnect", () => process.exit());
process.send!("ready");
flushCompileCache(); // it seldom ends before its machine does
