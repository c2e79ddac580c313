import { parseAddress, parseEndpoint } from "../../src/model/address.ts";
import type { CheckSpec } from "../../src/model/probe.ts";
import { type Frontend, type RealServer, type Service, serverKey, serviceKey } from "../../src/model/service.ts";

/** `tcp 192.0.2.10:80`, `udp [2001:db8::1]:53`, `fwmark 7`, `fwmark6 7`. */
export function frontend(text: string): Frontend {
  const [word = "", at = ""] = text.split(" ");
  if (word === "fwmark" || word === "fwmark6")
    return { kind: "fwmark", mark: Number(at), family: word === "fwmark6" ? 6 : 4 };
  if (word !== "tcp" && word !== "udp" && word !== "sctp") throw new Error(`no frontend: ${text}`);
  return { kind: "address", protocol: word, ...parseEndpoint(at)! };
}

/** `10.0.0.1:80 100`, named by its address; without a port it follows the virtual service. */
export function server(text: string, given: Partial<RealServer> = {}): RealServer {
  const [at = "", weight = "100"] = text.split(" ");
  const endpoint = parseEndpoint(at) ?? { address: parseAddress(at)!, port: undefined };
  return {
    key: serverKey(endpoint.address, endpoint.port),
    name: at,
    ...endpoint,
    weight: Number(weight),
    forwarding: { kind: "masquerade" },
    labels: {},
    checks: [CHECKED],
    ...given,
  };
}

/** Stands for whatever checks a server: verdicts are told by the test. */
const CHECKED = {} as CheckSpec;

export function service(servers: readonly RealServer[], given: Partial<Service> = {}): Service {
  const frontends = given.frontends ?? [frontend("tcp 192.0.2.10:80")];
  return {
    name: "web",
    key: serviceKey(frontends[0]!),
    frontends,
    scheduler: "wrr",
    schedulerFlags: [],
    onePacket: false,
    persistence: undefined,
    onFailure: "auto",
    initial: "adopt",
    quorum: { up: { kind: "servers", count: 1 }, down: { kind: "servers", count: 1 } },
    sorryServer: undefined,
    failOpen: "never",
    slowStart: undefined,
    removalGrace: 600_000,
    servers,
    ...given,
  };
}
