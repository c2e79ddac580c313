import { isIPv6 } from "node:net";
import type { Destination, IpvsChange, ServiceEntry } from "../../src/ipvs/table.ts";
import { parseAddress } from "../../src/model/address.ts";
import { type Forwarding, type Frontend, serviceKey } from "../../src/model/service.ts";

/** Reads one line as `ipvsadm -R` would, into what it orders. Written from ipvsadm(8) and independent of what wrote the line. `was` is not in a line
 *  and therefore empty, but for the address of a deletion.
 *  @throws with ipvsadm's words for what it does not know. */
export function parseRule(line: string): IpvsChange {
  const { command, options } = wordsOf(line);
  const frontend = readFrontend(options);
  const service = serviceKey(frontend);
  const entry = () => readEntry(frontend, options);
  switch (command) {
    case "-A":
      return { op: "add-service", service, entry: entry() };
    case "-E":
      return { op: "edit-service", service, entry: entry(), was: entry() };
    case "-D":
      return { op: "delete-service", service, was: entry() };
    case "-a":
      return { op: "add-server", service, frontend, destination: readDestination(options) };
    case "-e":
      return {
        op: "edit-server",
        service,
        frontend,
        destination: readDestination(options),
        was: readDestination(options),
      };
    case "-d":
      return { op: "delete-server", service, frontend, was: readDestination(options) };
    default:
      throw new Error(`${command}: unknown option`);
  }
}

type Options = ReadonlyMap<string, string>;

const WITH_VALUE = "-t -u -f -s -p -M -b -r -w -x -y --sctp-service --pe --tun-type --tun-port".split(" ");
const WITHOUT = "-6 -o -m -g -i --tun-nocsum --tun-csum --tun-remcsum".split(" ");

function wordsOf(line: string): { command: string; options: Options } {
  const [command = "", ...words] = line.trim().split(/\s+/);
  const options = new Map<string, string>();
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (options.has(word)) throw new Error(`multiple '${word}' options specified`);
    if (WITH_VALUE.includes(word)) {
      const value = words.shift();
      if (value === undefined) throw new Error(`${word}: missing argument`);
      options.set(word, value);
    } else if (WITHOUT.includes(word)) options.set(word, "");
    else throw new Error(`${word}: unknown option`);
  }
  return { command, options };
}

function readFrontend(options: Options): Frontend {
  const mark = options.get("-f");
  if (mark !== undefined) {
    if (!/^\d+$/.test(mark) || Number(mark) < 1 || Number(mark) >= 2 ** 32)
      throw new Error(`invalid fwmark value \`${mark}' specified`);
    return { kind: "fwmark", mark: Number(mark), family: options.has("-6") ? 6 : 4 };
  }
  const protocols = [
    ["-t", "tcp"],
    ["-u", "udp"],
    ["--sctp-service", "sctp"],
  ] as const;
  for (const [option, protocol] of protocols) {
    const at = options.get(option);
    if (at !== undefined) return { kind: "address", protocol, ...readEndpoint(at) };
  }
  throw new Error("illegal virtual server address[:port] specified");
}

function readEndpoint(text: string): { address: Destination["address"]; port: number } {
  const url = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]+)$/.exec(text);
  const host = url?.[1] ?? url?.[2] ?? "";
  const address = parseAddress(host);
  if (!url || !address || isIPv6(host) !== (url[1] !== undefined))
    throw new Error("illegal real server address[:port] specified");
  return { address, port: Number(url[3]) };
}

/** What is left out is reset, as -E does. */
function readEntry(frontend: Frontend, options: Options): ServiceEntry {
  const timeout = options.get("-p");
  const four = (frontend.kind === "fwmark" ? frontend.family : frontend.address.family) === 4;
  const mask = options.get("-M");
  return {
    frontend,
    scheduler: options.get("-s") ?? "wlc",
    flags: options.get("-b")?.split(",") ?? [],
    onePacket: options.has("-o"),
    persistence:
      timeout === undefined
        ? undefined
        : {
            timeoutSec: Number(timeout),
            prefix: mask === undefined ? (four ? 32 : 128) : four ? bitsOf(mask) : Number(mask),
            engine: options.get("--pe"),
          },
    destinations: new Map(),
  };
}

function bitsOf(mask: string): number {
  return mask
    .split(".")
    .map((byte) => Number(byte).toString(2).replaceAll("0", ""))
    .join("").length;
}

function readDestination(options: Options): Destination {
  const weight = options.get("-w") ?? "1";
  if (!/^\d+$/.test(weight)) throw new Error("illegal weight specified");
  const [upper, lower] = [options.get("-x") ?? "0", options.get("-y") ?? "0"];
  if (!/^\d+$/.test(upper)) throw new Error("illegal u_threshold specified");
  if (!/^\d+$/.test(lower)) throw new Error("illegal l_threshold specified");
  return {
    ...readEndpoint(options.get("-r") ?? ""),
    weight: Number(weight),
    forwarding: readForwarding(options),
    ...(upper === "0" && lower === "0" ? {} : { limits: { upper: Number(upper), lower: Number(lower) } }),
  };
}

function readForwarding(options: Options): Forwarding {
  if (options.has("-m")) return { kind: "masquerade" };
  if (!options.has("-i")) return { kind: "direct" };
  const encapsulation = options.get("--tun-type") ?? "ipip";
  const checksum = options.has("--tun-remcsum") ? "remote" : options.has("--tun-csum") ? "checksum" : "none";
  if (encapsulation === "gue") {
    const port = options.get("--tun-port");
    if (port === undefined) throw new Error("You need to supply the 'tun-port' option for the 'gue' tunnel type");
    return { kind: "tunnel", encapsulation, port: Number(port), checksum };
  }
  if (encapsulation === "ipip") return { kind: "tunnel", encapsulation };
  if (checksum === "remote") throw new Error("Illegal 'tun-remcsum' option with the 'gre' tunnel type");
  return { kind: "tunnel", encapsulation: "gre", checksum };
}
