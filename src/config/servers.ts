import { formatEndpoint } from "../model/address.ts";
import type { CheckSpec } from "../model/probe.ts";
import {
  destinationKey,
  destinationPort,
  type Forwarding,
  type Frontend,
  fits,
  type RealServer,
  serverKey,
} from "../model/service.ts";
import { checkSpec } from "./checks.ts";
import type { ServerDraft } from "./draft.ts";
import { commonPort, frontendWords, type WrittenFrontend } from "./frontends.ts";
import type { Problems } from "./problems.ts";
import { type At, atKey, type MapNode, spot } from "./tree.ts";

/** The service that drafts become real servers of. */
export interface Home {
  readonly node: MapNode;
  readonly frontends: readonly Frontend[];
  /** What addresses leave open. */
  readonly port: { readonly port: number; readonly at: At } | undefined;
}

/** The servers in their order, each with the place of its address. What is missing is reported. */
export function realServers(
  drafts: readonly ServerDraft[],
  home: Home,
  problems: Problems,
): ReadonlyMap<RealServer, At> {
  const unique = uniqueWithin(home, problems);
  const servers = new Map<RealServer, At>();
  for (const draft of drafts) {
    const server = realServer(draft, home, problems);
    if (server === undefined) continue;
    unique(server, draft);
    servers.set(server, atKey(draft.node, "address"));
  }
  return servers;
}

function realServer(draft: ServerDraft, home: Home, problems: Problems): RealServer | undefined {
  const { keys, forwarding, limits, ownPort } = draft;
  const { address } = keys.address;
  const ports = serverPort(draft, home, problems);
  if (ports === undefined) return undefined;
  const checks = aimed(draft, ports.probed, home, problems);
  return (
    checks && {
      key: serverKey(address, ports.port),
      name: keys.name ?? formatEndpoint(address, ownPort),
      address,
      port: ports.port,
      weight: keys.weight,
      forwarding,
      ...(limits && { limits }),
      labels: keys.labels,
      checks,
    }
  );
}

export interface Placed {
  readonly forwarding: Forwarding;
  readonly ownPort: number | undefined;
  readonly portAt: At;
}

/** The port in the kernel (undefined: the virtual service's) and the one a check may take for granted. With direct routing and tunnels
 *  the packet arrives as the client sent it: the kernel puts the virtual service's port in the place of any other, and says nothing. */
export function serverPort(
  { forwarding, ownPort, portAt }: Placed,
  { frontends, port: inherited }: Pick<Home, "frontends" | "port">,
  problems: Problems,
): { readonly port: number | undefined; readonly probed: number | undefined } | undefined {
  const port = ownPort ?? inherited?.port;
  if (forwarding.kind === "masquerade") return { port, probed: port ?? commonPort(frontends) };
  const other = frontends.find((f) => f.kind === "fwmark" || f.port !== port);
  if (port === undefined || other === undefined) return { port: undefined, probed: port };
  const kept = other.kind === "fwmark" ? "the port that clients ask for" : `port ${other.port}`;
  const at = ownPort === undefined && inherited !== undefined ? inherited.at : portAt;
  problems.error(
    at,
    `forward: ${forwarding.kind} cannot change the port, the kernel would silently keep ${kept}: leave it out`,
  );
  return undefined;
}

function aimed(
  draft: ServerDraft,
  probePort: number | undefined,
  home: Home,
  problems: Problems,
): readonly CheckSpec[] | undefined {
  const { address } = draft.keys.address;
  const specs = new Map<string, CheckSpec>();
  for (const check of draft.checks) {
    const servicePort = draft.forwarding.kind === "masquerade" ? probePort : commonPort(home.frontends);
    const whyPort = whyNoPort(draft.forwarding, home.frontends);
    const server = { address, probePort, servicePort, whyPort, service: home.node };
    const spec = checkSpec(check, server, problems);
    if (spec !== undefined && specs.has(spec.probe))
      problems.error(check.node.at, `the same check twice: ${spec.label}`);
    if (spec !== undefined) specs.set(spec.probe, spec);
  }
  return specs.size === draft.checks.length ? [...specs.values()] : undefined;
}

function whyNoPort(forwarding: Forwarding, frontends: readonly Frontend[]): string {
  if (frontends.some((f) => f.kind === "fwmark")) return "a firewall mark has no port";
  if (forwarding.kind !== "masquerade") return `with forward: ${forwarding.kind} the server's port is left out`;
  return "the virtual service's addresses have different ports";
}

/** Finds names, addresses and destinations that are there already. A server that follows the virtual service's port and one that names
 *  the same port are one destination to the kernel. */
function uniqueWithin(home: Home, problems: Problems): (server: RealServer, draft: ServerDraft) => void {
  const names = new Map<string, At>();
  const destinations = new Map<string, At>();
  return (server, draft) => {
    const at = atKey(draft.node, "address");
    const entries = home.frontends.map(
      (f) => `${destinationKey(server.address, destinationPort(f, server.port))} of ${frontendWords(f)}`,
    );
    const keys = [server.key, ...entries];
    const taken = keys.find((key) => destinations.has(key));
    if (taken !== undefined) problems.error(at, `the same server as at ${spot(destinations.get(taken)!)}: ${taken}`);
    if (taken !== undefined) return;
    for (const key of keys) destinations.set(key, at);
    const nameAt = atKey(draft.node, "name");
    const sameName = names.get(server.name);
    if (sameName !== undefined)
      problems.error(nameAt, `the name ${server.name} is used twice in this service, first at ${spot(sameName)}`);
    names.set(server.name, sameName ?? nameAt);
  };
}

/** Warns of frontends for which no server fits, and of servers written for this service that fit none of its frontends. */
export function warnOfMisfits(
  frontends: readonly WrittenFrontend[],
  servers: readonly RealServer[],
  written: ReadonlyMap<RealServer, At>,
  problems: Problems,
): void {
  if (servers.length === 0) return;
  const told = new Set<At>();
  for (const { frontend, at } of frontends) {
    if (told.has(at) || servers.some((server) => fits(frontend, server))) continue;
    told.add(at);
    problems.warning(
      at,
      `${frontendWords(frontend)} gets no server: all are IPv${family(frontend) === 4 ? 6 : 4}, and only tunnels cross families`,
    );
  }
  for (const [server, at] of written)
    if (!frontends.some(({ frontend }) => fits(frontend, server)))
      problems.warning(at, `gets no traffic: the server is IPv${server.address.family}, the service is not`);
}

function family(frontend: Frontend): 4 | 6 {
  return frontend.kind === "fwmark" ? frontend.family : frontend.address.family;
}
