/** A text that is equal exactly for equal data, whatever the order of keys. Keys that are undefined do not count. Takes what a check's
 *  options may consist of: JSON, bytes, patterns, sets and maps.
 *  @throws for anything else (functions, symbols), which could not be compared */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "number":
    case "bigint":
    case "undefined":
      return String(value);
    case "object":
      return value === null ? "null" : canonicalObject(value);
    default:
      throw new TypeError(`no canonical form for a ${typeof value}`);
  }
}

function canonicalObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value instanceof Uint8Array) return `bytes:${Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("")}`;
  if (value instanceof RegExp) return String(value);
  if (value instanceof Set) return `set[${Array.from(value, canonical).sort().join(",")}]`;
  const entries: [string, unknown][] =
    value instanceof Map ? Array.from(value, ([k, v]) => [canonical(k), v]) : Object.entries(value);
  const parts = entries
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`)
    .sort();
  return `{${parts.join(",")}}`;
}
