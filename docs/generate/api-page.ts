import type { Document } from "./openapi.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import type { Schema } from "./shapes.ts";

export const SOCKET = "/run/director/control.sock";

/** docs/api.md, from the document and the examples beside it. */
export function apiPage(document: Document): string {
  const { schemas } = document.components;
  const shapes = Object.keys(schemas).filter((name) => name !== "Intent");
  return `# The control interface

<!-- Made by "npm run manuals" from openapi.json's sources; change those, then make it anew. -->

Everything the command line does goes over a unix socket: HTTP/1.1 with JSON below \`/v1\`. [openapi.json](openapi.json) is the same as this page for
programs (OpenAPI 3.1). Whoever may connect to the socket may command: its group and mode are \`control.group\` and \`control.mode\`.

    curl --unix-socket ${SOCKET} http://director/v1/status

- The Host header is \`director\`. Requests with an \`Origin\` header are refused: no web page commands director.
- \`control.read_only.socket\` and \`http.listen\` answer GET alone (\`http.listen\` also has \`/metrics\`, \`/healthz\` and \`/readyz?service=web\`).
- Times are milliseconds since 1970, durations milliseconds, shares 0 to 1. What is left out of a reply is not known, or not the case.
- A body is JSON of at most 1 MiB; where every field may be left out, so may the body. Unknown fields are refused.
- \`Director-Actor: alice\` says who commands, for the log and the events.
- What was commanded is written and synced before it acts; the table follows within a pass, usually well below a second.

Whatever is refused comes as \`application/problem+json\`, with the reason in \`detail\` and, where there are several, the single points in \`problems\`:

    {"type":"about:blank","title":"Not found","status":404,"detail":"no service \\"wen\\"; there are: web"}

Every request may be answered with 403 (an Origin header, another Host), 405 (not this method, or a socket for reading), 413 (body above 1 MiB) and
500 (a mistake of director's own).

| | |
| --- | --- |
${OPERATIONS.map((o) => `| [\`${o.method} ${o.path}\`](#${anchor(heading(o))}) | ${o.summary} |`).join("\n")}

${OPERATIONS.map((o) => operation(o, bodyOf(o, document))).join("\n")}
## Shapes of replies

${shapes.map((name) => shape(name, schemas[name]!)).join("\n")}
### Intent

What \`director intent export\` writes; [openapi.json](openapi.json) has every field. Change it only where you know what you do, and send it back with the
revision it had.
`;
}

function heading({ method, path }: Operation): string {
  return `${method} ${path}`;
}

/** As GitHub makes them. */
export function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}

function operation(o: Operation, body: Schema | undefined): string {
  const parts = [`## ${heading(o)}`, `${o.summary}.${o.description === undefined ? "" : ` ${o.description}`}`];
  parts.push(indented(curl(o, SOCKET)));
  if (o.query)
    parts.push(
      table(
        ["query", ""],
        o.query.map(({ name, description }) => [`\`${name}\``, description]),
      ),
    );
  if (o.headers)
    parts.push(
      table(
        ["header", ""],
        o.headers.map(({ name, description }) => [`\`${name}\``, description]),
      ),
    );
  if (body !== undefined && nameOf(body) !== undefined) parts.push(`The body is an ${form(body)}.`);
  else if (body !== undefined) parts.push(table(["body", "form", ""], fields(body)));
  parts.push(
    table(
      ["status", ""],
      [
        ...o.replies.map(({ status, description, schema }) => [
          String(status),
          `${description} ${formLinked(schema)}`.trim(),
        ]),
        ...Object.entries(o.refusals).map(([status, words]) => [status, words]),
      ],
    ),
  );
  return `${parts.join("\n\n")}\n`;
}

/** The example as a command, of one line. */
export function curl({ method, example }: Operation, socket: string): string {
  const { path, body, headers = {} } = example;
  const words = ["curl", "--unix-socket", socket];
  if (method !== (body === undefined ? "GET" : "POST")) words.push("-X", method);
  for (const [name, value] of Object.entries(headers)) words.push("-H", `'${name}: ${value}'`);
  if (body !== undefined) words.push("-d", typeof body === "string" ? body : `'${JSON.stringify(body)}'`);
  words.push(/[?&]/.test(path) ? `'http://director${path}'` : `http://director${path}`);
  return words.join(" ");
}

