import type { LineCounter } from "yaml";
import type { ConfigPath } from "../model/config.ts";

/*
 * The raw tree: what stands in the files, before any typing. Every node remembers where it was written, so that a value that reached a
 * service from `defaults` is still reported at the place in `defaults`.
 */

/** One file's text, for turning offsets into lines. */
export interface Source {
  readonly file: string;
  /** Position among the files read, from 0; problems are listed in this order. */
  readonly order: number;
  readonly lines: LineCounter;
}

/** Where something was written. Line and path are worked out only for what is reported. */
export interface At {
  readonly source: Source;
  readonly offset: number;
  readonly trail: Trail | undefined;
}

/** A path as a chain towards the root, shared between siblings. */
export interface Trail {
  readonly parent: Trail | undefined;
  readonly step: string | number;
}

export type Node = ScalarNode | NullNode | ListNode | MapNode;

export interface ScalarNode {
  readonly kind: "scalar";
  readonly text: string;
  readonly at: At;
}

/** Nothing, `~` or `null`, written plainly. */
export interface NullNode {
  readonly kind: "null";
  readonly at: At;
}

export interface ListNode {
  readonly kind: "list";
  readonly items: readonly Node[];
  readonly at: At;
}

export interface MapNode {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, Entry>;
  readonly at: At;
}

export interface Entry {
  readonly keyAt: At;
  readonly value: Node;
}

/** File, line and column from 1, and path. */
export function place(at: At): { file: string; line: number; column: number; path: ConfigPath } {
  const { line, col } = at.source.lines.linePos(at.offset);
  const path: (string | number)[] = [];
  for (let trail = at.trail; trail !== undefined; trail = trail.parent) path.unshift(trail.step);
  return { file: at.source.file, line: Math.max(1, line), column: Math.max(1, col), path };
}

/** `director.conf:12:5`, to name a second place in a message. */
export function spot(at: At): string {
  const { file, line, column } = place(at);
  return `${file}:${line}:${column}`;
}

/** The place of something that is missing: where its parent stands, with the missing step in the path. */
export function within(at: At, step: string | number): At {
  return { ...at, trail: { parent: at.trail, step } };
}

/** Whether something was written below `root`, and did not come to it from somewhere else. */
export function isBelow(at: At, root: At): boolean {
  if (at.source !== root.source) return false;
  for (let trail = at.trail; trail !== undefined; trail = trail.parent) if (trail === root.trail) return true;
  return root.trail === undefined;
}

export function child(node: Node | undefined, key: string): Node | undefined {
  return node?.kind === "map" ? node.entries.get(key)?.value : undefined;
}

/** The text of a scalar below a map; undefined where there is none. */
export function scalarText(node: Node | undefined, key: string): string | undefined {
  const value = child(node, key);
  return value?.kind === "scalar" ? value.text : undefined;
}

/** Where a key's value stands, or would stand. */
export function atKey(node: MapNode, key: string): At {
  return node.entries.get(key)?.value.at ?? within(node.at, key);
}

export function mapNode(entries: Iterable<readonly [string, Entry]>, at: At): MapNode {
  return { kind: "map", entries: new Map(entries), at };
}

export function pick(node: MapNode, keep: (key: string) => boolean): MapNode {
  return mapNode(
    [...node.entries].filter(([key]) => keep(key)),
    node.at,
  );
}

/** Maps merge key by key, everything else replaces. The result stands where `over` stands. */
export function merge(base: MapNode | undefined, over: MapNode): MapNode {
  if (base === undefined || base.entries.size === 0) return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key)?.value;
    const both = below?.kind === "map" && entry.value.kind === "map";
    entries.set(key, both ? { keyAt: entry.keyAt, value: merge(below, entry.value) } : entry);
  }
  return { kind: "map", entries, at: over.at };
}

/** The plain value a schema reads: scalars as text, nothing as null. */
export function plain(node: Node): unknown {
  switch (node.kind) {
    case "scalar":
      return node.text;
    case "null":
      return null;
    case "list":
      return node.items.map(plain);
    case "map":
      return Object.fromEntries(Array.from(node.entries, ([key, entry]) => [key, plain(entry.value)]));
  }
}
