import { z } from "zod";
import { type Net, parseNet } from "./nets.ts";
import type { PacketRule, PacketTest, Range, RuleTable, Verdict } from "./packet-rules.ts";

/** Reads what `nft -j list ruleset` prints (libnftables-json(5)). A statement or expression it does not know becomes a test that may hold or not.
 *  @throws SyntaxError, ZodError when the text is nothing of that kind. */
export function parseNft(text: string): readonly RuleTable[] {
  const { nftables } = LISTING.parse(JSON.parse(text));
  const tables = new Map<string, Table>();
  for (const { table, chain, set } of nftables) {
    if (table && FAMILIES[table.family])
      tables.set(`${table.family} ${table.name}`, { chains: new Map(), sets: new Map(), postrouting: [] });
    const owner = chain ?? set;
    const into = owner && tables.get(`${owner.family} ${owner.table}`);
    if (chain) into?.chains.set(chain.name, []);
    if (chain?.type === "nat" && chain.hook === "postrouting") into?.postrouting.push(chain.name);
    if (set) into?.sets.set(set.name, set.elem ?? []);
  }
  for (const { rule } of nftables) {
    const name = rule && `${rule.family} ${rule.table}`;
    const into = name === undefined ? undefined : tables.get(name);
    if (rule && into) into.chains.get(rule.chain)?.push(readRule(rule.expr, `nft ${name} ${rule.chain}`, into.sets));
  }
  return [...tables].map(([name, { chains, postrouting }]) => ({
    name: `nft ${name}`,
    families: FAMILIES[name.split(" ", 1)[0]!]!,
    chains,
    postrouting,
  }));
}

interface Table {
  readonly chains: Map<string, PacketRule[]>;
  readonly sets: Map<string, readonly unknown[]>;
  readonly postrouting: string[];
}

const FAMILIES: Readonly<Record<string, readonly (4 | 6)[]>> = { ip: [4], ip6: [6], inet: [4, 6] };

const OWNED = { family: z.string(), table: z.string() };
const LISTING = z.object({
  nftables: z.array(
    z.object({
      table: z.object({ family: z.string(), name: z.string() }).optional(),
      chain: z
        .object({ ...OWNED, name: z.string(), type: z.string().optional(), hook: z.string().optional() })
        .optional(),
      set: z.object({ ...OWNED, name: z.string(), elem: z.array(z.unknown()).optional() }).optional(),
      rule: z.object({ ...OWNED, chain: z.string(), expr: z.array(z.unknown()) }).optional(),
    }),
  ),
});

type Sets = ReadonlyMap<string, readonly unknown[]>;
type Json = Readonly<Record<string, unknown>>;

function readRule(statements: readonly unknown[], where: string, sets: Sets): PacketRule {
  const tests: PacketTest[] = [];
  let verdict: Verdict = { kind: "none" };
  for (const each of statements) {
    const statement = objectOf(each);
    if ("match" in statement) tests.push(readMatch(objectOf(statement.match), sets));
    else if (!SILENT.some((name) => name in statement)) {
      const reached = readVerdict(statement);
      if (reached === undefined) tests.push({ kind: "other", not: false });
      // A mark is set on the way; what comes after it may decide more.
      else verdict = reached;
    }
  }
  const compat = statements.some((each) => "xt" in objectOf(each));
  return { text: `${where}: ${JSON.stringify(statements)}`, tests, verdict, compat };
}

/** Statements that neither test nor decide. */
const SILENT = ["counter", "log", "comment", "notrack", "limit"];

function readVerdict(statement: Json): Verdict | undefined {
  if ("masquerade" in statement || "snat" in statement) return { kind: "source-nat" };
  if ("accept" in statement || "return" in statement || "drop" in statement) return { kind: "end" };
  const jump = objectOf(statement.jump ?? statement.goto);
  if (typeof jump.target === "string") return { kind: "jump", chain: jump.target };
  if ("mangle" in statement) {
    const { key, value } = objectOf(statement.mangle);
    if (objectOf(objectOf(key).meta).key !== "mark") return { kind: "none" };
    return markOf(value);
  }
  // Made by iptables: the verdict of an old target cannot be told from a match.
  return undefined;
}

/** `meta mark set 7`; bits are set by `mark | 7` and `mark & 0xff | 7`. Anything else (a connection's mark, a map) may be any value. */
function markOf(value: unknown): Verdict {
  if (typeof value === "number") return { kind: "mark", value, mask: 0xffffffff };
  const or = objectOf(value)["|"];
  const bits = Array.isArray(or) ? or.find((each) => typeof each === "number") : undefined;
  return typeof bits === "number"
    ? { kind: "mark", value: bits, mask: bits }
    : { kind: "mark", value: undefined, mask: 0xffffffff };
}

function readMatch({ op, left, right }: Json, sets: Sets): PacketTest {
  if (op !== "==" && op !== "!=" && op !== "in") return { kind: "other", not: false };
  const not = op === "!=";
  const other: PacketTest = { kind: "other", not };
  const values = flatten(right, sets);
  const texts = values?.filter((value) => typeof value === "string");
  const names = texts !== undefined && texts.length === values?.length ? texts : undefined;
  const meta = objectOf(objectOf(left).meta).key;
  const { protocol, field } = objectOf(objectOf(left).payload);
  if ((meta === "oifname" || meta === "oif") && names) return { kind: "out", names, not };
  if (meta === "l4proto" && names) return { kind: "protocol", names, not };
  if (meta === "mark" && typeof right === "number") return { kind: "mark", value: right, mask: 0xffffffff, not };
  if ((protocol === "ip" || protocol === "ip6") && (field === "daddr" || field === "saddr")) {
    const nets = values?.map(readNet);
    const known = nets?.filter((net) => net !== undefined);
    if (known === undefined || known.length !== nets?.length) return other;
    return { kind: field === "daddr" ? "destination" : "source", nets: known, not };
  }
  if (protocol === "ip" && field === "protocol" && names) return { kind: "protocol", names, not };
  if (typeof protocol === "string" && field === "dport") {
    const ranges = values?.map(readRange);
    const known = ranges?.filter((range) => range !== undefined);
    return known !== undefined && known.length === ranges?.length ? { kind: "port", ranges: known, not } : other;
  }
  return other;
}

/** A single value, a set in place (`{ 80, 443 }`) or a named one (`@servers`); undefined: something computed. */
function flatten(right: unknown, sets: Sets): readonly unknown[] | undefined {
  if (typeof right === "string" && right.startsWith("@")) {
    const elements = sets.get(right.slice(1));
    return elements?.map(plain);
  }
  const set = objectOf(right).set;
  if (Array.isArray(set)) return set.map(plain);
  return [right];
}

/** An element with a timeout or counter is wrapped. */
function plain(element: unknown): unknown {
  const wrapped = objectOf(objectOf(element).elem);
  return wrapped.val ?? element;
}

function readNet(value: unknown): Net | undefined {
  if (typeof value === "string") return parseNet(value);
  const { addr, len } = objectOf(objectOf(value).prefix);
  if (typeof addr === "string" && typeof len === "number") return parseNet(`${addr}/${len}`);
  const range = objectOf(value).range;
  return Array.isArray(range) ? parseNet(range.join("-")) : undefined;
}

function readRange(value: unknown): Range | undefined {
  if (typeof value === "number") return [value, value];
  const range: unknown = objectOf(value).range;
  if (!Array.isArray(range)) return undefined;
  const [from, to] = range as readonly unknown[];
  return typeof from === "number" && typeof to === "number" ? [from, to] : undefined;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}
