import { z } from "zod";
import type { DrainScope } from "../director/drain-orders.ts";
import type { DrainRequest, Pace } from "../director/drain-request.ts";
import { viewFor } from "../director/drains.ts";
import { serviceWith } from "../director/places.ts";
import { drainPlan } from "../director/plan.ts";
import { drainStatus } from "../director/status.ts";
import { type Drain, type DrainPolicy, isActive, isStanding } from "../policy/drain.ts";
import type { DrainCommand } from "../policy/drain-table.ts";
import type { HandlerContext } from "./handlers.ts";
import { type ApiReply, type ApiRequest, json, problem } from "./http.ts";
import { order, refused, withBody, wrongMethod } from "./replies.ts";
import type { DrainStatus } from "./shapes.ts";

const THIRTY_DAYS_MS = 30 * 86_400_000;
const duration = z.number().min(0).max(THIRTY_DAYS_MS);
const share = z.number().gt(0).max(1);
const names = z.array(z.string().min(1)).max(1_000);

/** The body of POST /v1/drains: one service, or every service that has `host`; a pace; a policy. */
export const BODY = z
  .strictObject({
    service: z.string().min(1).optional().describe("One of service and host"),
    host: z.string().min(1).optional().describe("Name or address of a machine: all its servers, in every service"),
    from: names.default([]).describe("Who gives its weight: names, addresses, label=KEY=VALUE"),
    to: names.default([]).describe("Who takes it; empty: the rest of the pool"),
    overMs: duration.optional().describe("How long the whole shift takes; one of overMs, steps and now"),
    everyMs: z.number().min(100).max(THIRTY_DAYS_MS).optional().describe("From step to step; not needed with now"),
    steps: z.array(share).max(1_000).optional().describe("Shares, each held for everyMs"),
    now: z.boolean().default(false).describe("Everything in one step"),
    minCapacity: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Refuse and pause below this share of the healthy weight; default 0.5"),
    allowEmpty: z.boolean().optional().describe("The last server of the pool may go"),
    newDownTimeoutMs: duration.optional().describe("How long the new may be down before all goes back; default 60000"),
    onNewDown: z.enum(["wait", "rollback"]).optional().describe("Default wait"),
    onRestart: z.enum(["pause", "resume", "rollback"]).optional().describe("After a long gap; default pause"),
    idle: z
      .enum(["active", "all", "none"])
      .optional()
      .describe("The connections waited for in the end; default active"),
    graceMs: duration.optional().describe("How long they are waited for; default 600000"),
    atGrace: z.enum(["keep", "remove"]).optional().describe("With afterwards remove; default keep"),
    afterwards: z
      .enum(["keep", "remove"])
      .optional()
      .describe("The olds stay at weight 0, or leave the table; default keep"),
    pauseAt: z.array(share).max(100).optional().describe("Shares where it waits for resume"),
    ttlMs: duration.optional().describe("Undo it by itself this long after it began"),
    add: z.boolean().default(false).describe("Bring in servers of `to` that the file does not have: ADDRESS:PORT"),
    force: z.boolean().default(false).describe("Accept a scheduler other than wrr"),
    reason: z.string().max(1_000).optional().describe("Why, for the log and for those who come after"),
    requestId: z.string().max(200).optional().describe("The same order with the same id begins one drain only"),
    dryRun: z.boolean().default(false).describe("Plan only, change nothing"),
  })
  .refine((b) => (b.service === undefined) !== (b.host === undefined), {
    path: ["service"],
    message: "name a service, or a host",
  })
  .refine((b) => b.host === undefined || b.from.length === 0, {
    path: ["from"],
    message: "a host is what is drained: leave from out",
  })
  .refine((b) => b.now || b.everyMs !== undefined, {
    path: ["everyMs"],
    message: "missing: how long each step is held",
  })
  .refine((b) => [b.now, b.steps !== undefined, b.overMs !== undefined].filter(Boolean).length === 1, {
    path: ["overMs"],
    message: "say one of overMs, steps and now",
  });

type Body = z.output<typeof BODY>;

/** Everything below /v1/drains. */
export async function drainRoutes(
  context: HandlerContext,
  request: ApiRequest,
  path: readonly string[],
): Promise<ApiReply> {
  const { director } = context;
  const [name, word] = path;
  if (name === undefined) {
    if (request.method === "GET") return json({ drains: director.intent().drains.map((d) => statusOf(context, d)) });
    return request.method === "POST"
      ? withBody(BODY, request, (body) => start(context, request, body))
      : wrongMethod("GET, POST");
  }
  const drains = findDrains(context, name);
  if (drains.length === 0)
    return problem(
      404,
      `no drain "${name}" and no service of that name with a drain; \`director drain list\` shows them`,
    );
  if (word === undefined) return request.method === "GET" ? json(reply(context, drains)) : wrongMethod("GET");
  if (request.method !== "POST") return wrongMethod("POST");
  if (!WORDS.has(word)) return problem(404, `no action "${word}"; there are ${[...WORDS].join(", ")}`);
  return withBody(REASON, request, async (body) => {
    const id = drains[0]!.parent && drains.length > 1 ? drains[0]!.parent.id : drains[0]!.id;
    const done = await director.orderDrain(id, word as DrainCommand, order(request, body.reason));
    return done.ok ? json(reply(context, done.value)) : refused(done.error);
  });
}

