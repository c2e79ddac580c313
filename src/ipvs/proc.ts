import { formatEndpoint, parseAddress } from "../model/address.ts";
import type { DestinationKey, Forwarding, ServiceKey } from "../model/service.ts";
import { atOnce, type Steps } from "../model/steps.ts";
import type { Glance, GlanceDestination, GlanceService, IpvsTable } from "./table.ts";

/** Reads the text of /proc/net/ip_vs (Linux 6.1, ip_vs_info_seq_show): weights and connection counts in hexadecimal addresses, in hash
 *  order. Lines that cannot be read are left out, as is what is below them: whoever compares finds a difference and reads the whole table.
 *
 *  The file does not say to which family a firewall mark's service belongs, and prints those of both families alike. `known`, the
 *  table last read, tells; where it cannot, the destinations do, since only tunnels cross families. */
export function parseProc(text: string, known: IpvsTable): Glance {
  return atOnce(createProcReader()(text, known));
}

/** `parseProc` for one who reads again and again: a service that is shown with the very same words is the very same object again. With 10,000 servers
 *  of which none got or lost a connection that takes a fiftieth of the time, and leaves nothing to be collected. Steps of one service. */
export function createProcReader(): (text: string, known: IpvsTable) => Steps<Glance> {
  let before = new Map<string, Shown>();
  return function* (text, known) {
    const shown = new Map<string, Shown>();
    const glance = new Map<ServiceKey, GlanceService>();
    const marked = new Map<number, Block[]>();
    for (let at = 0; at < text.length; ) {
      const heading = text.slice(at, endOfLine(text, at));
      const last = before.get(heading);
      const same = last !== undefined && text.startsWith(last.text, at) && !isDestination(text, at + last.text.length);
      const end = same ? at + last.text.length : endOfBlock(text, at);
      // A piece of the new text, or the old one could not be let go of.
      const words = text.slice(at, end);
      const block = same ? last.block : readBlock(words);
      shown.set(heading, { text: words, block });
      yield;
      at = end;
      const [protocol = "", address = ""] = heading.split(/\s+/, 2);
      if (PROTOCOLS.has(protocol)) {
        const endpoint = readEndpoint(address);
        if (endpoint !== undefined) glance.set(`${protocol.toLowerCase()}:${endpoint}` as ServiceKey, block);
      } else if (protocol === "FWM") {
        const mark = Number.parseInt(address, 16);
        const others = marked.get(mark);
        if (others === undefined) marked.set(mark, [block]);
        else others.push(block);
      }
    }
    before = shown;
    for (const [mark, blocks] of marked)
      for (const [key, block] of assignFamilies(mark, blocks, known)) glance.set(key, block);
    return glance;
  };
}

/** A service's lines, and what they say. */
interface Shown {
  readonly text: string;
  readonly block: Block;
}

function isDestination(text: string, at: number): boolean {
  return text.startsWith("  -> ", at);
}

/** Behind the line's end. */
function endOfLine(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 ? text.length : end + 1;
}

/** Behind the heading at `at` and the destinations below it. */
function endOfBlock(text: string, at: number): number {
  let end = endOfLine(text, at);
  while (isDestination(text, end)) end = endOfLine(text, end);
  return end;
}

function readBlock(text: string): Block {
  const [heading = "", ...lines] = text.split("\n");
  const [, , scheduler = ""] = heading.split(/\s+/, 3);
  const block: Block = { scheduler, destinations: new Map() };
  for (const line of lines) readDestination(line, block);
  return block;
}

/** One service as the file shows it. */
interface Block extends GlanceService {
  readonly destinations: Map<DestinationKey, GlanceDestination>;
}

const PROTOCOLS: ReadonlySet<string> = new Set(["TCP", "UDP", "SCTP"]);
/** The forwarding methods as /proc and ipvsadm print them. */
export const FORWARDING: Readonly<Record<string, Forwarding["kind"]>> = {
  Masq: "masquerade",
  Route: "direct",
  Tunnel: "tunnel",
};

const DESTINATION = /^ {2}-> (\S+) +(\w+) +(\d+) +(\d+) +(\d+)/;

/** `  -> 0A090202:1F90      Masq    1      0          25        `. */
function readDestination(line: string, into: Block): void {
  const [, at = "", name = "", weight, active, inactive] = DESTINATION.exec(line) ?? [];
  const endpoint = readEndpoint(at);
  const forwarding = FORWARDING[name];
  if (endpoint === undefined || forwarding === undefined) return;
  into.destinations.set(endpoint as DestinationKey, {
    weight: Number(weight),
    forwarding,
    active: Number(active),
    inactive: Number(inactive),
  });
}

/** `0A090202:1F90` is `10.9.2.2:8080`; `[fd00:0000:…:0001]:0050` is `[fd00::1]:80`, as model/address writes it. */
function readEndpoint(text: string): string | undefined {
  const colon = text.lastIndexOf(":");
  const port = Number.parseInt(text.slice(colon + 1), 16);
  if (Number.isNaN(port)) return undefined;
  if (text.startsWith("[")) {
    const address = parseAddress(text.slice(1, colon - 1));
    return address && formatEndpoint(address, port);
  }
  const bits = Number.parseInt(text.slice(0, colon), 16);
  if (Number.isNaN(bits)) return undefined;
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}:${port}`;
}

/** At most two services have one mark, one of each family. */
function assignFamilies(mark: number, [a, b]: readonly Block[], known: IpvsTable): readonly [ServiceKey, Block][] {
  if (a === undefined) return [];
  const four = `fwmark4:${mark}` as ServiceKey;
  const six = `fwmark6:${mark}` as ServiceKey;
  const straight = likeness(a, four, 4, known) - likeness(a, six, 6, known);
  if (b === undefined) return [[straight >= 0 ? four : six, a]];
  const crossed = likeness(b, four, 4, known) - likeness(b, six, 6, known);
  return straight >= crossed
    ? [
        [four, a],
        [six, b],
      ]
    : [
        [six, a],
        [four, b],
      ];
}

/** How much speaks for a block being this service: proof by its own destinations outweighs that the service is known at all, then come
 *  the destinations it is known to have, its scheduler, and last the addresses behind its tunnels. */
function likeness(block: Block, key: ServiceKey, family: 4 | 6, known: IpvsTable): number {
  const entry = known.get(key);
  let proof = 0;
  let shared = 0;
  let alike = 0;
  for (const [at, { forwarding }] of block.destinations) {
    const same = at.startsWith("[") === (family === 6);
    if (same && forwarding !== "tunnel") proof = 1;
    if (same) alike++;
    if (entry?.destinations.has(at)) shared++;
  }
  const missing = (entry?.destinations.size ?? 0) - shared;
  const scheduled = entry?.scheduler === block.scheduler ? 0.5 : 0;
  return proof * 1e12 + (entry ? 1e8 : 0) + (shared - missing) + scheduled + alike / 1e6;
}
