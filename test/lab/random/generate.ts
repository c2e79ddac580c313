// Random configurations, each made from the one before: some services as they were, some changed here and there, some new, some gone.
import type { Asked, AskedForward, AskedFront, AskedServer, AskedService, AskedSpares, Protocol } from "./asked.ts";
import { familiesOf } from "./asked.ts";
import type { Chance } from "./chance.ts";

export interface Possible {
  /** What this kernel has. */
  readonly schedulers: readonly string[];
  /** Whether there are servers to probe: LIVE and DEAD. */
  readonly checks: boolean;
}

/** Addresses of servers whose check passes, and of some whose check fails; they never change sides. */
export const LIVE = ["10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4"];
export const DEAD = ["10.3.0.1", "10.3.0.2"];

const MOST_SERVICES = 7;
const MOST_SERVERS = 5;
const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];
const VIPS = ["10.98.0.1", "10.98.0.2", "10.98.0.255", "fd00:98::1", "2001:db8::a:0:0:1"];
/** No two have a port in common. */
const PORTS = [
  [80, 80],
  [8000, 8003],
  [5060, 5061],
  [65_535, 65_535],
] as const;
const MARKS = [1, 7, 2 ** 31 - 1, 2 ** 31, 3_000_000_000, 2 ** 32 - 1];
/** As the kernel prints them, and as they may be written. */
const ADDRESSES: readonly (readonly [string, string])[] = [
  ["10.1.0.1", "10.1.0.1"],
  ["10.1.0.2", "10.1.0.2"],
  ["10.1.255.254", "10.1.255.254"],
  ["172.16.9.9", "172.16.9.9"],
  ["203.0.113.7", "203.0.113.7"],
  ["fd00::1", "FD00:0:0:0:0:0:0:1"],
  ["fd00:0:0:1::", "fd00:0:0:1::"],
  ["fd00:1:1:1:1:1:1:1", "fd00:1:1:1:1:1:1:1"],
  ["2001:db8::1:0:0:1", "2001:0db8:0000:0000:0001:0000:0000:0001"],
];
/** None is among the ports of virtual services. */
const OWN_PORTS = [1, 8080, 9001, 65_534];
const WEIGHTS = [0, 1, 2, 50, 100, 100, 100, 65_535];
const LIMITS = [1, 2, 1_000, 2_147_483_647];

/** The next configuration. */
export function changed(random: Chance, before: Asked, possible: Possible): Asked {
  let services: Asked = random.happens(0.04) ? [] : before;
  const changes = 1 + random.below(4);
  for (let i = 0; i < changes || services.length === 0; i++) services = changedOnce(random, services, possible);
  return random.happens(0.2) ? random.shuffled(services) : services;
}

function changedOnce(random: Chance, services: Asked, possible: Possible): Asked {
  const fewer = services.length < 3;
  if (fewer || (services.length < MOST_SERVICES && random.happens(0.2))) {
    const added = newService(random, services, possible);
    return added === undefined ? services : [...services, added];
  }
  const one = random.pick(services);
  const others = services.filter((service) => service !== one);
  if (random.happens(0.12)) return others;
  const other = sound(random, edited(random, one, others, possible));
  return services.map((service) => (service === one ? other : service));
}

function edited(random: Chance, service: AskedService, others: Asked, possible: Possible): AskedService {
  switch (random.below(7)) {
    case 0:
      return { ...service, ...someOptions(random, service, optionsOf(random, possible)) };
    case 1:
      return { ...service, front: newFront(random, others) ?? service.front };
    case 2:
      return { ...service, name: newName(random, others) };
    case 3:
      return { ...service, servers: random.shuffled(service.servers), pooled: random.happens(0.3) };
    case 4:
      return { ...service, servers: [...random.some(service.servers, 0.6), ...newServers(random, possible)] };
    default:
      return { ...service, servers: service.servers.map((s) => (random.happens(0.5) ? s : editedServer(random, s))) };
  }
}

/** All of them, or a single one: a change that goes unnoticed goes unnoticed only if it is alone. */
function someOptions(random: Chance, { persistence, spares }: AskedService, anew: Options): Partial<Options> {
  switch (random.below(7)) {
    case 0:
      return anew;
    case 1:
      return { scheduler: anew.scheduler, flags: anew.flags };
    case 2:
      return { onePacket: anew.onePacket };
    case 3:
      return { onFailure: anew.onFailure, graceSec: anew.graceSec };
    case 4:
      return { spares: { ...spares, ...random.pick([{ sorryServer: undefined }, anew.spares]) } };
    default: {
      const other = anew.persistence;
      if (persistence === undefined || other === undefined) return { persistence: other };
      const { timeoutSec, v4, v6, engine } = other;
      return { persistence: { ...persistence, ...random.pick([{ timeoutSec }, { v4 }, { v6 }, { engine }]) } };
    }
  }
}

function editedServer(random: Chance, server: AskedServer): AskedServer {
  switch (random.below(3)) {
    case 0:
      return { ...server, forward: random.happens(0.5) ? newForward(random) : otherTunnel(random, server.forward) };
    case 1:
      return { ...server, limits: random.happens(0.5) ? newLimits(random) : otherLower(random, server.limits) };
    default:
      return { ...server, weight: newWeight(random) };
  }
}

function newService(random: Chance, others: Asked, possible: Possible): AskedService | undefined {
  const front = newFront(random, others);
  if (front === undefined) return undefined;
  return sound(random, {
    name: newName(random, others),
    front,
    ...optionsOf(random, possible),
    servers: [...newServers(random, possible), ...newServers(random, possible)],
    pooled: random.happens(0.2),
  });
}

function newName(random: Chance, others: Asked): string {
  const taken = new Set(others.map((service) => service.name));
  for (;;) {
    const name = `${random.pick(["web", "dns", "sip", "api", "x"])}${random.below(30)}`;
    if (!taken.has(name)) return name;
  }
}

/** Ports and marks that no other service has; undefined if chance finds none. */
function newFront(random: Chance, others: Asked): AskedFront | undefined {
  const taken = new Set(others.flatMap(({ front }) => claims(front)));
  if (random.happens(0.3)) {
    const family = random.pick([4, 6, undefined] as const);
    const marks = MARKS.map((mark): AskedFront => ({ kind: "mark", mark, family }));
    const free = marks.filter((front) => !claims(front).some((claim) => taken.has(claim)));
    return free.length === 0 ? undefined : random.pick(free);
  }
  const protocol = random.pick(PROTOCOLS);
  const vips = VIPS.flatMap((address) =>
    PORTS.map(([first, last]) => ({ address, first, last: first + random.below(last - first + 1) })),
  );
  const free = vips.filter((vip) => !claims({ kind: "vips", protocol, vips: [vip] }).some((claim) => taken.has(claim)));
  const chosen = random.shuffled(free).slice(0, random.pick([1, 1, 2, 3]));
  return chosen.length === 0 ? undefined : { kind: "vips", protocol, vips: chosen };
}

/** What two services may not have in common. */
function claims(front: AskedFront): readonly string[] {
  if (front.kind === "mark") return (front.family ? [front.family] : [4, 6]).map((f) => `mark ${f} ${front.mark}`);
  return front.vips.map(({ address, first }) => `${front.protocol} ${address} ${first}`);
}

type Options = Omit<AskedService, "name" | "front" | "servers" | "pooled">;

/** Before `sound` has a word. */
function optionsOf(random: Chance, { schedulers }: Possible): Options {
  const scheduler = random.pick(schedulers);
  const own = scheduler === "sh" || scheduler === "mh";
  const flags = own ? [`${scheduler}-fallback`, `${scheduler}-port`] : ["flag-1", "flag-2", "flag-3"];
  return {
    scheduler,
    flags: random.some(flags, own ? 0.5 : 0.15),
    onePacket: random.happens(0.3),
    persistence: random.happens(0.35)
      ? {
          timeoutSec: random.pick([1, 60, 300, 360, 2_678_400]),
          v4: random.pick([1, 8, 23, 24, 31, 32, 32]),
          v6: random.pick([1, 32, 64, 127, 128, 128]),
          engine: random.happens(0.4) ? "sip" : undefined,
        }
      : undefined,
    onFailure: random.pick(["auto", "auto", "quiesce", "remove"]),
    graceSec: random.pick([0, 0, 0, 600]),
    spares: {
      sorryServer: random.happens(0.2) ? random.pick(["10.4.0.1", "fd00:4::1"]) : undefined,
      quorum: random.pick([undefined, undefined, "servers", "share"]),
      slowStart: random.happens(0.2),
      failOpen: random.happens(0.2),
      flap: random.happens(0.2),
      initial: random.pick(["adopt", "adopt", "up", "down"]),
    } satisfies AskedSpares,
  };
}

