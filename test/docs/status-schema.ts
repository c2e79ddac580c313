import { z } from "zod";
import type { StatusReply } from "../../src/control/shapes.ts";

// What docs/status.schema.json is made of. `director status --json` is held against it, so nothing may be left out here.

const epoch = z.number().meta({ description: "milliseconds since 1970" });
const millis = z.number().min(0).meta({ description: "milliseconds" });
const share = z.number().meta({ description: "0 to 1" });
const count = z.int().min(0);
const text = z.string();
const state = z.enum(["up", "presumed-up", "no-check", "unknown", "down"]);
/** The file's weight, or that which a rule has made of it. */
const rule = z.enum([
  "disabled",
  "state-lost",
  "down",
  "not-yet-probed",
  "drained",
  "configured-0",
  "below-quorum",
  "agent-drain",
  "agent-maint",
  "reported-0",
  "fail-open",
  "slow-start",
  "drain",
  "reported",
  "set-by-command",
  "presumed-up",
  "configured",
]);
const weight = z.int().min(0);

const freeze = { by: text, at: epoch, reason: text.optional(), until: epoch };

const check = z.strictObject({
  check: text.meta({ description: "how people know it: http GET /healthz" }),
  state: z.enum(["unknown", "up", "down"]),
  unchecked: z.boolean().meta({ description: "without a conclusive probe for 30 seconds or more" }),
  unproven: z.boolean().meta({ description: "it has passed nowhere since the reload, and takes nothing down" }),
  last: z.enum(["pass", "fail", "inconclusive"]).optional(),
  detail: text.optional().meta({ description: "of the last probe: what was seen, or why it failed" }),
  at: epoch.optional().meta({ description: "when the last probe ended" }),
  tookMs: millis,
});

const rate = z.number().min(0).optional().meta({
  description:
    "new connections a second; only where asked for (GET /v1/status?rates=1, as director status does) and known",
});

const server = z.strictObject({
  name: text,
  address: text.meta({ description: "10.0.0.11:8080" }),
  state,
  since: epoch.optional(),
  reason: text.optional().meta({ description: "why it is not up" }),
  weight: weight.meta({ description: "what it is to have in the kernel" }),
  rule: rule.meta({ description: "what makes this weight" }),
  kernelWeight: weight.optional().meta({ description: "what it has there; left out: it is not in the table" }),
  configuredWeight: weight.meta({ description: "the file's" }),
  reported: text.optional().meta({ description: "what the server itself wants: drain, 50% of its weight" }),
  takenOut: text.optional().meta({ description: "why it is out of the table instead of at weight 0" }),
  active: count.optional().meta({ description: "open connections" }),
  inactive: count.optional().meta({ description: "TCP: closing; UDP: all" }),
  connectionsPerSecond: rate,
  added: z.boolean().meta({ description: "a drain brought it in, the file does not have it" }),
  disabled: z.strictObject({ by: text, at: epoch, reason: text.optional(), until: epoch.optional() }).optional(),
  override: z
    .strictObject({ weight, by: text, at: epoch, reason: text.optional() })
    .optional()
    .meta({ description: "a weight set by command" }),
  checks: z.array(check),
});

const service = z.strictObject({
  name: text,
  frontends: z.array(text).meta({ description: "tcp 192.0.2.10:80, fwmark 7" }),
  scheduler: text,
  up: z.boolean().meta({ description: "its quorum is held and somebody gets clients" }),
  trouble: text.optional().meta({ description: "what is wrong with it as a whole" }),
  quorum: z.strictObject({ held: z.boolean(), healthy: count, share }),
  failOpen: z.boolean().meta({ description: "the dead get clients, because everybody is dead" }),
  sorryServer: z
    .strictObject({
      address: text,
      serves: z.boolean(),
      state,
      reason: text.optional(),
      kernelWeight: weight.optional(),
      active: count.optional(),
    })
    .optional(),
  connectionsPerSecond: rate,
  frozen: z.strictObject(freeze).optional(),
  unproven: z.array(text).meta({ description: "checks that have passed nowhere since the reload that brought them" }),
  servers: z.array(server),
});

