import type { IpAddress } from "../model/address.ts";
import { assertNever } from "../model/result.ts";
import type { Facts } from "./facts.ts";
import { contains, isSingle, type Net, parseNet } from "./nets.ts";
import type { PacketRule, PacketTest, RuleTable } from "./packet-rules.ts";

/** A packet of a client on its way from the director to a server, as POSTROUTING sees it. */
export interface Passing {
  /** As the match ipvs of iptables has it. */
  readonly method: "MASQ" | "GATE" | "IPIP";
  /** undefined: a service by firewall mark takes many. */
  readonly vip: { readonly address: IpAddress; readonly port: number } | undefined;
  readonly mark: number | undefined;
  readonly protocol: string | undefined;
  readonly server: IpAddress;
  /** The server's own, by direct routing the VIP; undefined: not known (a firewall mark). */
  readonly destination: IpAddress | undefined;
  /** undefined: the port that was asked for (below a firewall mark). */
  readonly port: number | undefined;
  readonly out: string;
  /** anyone: some other client, we do not know from where. itself: the server as its own client (hairpin). */
  readonly client: "anyone" | "itself";
  /** Nets of this machine's other interfaces: a rule for clients of those alone is for somebody else. */
  readonly elsewhere: readonly Net[];
}

export type Answer = "yes" | "maybe" | "no";

export interface Rewritten {
  /** Whether the packet's source address becomes one of ours. maybe: by a rule, set or tool that cannot be judged or read. */
  readonly answer: Answer;
  /** The rule that does it. */
  readonly rule: PacketRule | undefined;
}

type Rules = Pick<Facts, "rules" | "ipsets">;

/** Looks for the first rule that rewrites the source address of such a packet. */
export function sourceNat(packet: Passing, facts: Rules): Rewritten {
  let best: Rewritten = { answer: "no", rule: undefined };
  const { iptables, ip6tables, nft } = facts.rules;
  const old = packet.server.family === 4 ? iptables : ip6tables;
  for (const source of [old, nft]) {
    if (!source.ok) best = better(best, { answer: "maybe", rule: undefined });
    else
      for (const table of source.value)
        if (table.families.includes(packet.server.family))
          for (const chain of table.postrouting)
            best = better(best, walk(table, chain, { packet, facts, compat: source === nft && old.ok }, 0).found);
  }
  return best;
}

/** How deep chains may call each other; the kernel's own limit is 16 for nft. */
const DEEPEST = 16;
const RANK = { no: 0, maybe: 1, yes: 2 } as const;

function better(a: Rewritten, b: Rewritten): Rewritten {
  if (RANK[b.answer] !== RANK[a.answer]) return RANK[b.answer] > RANK[a.answer] ? b : a;
  return a.rule === undefined ? b : a;
}

interface Scene {
  readonly packet: Passing;
  readonly facts: Rules;
  /** Leave out what iptables-save tells better. */
  readonly compat: boolean;
}

/** `goesOn`: whether a packet comes out at the chain's end. */
function walk(table: RuleTable, chain: string, scene: Scene, depth: number): { found: Rewritten; goesOn: Answer } {
  let found: Rewritten = { answer: "no", rule: undefined };
  let reach: Answer = "yes";
  for (const rule of table.chains.get(chain) ?? []) {
    if (rule.compat && scene.compat) continue;
    const holds = both(reach, all(rule.tests.map((test) => judge(test, scene))));
    if (holds === "no") continue;
    if (rule.verdict.kind === "source-nat") found = better(found, { answer: holds, rule });
    if (rule.verdict.kind === "jump" && depth < DEEPEST) {
      const within = walk(table, rule.verdict.chain, scene, depth + 1);
      found = better(found, { ...within.found, answer: both(holds, within.found.answer) });
    }
    if (rule.verdict.kind === "source-nat" || rule.verdict.kind === "end") {
      if (holds === "yes") return { found, goesOn: "no" };
      reach = "maybe";
    }
  }
  return { found, goesOn: reach };
}

function judge(test: PacketTest, scene: Scene): Answer {
  const answer = plainly(test, scene);
  if (!test.not || answer === "maybe") return answer;
  return answer === "yes" ? "no" : "yes";
}

