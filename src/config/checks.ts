import { hash } from "node:crypto";
import { formatEndpoint, type IpAddress } from "../model/address.ts";
import type { CheckSpec, ProbeType } from "../model/probe.ts";
import { formatDuration } from "../model/time.ts";
import { canonical } from "./canonical.ts";
import { defaultText } from "./defaults.ts";
import { typeOf } from "./inherit.ts";
import type { Problems } from "./problems.ts";
import { duration } from "./scalars.ts";
import { type CheckKeys, checkSchema } from "./service-keys.ts";
import { didYouMean } from "./suggest.ts";
import { type At, atKey, isBelow, type MapNode, pick, within } from "./tree.ts";
import { type Extent, knownKeys, typed } from "./typed.ts";

export type ProbeTypes = ReadonlyMap<string, ProbeType>;

/** A check as written and inherited, not yet aimed at a server. */
export interface ReadCheck {
  readonly node: MapNode;
  readonly type: ProbeType;
  readonly keys: CheckKeys;
  readonly timings: Pick<CheckSpec, "interval" | "fastInterval" | "downInterval" | "timeout" | "fall" | "rise">;
  readonly options: unknown;
  /** What is asked, whomever; and how often. Equal texts mean equal checks. */
  readonly asked: string;
  readonly pace: string;
}

const COMMON = new Set(Object.keys(checkSchema.shape));

/** Working out a type's keys takes a millisecond, which is much for every small file. */
const KEYS = new WeakMap<ProbeType, ReadonlySet<string>>();

function optionKeys(type: ProbeType): ReadonlySet<string> {
  const keys = KEYS.get(type) ?? new Set(knownKeys(type.options));
  KEYS.set(type, keys);
  return keys;
}

/** Reads checks. What many servers inherit is one node and read once.
 *  @param runnable whether a program may be run here; left out: nobody looks */
export function checkReader(types: ProbeTypes, problems: Problems, runnable?: (path: string) => boolean) {
  const done = new Map<MapNode, ReadCheck | undefined>();

  function read(node: MapNode, extent: Extent): ReadCheck | undefined {
    const name = typeOf(node);
    const keys = typed(
      checkSchema,
      pick(node, (key) => COMMON.has(key)),
      problems,
      extent,
    );
    const type = types.get(name);
    if (type === undefined) {
      const known = [...types.keys()];
      const message = `expected one of ${known.join(", ")}${didYouMean(name, known)}`;
      problems.error(atKey(node, "type"), message);
      return undefined;
    }
    const known = optionKeys(type);
    for (const [key, entry] of node.entries)
      if (!COMMON.has(key) && !known.has(key)) problems.error(entry.keyAt, unknownKeyWords(key, type));
    const own = pick(node, (key) => known.has(key) && !COMMON.has(key));
    const options = typed(type.options, own, problems, extent);
    if (keys === undefined || options === undefined) return undefined;
    if (extent === "part") return undefined;
    for (const path of runnable ? (type.programs?.(options.value) ?? []) : [])
      if (!runnable?.(path))
        problems.warning(
          atKey(node, "command"),
          `${path} is not there, or cannot be run: as long as that is so nothing is checked`,
        );
    return timed({ node, type, keys: keys.value, options: options.value }, problems);
  }

  function unknownKeyWords(key: string, type: ProbeType): string {
    const others = [...types.values()].filter((other) => optionKeys(other).has(key)).map((other) => other.name);
    if (others.length > 0) return `unknown key in a check of type ${type.name}, ${others.join(" and ")} checks have it`;
    return `unknown key in a check of type ${type.name}${didYouMean(key, [...COMMON, ...optionKeys(type)])}`;
  }

  return {
    /** The whole check, or undefined with its problems reported. */
    read(node: MapNode): ReadCheck | undefined {
      if (!done.has(node)) done.set(node, read(node, "whole"));
      return done.get(node);
    },
    /** Looks only for what is wrong by itself, whatever inherits the check. */
    look(node: MapNode): void {
      read(node, "part");
    },
  };
}

