import {
  type DestinationKey,
  destinationKey,
  type Frontend,
  type Protocol,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import type { IpvsTable, Rates, ServiceRate, Stats, Templates, Thresholds } from "./table.ts";
import { addressFrontend, markFrontend, readCount, readEndpoint, type Words, wordsOf } from "./words.ts";

/** Reads the output of `ipvsadm -Ln --stats --exact`. What cannot be read is left out: counters decide nothing but idleness. */
export function parseStats(text: string): Stats {
  return perDestination(text, ([connections, packetsIn]) =>
    connections === undefined || packetsIn === undefined ? undefined : { connections, packetsIn },
  );
}

/** Reads the output of `ipvsadm -Ln --persistent-conn`: how many persistence templates lead to each destination. */
export function parseTemplates(text: string): Templates {
  return perDestination(text, ([_weight, templates]) => templates);
}

/** Reads the output of `ipvsadm -Ln --thresholds`. Destinations without limits are left out. */
export function parseThresholds(text: string): Thresholds {
  return perDestination(text, ([upper = 0, lower = 0]) => (upper === 0 && lower === 0 ? undefined : { upper, lower }));
}

/** The table with the limits that its own listing leaves out. */
export function withThresholds(table: IpvsTable, thresholds: Thresholds): IpvsTable {
  const full = new Map(table);
  for (const [service, limited] of thresholds) {
    const entry = table.get(service);
    if (entry === undefined || limited.size === 0) continue;
    const destinations = new Map(entry.destinations);
    for (const [key, limits] of limited) {
      const destination = destinations.get(key);
      if (destination !== undefined) destinations.set(key, { ...destination, limits });
    }
    full.set(service, { ...entry, destinations });
  }
  return full;
}

/** Reads the output of `ipvsadm -Ln --rate`: new connections a second of each service and its servers, over the last seconds. */
export function parseRates(text: string): Rates {
  const rates = new Map<ServiceKey, ServiceRate>();
  for (const { service, numbers, destinations } of blocksIn(text)) {
    if (numbers[0] === undefined) continue;
    const servers = new Map<DestinationKey, number>();
    for (const [key, [perSecond]] of destinations) if (perSecond !== undefined) servers.set(key, perSecond);
    rates.set(service, { perSecond: numbers[0], servers });
  }
  return rates;
}

function perDestination<T>(
  text: string,
  read: (numbers: readonly (number | undefined)[]) => T | undefined,
): ReadonlyMap<ServiceKey, ReadonlyMap<DestinationKey, T>> {
  return new Map(
    blocksIn(text).map(({ service, destinations }) => {
      const values = new Map<DestinationKey, T>();
      for (const [key, numbers] of destinations) {
        const value = read(numbers);
        if (value !== undefined) values.set(key, value);
      }
      return [service, values];
    }),
  );
}

interface Block {
  readonly service: ServiceKey;
  readonly numbers: readonly (number | undefined)[];
  readonly destinations: Map<DestinationKey, readonly (number | undefined)[]>;
}

/** Every listing has a line for the service, with its own numbers or none, and one for each destination below it. */
function blocksIn(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let current: Block | undefined;
  for (const line of text.split("\n")) {
    const words = wordsOf(line);
    const first = words.next();
    if (first === "->") {
      const at = readEndpoint(words.next());
      if (at && current) current.destinations.set(destinationKey(at.address, at.port), numbersOf(words));
      continue;
    }
    const frontend = readTitle(first, words);
    current = frontend && { service: serviceKey(frontend), numbers: numbersOf(words), destinations: new Map() };
    if (current) blocks.push(current);
  }
  return blocks;
}

function numbersOf(words: Words): readonly (number | undefined)[] {
  return [readCount(words.next()), readCount(words.next())];
}

/** `TCP 10.0.0.1:80`, `FWM -1 IPv6`, as every listing has it above the servers of a service. */
export function readTitle(first: string, words: Words): Frontend | undefined {
  const second = words.next();
  if (first === "FWM") return markFrontend(second, words.skip("IPv6") ? 6 : 4);
  return addressFrontend(PROTOCOLS[first], second);
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };
