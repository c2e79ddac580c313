import { z } from "zod";
import type { Director } from "../director/director.ts";
import { entriesOf } from "../director/places.ts";
import { settleLines } from "../director/settle.ts";
import { explain, type StatusInput } from "../director/status.ts";
import type { Rates } from "../ipvs/table.ts";
import type { Result } from "../model/result.ts";
import type { EpochMs } from "../model/time.ts";
import { intentSchema } from "../state/intent.ts";
import { drainRoutes, statusOf } from "./drain-routes.ts";
import { type ApiReply, type ApiRequest, json, problem } from "./http.ts";
import { type Planner, planRoute } from "./plan-routes.ts";
import { noted, order, refused, withBody, wrongMethod } from "./replies.ts";
import type { ReloadReply, SettleReply, StatusReply } from "./shapes.ts";

/** What the handlers need besides the director. */
export interface HandlerContext {
  readonly director: Director;
  /** @param rates as they are now; without them the status has none */
  status(rates?: Rates): StatusReply;
  /** New connections a second; undefined: they cannot be had. */
  rates(): Promise<Rates | undefined>;
  statusInput(): StatusInput;
  readonly plan: Planner;
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
        return request.method === "GET" ? status(context, request) : wrongMethod("GET");
      case "services":
        return services(context, request, rest);
      case "reload":
        return request.method === "POST" ? reload(context, request) : wrongMethod("POST");
      case "freeze":
        return request.method === "POST" ? freeze(context, request) : wrongMethod("POST");
      case "thaw":
        return request.method === "POST" ? thaw(context, request) : wrongMethod("POST");
      case "plan":
        return request.method === "POST" ? planRoute(context.plan, request) : wrongMethod("POST");
      case "drains":
        return drainRoutes(context, request, rest);
      case "settle":
        return request.method === "GET" ? json(settle(context)) : wrongMethod("GET");
      case "events":
        return request.method === "GET" ? events(context, request) : wrongMethod("GET");
      case "intent":
        return intent(context, request);
      default:
        return problem(
          404,
          `nothing at /v1/${resource ?? ""}; there are status, services, drains, settle, events, intent, plan, reload, freeze, thaw`,
        );
    }
  };
}

async function status({ status: current, rates }: HandlerContext, { query }: ApiRequest): Promise<ApiReply> {
  return json(current(query.get("rates") === "1" ? await rates() : undefined));
}

const reason = z.string().max(1_000).optional().describe("Why, for the log and for those who come after");
const ENABLE = z.strictObject({ reason });
const DISABLE = z.strictObject({
  reason,
  until: z.number().optional().describe("Milliseconds since 1970: enabled again by itself then"),
});
const WEIGHT = z.strictObject({
  reason,
  weight: z.int().min(0).max(65_535).nullable().describe("null: the file's again"),
});
const RELOAD = z.strictObject({
  force: z.boolean().optional().describe("Even if it removes more than reload.max_removed"),
});
/** A freeze that nobody ends would be a director that does nothing. */
const LONGEST_FREEZE_MS = 7 * 24 * 3_600_000;
const FREEZE = z.strictObject({
  reason,
  service: z.string().optional().describe("Left out: everything"),
  forMs: z.int().min(1_000).max(LONGEST_FREEZE_MS).describe("How long, 1 second to 7 days"),
});
const THAW = z.strictObject({ reason, service: z.string().optional().describe("Left out: every freeze") });

/** What these routes take, for who describes them. */
export const BODIES = { ENABLE, DISABLE, WEIGHT, RELOAD, FREEZE, THAW };

function freeze({ director }: HandlerContext, request: ApiRequest): Promise<ApiReply> {
  return withBody(FREEZE, request, async ({ service, forMs, reason: why }) =>
    noted(await director.freeze(service, forMs, order(request, why))),
  );
}

function thaw({ director }: HandlerContext, request: ApiRequest): Promise<ApiReply> {
  return withBody(THAW, request, async ({ service, reason: why }) =>
    noted(await director.thaw(service, order(request, why))),
  );
}

async function services(context: HandlerContext, request: ApiRequest, path: readonly string[]): Promise<ApiReply> {
  const [service, servers, server, action] = path;
  if (service === undefined || servers !== "servers" || server === undefined || action === undefined)
    return problem(404, "servers are at /v1/services/SERVICE/servers/SERVER/ACTION");
  const { director } = context;
  if (action === "explain") {
    if (request.method !== "GET") return wrongMethod("GET");
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
    case "undrain":
      return withBody(ENABLE, request, async (body) => {
        const place = director.locate(service, server);
        if (!place.ok) return refused(place.error);
        const done = await director.undrain(place.value.service, place.value.server.key, order(request, body.reason));
        if (!done.ok) return refused(done.error);
        const { drains, note } = done.value;
        return json({ drains: drains.map((d) => statusOf(context, d)), ...(note === undefined ? {} : { note }) });
      });
    default:
      return problem(404, `no action "${action}"; there are enable, disable, weight, undrain, explain`);
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

function settle({ director }: HandlerContext): SettleReply {
  const lines = director.config().services.flatMap((service) => {
    const entries = entriesOf(service);
    const added = director.intent().added.filter((a) => a.services.some((key) => entries.includes(key)));
    const isAdded = (server: string) => added.some((a) => a.server === server);
    return settleLines(service, director.intents().of(service)).map((l) => ({ ...l, added: isAdded(l.address) }));
  });
  return { lines };
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
