import { z } from "zod";
import { VERSION } from "../../src/cli/version.ts";
import { intentSchema } from "../../src/state/intent.ts";
import { OPERATIONS, type Operation, type Reply } from "./operations.ts";
import { type Schema, schemasOf } from "./shapes.ts";

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The control interface as an OpenAPI 3.1 document: bodies from the schemas that check them, replies from the interfaces they are written by. */
export function openapi(): Document & Schema {
  const paths: Record<string, Record<string, Schema>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] ??= {};
    paths[operation.path]![operation.method.toLowerCase()] = described(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "director control interface",
      version: VERSION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "HTTP/1.1 with JSON over a unix socket, /run/director/control.sock unless control.socket says otherwise. control.read_only.socket and http.listen answer GET alone. The Host header is `director`; requests with an Origin header are refused. Bodies have at most 1 MiB. Times are milliseconds since 1970, durations milliseconds, shares 0 to 1. What is left out of a reply is not known, or not the case.",
    },
    servers: [{ url: "http://director", description: "Over the unix socket." }],
    paths,
    components: { schemas: schemas() },
  };
}

function described({ method, path, summary, description, query, headers, body, replies, refusals }: Operation): Schema {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const parameters = [
    ...names.map((name) => ({
      name,
      in: "path",
      required: true,
      description: MEANING[name],
      schema: { type: "string" },
    })),
    ...(query ?? []).map((each) => ({ ...each, in: "query" })),
    ...(headers ?? []).map((each) => ({ ...each, in: "header", required: true, schema: { type: "string" } })),
    ...(method === "GET" ? [] : [ACTOR]),
  ];
  const all: Readonly<Record<number, string>> = { ...COMMON, ...(method === "GET" ? {} : CHANGING), ...refusals };
  return {
    operationId: operationId(method, path),
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: method === "PUT", content: { "application/json": { schema: bodySchema(body) } } } }),
    responses: Object.fromEntries([
      ...replies.map((reply) => [String(reply.status), response(reply)]),
      ...Object.entries(all).map(([status, words]) => [
        status,
        { description: words, content: { "application/problem+json": { schema: ref("Problem") } } },
      ]),
    ]),
  };
}

const MEANING: Readonly<Record<string, string>> = {
  service: "Name of a service.",
  server: "Name of a server, its address:port, or its address.",
  drain: "Id of a drain or of a machine's drains; or a service's name: its active drain, else its latest.",
};

const ACTOR = {
  name: "Director-Actor",
  in: "header",
  description: "Who commands, as claimed, for the log and the events; at most 100 characters.",
  schema: { type: "string" },
};

const COMMON = { 403: "An Origin header, or another Host than ours.", 500: "A mistake of director's own." } as const;
const CHANGING = { 405: "This socket is for reading.", 413: "The body is larger than 1 MiB." } as const;

/** `drainsDrainPausePost`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace("/v1/", "")
    .split(/\W+/)
    .filter((word) => word !== "");
  const [first = "", ...rest] = [...words, method.toLowerCase()];
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function response({ description, schema, type, etag }: Reply): Schema {
  return {
    description,
    ...(etag === undefined ? {} : { headers: { ETag: { description: etag, schema: { type: "string" } } } }),
    content: { [type ?? "application/json"]: { schema } },
  };
}

function bodySchema(schema: z.ZodType): Schema {
  return schema === intentSchema ? ref("Intent") : jsonOf(schema);
}

function jsonOf(schema: z.ZodType): Schema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}

function schemas(): Readonly<Record<string, Schema>> {
  const drains = { parent: PARENT, drains: { type: "array", items: ref("DrainStatus") } };
  return {
    ...schemasOf([
      "StatusReply",
      "ExplainReply",
      "SettleReply",
      "ReloadReply",
      "PlanReply",
      "DrainPlan",
      "DirectorEvent",
    ]),
    Intent: jsonOf(intentSchema),
    MachineDrains: { type: "object", properties: drains, required: ["parent", "drains"] },
    Noted: { type: "object", properties: { note: { type: "string" } } },
    PlannedDrain: { allOf: [ref("DrainStatus"), ref("DrainPlan")] },
    PlannedMachineDrains: {
      type: "object",
      properties: { parent: PARENT, drains: { type: "array", items: ref("PlannedDrain") } },
      required: ["parent", "drains"],
    },
    Problem: {
      description: "RFC 9457. `detail` is the reason an operator needs.",
      type: "object",
      properties: {
        type: { const: "about:blank" },
        title: { type: "string" },
        status: { type: "integer" },
        detail: { type: "string" },
        problems: {
          description: "The single points, where there are several.",
          type: "array",
          items: { type: "string" },
        },
      },
      required: ["type", "title", "status", "detail"],
    },
  };
}

const PARENT: Schema = {
  description: "The machine whose drains these are.",
  type: "object",
  properties: { id: { type: "string" }, host: { type: "string" } },
  required: ["id", "host"],
};
