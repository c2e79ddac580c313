type Schema = Readonly<Record<string, unknown>>;

/** As much of JSON Schema 2020-12 as the configuration's schema uses, for tests. One line for each mismatch, by JSON pointer.
 *  @throws for a keyword it does not know, so that none is silently ignored */
export function accepts(root: object, value: unknown): readonly string[] {
  return check(root as Schema, value, "");

  function check(schema: Schema, v: unknown, at: string): string[] {
    return Object.entries(schema).flatMap(([keyword, wanted]) => keywordFails(schema, keyword, wanted, v, at));
  }

  function keywordFails(schema: Schema, keyword: string, wanted: unknown, v: unknown, at: string): string[] {
    const fails = (wrong: boolean, words: string): string[] => (wrong ? [`${at} ${words}`] : []);
    const text = typeof v === "string" ? v : undefined;
    const number = typeof v === "number" ? v : undefined;
    const map = typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Schema) : undefined;
    const list = Array.isArray(v) ? (v as readonly unknown[]) : undefined;
    const properties = (schema.properties ?? {}) as Readonly<Record<string, Schema>>;
    const prefix = (schema.prefixItems ?? []) as readonly Schema[];
    switch (keyword) {
      case "$schema":
      case "$defs":
      case "title":
      case "description":
      case "default":
      case "format":
        return [];
      case "$ref": {
        const name = String(wanted).replace("#/$defs/", "");
        return check((root as { $defs: Record<string, Schema> }).$defs[name]!, v, at);
      }
      case "type":
        return fails(![wanted].flat().some((type) => isType(v, String(type))), `is no ${[wanted].flat().join(" or ")}`);
      case "const":
        return fails(v !== wanted, `is not ${wanted}`);
      case "enum":
        return fails(!(wanted as unknown[]).includes(v), `is none of ${wanted}`);
      case "pattern":
        return fails(text !== undefined && !new RegExp(String(wanted), "u").test(text), `does not match ${wanted}`);
      case "minLength":
        return fails(text !== undefined && [...text].length < Number(wanted), `is shorter than ${wanted}`);
      case "maxLength":
        return fails(text !== undefined && [...text].length > Number(wanted), `is longer than ${wanted}`);
      case "minimum":
        return fails(number !== undefined && number < Number(wanted), `is less than ${wanted}`);
      case "maximum":
        return fails(number !== undefined && number > Number(wanted), `is more than ${wanted}`);
      case "minItems":
        return fails(list !== undefined && list.length < Number(wanted), `has less than ${wanted} items`);
      case "items":
        return (list ?? []).flatMap((item, i) =>
          i < prefix.length ? [] : check(wanted as Schema, item, `${at}/${i}`),
        );
      case "prefixItems":
        return prefix.flatMap((each, i) => (i < (list?.length ?? 0) ? check(each, list![i], `${at}/${i}`) : []));
      case "required":
        return (wanted as string[]).flatMap((key) => fails(map !== undefined && !(key in map), `lacks ${key}`));
      case "properties":
        return Object.entries(map ?? {}).flatMap(([key, item]) =>
          properties[key] === undefined ? [] : check(properties[key], item, `${at}/${key}`),
        );
      case "additionalProperties":
        return Object.entries(map ?? {}).flatMap(([key, item]) => {
          if (key in properties) return [];
          return wanted === false ? [`${at}/${key} is not known`] : check(wanted as Schema, item, `${at}/${key}`);
        });
      case "propertyNames":
        return Object.keys(map ?? {}).flatMap((key) => check(wanted as Schema, key, at));
      case "anyOf": {
        const branches = (wanted as Schema[]).map((branch) => check(branch, v, at));
        return branches.some((lines) => lines.length === 0) ? [] : branches.flat();
      }
      case "allOf":
        return (wanted as Schema[]).flatMap((branch) => check(branch, v, at));
      case "not":
        return fails(check(wanted as Schema, v, at).length === 0, "matches what it may not");
      default:
        throw new Error(`unknown keyword ${keyword}`);
    }
  }
}

function isType(v: unknown, type: string): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(v);
    case "array":
      return Array.isArray(v);
    case "null":
      return v === null;
    case "object":
      return typeof v === "object" && v !== null && !Array.isArray(v);
    default:
      return typeof v === type;
  }
}
