import { z } from "zod";
import { DEFAULTS, type Default } from "../../src/config/defaults.ts";

/** A key of director.conf, as a manual shows it. */
export interface Key {
  /** From its section on, with dots: `expect.body.contains`. */
  readonly path: string;
  /** `a duration from 100ms to 10m`, `manage or observe`. */
  readonly form: string;
  readonly required: boolean;
  /** As it would be written; undefined: none, or the description says it. */
  readonly value: string | undefined;
  /** Why that; undefined where it needs none. */
  readonly reason: string | undefined;
  readonly description: string;
}

/** As much of JSON Schema as zod makes of our schemas. */
interface Json {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly $ref?: string;
  readonly anyOf?: readonly Json[];
  readonly items?: Json;
  readonly prefixItems?: readonly Json[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Json | boolean;
}

/** The keys of a map, those of maps within it after each.
 *  @param sections under which its defaults stand in DEFAULTS, nearest first
 *  @throws for a key without a description, or whose form cannot be told */
export function keysOf(schema: z.ZodType, sections: readonly string[]): readonly Key[] {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json;
  return below(json, "", sections);
}

function below(map: Json, prefix: string, sections: readonly string[]): readonly Key[] {
  return Object.entries(map.properties ?? {}).flatMap(([name, schema]) => {
    const path = prefix + name;
    if (schema.description === undefined) throw new Error(`${path} has no description in its schema`);
    const { value, reason } = defaultOf(path, schema, sections);
    const required = map.required?.includes(name) === true && value === undefined;
    const key = { path, form: formOf(schema, path), required, value, reason, description: schema.description };
    const inner = new Map<string, Key>();
    for (const each of mapsIn(schema)) for (const k of below(each, `${path}.`, sections)) inner.set(k.path, k);
    return [key, ...inner.values()];
  });
}

/** The maps with keys of their own that may stand here. */
function mapsIn(schema: Json): readonly Json[] {
  if (schema.properties !== undefined) return [schema];
  return [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])].flatMap(mapsIn);
}

function defaultOf(path: string, schema: Json, sections: readonly string[]): Pick<Key, "value" | "reason"> {
  if (schema.default === undefined || typeof schema.default === "object")
    return { value: undefined, reason: undefined };
  const value = String(schema.default);
  const last = path.split(".").slice(-2).join(".");
  const known: Readonly<Record<string, Default>> = DEFAULTS;
  const found = [
    ...sections.map((section) => (section === "" ? path : `${section}.${path}`)),
    last,
    `server.${last.split(".").at(-1)}`,
  ]
    .map((name) => known[name])
    .find((entry) => entry?.value === value);
  return { value: /^[\w/]/.test(value) ? value : JSON.stringify(value), reason: found?.reason };
}

const SECTION_OF: Readonly<Record<string, string>> = {
  check: "none, or a map: see CHECKS",
  checkMap: "a map: see CHECKS",
  server: "a map: see SERVERS",
  service: "a map: see SERVICES",
  pool: "a map: see INHERITANCE",
  hook: "a map: see HOOKS",
  defaults: "a map: see INHERITANCE",
};

function formOf(schema: Json, path: string): string {
  if (schema.$ref !== undefined) return SECTION_OF[schema.$ref.replace("#/$defs/", "")] ?? unknown(schema, path);
  if (schema.enum !== undefined) return words([...new Set(schema.enum.map(String))]);
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf !== undefined) return alternatives(schema.anyOf, path);
  const types = [schema.type ?? []].flat();
  if (types.includes("array")) return listForm(schema, path);
  if (types.includes("object")) return mapForm(schema, path);
  // The scalars' own words, which are also those of the parser's complaints.
  if (schema.title !== undefined) return schema.title;
  return types.includes("string") ? "text" : unknown(schema, path);
}

function alternatives(schemas: readonly Json[], path: string): string {
  const forms = [...new Set(schemas.map((each) => formOf(each, path)))];
  const [first = "", second] = forms;
  if (second === `a list, each ${first}` || /^a list of (maps|texts)$/.test(second ?? ""))
    return `${first}, or a list of such`;
  return forms.join(", or ");
}

function listForm({ items, prefixItems }: Json, path: string): string {
  if (prefixItems !== undefined)
    return `a list: ${prefixItems.map((each) => formOf(each, path)).join(", ")}, then text`;
  if (items === undefined) return "a list";
  const form = formOf(items, path);
  if (form === "text") return "a list of texts";
  return form.startsWith("a map") ? `a list of maps${form.slice("a map".length)}` : `a list, each ${form}`;
}

function mapForm({ additionalProperties: values }: Json, path: string): string {
  return typeof values === "object" && Object.keys(values).length > 0
    ? `a map of names, each to ${formOf(values, path)}`
    : "a map";
}

function words(list: readonly string[]): string {
  return list.length < 2 ? list.join("") : `${list.slice(0, -1).join(", ")} or ${list.at(-1)}`;
}

function unknown(schema: Json, path: string): never {
  throw new Error(`${path}: no words for ${JSON.stringify(schema)}`);
}
