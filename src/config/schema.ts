import { z } from "zod";
import type { ProbeTypes } from "./checks.ts";
import { globalKeys } from "./global-keys.ts";
import { hookSchema } from "./hook-keys.ts";
import { bool, text } from "./scalars.ts";
import { checkSchema, defaultsSchema, poolSchema, serverSchema, serviceSchema } from "./service-keys.ts";

/*
 * The file as a whole. Every key of director.conf has its type, its default and what it is for in the two files above, and nowhere else.
 */

/** Read with their own schemas, so that what inherits from them is reported once. */
const sections = {
  pools: z
    .unknown()
    .meta({ type: "object", additionalProperties: { $ref: "#/$defs/pool" } })
    .optional()
    .describe("Servers by pool name, and what services that take one inherit"),
  services: z
    .unknown()
    .meta({ type: ["array", "null"], items: { $ref: "#/$defs/service" } })
    .optional()
    .describe("The virtual services"),
  allow_empty: bool.optional().describe("No services at all is meant so"),
};

export const fileSchema = z.strictObject({
  include: z.array(text).optional().describe("Files with further pools and services, relative to this one"),
  ...globalKeys,
  hooks: z
    .unknown()
    .meta({ type: "array", items: { $ref: "#/$defs/hook" } })
    .optional()
    .describe("Scripts and webhooks that are told of events"),
  defaults: z
    .unknown()
    .meta({ $ref: "#/$defs/defaults" })
    .optional()
    .describe("What every service, server and check takes over where nothing closer says otherwise"),
  ...sections,
});

export const includedFileSchema = z.strictObject(sections);

export type FileKeys = z.output<typeof fileSchema>;

type Json = z.core.JSONSchema.BaseSchema;

/** A JSON Schema (2020-12) of director.conf for editors and linters, which see plain scalars as YAML types them. What may be inherited is
 *  not required, so a file that passes may still be refused by `director config test`. */
export function jsonSchema(probeTypes: ProbeTypes): Json {
  const checkMap = checkJson(probeTypes);
  const sections = { server: serverSchema, service: serviceSchema, pool: poolSchema, defaults: defaultsSchema };
  const $defs: Record<string, Json> = { check: { anyOf: [{ const: "none" }, { $ref: "#/$defs/checkMap" }] }, checkMap };
  for (const [name, schema] of Object.entries(sections)) $defs[name] = mayInherit(json(schema));
  $defs.hook = json(hookSchema);
  $defs.server = { ...$defs.server, required: ["address"] };
  $defs.service = { ...$defs.service, required: ["name"] };
  return { ...json(fileSchema), title: "director.conf", $defs };
}

function json(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest as Json;
}

/** Drops what is required at any depth: another level may supply it. */
function mayInherit(schema: Json): Json {
  return JSON.parse(
    JSON.stringify(schema, (key, value) => (key === "required" && Array.isArray(value) ? undefined : value)),
  ) as Json;
}

/** All types' keys in one map, since the type may be inherited; where it is said, the keys of the other types are refused. */
function checkJson(probeTypes: ProbeTypes): Json {
  const common = mayInherit(json(checkSchema));
  const properties: Record<string, Json> = { ...(common.properties as Record<string, Json>) };
  const types = [...probeTypes].map(([name, type]) => ({ name, own: mayInherit(json(type.options)).properties ?? {} }));
  for (const { own } of types)
    for (const [key, schema] of Object.entries(own)) {
      const before = properties[key];
      const same = before === undefined || JSON.stringify(before) === JSON.stringify(schema);
      properties[key] = same ? (schema as Json) : { anyOf: [...(before.anyOf ?? [before]), schema as Json] };
    }
  const names = Object.keys(common.properties ?? {});
  return {
    ...common,
    properties: { ...properties, type: { ...properties.type, enum: types.map(({ name }) => name) } },
    // If the type is said, only its own keys.
    allOf: types.map(({ name, own }) => ({
      anyOf: [
        { not: { properties: { type: { const: name } }, required: ["type"] } },
        { propertyNames: { enum: [...names, ...Object.keys(own)] } },
      ],
    })),
  };
}