const drain = z.strictObject({
  id: text,
  service: text,
  from: z.array(text),
  to: z.array(text).meta({ description: "empty: the rest of the pool" }),
  state: z.enum(["pending", "shifting", "paused", "draining", "done", "rolled-back", "aborted", "failed"]),
  stands: z.boolean().meta({ description: "it counts for the weights" }),
  pausedBy: z
    .enum(["operator", "pause-at", "new-down", "capacity", "restart", "state-unwritable", "config-changed"])
    .optional(),
  step: count,
  steps: count,
  every: millis,
  asked: share.meta({ description: "of the olds' weight: what the steps ask to have moved, 0 to 1" }),
  given: share.optional().meta({ description: "what whole weights really move, 0 to 1" }),
  parent: z.strictObject({ id: text, host: text }).optional().meta({ description: "the machine it is a part of" }),
  connections: count.optional().meta({ description: "open on the olds" }),
  inactive: count.optional(),
  templates: count.optional().meta({ description: "of persistence: clients that would come back" }),
  nextInMs: millis.optional().meta({ description: "until the next step, or the end of the grace" }),
  ttlLeftMs: millis.optional().meta({ description: "until it undoes itself" }),
  message: text,
  warnings: z.array(text),
  reason: text.optional(),
  actor: text,
  startedAt: epoch,
  left: count.optional().meta({ description: "connections that were open when its grace was over" }),
});

const hook = z.strictObject({
  name: text,
  on: z.array(text),
  services: z.array(text).optional(),
  target: text,
  delivered: count,
  failed: count,
  dropped: count,
  queued: count,
  running: z.boolean(),
  last: z.strictObject({ at: epoch, tookMs: millis, ok: z.boolean(), reason: text.optional() }).optional(),
});

export const statusSchema = z
  .strictObject({
    version: text,
    mode: z.enum(["manage", "observe"]),
    now: epoch,
    startedAt: epoch,
    ready: z.boolean(),
    config: z.strictObject({
      file: text,
      loadedAt: epoch,
      lastReload: z
        .strictObject({ at: epoch, ok: z.boolean(), problems: z.array(text) })
        .optional()
        .meta({ description: "left out: none since the start" }),
    }),
    table: z.strictObject({
      inSync: z.boolean(),
      lastSuccessAt: epoch.optional(),
      lastError: text.optional(),
      refused: z
        .array(z.strictObject({ what: text, reason: text, since: epoch, attempts: count }))
        .meta({ description: "by the kernel" }),
      leftAlone: z
        .array(z.strictObject({ what: text, why: z.enum(["reported", "fight"]), until: epoch.optional() }))
        .meta({ description: "what somebody else changed, and director does not put back" }),
      leaving: z
        .array(z.strictObject({ what: text, since: epoch, until: epoch.optional(), active: count.optional() }))
        .meta({ description: "what the file does not have, waiting for its connections to end" }),
      differences: z.array(text).meta({ description: "what would be written, were this not observe mode, or frozen" }),
    }),
    state: z.strictObject({ writable: z.boolean(), problem: text.optional() }),
    freezes: z.array(
      z.strictObject({ ...freeze, service: text.optional().meta({ description: "left out: everything" }) }),
    ),
    problems: z
      .array(z.strictObject({ severity: z.enum(["error", "warning"]), message: text }))
      .meta({ description: "what a person should look at, worst first" }),
    services: z.array(service),
    drains: z.array(drain).meta({ description: "under way, and the last that ended" }),
    hooks: z.array(hook),
  })
  .meta({
    title: "director status --json",
    description: "Fields that say nothing are left out. More fields may be added.",
  });

/** Fields that may be undefined are left out of JSON. */
type Jsonish<T> = T extends readonly (infer E)[]
  ? readonly Jsonish<E>[]
  : T extends object
    ? { readonly [K in keyof T as undefined extends T[K] ? never : K]: Jsonish<T[K]> } & {
        readonly [K in keyof T as undefined extends T[K] ? K : never]?: Jsonish<Exclude<T[K], undefined>> | undefined;
      }
    : T;

type Said = Jsonish<StatusReply>;
type Allowed = Jsonish<z.infer<typeof statusSchema>>;

/** Compiles only as long as the schema and the type allow the same. */
export const agree: {
  readonly allowed: (status: Said) => Allowed;
  readonly said: (status: Allowed) => Said;
} = { allowed: (status) => status, said: (status) => status };
