import {
  type DestinationKey,
  destinationKey,
  type Frontend,
  type Protocol,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import type { DestinationStats, Stats } from "./table.ts";
import { addressFrontend, markFrontend, readCount, readEndpoint, type Words, wordsOf } from "./words.ts";

/** Reads the output of `ipvsadm -Ln --stats --exact`. What cannot be read is left out: counters decide nothing but idleness. */
export function parseStats(text: string): Stats {
  const stats = new Map<ServiceKey, Map<DestinationKey, DestinationStats>>();
  let current: Map<DestinationKey, DestinationStats> | undefined;
  for (const line of text.split("\n")) {
    const words = wordsOf(line);
    const first = words.next();
    if (first === "->") {
      readServer(words, current);
      continue;
    }
    const frontend = readTitle(first, words);
    current = frontend && new Map();
    if (frontend && current) stats.set(serviceKey(frontend), current);
  }
  return stats;
}

/** `TCP 10.0.0.1:80`, `FWM -1 IPv6`. */
function readTitle(first: string, words: Words): Frontend | undefined {
  const second = words.next();
  if (first === "FWM") return markFrontend(second, words.skip("IPv6") ? 6 : 4);
  return addressFrontend(PROTOCOLS[first], second);
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

function readServer(words: Words, into: Map<DestinationKey, DestinationStats> | undefined): void {
  const at = readEndpoint(words.next());
  const connections = readCount(words.next());
  const packetsIn = readCount(words.next());
  if (at === undefined || connections === undefined || packetsIn === undefined) return;
  into?.set(destinationKey(at.address, at.port), { connections, packetsIn });
}
