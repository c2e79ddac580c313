import type { Hook, HookAction } from "../model/hook.ts";
import { name as nameSchema } from "./field-scalars.ts";
import { type HookKeys, hookSchema } from "./hook-keys.ts";
import type { Problems } from "./problems.ts";
import { didYouMean } from "./suggest.ts";
import { type At, atKey, child, type MapNode, type Node, scalarText, spot, within } from "./tree.ts";
import { quoted, typed } from "./typed.ts";

/** The hooks of the main file. Services are known by the names that stand in the files, whatever else may be wrong with them.
 *  @param runnable whether a program may be run here; left out: nobody looks */
export function hooksOf(
  main: MapNode | undefined,
  files: readonly MapNode[],
  problems: Problems,
  runnable: (path: string) => boolean = () => true,
): readonly Hook[] {
  const services = namesOfServices(files);
  const taken = new Map<string, At>();
  return itemsIn(main, problems).flatMap((node) => {
    if (node.kind !== "map") problems.error(node.at, "expected a hook: a map with on, and command or url");
    const keys = node.kind === "map" ? typed(hookSchema, node, problems)?.value : undefined;
    if (node.kind !== "map" || keys === undefined) return [];
    knownServices(keys, node, services, problems);
    const action = actionOf(keys, node, problems);
    if (action === undefined) return [];
    if (action.kind === "command" && !runnable(action.argv[0]))
      problems.warning(
        atKey(node, "command"),
        `${action.argv[0]} is not there, or cannot be run: as long as that is so nobody is told`,
      );
    const name = nameOf(keys, action, node, taken, problems);
    const { on, services: only, timeout, queue } = keys;
    return [{ name, on: [...new Set(on)], services: only, action, timeout, queue }];
  });
}

function itemsIn(main: MapNode | undefined, problems: Problems): readonly Node[] {
  const list = child(main, "hooks");
  if (list === undefined || list.kind === "list") return list?.items ?? [];
  problems.error(list.at, list.kind === "null" ? "nothing is given: expected a list" : "expected a list of hooks");
  return [];
}

function namesOfServices(files: readonly MapNode[]): ReadonlySet<string> {
  const items = files.flatMap((file) => {
    const list = child(file, "services");
    return list?.kind === "list" ? list.items : [];
  });
  return new Set(items.flatMap((item) => scalarText(item, "name") ?? []));
}

function knownServices(hook: HookKeys, node: MapNode, known: ReadonlySet<string>, problems: Problems): void {
  for (const [i, service] of (hook.services ?? []).entries())
    if (!known.has(service))
      problems.error(
        itemAt(child(node, "services"), i) ?? atKey(node, "services"),
        `no service ${quoted(service)}${didYouMean(service, known)}`,
      );
}

function itemAt(list: Node | undefined, i: number): At | undefined {
  return list?.kind === "list" ? list.items[i]?.at : undefined;
}

const WITH_URL = ["headers", "verify", "ca", "body"] as const;

function actionOf(hook: HookKeys, node: MapNode, problems: Problems): HookAction | undefined {
  const { command, url, headers = {}, verify = true, ca, body } = hook;
  if (command !== undefined && url !== undefined) {
    problems.error(atKey(node, "url"), "the hook has a command already: it is either a script or a webhook");
    return undefined;
  }
  if (command !== undefined) {
    for (const key of WITH_URL)
      if (node.entries.has(key)) problems.error(atKey(node, key), "means something with url only");
    return { kind: "command", argv: command };
  }
  if (url === undefined) {
    problems.error(within(node.at, "command"), "missing: say which command to run, or which url to call");
    return undefined;
  }
  if (!url.startsWith("https:"))
    for (const key of ["verify", "ca"])
      if (node.entries.has(key)) problems.error(atKey(node, key), "means something with an https url only");
  if (!verify && ca !== undefined)
    problems.error(atKey(node, "ca"), "means nothing with verify: false, where any certificate will do");
  return { kind: "webhook", url, headers, verify, ca, body };
}

function nameOf(hook: HookKeys, action: HookAction, node: MapNode, taken: Map<string, At>, problems: Problems): string {
  const name = hook.name ?? defaultName(action);
  const at = hook.name === undefined ? within(node.at, "name") : atKey(node, "name");
  const first = taken.get(name);
  if (hook.name === undefined && !nameSchema.safeParse(name).success)
    problems.error(at, `missing: ${quoted(name)} would not do`);
  else if (first === undefined) taken.set(name, node.at);
  else if (hook.name === undefined) problems.error(at, `missing: the hook at ${spot(first)} is called ${quoted(name)}`);
  else problems.error(at, `the hook ${quoted(name)} stands already at ${spot(first)}`);
  return name;
}

function defaultName(action: HookAction): string {
  if (action.kind === "webhook") return new URL(action.url).hostname;
  return action.argv[0].split("/").findLast((part) => part !== "") ?? "";
}
