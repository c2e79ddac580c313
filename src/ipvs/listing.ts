import {
  type DestinationKey,
  destinationKey,
  type Forwarding,
  type Frontend,
  type Protocol,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";
import { atOnce, type Steps } from "../model/steps.ts";
import type { Destination, EntryPersistence, IpvsTable, ServiceEntry } from "./table.ts";
import { addressFrontend, markFrontend, readCount, readEndpoint, type Words, wordsOf } from "./words.ts";

/** What `ipvsadm -Sn` lists. */
export interface Listing {
  readonly table: IpvsTable;
  /** Lines that say something we do not know: services of others, or a newer ipvsadm. What could be read of them stands in `table` all the
   *  same, so that a service of ours is edited back and not added a second time. */
  readonly unreadable: readonly string[];
}

/** Reads the output of `ipvsadm -Sn` (1.31). Marks from 2147483648 up, printed as negative numbers, come out right; limits on connections
 *  (`-x`, `-y`) are never in it (stats.ts reads them). */
export function parseListing(text: string): Listing {
  return atOnce(readListing(text));
}

/** The same in steps of one service. */
export function* readListing(text: string): Steps<Listing> {
  const table = new Map<ServiceKey, ServiceEntry>();
  const destinations = new Map<ServiceKey, Map<DestinationKey, Destination>>();
  const unreadable: string[] = [];
  for (const line of text.split("\n")) {
    const words = wordsOf(line);
    const command = words.next();
    if (command === "") continue;
    const frontend = readFrontend(words);
    const key = frontend && serviceKey(frontend);
    let known = false;
    if (command === "-A" && frontend && key) {
      yield;
      const own = new Map<DestinationKey, Destination>();
      const service = readService(frontend, words);
      table.set(key, { ...service.entry, destinations: own });
      destinations.set(key, own);
      known = service.known;
    } else if (command === "-a" && key) {
      const destination = readDestination(words);
      const own = destinations.get(key);
      if (destination) own?.set(destinationKey(destination.address, destination.port), destination);
      known = own !== undefined && destination !== undefined && words.next() === "";
    }
    if (!known) unreadable.push(line);
  }
  return { table, unreadable };
}

/** `-t 10.0.0.1:80`, `--sctp-service [fd00::1]:80`, `-f -1 -6`. */
function readFrontend(words: Words): Frontend | undefined {
  const option = words.next();
  const second = words.next();
  if (option === "-f") return markFrontend(second, words.skip("-6") ? 6 : 4);
  return addressFrontend(PROTOCOLS[option], second);
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { "-t": "tcp", "-u": "udp", "--sctp-service": "sctp" };

interface ServiceOptions {
  scheduler: string;
  timeoutSec: number | undefined;
  mask: string | undefined;
  engine: string | undefined;
  onePacket: boolean;
  flags: readonly string[];
}

/** The rest of a service's line: `-s wrr -p 300 -M 255.255.255.0 --pe sip -o -b flag-1,flag-2`. */
function readService(
  frontend: Frontend,
  words: Words,
): { readonly entry: Omit<ServiceEntry, "destinations">; readonly known: boolean } {
  const options: ServiceOptions = {
    scheduler: "",
    timeoutSec: undefined,
    mask: undefined,
    engine: undefined,
    onePacket: false,
    flags: [],
  };
  let known = true;
  for (let word = words.next(); word !== ""; word = words.next()) known = readOption(word, words, options) && known;
  const { scheduler, onePacket, flags } = options;
  const persistence = readPersistence(frontend, options);
  return {
    entry: { frontend, scheduler, flags, onePacket, persistence },
    known: known && scheduler !== "" && persistence?.prefix !== -1,
  };
}

/** false: an option we do not know. */
function readOption(word: string, words: Words, into: ServiceOptions): boolean {
  switch (word) {
    case "-s":
      into.scheduler = words.next();
      return true;
    case "-p":
      into.timeoutSec = readCount(words.next());
      return into.timeoutSec !== undefined;
    case "-M":
      into.mask = words.next();
      return true;
    case "--pe":
      into.engine = words.next();
      return true;
    case "-o":
      into.onePacket = true;
      return true;
    case "-b":
      into.flags = words.next().split(",").sort();
      return true;
    default:
      return false;
  }
}

function readPersistence(
  frontend: Frontend,
  { timeoutSec, mask, engine }: ServiceOptions,
): EntryPersistence | undefined {
  if (timeoutSec === undefined && engine === undefined) return undefined;
  const family = frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
  const prefix = family === 4 ? readMask(mask ?? "255.255.255.255") : readCount(mask ?? "128");
  return { timeoutSec: timeoutSec ?? 0, prefix: prefix ?? -1, engine };
}

/** `255.255.255.0` is 24; undefined for one with holes. */
function readMask(mask: string): number | undefined {
  const bits = mask.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const prefix = Math.clz32(~bits);
  const whole = prefix === 0 ? 0 : (~0 << (32 - prefix)) >>> 0;
  return bits === whole ? prefix : undefined;
}

/** The rest of a destination's line: `-r ADDRESS:PORT -m -w 1`, `-r ADDRESS:PORT -i -w 1 --tun-type gue --tun-port 5555 --tun-nocsum`. */
function readDestination(words: Words): Destination | undefined {
  const at = words.skip("-r") ? readEndpoint(words.next()) : undefined;
  const forward = words.next();
  const weight = words.skip("-w") ? readCount(words.next()) : undefined;
  const forwarding = readForwarding(forward, words);
  return at && forwarding && weight !== undefined ? { ...at, forwarding, weight } : undefined;
}

function readForwarding(option: string, words: Words): Forwarding | undefined {
  if (option === "-m") return { kind: "masquerade" };
  if (option === "-g") return { kind: "direct" };
  if (option !== "-i") return undefined;
  const encapsulation = words.skip("--tun-type") ? words.next() : "ipip";
  if (encapsulation === "ipip") return { kind: "tunnel", encapsulation };
  const port = words.skip("--tun-port") ? readCount(words.next()) : undefined;
  const checksum = CHECKSUMS[words.next()];
  if (encapsulation === "gue" && port !== undefined && checksum !== undefined)
    return { kind: "tunnel", encapsulation, port, checksum };
  if (encapsulation === "gre" && (checksum === "none" || checksum === "checksum"))
    return { kind: "tunnel", encapsulation, checksum };
  return undefined;
}

const CHECKSUMS: Readonly<Record<string, "none" | "checksum" | "remote">> = {
  "--tun-nocsum": "none",
  "--tun-csum": "checksum",
  "--tun-remcsum": "remote",
};
