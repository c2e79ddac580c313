import { get } from "node:http";
import type { MemoryTable } from "../../kernel/memory.ts";
import { parseEndpoint } from "../../model/address.ts";
import type { DestinationKey, ServiceKey } from "../../model/service.ts";
import type { Millis } from "../../model/time.ts";
import type { Clock } from "../../runtime/clock.ts";

/** What a client met with. */
export interface Counts {
  /** By the name the server itself gave. */
  readonly answered: ReadonlyMap<string, number>;
  /** Sent to a server that did not answer. */
  readonly failed: number;
  /** Refused by the table: nobody had weight. */
  readonly refused: number;
}

export interface Traffic {
  /** Since the last call. */
  take(): Counts;
  /** Over all its time. */
  total(): Counts;
  /** One long request to `destination`; resolves with what was received when the server ends it, rejects when it is cut. */
  download(destination: DestinationKey): Download;
  stop(): void;
}

export interface Download {
  readonly received: () => number;
  readonly ended: Promise<string>;
}

/** A client that makes a real HTTP request every `every` milliseconds to whoever the table's scheduler picks. */
export function startTraffic(clock: Clock, table: MemoryTable, service: ServiceKey, every: Millis): Traffic {
  const all = counter();
  let window = counter();
  let disarm: () => void = () => {};

  function turn(): void {
    disarm = clock.after(every, turn);
    const destination = table.open(service);
    if (destination === undefined) {
      for (const count of [all, window]) count.refused++;
      return;
    }
    // Counted where it was sent: a late answer belongs to the window of its request.
    const counts = [all, window];
    fetchText(destination, "/").then(
      (name) => {
        table.release(service, destination);
        for (const { answered } of counts) answered.set(name, (answered.get(name) ?? 0) + 1);
      },
      () => {
        table.release(service, destination);
        for (const count of counts) count.failed++;
      },
    );
  }

  function open(destination: DestinationKey): void {
    // The scheduler's turn comes round; who is passed over lets go at once.
    for (let tries = 0; tries < 1_000; tries++) {
      const picked = table.open(service);
      if (picked === destination) return;
      if (picked !== undefined) table.release(service, picked);
    }
    throw new Error(`${destination} is never picked`);
  }

  turn();
  return {
    take() {
      const taken = window;
      window = counter();
      return taken;
    },
    total: () => all,
    download(destination) {
      open(destination);
      let received = 0;
      const ended = fetchText(destination, "/download", (bytes) => (received += bytes)).finally(() =>
        table.release(service, destination),
      );
      return { received: () => received, ended };
    },
    stop: () => disarm(),
  };
}

interface Counter {
  readonly answered: Map<string, number>;
  failed: number;
  refused: number;
}

function counter(): Counter {
  return { answered: new Map(), failed: 0, refused: 0 };
}

function fetchText(
  destination: DestinationKey,
  path: string,
  onBytes: (n: number) => void = () => {},
): Promise<string> {
  const endpoint = parseEndpoint(destination);
  if (!endpoint) return Promise.reject(new Error(`no endpoint: ${destination}`));
  return new Promise((resolve, reject) => {
    const request = get({ host: endpoint.address.text, port: endpoint.port, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        onBytes(chunk.length);
      });
      response.on("error", reject);
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
  });
}
