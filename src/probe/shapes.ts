import { z } from "zod";
import { REFUSED } from "../config/scalars.ts";

/** A map that may also be written as bare text, which then stands for its key `text`. Problems name the key within the map; `expected` is what
 *  is said where there is neither. */
export function textOr<T>(
  expected: string,
  map: z.ZodType<T, { readonly text?: string | undefined }>,
): z.ZodType<T, unknown> {
  return z
    .codec(z.unknown(), z.custom<T>(), {
      decode(value, context) {
        if (typeof value === "string") return read(map, { text: value }, context);
        if (typeof value === "object" && value !== null && !Array.isArray(value)) return read(map, value, context);
        context.issues.push({ code: "custom", message: expected, input: value, params: REFUSED });
        return z.NEVER;
      },
      encode: (value) => z.encode(map, value),
    })
    .meta({ anyOf: [{ type: ["string", "number", "boolean"] }, jsonOf(map)] });
}

/** A list, or one item written without the brackets. */
export function oneOrMore<T>(item: z.ZodType<T, unknown>): z.ZodType<readonly T[], unknown> {
  const list = z.array(item).min(1, { error: "may not be empty" });
  return z
    .codec(z.unknown(), z.custom<readonly T[]>(), {
      decode(value, context) {
        if (Array.isArray(value)) return read(list, value, context);
        const single = read(item, value, context);
        return context.issues.length === 0 ? [single] : z.NEVER;
      },
      encode: (values) =>
        values.length === 1 ? z.encode(item, values[0]!) : values.map((value) => z.encode(item, value)),
    })
    .meta({ anyOf: [jsonOf(item), jsonOf(list)] });
}

function read<T>(schema: z.ZodType<T>, value: unknown, context: z.core.ParsePayload): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  context.issues.push(...(result.error.issues as z.core.$ZodRawIssue[]));
  return z.NEVER;
}

function jsonOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}
