import type { CheckReader } from "./checks.ts";
import { descend, type Inherited, NOTHING_INHERITED } from "./inherit.ts";
import type { Problems } from "./problems.ts";
import { defaultsSchema, poolSchema, serverSchema } from "./service-keys.ts";
import { didYouMean } from "./suggest.ts";
import { type At, child, type MapNode, type Node, scalarText, spot, within } from "./tree.ts";
import { quoted, typed } from "./typed.ts";

interface Pool {
  readonly node: MapNode;
  readonly keyAt: At;
  used: boolean;
}

/** The pools of all files by name. */
export interface Pools {
  /** Takes over a file's `pools`. */
  add(file: MapNode): void;
  /** The pool a service names; undefined if it names none, or one that does not exist, which is reported. */
  of(service: MapNode): MapNode | undefined;
  /** Reports what is wrong in a pool by itself, servers included where no service has read them. After all services. */
  look(defaults: MapNode | undefined, reader: CheckReader): void;
}

export function collectPools(problems: Problems): Pools {
  const pools = new Map<string, Pool>();
  return {
    add(file) {
      const node = child(file, "pools");
      if (node === undefined) return;
      if (node.kind !== "map") problems.error(node.at, "expected a map of pools");
      else for (const [name, { keyAt, value }] of node.entries) addPool(name, keyAt, value);
    },
    of(service) {
      const name = scalarText(service, "pool");
      const pool = name === undefined ? undefined : pools.get(name);
      if (name !== undefined && pool === undefined)
        problems.error(child(service, "pool")!.at, `no pool ${quoted(name)}${didYouMean(name, pools.keys())}`);
      if (pool !== undefined) pool.used = true;
      return pool?.node;
    },
    look(defaults, reader) {
      const above = defaults === undefined ? NOTHING_INHERITED : descend(NOTHING_INHERITED, defaults, problems);
      for (const pool of pools.values()) lookAtPool(pool, above, reader, problems);
    },
  };

  function addPool(name: string, keyAt: At, value: Node): void {
    const first = pools.get(name);
    if (first !== undefined) problems.error(keyAt, `the pool ${quoted(name)} stands already at ${spot(first.keyAt)}`);
    else if (value.kind === "map") pools.set(name, { node: value, keyAt, used: false });
    else problems.error(value.at, "expected a map with servers");
  }
}

function lookAtPool({ node, used }: Pool, above: Inherited, reader: CheckReader, problems: Problems): void {
  typed(poolSchema, node, problems, "part");
  const inherited = lookAtChecks(above, node, reader, problems);
  if (used) return;
  for (const item of itemsOf(node, "servers", scalarText(node, "allow_empty") === "true", problems)) {
    typed(serverSchema, item, problems);
    if (item.kind === "map") lookAtChecks(inherited, item, reader, problems);
  }
}

/** Reports what is wrong in `defaults` by itself, whether or not anything inherits it. */
export function lookAtDefaults(defaults: MapNode, reader: CheckReader, problems: Problems): void {
  typed(defaultsSchema, defaults, problems, "part");
  lookAtChecks(NOTHING_INHERITED, defaults, reader, problems);
}

function lookAtChecks(above: Inherited, level: MapNode, reader: CheckReader, problems: Problems): Inherited {
  const here = descend(above, level, problems);
  if (here !== above && here.checks.kind === "some") for (const check of here.checks.nodes) reader.look(check);
  return here;
}

/** A list that may not be empty, missing or null unless that is said to be meant. */
export function itemsOf(
  owner: MapNode,
  key: string,
  mayBeEmpty: boolean,
  problems: Problems,
  absent = "missing",
): readonly Node[] {
  const list = child(owner, key);
  if (list?.kind === "list" && list.items.length > 0) return list.items;
  if (list !== undefined && list.kind !== "list" && list.kind !== "null")
    problems.error(list.at, `expected a list of ${key}`);
  else if (!mayBeEmpty)
    problems.error(
      list?.at ?? within(owner.at, key),
      `${list === undefined ? absent : "empty"}: a template that rendered nothing is not an order; if no ${key} are meant, say allow_empty: true`,
    );
  return [];
}
