import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Pair,
  type ParsedNode,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Problems } from "./problems.ts";
import { type At, type Entry, mapNode, type Node, type Source, spot, type Trail } from "./tree.ts";

/** Deeper than any configuration needs; keeps recursion within the stack. */
const DEEPEST = 50;

/** Nodes after every alias is resolved: ten thousand servers with everything spelled out take about 200,000. More is an alias bomb
 *  (each line repeating the one before ten times) or a mistake. */
const MOST_NODES = 2_000_000;

const STANDARD_TAGS = new Set(["tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"]);

/** Reads one file into a tree, or undefined after a YAML syntax error (reported, and nothing else about this file can be trusted). */
export function readTree(
  file: { readonly file: string; readonly text: string },
  order: number,
  problems: Problems,
): Node | undefined {
  const lines = new LineCounter();
  const source: Source = { file: file.file, order, lines };
  const top: At = { source, offset: 0, trail: undefined };
  const document = compose(file.text.replace(/^\uFEFF/, ""), lines);
  if (typeof document === "string") {
    problems.error(top, document);
    return undefined;
  }
  for (const error of document.errors) problems.error({ ...top, offset: error.pos[0] }, syntaxWords(error));
  if (document.errors.length > 0) return undefined;
  return grow(document.contents, source, problems);
}

function syntaxWords({ code, message }: { readonly code: string; readonly message: string }): string {
  if (code === "MULTIPLE_DOCS") return "only one YAML document may stand in a file";
  // What the parser makes of its own exhausted stack.
  return /call stack|stack overflow/i.test(message) ? TOO_DEEP : `YAML: ${message}`;
}

const TOO_DEEP = "YAML: nested too deeply";

function compose(text: string, lines: LineCounter): ReturnType<typeof parseDocument<ParsedNode>> | string {
  try {
    // Failsafe: every scalar stays the text that was written. Duplicate keys are looked for below, which names both places and
    // does not compare every key with every other.
    return parseDocument(text, { lineCounter: lines, schema: "failsafe", prettyErrors: false, uniqueKeys: false });
  } catch (error) {
    if (error instanceof RangeError) return TOO_DEEP;
    throw error;
  }
}

interface Grown {
  readonly node: Node;
  /** Nodes below and including this one, aliases counted as often as they are used. */
  readonly size: number;
}

function grow(contents: ParsedNode | null, source: Source, problems: Problems): Node {
  const anchors = new Map<string, ParsedNode>();
  // An anchor's node is built once and shared; `growing` finds one that contains itself.
  const grown = new Map<ParsedNode, Grown>();
  const growing = new Set<ParsedNode>();

  function value(yaml: ParsedNode | null | undefined, fallback: At, trail: Trail | undefined, depth: number): Grown {
    const at: At = { source, offset: yaml?.range[0] ?? fallback.offset, trail };
    const nothing: Grown = { node: { kind: "null", at }, size: 1 };
    if (yaml === null || yaml === undefined) return nothing;
    if (isAlias(yaml)) return target(yaml.source, at, nothing);
    if (depth > DEEPEST) {
      problems.error(at, "nested too deeply");
      return nothing;
    }
    if (yaml.tag !== undefined && !STANDARD_TAGS.has(yaml.tag))
      problems.error(at, "tags (!...) are not read: every value is typed by its key");
    if (yaml.anchor !== undefined) anchors.set(yaml.anchor, yaml);
    growing.add(yaml);
    const result = isScalar(yaml)
      ? { node: scalar(yaml, at), size: 1 }
      : isMap(yaml)
        ? map(yaml, at, depth)
        : list(yaml, at, depth);
    growing.delete(yaml);
    if (yaml.anchor !== undefined) grown.set(yaml, result);
    return result;
  }

  function target(anchor: string, at: At, nothing: Grown): Grown {
    const yaml = anchors.get(anchor);
    if (yaml === undefined) problems.error(at, `no anchor &${anchor} stands before this`);
    else if (growing.has(yaml)) problems.error(at, `*${anchor} stands inside of &${anchor} itself`);
    return (yaml && grown.get(yaml)) ?? nothing;
  }

  function list(yaml: YAMLSeq.Parsed, at: At, depth: number): Grown {
    const items = yaml.items.map((item, i) => value(item, at, { parent: at.trail, step: i }, depth + 1));
    return bounded({ kind: "list", items: items.map((item) => item.node), at }, items);
  }

  function map(yaml: YAMLMap.Parsed, at: At, depth: number): Grown {
    const entries = new Map<string, Entry>();
    const values: Grown[] = [];
    for (const pair of yaml.items) {
      const key = keyOf(pair, at);
      if (key === undefined) continue;
      const first = entries.get(key.name);
      if (first !== undefined) problems.error(key.at, `given twice, first at ${spot(first.keyAt)}`);
      const item = value(pair.value, key.at, key.at.trail, depth + 1);
      values.push(item);
      if (first === undefined) entries.set(key.name, { keyAt: key.at, value: item.node });
    }
    return bounded(mapNode(entries, at), values);
  }

  function keyOf(pair: Pair<ParsedNode, ParsedNode | null>, parent: At): { name: string; at: At } | undefined {
    const offset = pair.key?.range[0] ?? parent.offset;
    if (!isScalar(pair.key)) {
      problems.error({ ...parent, offset }, "a key must be plain text");
      return undefined;
    }
    const name = String(pair.key.value ?? "");
    const at: At = { source, offset, trail: { parent: parent.trail, step: name } };
    if (pair.key.anchor !== undefined) anchors.set(pair.key.anchor, pair.key);
    if (name === "<<") problems.error(at, "merge keys are not read: share servers with pools, settings with defaults");
    else if (name === "__proto__") problems.error(at, "unknown key");
    else return { name, at };
    return undefined;
  }

  function bounded(node: Node, parts: readonly Grown[]): Grown {
    const size = parts.reduce((sum, part) => sum + part.size, 1);
    if (size <= MOST_NODES) return { node, size };
    problems.error(node.at, `more than ${MOST_NODES} values once its aliases are resolved`);
    return { node: { kind: "null", at: node.at }, size: 1 };
  }

  return value(contents, { source, offset: 0, trail: undefined }, undefined, 0).node;
}

function scalar(yaml: Scalar, at: At): Node {
  const text = String(yaml.value ?? "");
  const nothing = yaml.type === "PLAIN" && /^(~|null|Null|NULL)?$/.test(text);
  return nothing ? { kind: "null", at } : { kind: "scalar", text, at };
}