/** What orders to a drain take. */
export const REASON = z.strictObject({
  reason: z.string().max(1_000).optional().describe("Why, for the log and for those who come after"),
});
export const WORDS: ReadonlySet<string> = new Set<DrainCommand>(["pause", "resume", "finish", "rollback", "abort"]);

async function start(context: HandlerContext, request: ApiRequest, body: Body): Promise<ApiReply> {
  const { director } = context;
  const scope: DrainScope =
    body.service === undefined ? { kind: "host", host: body.host! } : { kind: "service", name: body.service };
  const started = await director.startDrain(scope, requestOf(body), order(request, body.reason), body.dryRun);
  if (!started.ok) return refused(started.error);
  if (!body.dryRun) return json(reply(context, started.value), 201);
  const rates = await director.rates();
  const plans = started.value.map((drain) => {
    const service = serviceWith(director.config(), drain.service)!;
    return { ...statusOf(context, drain), ...drainPlan(drain, director.drainContext(service), rates, director.sysctl) };
  });
  return json(plans.length === 1 && !plans[0]!.parent ? plans[0] : { parent: plans[0]!.parent, drains: plans });
}

function requestOf(body: Body): DrainRequest {
  const policy: { -readonly [K in keyof DrainPolicy]?: DrainPolicy[K] } = {};
  const put = <K extends keyof DrainPolicy>(key: K, value: DrainPolicy[K] | undefined) => {
    if (value !== undefined) policy[key] = value;
  };
  put("minCapacity", body.minCapacity);
  put("allowEmpty", body.allowEmpty);
  put("newDownTimeout", body.newDownTimeoutMs);
  put("onNewDown", body.onNewDown);
  put("onRestart", body.onRestart);
  put("idle", body.idle);
  put("grace", body.graceMs);
  put("atGrace", body.atGrace);
  put("afterwards", body.afterwards);
  put("pauseAt", body.pauseAt);
  put("ttl", body.ttlMs);
  const { from, to, add, force, reason, requestId } = body;
  return { from, to, pace: paceOf(body), policy, add, force, reason, requestId };
}

function paceOf({ now, steps, overMs = 0, everyMs = 0 }: Body): Pace {
  if (now) return { kind: "now" };
  return steps ? { kind: "steps", shares: steps, every: everyMs } : { kind: "over", over: overMs, every: everyMs };
}

/** By id of a drain or of a machine's drains; by service: its active drain, else its latest. */
function findDrains({ director }: HandlerContext, name: string): readonly Drain[] {
  const all = director.intent().drains;
  const byId = all.filter((d) => d.id === name || d.parent?.id === name);
  if (byId.length > 0) return byId;
  const here = all.filter((d) => (serviceWith(director.config(), d.service)?.name ?? d.serviceName) === name);
  const drain = here.find(isActive) ?? here.at(-1);
  return drain ? [drain] : [];
}

/** One drain as itself; several of one machine below their parent. */
function reply(context: HandlerContext, drains: readonly Drain[]): unknown {
  const shown = drains.map((d) => statusOf(context, d));
  return shown.length === 1 ? shown[0] : { parent: drains[0]!.parent, drains: shown };
}

export function statusOf(context: HandlerContext, drain: Drain): DrainStatus {
  const { director } = context;
  const { now, reconciler } = context.statusInput();
  const service = serviceWith(director.config(), drain.service);
  const olds = service?.servers.filter((s) => drain.from.includes(s.key)) ?? [];
  const seen = olds.map((server) => director.connectionsOf(service!, server));
  const sum = (pick: (c: (typeof seen)[number]) => number | undefined): number | undefined =>
    seen.reduce<number | undefined>((total, c) => (total === undefined ? undefined : addKnown(total, pick(c))), 0);
  const connections = {
    active: sum((c) => c.active),
    inactive: sum((c) => c.inactive),
    templates: sum((c) => c.templates),
  };
  const counts = isActive(drain) || isStanding(drain);
  const upon = service && counts ? viewFor(drain, director.drainContext(service)).servers : undefined;
  return drainStatus(drain, service, reconciler.desired, connections, director.rateOf(service), now, upon);
}

function addKnown(total: number, more: number | undefined): number | undefined {
  return more === undefined ? undefined : total + more;
}
