import type { IpAddress } from "../model/address.ts";
import type { Config } from "../model/config.ts";
import { destinationPort, type Frontend, fits, type RealServer, type Service } from "../model/service.ts";
import type { Facts, Interface, Route } from "./facts.ts";
import { contains, isSingle, type Net, parseNet } from "./nets.ts";
import type { PacketRule } from "./packet-rules.ts";
import { type Answer, sourceNat } from "./source-nat.ts";

/** One way that packets of clients go: a frontend, a server below it, and how this machine reaches it. */
export interface Path {
  readonly service: Service;
  readonly frontend: Frontend;
  readonly server: Pick<RealServer, "name" | "address" | "port" | "forwarding">;
  readonly route: Route;
  /** The server is behind the interface where the VIP's clients are, as far as that can be told. */
  readonly oneArm: boolean;
  /** Whether a rule is there for the client's address: of clients in general, and of the server as its own client. */
  readonly rewritten: { readonly anyone: Answer; readonly itself: Answer; readonly rule: PacketRule | undefined };
}

/** What every rule looks at: the configuration beside the facts, and the two brought together. */
export interface Scene {
  readonly config: Config;
  readonly facts: Facts;
  /** Of servers that are routed. */
  readonly paths: readonly Path[];
}

export function sceneOf(config: Config, facts: Facts): Scene {
  const paths: Path[] = [];
  for (const service of config.services)
    for (const frontend of service.frontends)
      for (const server of serversOf(service)) {
        const route = facts.routes.ok ? facts.routes.value.get(server.address.text) : undefined;
        if (route === undefined || !fits(frontend, server)) continue;
        const oneArm = isOneArm(frontend, route, interfacesOf(facts));
        paths.push({ service, frontend, server, route, oneArm, rewritten: rewritten(frontend, server, route, facts) });
      }
  return { config, facts, paths };
}

export function serversOf(service: Service): readonly Path["server"][] {
  const { sorryServer: sorry } = service;
  return sorry === undefined ? service.servers : [...service.servers, { ...sorry, name: "the sorry server" }];
}

export function interfacesOf(facts: Facts): readonly Interface[] {
  return facts.interfaces.ok ? facts.interfaces.value : [];
}

export function interfaceOf(facts: Facts, name: string): Interface | undefined {
  return interfacesOf(facts).find((each) => each.name === name);
}

/** The interface whose net an address lies in, its own address or a neighbour's. A net of one address has no neighbours. */
export function segmentOf(address: IpAddress, interfaces: readonly Interface[]): Interface | undefined {
  return interfaces.find((each) => netsOf(each).some((net) => !isSingle(net) && contains(net, address)));
}

export function holderOf(address: IpAddress, interfaces: readonly Interface[]): Interface | undefined {
  return interfaces.find((each) => each.addresses.some((own) => own.address === address.text));
}

/** Kept with the interface: this is asked for each of many servers. */
const nets = new WeakMap<Interface, readonly Net[]>();

function netsOf(each: Interface): readonly Net[] {
  const known = nets.get(each);
  if (known !== undefined) return known;
  const read = each.addresses.map((own) => parseNet(`${own.address}/${own.prefix}`)).filter((net) => net !== undefined);
  nets.set(each, read);
  return read;
}

/** Below a firewall mark the VIP is not known, and where its clients are neither. */
function isOneArm(frontend: Frontend, route: Route, interfaces: readonly Interface[]): boolean {
  if (frontend.kind === "fwmark" || route.local) return false;
  const on = [holderOf(frontend.address, interfaces), segmentOf(frontend.address, interfaces)];
  return on.some((each) => each?.name === route.device);
}

function rewritten(frontend: Frontend, server: Path["server"], route: Route, facts: Facts): Path["rewritten"] {
  if (route.local) return { anyone: "no", itself: "no", rule: undefined };
  const isAddress = frontend.kind === "address";
  const own = holderOf(server.address, interfacesOf(facts))?.name;
  const around = new Set([
    route.device,
    own,
    isAddress ? segmentOf(frontend.address, interfacesOf(facts))?.name : undefined,
  ]);
  const packet = {
    method: METHODS[server.forwarding.kind],
    vip: isAddress ? { address: frontend.address, port: frontend.port } : undefined,
    mark: isAddress ? undefined : frontend.mark,
    protocol: isAddress ? frontend.protocol : undefined,
    server: server.address,
    destination: server.forwarding.kind !== "direct" ? server.address : isAddress ? frontend.address : undefined,
    port: destinationPort(frontend, server.port) || undefined,
    out: route.device,
    elsewhere: interfacesOf(facts)
      .filter((each) => !around.has(each.name))
      .flatMap(netsOf),
  };
  const anyone = sourceNat({ ...packet, client: "anyone" }, facts);
  const itself = sourceNat({ ...packet, client: "itself" }, facts);
  return { anyone: anyone.answer, itself: itself.answer, rule: anyone.rule ?? itself.rule };
}

/** As the match ipvs of iptables has them. */
const METHODS = { masquerade: "MASQ", direct: "GATE", tunnel: "IPIP" } as const;
