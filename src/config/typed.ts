import { z } from "zod";
import type { Problems } from "./problems.ts";
import { didYouMean } from "./suggest.ts";
import { type At, type MapNode, type Node, plain, within } from "./tree.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** How much of a map is there yet. A `part` (defaults, a pool nobody uses) may still be completed by what inherits it, so only what is
 *  wrong by itself is reported: unknown keys and values of the wrong type, not missing keys, nor rules across several keys. */
export type Extent = "whole" | "part";

/** What a schema makes of a node; undefined with every problem reported at its own place in the files. */
export function typed<T>(
  schema: z.ZodType<T>,
  node: Node,
  problems: Problems,
  extent: Extent = "whole",
): { readonly value: T } | undefined {
  const result = schema.safeParse(plain(node));
  if (result.success) return { value: result.data };
  for (const issue of result.error.issues) report(issue, [], { schema, node, problems, extent });
  return undefined;
}

interface Reading {
  readonly schema: z.ZodType;
  readonly node: Node;
  readonly problems: Problems;
  readonly extent: Extent;
}

function report(issue: Issue, above: Path, reading: Reading): void {
  const path = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") unknownKeys(issue.keys, path, reading);
  else if (issue.code === "invalid_union") {
    const branch = meantBranch(issue.errors);
    if (branch === undefined) mismatch(issue.message, path, reading);
    else for (const inner of branch) report(inner, path, reading);
  } else if (issue.code === "invalid_key") atKeyOf(path, issue.issues[0]?.message ?? issue.message, reading);
  else if (issue.code === "invalid_type") mismatch(wanted(issue), path, reading);
  else if (issue.code !== "custom" || issue.params?.refused === true) mismatch(issue.message, path, reading);
  else if (reading.extent === "whole") reading.problems.error(find(reading.node, path).at, issue.message);
}

/** The branch of a union that takes this kind of value (text, list or map) and found something wrong with it. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const otherKind = (i: Issue) => i.path.length === 0 && (i.code === "invalid_type" || i.code === "invalid_value");
  const inside = branches.filter((issues) => !issues.some(otherKind));
  return inside.length === 1 ? inside[0] : undefined;
}

function wanted(issue: z.core.$ZodIssueInvalidType): string {
  if (!issue.message.startsWith("Invalid input")) return issue.message;
  if (issue.expected === "object" || issue.expected === "record") return "expected a map";
  return issue.expected === "array" ? "expected a list" : "expected text";
}

function mismatch(message: string, path: Path, { node, problems, extent }: Reading): void {
  const found = find(node, path);
  if (found.node === undefined) {
    if (extent === "whole") problems.error(found.at, message.startsWith("expected") ? `missing: ${message}` : message);
  } else if (found.node.kind === "null") problems.error(found.at, `nothing is given: ${message}`);
  else problems.error(found.at, message + butGot(message, found.node));
}

function atKeyOf(path: Path, message: string, { node, problems }: Reading): void {
  problems.error(find(node, path).keyAt, message);
}

/** Says what stands there where the kind is wrong, so that a list written as a text is recognised. */
function butGot(message: string, node: Node): string {
  if (/^expected a (map|list)/.test(message) && node.kind === "scalar") return `, not ${quoted(node.text)}`;
  if (!message.startsWith("expected") || node.kind === "scalar" || message.includes(node.kind)) return "";
  return `, not a ${node.kind}`;
}

/** A text in a message: quoted, and shortened so that a pasted certificate does not fill the screen. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

interface Found {
  /** undefined: nothing stands there. */
  readonly node: Node | undefined;
  readonly at: At;
  readonly keyAt: At;
}

/** The node a path leads to, or the place where it should have been. A text may stand for a map (`send: PING` for `send: { text: PING }`):
 *  what is said about the map's inside is then said about the text. */
function find(root: Node, path: Path): Found {
  let node: Node = root;
  let keyAt = root.at;
  for (const step of path) {
    if (node.kind === "scalar") break;
    const name = String(step);
    const entry = node.kind === "map" ? node.entries.get(name) : undefined;
    const next: Node | undefined = entry?.value ?? (node.kind === "list" ? node.items[Number(name)] : undefined);
    if (next === undefined) {
      const at = within(node.at, typeof step === "number" ? step : name);
      return { node: undefined, at, keyAt: at };
    }
    keyAt = entry?.keyAt ?? next.at;
    node = next;
  }
  return { node, at: node.at, keyAt };
}

function unknownKeys(keys: readonly string[], path: Path, reading: Reading): void {
  const { node } = find(reading.node, path);
  if (node?.kind !== "map") return;
  const known = knownKeys(reading.schema, path);
  for (const key of keys) unknownKey(node, key, known, reading.problems);
}

export function unknownKey(map: MapNode, key: string, known: Iterable<string>, problems: Problems): void {
  problems.error(map.entries.get(key)?.keyAt ?? map.at, `unknown key${didYouMean(key, known)}`);
}

/** The keys a schema knows at a path, as its JSON Schema tells them: that sees through codecs, unions and defaults. */
export function knownKeys(schema: z.ZodType, path: Path = []): readonly string[] {
  return keysIn(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), path);
}

function keysIn(json: z.core.JSONSchema._JSONSchema | undefined, path: Path): readonly string[] {
  if (typeof json !== "object") return [];
  const inBranches = (json.anyOf ?? []).flatMap((branch) => keysIn(branch, path));
  const [step, ...rest] = path;
  if (step === undefined) return [...Object.keys(json.properties ?? {}), ...inBranches];
  const items = Array.isArray(json.items) ? undefined : json.items;
  const below = typeof step === "number" ? items : (json.properties?.[String(step)] ?? json.additionalProperties);
  return [...keysIn(below, rest), ...inBranches];
}
