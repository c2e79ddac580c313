import { parseNet } from "./nets.ts";
import type { PacketRule, PacketTest, Range, RuleTable, Verdict } from "./packet-rules.ts";

/** Reads what iptables-save or ip6tables-save prints (iptables(8), iptables-extensions(8)). A line or option it does not know becomes a test that
 *  may hold or not, never an error. */
export function parseIptablesSave(text: string, family: 4 | 6): readonly RuleTable[] {
  const tables: RuleTable[] = [];
  let chains = new Map<string, PacketRule[]>();
  let prefix = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      const name = line.slice(1).trim();
      chains = new Map();
      prefix = `${family === 4 ? "iptables" : "ip6tables"} -t ${name}`;
      tables.push({ name: prefix, families: [family], chains, postrouting: name === "nat" ? ["POSTROUTING"] : [] });
    } else if (line.startsWith(":")) chains.set(line.slice(1).split(" ", 1)[0]!, []);
    else if (line.startsWith("-A ")) {
      const [, chain = "", ...words] = split(line);
      const rules = chains.get(chain) ?? [];
      chains.set(chain, [...rules, readRule(words, `${prefix} ${line}`)]);
    }
  }
  return tables;
}

interface Option {
  readonly name: string;
  readonly not: boolean;
  readonly values: readonly string[];
}

function readRule(words: readonly string[], text: string): PacketRule {
  const options = optionsOf(words);
  const target = options.findIndex(({ name }) => name === "-j" || name === "-g");
  const tests = options.slice(0, target < 0 ? undefined : target).flatMap((option) => testOf(option));
  const verdict = target < 0 ? ({ kind: "none" } as const) : verdictOf(options[target]!, options.slice(target + 1));
  return { text, tests, verdict, compat: false };
}

/** `! -s 10.0.0.0/8` is one option turned round. */
function optionsOf(words: readonly string[]): readonly Option[] {
  const options: { name: string; not: boolean; values: string[] }[] = [];
  let not = false;
  for (const word of words) {
    if (word === "!") not = true;
    else if (/^--?[a-z]/.test(word)) {
      options.push({ name: word, not, values: [] });
      not = false;
    } else options.at(-1)?.values.push(word);
  }
  return options;
}

function testOf({ name, not, values }: Option): readonly PacketTest[] {
  const [value = "", second = ""] = values;
  switch (name) {
    // What a match says stands in its own options; ipvs without one means all that IPVS handles.
    case "-m":
      return value === "ipvs" ? [{ kind: "ipvs", what: "any", not: false }] : [];
    case "--comment":
      return [];
    case "-s":
    case "-d":
      return [nets(name === "-s" ? "source" : "destination", value, not)];
    case "-p":
      return [{ kind: "protocol", names: [protocolName(value)], not }];
    case "-o":
      return [{ kind: "out", names: [value], not }];
    case "--dport":
    case "--dports":
      return [{ kind: "port", ranges: value.split(",").map(readRange), not }];
    case "--mark":
      return [{ kind: "mark", ...readMark(value), not }];
    case "--ipvs":
      return [{ kind: "ipvs", what: "any", not }];
    case "--vdir":
      return [{ kind: "ipvs", what: value === "REPLY" ? "reply" : "any", not }];
    case "--vaddr":
      return [nets("ipvs-address", value, not)];
    case "--vport":
      return [{ kind: "ipvs-port", ranges: [readRange(value)], not }];
    case "--vproto":
      return [{ kind: "ipvs-protocol", names: [protocolName(value)], not }];
    case "--vmethod":
      return [{ kind: "ipvs-method", method: value, not }];
    case "--match-set":
      return [{ kind: "ipset", name: value, dimensions: second.split(","), not }];
    default:
      return [{ kind: "other", not }];
  }
}

function nets(kind: "source" | "destination" | "ipvs-address", text: string, not: boolean): PacketTest {
  const read = text.split(",").map((each) => parseNet(each));
  const known = read.filter((net) => net !== undefined);
  return known.length === read.length ? { kind, nets: known, not } : { kind: "other", not };
}

function verdictOf({ values: [target = ""] }: Option, options: readonly Option[]): Verdict {
  switch (target) {
    case "MASQUERADE":
    case "SNAT":
      return { kind: "source-nat" };
    case "ACCEPT":
    case "RETURN":
    case "DROP":
      return { kind: "end" };
    case "MARK":
      return markVerdict(options);
    case "CONNMARK":
      return options.some((option) => option.name === "--restore-mark")
        ? { kind: "mark", value: undefined, mask: 0xffffffff }
        : { kind: "none" };
    case "LOG":
    case "NFLOG":
    case "TCPMSS":
    case "NOTRACK":
    case "CT":
    case "DNAT":
    case "REDIRECT":
    case "REJECT":
      return { kind: "none" };
    default:
      return { kind: "jump", chain: target };
  }
}

/** `--set-xmark 0x7/0xffffffff` clears the mask's bits and flips the value's; iptables-save writes every form so. */
function markVerdict(options: readonly Option[]): Verdict {
  for (const { name, values } of options)
    if (name === "--set-xmark" || name === "--set-mark") return { kind: "mark", ...readMark(values[0] ?? "") };
  return { kind: "mark", value: undefined, mask: 0xffffffff };
}

function readMark(text: string): { readonly value: number; readonly mask: number } {
  const [value, mask = "0xffffffff"] = text.split("/");
  return { value: Number(value) >>> 0, mask: Number(mask) >>> 0 };
}

function readRange(text: string): Range {
  const [from = "", to = from] = text.split(":");
  return [from === "" ? 0 : Number(from), to === "" ? 65_535 : Number(to)];
}

/** ipvs saves numbers. */
function protocolName(text: string): string {
  return ({ "6": "tcp", "17": "udp", "132": "sctp" } as const)[text] ?? text;
}

/** Words as the shell would part them: comments stand in quotation marks. */
function split(line: string): readonly string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, bare]) => bare ?? quoted ?? "");
}
