import { createRequire } from "node:module";
import type * as undici from "undici";

/** undici's client alone. Its index also brings fetch, caches, mocks and Node's own copy of undici: 14 MB and 70 ms that a director has no use for. */
const load = createRequire(import.meta.url);

export const Client = load("undici/lib/dispatcher/client.js") as typeof undici.Client;

export const errors = load("undici/lib/core/errors.js") as typeof undici.errors;