function bodyOf({ method, path }: Operation, { paths }: Document): Schema | undefined {
  const body = paths[path]![method.toLowerCase()]!.requestBody as
    | { readonly content: { readonly "application/json": { readonly schema: Schema } } }
    | undefined;
  return body?.content["application/json"].schema;
}

function fields(schema: Schema): readonly (readonly string[])[] {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Schema>>;
  const required = new Set((schema.required ?? []) as string[]);
  return Object.entries(properties).map(([name, property]) => {
    const words = typeof property.description === "string" ? property.description : "";
    const without = property.default === undefined ? "" : `default \`${JSON.stringify(property.default)}\``;
    const needed = required.has(name) && property.default === undefined;
    return [`\`${name}\`${needed ? " *" : ""}`, form(property), [words, without].filter((w) => w !== "").join("; ")];
  });
}

function shape(name: string, schema: Schema): string {
  const description = typeof schema.description === "string" ? `${schema.description}\n\n` : "";
  const list = Array.isArray(schema.allOf) ? undefined : fields(schema);
  if (list === undefined || list.length === 0) return `### ${name}\n\n${description}${formLinked(schema)}\n`;
  return `### ${name}\n\n${description}${table(
    ["field", "form", ""],
    list.map(([field = "", ...rest]) => [field.replace(" *", ""), ...rest]),
  )}\n`;
}

function formLinked(schema: Schema): string {
  if (schema.type === "object" && Object.keys((schema.properties ?? {}) as object).length > 0)
    return `\`{ ${Object.entries(schema.properties as Record<string, Schema>)
      .map(([name, property]) => `${name}: ${plainForm(property)}`)
      .join(", ")} }\``;
  return form(schema);
}

/** A type in words, with links to the shapes it names. */
function form(schema: Schema): string {
  const name = nameOf(schema);
  if (name !== undefined) return `[${name}](#${anchor(name)})`;
  if (Array.isArray(schema.anyOf)) return (schema.anyOf as Schema[]).map(form).join(" or ");
  if (Array.isArray(schema.allOf)) return (schema.allOf as Schema[]).map(form).join(" and ");
  if (Array.isArray(schema.enum)) return (schema.enum as unknown[]).map((value) => `\`${value}\``).join(", ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.type === "array") return `list of ${form(schema.items as Schema)}`;
  if (schema.type === "object") {
    const inner = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
    if (inner.length > 0) return `{ ${inner.map(([key, each]) => `\`${key}\`: ${form(each)}`).join(", ")} }`;
    if (typeof schema.additionalProperties === "object") return `map to ${form(schema.additionalProperties as Schema)}`;
    return "map";
  }
  return `${schema.type ?? "anything"}${range(schema)}`;
}

function plainForm(schema: Schema): string {
  return form(schema)
    .replace(/\[(\w+)\]\([^)]*\)/g, "$1")
    .replaceAll("`", "");
}

/** Bounds that mean something: not those of every whole number. */
function range({ minimum, maximum, exclusiveMinimum, maxLength }: Schema): string {
  const low =
    minimum === undefined ? (exclusiveMinimum === undefined ? "" : `above ${exclusiveMinimum}`) : String(minimum);
  const high = maximum === undefined || Number(maximum) >= Number.MAX_SAFE_INTEGER ? "" : String(maximum);
  if (maxLength !== undefined) return `, at most ${maxLength} characters`;
  if (low === "" && high === "") return "";
  if (high === "") return low.startsWith("above") ? `, ${low}` : `, at least ${low}`;
  return low === "" ? `, at most ${high}` : `, ${low} to ${high}`;
}

function nameOf(schema: Schema): string | undefined {
  return typeof schema.$ref === "string" ? schema.$ref.split("/").at(-1) : undefined;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}