function newServers(random: Chance, { checks }: Possible): readonly AskedServer[] {
  return Array.from({ length: random.below(4) }, () => {
    const [address, written] = random.pick(ADDRESSES);
    const checked = checks && random.happens(0.25);
    const live = random.pick(random.happens(0.5) ? LIVE : DEAD);
    return {
      address: checked ? live : address,
      written: checked ? live : random.happens(0.5) ? written : address,
      port: random.happens(0.4) ? random.pick(OWN_PORTS) : undefined,
      weight: newWeight(random),
      forward: newForward(random),
      limits: newLimits(random),
      health: checked ? (DEAD.includes(live) ? "dead" : "alive") : "unchecked",
    };
  });
}

function newWeight(random: Chance): number {
  return random.happens(0.5) ? random.pick(WEIGHTS) : random.below(65_536);
}

function newLimits(random: Chance): AskedServer["limits"] {
  if (random.happens(0.7)) return undefined;
  const upper = random.pick(LIMITS);
  return { upper, lower: Math.min(upper, random.pick([0, 0, ...LIMITS])) };
}

function newForward(random: Chance): AskedForward {
  const kind = random.pick(["masquerade", "masquerade", "masquerade", "direct", "ipip", "gre", "gue"] as const);
  switch (kind) {
    case "gre":
      return { kind, checksum: random.pick(["none", "checksum"]) };
    case "gue":
      return { kind, port: random.pick([1, 5555, 65_535]), checksum: random.pick(["none", "checksum", "remote"]) };
    default:
      return { kind };
  }
}

/** One option of it. */
function otherTunnel(random: Chance, forward: AskedForward): AskedForward {
  if (forward.kind === "gre") return { ...forward, checksum: forward.checksum === "none" ? "checksum" : "none" };
  if (forward.kind !== "gue") return forward;
  return random.happens(0.5)
    ? { ...forward, port: (forward.port % 65_535) + 1 }
    : { ...forward, checksum: random.pick(["none", "checksum", "remote"]) };
}

function otherLower(random: Chance, limits: AskedServer["limits"]): AskedServer["limits"] {
  return limits && { ...limits, lower: Math.min(limits.upper, random.pick([0, ...LIMITS])) };
}

/** As near to it as the file allows, and so that every outcome is known. */
function sound(random: Chance, service: AskedService): AskedService {
  const { front, persistence, spares } = service;
  const udp = front.kind === "mark" || front.protocol === "udp";
  const servers = distinct(service.servers).slice(0, MOST_SERVERS);
  // A check takes nobody down before it has passed somewhere in its service; and no quorum is to be lost here.
  const proven = servers.some((server) => server.health === "alive" && server.weight > 0);
  const kept = proven ? servers : servers.filter((server) => server.health === "unchecked");
  const able = kept.some((server) => server.health !== "dead" && server.weight > 0);
  const families = familiesOf({ front, servers: kept });
  return {
    ...service,
    servers: kept.map((server) => (server.forward.kind === "masquerade" ? server : { ...server, port: undefined })),
    onePacket: service.onePacket && udp,
    persistence: persistence && {
      ...persistence,
      v4: families.includes(4) ? persistence.v4 : 32,
      v6: families.includes(6) ? persistence.v6 : 128,
      engine: udp ? persistence.engine : undefined,
    },
    // What packets tell is known after 30 s only: those go by their grace.
    graceSec: service.graceSec === 0 || !udp ? service.graceSec : random.pick([1, 2]),
    spares: {
      ...spares,
      sorryServer: able ? spares.sorryServer : undefined,
      quorum: able ? spares.quorum : undefined,
      initial: kept.every((server) => server.health === "unchecked") ? spares.initial : "adopt",
    },
  };
}

/** The first of each address and port; only masquerade has a port of its own. */
function distinct(servers: readonly AskedServer[]): readonly AskedServer[] {
  const seen = new Set<string>();
  return servers.filter(({ address, port, forward }) => {
    const at = `${address} ${forward.kind === "masquerade" ? port : undefined}`;
    return !seen.has(at) && seen.add(at);
  });
}
