import { z } from "zod";
import type { Director } from "../director/director.ts";
import type { Refusal } from "../director/orders.ts";
import { serviceWith } from "../director/places.ts";
import { drainPlan } from "../director/plan.ts";
import { drainStatus, explain, type StatusInput, serviceStatus } from "../director/status.ts";
import type { Result } from "../model/result.ts";
import { serviceKey } from "../model/service.ts";
import type { EpochMs } from "../model/time.ts";
import { type Drain, isActive } from "../policy/drain.ts";
import type { DrainCommand } from "../policy/drain-table.ts";
import { intentSchema } from "../state/intent.ts";
import { type ApiReply, type ApiRequest, json, problem } from "./http.ts";
import type { DrainStatus, ReloadReply, StatusReply } from "./shapes.ts";

/** What the handlers need besides the director. */
export interface HandlerContext {
  readonly director: Director;
  status(): StatusReply;
  statusInput(): StatusInput;
  /** Reads the file anew. `problems` as FILE:LINE:COL lines. */
  reload(
    force: boolean,
  ): Promise<Result<ReloadReply, { readonly kind: "invalid" | "removes"; readonly problems: readonly string[] }>>;
}

/** All of /v1: request in, reply out. */
export function apiHandler(context: HandlerContext): (request: ApiRequest) => Promise<ApiReply> {
  return async (request) => {
    const [version, resource, ...rest] = request.path;
    if (version !== "v1") return problem(404, `no such path; the interface is below /v1`);
    switch (resource) {
      case "status":
        return request.method === "GET" ? json(context.status()) : wrongMethod("GET");
      case "services":
        return services(context, request, rest);
      case "reload":
        return request.method === "POST" ? reload(context, request) : wrongMethod("POST");
      case "drains":
        return drains(context, request, rest);
      case "events":
        return request.method === "GET" ? events(context, request) : wrongMethod("GET");
      case "intent":
        return intent(context, request);
      default:
        return problem(
          404,
          `nothing at /v1/${resource ?? ""}; there are status, services, drains, events, intent, reload`,
        );
    }
  };
}

const reason = z.string().max(1_000).optional();
const ENABLE = z.strictObject({ reason });
const DISABLE = z.strictObject({ reason, until: z.number().optional() });
const WEIGHT = z.strictObject({ reason, weight: z.int().min(0).max(65_535).nullable() });
const RELOAD = z.strictObject({ force: z.boolean().optional() });
const names = z.array(z.string().min(1)).max(1_000);
const DRAIN = z.strictObject({
  service: z.string().min(1),
  from: names.min(1),
  to: names.default([]),
  overMs: z
    .number()
    .min(0)
    .max(30 * 86_400_000),
  everyMs: z
    .number()
    .min(100)
    .max(30 * 86_400_000),
  minCapacity: z.number().min(0).max(1).optional(),
  allowEmpty: z.boolean().default(false),
  force: z.boolean().default(false),
  reason,
  requestId: z.string().max(200).optional(),
  dryRun: z.boolean().default(false),
});

async function services(context: HandlerContext, request: ApiRequest, path: readonly string[]): Promise<ApiReply> {
  const [service, servers, server, action] = path;
  if (service === undefined || servers !== "servers" || server === undefined || action === undefined)
    return problem(404, "servers are at /v1/services/SERVICE/servers/SERVER/ACTION");
  const { director } = context;
  if (action === "explain") {
    const place = director.locate(service, server);
    if (!place.ok) return refused(place.error);
    const reply = explain(place.value.service, place.value.server, context.statusInput());
    return reply ? json(reply) : problem(503, "the first pass is not over yet: ask again in a moment");
  }
  if (request.method !== "POST") return wrongMethod("POST");
  switch (action) {
    case "enable":
      return withBody(ENABLE, request, async (body) =>
        noted(await director.enable(service, server, order(request, body.reason))),
      );
    case "disable":
      return withBody(DISABLE, request, async (body) => {
        const until = body.until === undefined ? undefined : (body.until as EpochMs);
        return noted(await director.disable(service, server, order(request, body.reason), until));
      });
    case "weight":
      return withBody(WEIGHT, request, async (body) =>
        noted(await director.setWeight(service, server, body.weight ?? undefined, order(request, body.reason))),
      );
    default:
      return problem(404, `no action "${action}"; there are enable, disable, weight, explain`);
  }
}

async function reload(context: HandlerContext, request: ApiRequest): Promise<ApiReply> {
  return withBody(RELOAD, request, async ({ force }) => {
    const done = await context.reload(force === true);
    if (done.ok) return json(done.value);
    const { kind, problems } = done.error;
    if (kind === "invalid")
      return problem(422, "the configuration has problems; the running one stays in force", problems);
    return problem(
      409,
      "the reload would take away more than reload.max_removed allows; --force does it all the same",
      problems,
    );
  });
}