function plainly(test: PacketTest, { packet, facts }: Scene): Answer {
  switch (test.kind) {
    case "destination":
      return toDestination(test.nets, packet);
    case "source":
      return fromSource(test.nets, packet);
    case "protocol":
      return oneOf(test.names, packet.protocol);
    case "port":
      return within(test.ranges, packet.port);
    case "out":
      return sure(test.names.some((name) => sameInterface(name, packet.out)));
    case "mark":
      return packet.mark === undefined ? "maybe" : sure((packet.mark & test.mask) >>> 0 === test.value);
    case "ipvs":
      return sure(test.what === "any");
    case "ipvs-address":
      return packet.vip === undefined ? "maybe" : sure(test.nets.some((net) => contains(net, packet.vip!.address)));
    case "ipvs-port":
      return within(test.ranges, packet.vip?.port);
    case "ipvs-protocol":
      return oneOf(test.names, packet.protocol);
    case "ipvs-method":
      return sure(test.method === packet.method);
    case "ipset":
      return inSet(test, packet, facts);
    case "other":
      return "maybe";
    default:
      return assertNever(test);
  }
}

function toDestination(nets: readonly Net[], { destination }: Passing): Answer {
  return destination === undefined ? "maybe" : sure(nets.some((net) => contains(net, destination)));
}

/** Of an unknown client a rule for a certain net says little; but one for the server alone, or for the net of another interface (as Docker has for
 *  its containers), is not for clients of this service. */
function fromSource(nets: readonly Net[], { client, server, elsewhere }: Passing): Answer {
  if (nets.some((net) => net.prefix === 0)) return "yes";
  if (client === "itself") return sure(nets.some((net) => contains(net, server)));
  const own = (net: Net) => isSingle(net) && contains(net, server);
  const foreign = (net: Net) => elsewhere.some((other) => other.prefix === net.prefix && sameStart(other, net));
  return nets.every((net) => own(net) || foreign(net)) ? "no" : "maybe";
}

function sameStart(a: Net, b: Net): boolean {
  return a.family === b.family && a.first === b.first;
}

/** The elements are told apart by their parts: `10.0.0.11,tcp:8080,10.0.0.11` of `dst,dst,src`. */
function inSet(test: PacketTest & { kind: "ipset" }, packet: Passing, { ipsets }: Rules): Answer {
  const elements = ipsets.ok ? ipsets.value.get(test.name) : undefined;
  if (elements === undefined) return "maybe";
  let best: Answer = "no";
  for (const element of elements) {
    const parts = element.split(",");
    const answer = all(test.dimensions.map((side, i) => inPart(parts[i] ?? "", side, packet)));
    if (answer === "yes") return "yes";
    if (answer === "maybe") best = "maybe";
  }
  return best;
}

function inPart(part: string, side: string, packet: Passing): Answer {
  const port = /^(?:(tcp|udp|sctp):)?(\d+)(?:-(\d+))?$/.exec(part);
  const net = parseNet(part);
  if (side === "dst" && port !== null)
    return both(
      port[1] === undefined ? "yes" : oneOf([port[1]], packet.protocol),
      within([[Number(port[2]), Number(port[3] ?? port[2])]], packet.port),
    );
  if (net === undefined) return "maybe";
  return side === "dst" ? toDestination([net], packet) : fromSource([net], packet);
}

function sameInterface(pattern: string, name: string): boolean {
  return /[+*]$/.test(pattern) ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function within(ranges: readonly (readonly [number, number])[], port: number | undefined): Answer {
  return port === undefined ? "maybe" : sure(ranges.some(([from, to]) => from <= port && port <= to));
}

function oneOf(names: readonly string[], name: string | undefined): Answer {
  if (names.includes("all")) return "yes";
  return name === undefined ? "maybe" : sure(names.includes(name));
}

function sure(holds: boolean): Answer {
  return holds ? "yes" : "no";
}

function both(a: Answer, b: Answer): Answer {
  return RANK[a] < RANK[b] ? a : b;
}

function all(answers: readonly Answer[]): Answer {
  return answers.reduce(both, "yes");
}
