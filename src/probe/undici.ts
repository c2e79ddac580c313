import { createRequire, registerHooks } from "node:module";
import type * as undici from "undici";

const load = createRequire(import.meta.url);

/** What connectH1 of undici hands out for each connection has a getter of its own: V8 keeps a getter's closure in its old generation from the start, and with
 *  it, until the next full collection, the whole connection (3 kB), whoever else has long let go of it. One getter for all does not. A quarter of the CPU
 *  time of a check with a connection of its own, at 5,000 a second. */
const OWN_GETTER = /get destroyed \(\) \{\s*return socket\.destroyed\s*\}/;
const SHARED_GETTER = "socket, __proto__: sharedByAllConnections";
const SHARED = "\nconst sharedByAllConnections = { get destroyed () { return this.socket.destroyed } }\n";

const CONNECTION = load.resolve("undici/lib/dispatcher/client-h1.js");

/** As undici wrote it where it does not look as expected: dearer, but right. */
const hooks = registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(CONNECTION) || loaded.source == null) return loaded;
    const source = loaded.source.toString();
    return OWN_GETTER.test(source) ? { ...loaded, source: source.replace(OWN_GETTER, SHARED_GETTER) + SHARED } : loaded;
  },
});

/** undici's client alone. Its index also brings fetch, caches, mocks and Node's own copy of undici: 14 MB and 70 ms that a director has no use for. */
export const Client = load("undici/lib/dispatcher/client.js") as typeof undici.Client;

export const errors = load("undici/lib/core/errors.js") as typeof undici.errors;

hooks.deregister();

const { kKeepAliveDefaultTimeout, kKeepAliveTimeoutValue } = load("undici/lib/core/symbols.js") as Record<
  string,
  symbol
>;

/** A kept connection is the server's to close, or ends before a `Keep-Alive: timeout` it has announced; without that undici would set a timer for each pause,
 *  and refuses an option of 0. */
export function neverTooOld(client: undici.Client): void {
  const settings = client as unknown as Record<symbol, number>;
  if (kKeepAliveDefaultTimeout !== undefined) settings[kKeepAliveDefaultTimeout] = 0;
  if (kKeepAliveTimeoutValue !== undefined) settings[kKeepAliveTimeoutValue] = 0;
}