export type CheckReader = ReturnType<typeof checkReader>;

function timed(
  check: Pick<ReadCheck, "node" | "type" | "keys" | "options">,
  problems: Problems,
): ReadCheck | undefined {
  const { node, type, keys, options } = check;
  const { interval, timeout, fall, rise, down_interval: downInterval } = keys;
  if (timeout > 10 * interval)
    problems.warning(
      atKey(node, "timeout"),
      `${formatDuration(timeout)} is more than 10 intervals of ${formatDuration(interval)}: a stalled server is probed that seldom`,
    );
  const fastInterval = keys.fast_interval ?? Math.min(duration.parse(defaultText("check.fast_interval")), interval);
  if (fastInterval > interval) {
    const words = `${formatDuration(fastInterval)} is longer than interval, ${formatDuration(interval)}`;
    problems.error(atKey(node, "fast_interval"), words);
    return undefined;
  }
  const objections = type.objections?.(options, timeout) ?? [];
  for (const { key, message } of objections) problems.error(atKey(node, key), message);
  if (objections.length > 0) return undefined;
  const timings = { interval, fastInterval, downInterval, timeout, fall, rise };
  const asked = shortened(canonical({ type: type.name, options, source: keys.source?.text }));
  return { ...check, timings, asked, pace: shortened(canonical(timings)) };
}

/** Keys of 10,000 checks hold these: 16 MB of text at full length. 96 bits are enough that no two ever meet. */
function shortened(text: string): string {
  return hash("sha256", text, "base64url").slice(0, 16);
}

/** The server a check is aimed at. */
export interface CheckedServer {
  readonly address: IpAddress;
  /** The port that is probed unless the check names one; undefined: it has to. */
  readonly probePort: number | undefined;
  /** The port that need not be named to people. */
  readonly servicePort: number | undefined;
  /** Why the check has to name a port: `web forwards directly`. */
  readonly whyPort: string;
  /** The service as written, where a problem is reported that an inherited check has only with this service. */
  readonly service: MapNode;
}

export function checkSpec(check: ReadCheck, server: CheckedServer, problems: Problems): CheckSpec | undefined {
  const { keys, type, options, asked } = check;
  const at = (key: string): At =>
    isBelow(check.node.at, server.service.at)
      ? atKey(check.node, key)
      : within(within(server.service.at, "check"), key);
  const port = keys.port ?? (type.advisory ? undefined : server.probePort);
  const whyPort = type.advisory ? `an ${type.name} listens at a port of its own` : server.whyPort;
  if (port === undefined) problems.error(at("port"), `missing: ${whyPort}, so say which port to probe`);
  const address = keys.address ?? server.address;
  const source = keys.source;
  if (source !== undefined && source.family !== address.family)
    problems.error(at("source"), `${source.text} cannot reach ${address.text}: one is IPv4, the other IPv6`);
  if (port === undefined || (source !== undefined && source.family !== address.family)) return undefined;

  const elsewhere = {
    address: address.text === server.address.text ? undefined : address.text,
    port: port === server.servicePort ? undefined : port,
  };
  const where = whereWords(elsewhere);
  const probe = `${formatEndpoint(address, port)} ${asked}`;
  return {
    key: `${probe} ${check.pace}`,
    probe,
    template: asked + where,
    label: type.label(options) + where,
    type: type.name,
    target: { address, port },
    source,
    ...check.timings,
    options,
  };
}

/** ` port 9000`, ` port 80 at 10.0.0.9`, or nothing. */
function whereWords(where: { readonly address: string | undefined; readonly port: number | undefined }): string {
  const port = where.port === undefined ? "" : ` port ${where.port}`;
  return where.address === undefined ? port : `${port} at ${where.address}`;
}

/** What to do about a service of this protocol for which nothing is checked. */
export function missingCheckWords(protocol: string): string {
  const own =
    protocol === "udp" ? "a udp check with `expect` or `silence: pass`" : "a check with a type and port that tells";
  return `missing: services of protocol ${protocol} inherit no tcp or http check; give it ${own}, or say \`check: none\``;
}