async function drains(context: HandlerContext, request: ApiRequest, path: readonly string[]): Promise<ApiReply> {
  const { director } = context;
  const [name, word] = path;
  if (name === undefined) {
    if (request.method === "GET") return json({ drains: director.intent().drains.map((d) => statusOf(context, d)) });
    if (request.method !== "POST") return wrongMethod("GET, POST");
    return withBody(
      DRAIN,
      request,
      async ({ service, overMs, everyMs, dryRun, minCapacity, requestId, reason: said, ...rest }) => {
        const wanted = { ...rest, over: overMs, every: everyMs, minCapacity, requestId, reason: said };
        const started = await director.startDrain(service, wanted, order(request, said), dryRun);
        if (!started.ok) return refused(started.error);
        const reply = statusOf(context, started.value);
        return dryRun
          ? json({ ...reply, ...drainPlan(started.value, director.contextOf(service)!) })
          : json(reply, 201);
      },
    );
  }
  const drain = findDrain(director, name);
  if (!drain)
    return problem(
      404,
      `no drain "${name}" and no service of that name with a drain; \`director drain list\` shows them`,
    );
  if (word === undefined) return request.method === "GET" ? json(statusOf(context, drain)) : wrongMethod("GET");
  if (request.method !== "POST") return wrongMethod("POST");
  if (!WORDS.has(word)) return problem(404, `no action "${word}"; there are ${[...WORDS].join(", ")}`);
  return withBody(ENABLE, request, async (body) => {
    const done = await director.orderDrain(drain.id, word as DrainCommand, order(request, body.reason));
    return done.ok ? json(statusOf(context, done.value)) : refused(done.error);
  });
}

const WORDS: ReadonlySet<string> = new Set<DrainCommand>(["pause", "resume", "finish", "rollback", "abort"]);

/** By id; by service: its active drain, else its latest. */
function findDrain(director: Director, name: string): Drain | undefined {
  const all = director.intent().drains;
  const byId = all.find((d) => d.id === name);
  if (byId) return byId;
  const service = director.config().services.find((s) => s.name === name);
  const keys = new Set(service?.frontends.map(serviceKey));
  const here = all.filter((d) => d.serviceName === name || d.service.some((key) => keys.has(key)));
  return here.find(isActive) ?? here.at(-1);
}

export function statusOf(context: HandlerContext, drain: Drain): DrainStatus {
  const { director } = context;
  const { now, reconciler } = context.statusInput();
  const service = serviceWith(director.config(), drain.service);
  const olds = service?.servers.filter((s) => drain.from.includes(s.key)) ?? [];
  const counts = olds.map((server) => director.connectionsOf(service!, server));
  const connections = counts.includes(undefined) ? undefined : counts.reduce<number>((sum, n) => sum + n!, 0);
  return drainStatus(drain, service, reconciler.desired, connections, now);
}

async function events(context: HandlerContext, request: ApiRequest): Promise<ApiReply> {
  const log = context.director.events;
  const text = request.query.get("after") ?? "0";
  const after = Number(text);
  if (!Number.isInteger(after) || after < 0) return problem(400, `after=${text}: expected a sequence number`);
  const follow = request.query.get("follow") === "1";
  return {
    kind: "stream",
    start(write, end) {
      for (const event of log.after(after)) write(`${JSON.stringify(event)}\n`);
      if (follow) return log.follow((event) => void write(`${JSON.stringify(event)}\n`));
      end();
      return () => {};
    },
  };
}

async function intent(context: HandlerContext, request: ApiRequest): Promise<ApiReply> {
  const { director } = context;
  const tag = () => `"${director.intent().revision}"`;
  if (request.method === "GET") return { kind: "json", status: 200, body: director.intent(), etag: tag() };
  if (request.method !== "PUT") return wrongMethod("GET, PUT");
  const match = /^"(\d+)"$/.exec(request.ifMatch ?? "");
  if (!match) return problem(428, `say which revision you saw: If-Match: ${tag()}`);
  return withBody(intentSchema, request, async (body) => {
    const done = await director.putIntent(body, Number(match[1]), order(request, undefined));
    if (done.ok) return { kind: "json", status: 200, body: done.value, etag: tag() };
    return done.error.kind === "conflict" ? problem(412, done.error.problem) : refused(done.error);
  });
}

async function withBody<T>(
  schema: z.ZodType<T>,
  request: ApiRequest,
  use: (body: T) => Promise<ApiReply>,
): Promise<ApiReply> {
  const parsed = schema.safeParse(request.body ?? {});
  if (parsed.success) return use(parsed.data);
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  return problem(400, `the request does not fit: ${problems[0]}`, problems);
}

function order(request: ApiRequest, said: string | undefined) {
  return { actor: request.actor, reason: said };
}

function noted(done: Result<string | undefined, Refusal>): ApiReply {
  return done.ok ? json(done.value === undefined ? {} : { note: done.value }) : refused(done.error);
}

const STATUS_OF: Readonly<Record<Refusal["kind"], number>> = {
  "not-found": 404,
  conflict: 409,
  unwritable: 503,
};

function refused(refusal: Refusal): ApiReply {
  return problem(STATUS_OF[refusal.kind], refusal.problem);
}

function wrongMethod(allowed: string): ApiReply {
  return problem(405, `allowed here: ${allowed}`);
}

/** For VRRP and BGP scripts: 200 when ready (the whole director, or one service), 503 when not. */
export function readyHandler(
  context: HandlerContext,
  ready: () => boolean,
  api: (request: ApiRequest) => Promise<ApiReply>,
) {
  return async (request: ApiRequest): Promise<ApiReply> => {
    switch (request.path[0]) {
      case "healthz":
        return { kind: "text", status: 200, body: "ok\n" };
      case "readyz": {
        const name = request.query.get("service");
        if (!ready()) return { kind: "text", status: 503, body: "starting\n" };
        if (name === null) return { kind: "text", status: 200, body: "ready\n" };
        const service = context.director.config().services.find((s) => s.name === name);
        if (!service) return { kind: "text", status: 404, body: `no service ${name}\n` };
        const up = serviceStatus(service, context.statusInput()).up;
        return { kind: "text", status: up ? 200 : 503, body: up ? "up\n" : "down\n" };
      }
      default:
        return api(request);
    }
  };
}
