import type { z } from "zod";
import { BODY, REASON } from "../../src/control/drain-routes.ts";
import { BODIES } from "../../src/control/handlers.ts";
import { PLAN } from "../../src/control/plan-routes.ts";
import { intentSchema } from "../../src/state/intent.ts";
import type { Schema } from "./shapes.ts";

/** One thing the control socket does, as openapi.json and api.md describe it. */
export interface Operation {
  readonly method: "GET" | "POST" | "PUT";
  /** With `{service}` and the like. */
  readonly path: string;
  /** In few words, unique. */
  readonly summary: string;
  readonly description?: string;
  readonly query?: readonly { readonly name: string; readonly description: string; readonly schema: Schema }[];
  readonly headers?: readonly { readonly name: string; readonly description: string }[];
  readonly body?: z.ZodType;
  readonly replies: readonly Reply[];
  /** Statuses that come with problem+json, beside those that everything may have. */
  readonly refusals: Readonly<Record<number, string>>;
  /** A request that shows it: the query, and what stands in the body. A test makes them, in this order. */
  readonly example: {
    readonly path: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  };
}

export interface Reply {
  readonly status: number;
  readonly description: string;
  readonly type?: string;
  readonly schema: Schema;
  /** Sent as ETag. */
  readonly etag?: string;
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const object = (properties: Readonly<Record<string, Schema>>, required = Object.keys(properties)): Schema => ({
  type: "object",
  properties,
  required,
});
const DRAIN_OR_MORE: Schema = { anyOf: [ref("DrainStatus"), ref("MachineDrains")] };
const ok = (description: string, schema: Schema, status = 200): readonly Reply[] => [{ status, description, schema }];
const NOTED = ok("Done. `note` says what else an operator should know.", ref("Noted"));

const NO_SERVER = "There is no such service or server; the reason lists those that are there.";
const UNWRITABLE = "What was commanded cannot be written down (state.directory), so it is not done.";
const UNFIT = "The body does not fit; `problems` has all that is wrong.";

const COMMANDED = { 400: UNFIT, 404: NO_SERVER, 503: UNWRITABLE } as const;

const drainWord = (word: string, summary: string): Operation => ({
  method: "POST",
  path: `/v1/drains/{drain}/${word}`,
  summary,
  body: REASON,
  replies: ok("The drain as it is now.", DRAIN_OR_MORE),
  refusals: {
    400: UNFIT,
    404: "There is no such drain.",
    409: "It is in no state for that; the reason says which.",
    503: UNWRITABLE,
  },
  example: { path: `/v1/drains/web/${word}`, body: { reason: "looking at the graphs" } },
});

/** Everything below /v1, in the order in which the examples can be tried. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: "GET",
    path: "/v1/status",
    summary: "Everything there is to know at the moment",
    query: [
      {
        name: "rates",
        description:
          "1: with new connections a second (`connectionsPerSecond`), which takes a run of ipvsadm every 2 seconds at most",
        schema: { type: "string", enum: ["1"] },
      },
    ],
    replies: ok(
      "What is wrong first, then services with their servers and checks, drains, freezes and hooks.",
      ref("StatusReply"),
    ),
    refusals: {},
    example: { path: "/v1/status?rates=1" },
  },
  {
    method: "GET",
    path: "/v1/services/{service}/servers/{server}/explain",
    summary: "Why a server has the weight it has",
    replies: ok("The formula with its numbers, and where each comes from.", ref("ExplainReply")),
    refusals: { 404: NO_SERVER, 503: "The first pass is not over yet: ask again in a moment." },
    example: { path: "/v1/services/web/servers/old/explain" },
  },
  {
    method: "POST",
    path: "/v1/services/{service}/servers/{server}/disable",
    summary: "Weight 0 for a server, until it is enabled",
    body: BODIES.DISABLE,
    replies: NOTED,
    refusals: COMMANDED,
    example: { path: "/v1/services/web/servers/old/disable", body: { reason: "kernel update" } },
  },
  {
    method: "POST",
    path: "/v1/services/{service}/servers/{server}/enable",
    summary: "Let a server have clients again",
    description: "The note says what still holds it at weight 0.",
    body: BODIES.ENABLE,
    replies: NOTED,
    refusals: COMMANDED,
    example: { path: "/v1/services/web/servers/old/enable" },
  },
  {
    method: "POST",
    path: "/v1/services/{service}/servers/{server}/weight",
    summary: "Another weight than the file's, until that one changes",
    body: BODIES.WEIGHT,
    replies: NOTED,
    refusals: { ...COMMANDED, 409: "It takes part in a drain that is not over." },
    example: { path: "/v1/services/web/servers/old/weight", body: { weight: 100, reason: "half the memory" } },
  },
  {
    method: "POST",
    path: "/v1/drains",
    summary: "Begin a drain, or plan one",
    description:
      "One of service and host; one of overMs, steps and now; everyMs unless now; with host no from. With dryRun nothing is begun, and the reply is the plan.",
    body: BODY,
    replies: [
      {
        status: 201,
        description: "It has begun (or, with a known requestId, is the one that had).",
        schema: DRAIN_OR_MORE,
      },
      {
        status: 200,
        description: "With dryRun: what it would do.",
        schema: { anyOf: [ref("PlannedDrain"), ref("PlannedMachineDrains")] },
      },
    ],
    refusals: {
      400: UNFIT,
      404: NO_SERVER,
      409: "It may not be: servers of another drain, too little capacity left, a scheduler without weights. The reason says which.",
      503: UNWRITABLE,
    },
    example: {
      path: "/v1/drains",
      body: { service: "web", from: ["old"], to: ["new"], overMs: 600_000, everyMs: 30_000 },
    },
  },
  {
    method: "GET",
    path: "/v1/drains",
    summary: "All drains that are remembered",
    replies: ok("Oldest first.", object({ drains: { type: "array", items: ref("DrainStatus") } })),
    refusals: {},
    example: { path: "/v1/drains" },
  },
  {
    method: "GET",
    path: "/v1/drains/{drain}",
    summary: "One drain",
    replies: ok("By the id of a machine's drains: all of them.", DRAIN_OR_MORE),
    refusals: { 404: "There is no such drain." },
    example: { path: "/v1/drains/web" },
  },
  drainWord("pause", "Hold a drain where it is"),
  drainWord("resume", "Go on with a paused drain"),
  drainWord("finish", "To a drain's last step, now"),
  drainWord("abort", "End a drain where it is: shares stand"),
  drainWord("rollback", "The weights of before a drain, at once; also after its end"),
  {
    method: "POST",
    path: "/v1/services/{service}/servers/{server}/undrain",
    summary: "Give a server back what drains took from it",
    body: BODIES.ENABLE,
    replies: ok(
      "The drains that this has ended.",
      object({ drains: { type: "array", items: ref("DrainStatus") }, note: { type: "string" } }, ["drains"]),
    ),
    refusals: {
      ...COMMANDED,
      409: "Nothing holds it that an undrain could end, or a drain would be left without its olds.",
    },
    example: { path: "/v1/services/web/servers/old/undrain" },
  },
  {
    method: "GET",
    path: "/v1/settle",
    summary: "What the file would have to say to agree with what drains and commands have left",
    replies: ok("One line for each server whose standing weight differs from the file's.", ref("SettleReply")),
    refusals: {},
    example: { path: "/v1/settle" },
  },
  {
    method: "GET",
    path: "/v1/events",
    summary: "What happened: the last 10,000 events",
    description: "One JSON document a line, oldest first.",
    query: [
      {
        name: "after",
        description: "Only events after this sequence number; 0 is all that are kept.",
        schema: { type: "integer", minimum: 0 },
      },
      {
        name: "follow",
        description: "1: the connection stays open, and every new event is sent.",
        schema: { enum: ["1"] },
      },
    ],
    replies: [
      {
        status: 200,
        description: "Lines, each a DirectorEvent.",
        type: "application/x-ndjson",
        schema: ref("DirectorEvent"),
      },
    ],
    refusals: { 400: "`after` is no sequence number." },
    example: { path: "/v1/events?after=0" },
  },
  {
    method: "POST",
    path: "/v1/plan",
    summary: "What a reload would change",
    description: "Nothing is changed. A POST because it may take a whole configuration.",
    body: PLAN,
    replies: ok("Line by line.", ref("PlanReply")),
    refusals: {
      400: UNFIT,
      422: "The configuration has problems; `problems` has them all.",
      503: "The kernel's table cannot be read.",
    },
    example: { path: "/v1/plan", body: {} },
  },
  {
    method: "POST",
    path: "/v1/reload",
    summary: "Read the configuration anew",
    description: "A bad one changes nothing.",
    body: BODIES.RELOAD,
    replies: ok("It is in force.", ref("ReloadReply")),
    refusals: {
      400: UNFIT,
      409: "It would take away more than reload.max_removed allows; `problems` lists what. `force` does it all the same.",
      422: "The configuration has problems; `problems` has them all.",
    },
    example: { path: "/v1/reload", body: { force: false } },
  },
  {
    method: "POST",
    path: "/v1/freeze",
    summary: "Write nothing for a while, of a service or of all",
    description: "Probing goes on, and so does deciding.",
    body: BODIES.FREEZE,
    replies: NOTED,
    refusals: COMMANDED,
    example: { path: "/v1/freeze", body: { service: "web", forMs: 1_800_000, reason: "working on the firewall" } },
  },
  {
    method: "POST",
    path: "/v1/thaw",
    summary: "End freezes",
    description: "What was decided meanwhile is written.",
    body: BODIES.THAW,
    replies: NOTED,
    refusals: COMMANDED,
    example: { path: "/v1/thaw", body: { service: "web" } },
  },
  {
    method: "GET",
    path: "/v1/intent",
    summary: "Everything that was commanded, as one document",
    replies: [
      {
        status: 200,
        description: "With its revision as ETag.",
        schema: ref("Intent"),
        etag: "The revision, in quotes.",
      },
    ],
    refusals: {},
    example: { path: "/v1/intent" },
  },
  {
    method: "PUT",
    path: "/v1/intent",
    summary: "Replace everything that was commanded",
    headers: [{ name: "If-Match", description: "The revision that was seen, in quotes: the ETag of GET." }],
    body: intentSchema,
    replies: [
      {
        status: 200,
        description: "As it is now, with its new revision.",
        schema: ref("Intent"),
        etag: "The revision, in quotes.",
      },
    ],
    refusals: {
      400: UNFIT,
      412: "Something was commanded since that revision.",
      428: "There is no If-Match; the reason names the present revision.",
      503: UNWRITABLE,
    },
    example: { path: "/v1/intent", headers: { "If-Match": '"0"' }, body: "@intent.json" },
  },
];
