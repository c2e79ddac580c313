// What the daemon has said so far.

/** @typedef {import("../pieces.ts").Message} Message */

/** Rates and events that are kept, as many as the daemon itself keeps for who comes. */
const MOST_SAMPLES = 120;
const MOST_EVENTS = 200;

/** @typedef {ReturnType<typeof createStore>} Store */

export function createStore() {
  /** @type {Map<string, Record<string, unknown>>} */
  const pieces = new Map();
  /** @type {import("../../director/events.ts").DirectorEvent[]} */
  let events = [];
  /** @type {number[]} */
  let times = [];
  /** @type {Map<string, (number | null)[]>} */
  let rates = new Map();

  /** @template T @param {string} key @returns {T | undefined} */
  const get = (key) => /** @type {T | undefined} */ (pieces.get(key));

  /** @param {Message} message */
  function takeRates({ whole, rates: all, rate }) {
    if (whole) {
      times = [...(all?.at ?? [])];
      rates = new Map(Object.entries(all?.of ?? {}).map(([name, values]) => [name, [...values]]));
    }
    // Who came between two messages has this one in the picture already.
    if (!rate || rate.at <= (times.at(-1) ?? 0)) return;
    times.push(rate.at);
    for (const name of new Set([...rates.keys(), ...Object.keys(rate.of)])) {
      const values = rates.get(name) ?? times.slice(1).map(() => null);
      values.push(rate.of[name] ?? null);
      rates.set(name, values.slice(-MOST_SAMPLES));
    }
    times = times.slice(-MOST_SAMPLES);
  }

  return {
    /** @param {Message} message
     *  @returns {ReadonlySet<string>} the keys of what changed */
    take(message) {
      const changed = new Set(message.gone);
      // What is not in a whole picture is gone; what is in it stays the same object for those who show it.
      if (message.whole) for (const key of pieces.keys()) if (!(key in message.set)) changed.add(key);
      for (const key of changed) pieces.delete(key);
      for (const [key, fields] of Object.entries(message.set)) {
        const piece = message.whole ? {} : { ...pieces.get(key) };
        for (const [field, value] of Object.entries(fields)) {
          if (value === null) delete piece[field];
          else piece[field] = value;
        }
        pieces.set(key, piece);
        changed.add(key);
      }
      events = (message.whole ? [...message.events] : [...events, ...message.events]).slice(-MOST_EVENTS);
      takeRates(message);
      return changed;
    },
    get head() {
      return /** @type {import("../pieces.ts").HeadPiece | undefined} */ (get("head"));
    },
    get problems() {
      return /** @type {import("../pieces.ts").ProblemsPiece | undefined} */ (get("problems"));
    },
    get table() {
      return /** @type {import("../pieces.ts").TablePiece | undefined} */ (get("table"));
    },
    get hooks() {
      return /** @type {import("../pieces.ts").HooksPiece | undefined} */ (get("hooks"));
    },
    /** In the order of the file. */
    get layout() {
      return /** @type {import("../pieces.ts").LayoutPiece | undefined} */ (get("layout"))?.services ?? [];
    },
    /** @param {string} name */
    service(name) {
      return /** @type {import("../pieces.ts").ServicePiece | undefined} */ (get(`service/${name}`));
    },
    /** @param {string} service @param {string} key */
    server(service, key) {
      return /** @type {import("../pieces.ts").ServerPiece | undefined} */ (get(`server/${service}/${key}`));
    },
    /** Of one service, in the order of the file.
     *  @param {{ readonly name: string, readonly servers: readonly string[] }} service */
    serversOf({ name, servers }) {
      return servers.flatMap((key) => this.server(name, key) ?? []);
    },
    get drains() {
      return [...pieces].flatMap(([key, piece]) =>
        key.startsWith("drain/")
          ? [/** @type {import("../pieces.ts").DrainPiece} */ (/** @type {unknown} */ (piece))]
          : [],
      );
    },
    /** Oldest first. */
    get events() {
      return events;
    },
    /** New connections a second.
     *  @param {string} service */
    rates(service) {
      return { at: times, values: rates.get(service) ?? [] };
    },
  };
}
