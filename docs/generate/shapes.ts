import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/*
 * JSON Schema of the interfaces that replies are written by, read from their TypeScript sources: their doc comments are the descriptions, so
 * that there is one place for both. Knows as much of TypeScript as these interfaces use, and throws at anything else.
 */

export type Schema = Readonly<Record<string, unknown>>;

interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly schema: Schema;
}

const src = join(import.meta.dirname, "../../src");

/** Where interfaces of replies may stand. */
const SOURCES = globSync("{control,director,policy}/*.ts", { cwd: src }).sort();

/** Numbers and texts with a name of their own. */
const PLAIN: Readonly<Record<string, Schema>> = {
  string: { type: "string" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  null: { type: "null" },
  EpochMs: { type: "number" },
  MonotonicMs: { type: "number" },
  Millis: { type: "number" },
};

/** undefined as a type: as a property it is left out of the JSON. */
const ABSENT: Schema = { not: {} };

/** The schemas of these interfaces and of all they name, by name. */
export function schemasOf(names: readonly string[]): Readonly<Record<string, Schema>> {
  const texts = SOURCES.map((file) => readFileSync(join(src, file), "utf8"));
  const done = new Map<string, Schema>();

  function need(name: string): void {
    if (done.has(name)) return;
    done.set(name, {});
    done.set(name, definition(name));
  }

  function definition(name: string): Schema {
    const found = texts.flatMap((text) => {
      const start = new RegExp(`^export (interface|type) ${name}\\b(?! *from)`, "m").exec(text);
      return start === null ? [] : [{ text, start: start.index }];
    });
    const [only] = found;
    if (only === undefined || found.length > 1) throw new Error(`${found.length} interfaces or types ${name} in src`);
    const parse = parser(tokensOf(only.text.slice(only.start)), need, definition);
    return described(parse.declaration(), docBefore(only.text, only.start));
  }

  names.forEach(need);
  return Object.fromEntries([...done].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function docBefore(text: string, index: number): string | undefined {
  const doc = /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s*$/.exec(text.slice(0, index))?.[1];
  return doc === undefined ? undefined : flat(doc);
}

/** One line, for who reads the JSON: what is undefined here is left out there. */
function flat(doc: string): string {
  return doc
    .replace(/\bundefined\b/g, "left out")
    .replace(/^\s*\*/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

function described(schema: Schema, description: string | undefined): Schema {
  return description === undefined || description === "" ? schema : { description, ...schema };
}

interface Token {
  readonly text: string;
  /** The doc comment right before it. */
  readonly doc: string | undefined;
}

function* tokensOf(text: string): Generator<Token> {
  let doc: string | undefined;
  for (const [all, comment] of text.matchAll(/\/\*\*([\s\S]*?)\*\/|\/\/.*|"[^"]*"|[\w$]+|[^\s]/g)) {
    if (all.startsWith("//")) continue;
    if (comment !== undefined) {
      doc = flat(comment);
      continue;
    }
    yield { text: all, doc };
    doc = undefined;
  }
}

function parser(tokens: Generator<Token>, need: (name: string) => void, definition: (name: string) => Schema) {
  let token = next();

  function next(): Token {
    const { value, done } = tokens.next();
    return done ? { text: "", doc: undefined } : value;
  }

  function take(expected?: string): string {
    const { text } = token;
    if (expected !== undefined && text !== expected) throw new Error(`expected ${expected}, found ${text}`);
    token = next();
    return text;
  }

  function taken(text: string): boolean {
    if (token.text !== text) return false;
    take();
    return true;
  }

  function declaration(): Schema {
    take("export");
    const kind = take();
    take();
    if (kind === "type") {
      take("=");
      return type();
    }
    const bases = taken("extends") ? [type()] : [];
    return joined([...bases, map()]);
  }

  function type(): Schema {
    taken("|");
    const parts = [intersection()];
    while (taken("|")) parts.push(intersection());
    return union(parts);
  }

  function intersection(): Schema {
    const parts = [list()];
    while (taken("&")) parts.push(list());
    return parts.length === 1 ? parts[0]! : joined(parts);
  }

  function list(): Schema {
    taken("readonly");
    let schema = primary();
    while (token.text === "[") {
      take("[");
      take("]");
      schema = { type: "array", items: schema };
    }
    return schema;
  }

  function primary(): Schema {
    if (taken("(")) {
      const schema = type();
      take(")");
      return schema;
    }
    if (token.text === "{") return map();
    const name = take();
    if (name.startsWith('"')) return { const: JSON.parse(name) as unknown };
    if (name === "undefined") return ABSENT;
    if (name === "true" || name === "false") return { const: name === "true" };
    if (name === "Readonly") return within(type);
    if (name === "Record")
      return within(() => {
        type();
        take(",");
        return { type: "object", additionalProperties: type() };
      });
    if (PLAIN[name] !== undefined) return PLAIN[name];
    if (!/^[A-Z]\w*$/.test(name)) throw new Error(`no schema for ${name}`);
    need(name);
    return { $ref: `#/components/schemas/${name}` };
  }

  function within(inner: () => Schema): Schema {
    take("<");
    const schema = inner();
    take(">");
    return schema;
  }

  function map(): Schema {
    take("{");
    const members: Member[] = [];
    while (!taken("}")) {
      const { doc } = token;
      taken("readonly");
      const name = take();
      const optional = taken("?");
      take(":");
      const schema = type();
      members.push({ name, optional: optional || mayBeAbsent(schema), schema: described(present(schema), doc) });
      if (!taken(";")) taken(",");
    }
    return {
      type: "object",
      properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
      required: members.filter(({ optional }) => !optional).map(({ name }) => name),
    };
  }

  /** One map with the members of several: as a client sees it. */
  function joined(parts: readonly Schema[]): Schema {
    const maps = parts.map((part) => {
      const name = typeof part.$ref === "string" ? part.$ref.split("/").at(-1) : undefined;
      return name === undefined ? part : definition(name);
    });
    if (maps.some(({ properties }) => properties === undefined)) throw new Error("an intersection of what is no map");
    return {
      type: "object",
      properties: Object.assign({}, ...maps.map(({ properties }) => properties)) as Schema,
      required: maps.flatMap(({ required }) => required as string[]),
    };
  }

  return { declaration };
}

function union(parts: readonly Schema[]): Schema {
  if (parts.length === 1) return parts[0]!;
  const values = parts.map((part) => part.const);
  if (values.every((value) => value !== undefined)) return { enum: values };
  return { anyOf: parts };
}

function mayBeAbsent(schema: Schema): boolean {
  return schema === ABSENT || (Array.isArray(schema.anyOf) && schema.anyOf.includes(ABSENT));
}

function present(schema: Schema): Schema {
  if (!Array.isArray(schema.anyOf)) return schema;
  return union((schema.anyOf as Schema[]).filter((part) => part !== ABSENT));
}
