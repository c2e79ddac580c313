import { z } from "zod";
import type { ServerKey, ServiceKey } from "../model/service.ts";
import type { EpochMs, MonotonicMs } from "../model/time.ts";
import type { Drain } from "../policy/drain.ts";
import type { Intent } from "../policy/intent.ts";

const serviceKey = z
  .string()
  .min(1)
  .transform((s) => s as ServiceKey);
const serverKey = z
  .string()
  .min(1)
  .transform((s) => s as ServerKey);
const epoch = z
  .number()
  .nonnegative()
  .transform((n) => n as EpochMs);
const mono = z.number().transform((n) => n as MonotonicMs);
const optional = <T extends z.ZodType>(schema: T) => schema.optional().transform((value) => value ?? undefined);
const weight = z.number().min(0).max(2_147_483_647);
const said = { by: z.string(), at: epoch, reason: optional(z.string()) };
const amounts = z.record(z.string(), z.number().min(0));

const phase = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("pending"), since: mono }),
  z.strictObject({ kind: z.literal("shifting"), nextStepAt: mono }),
  z.strictObject({
    kind: z.literal("paused"),
    why: z.enum(["operator", "pause-at", "new-down", "capacity", "restart", "state-unwritable", "config-changed"]),
    text: z.string(),
    since: mono,
    allDownSince: optional(mono),
    was: z.enum(["pending", "shifting", "draining"]),
    left: z.number().min(0),
  }),
  z.strictObject({ kind: z.literal("draining"), since: mono, graceUntil: mono }),
  z.strictObject({ kind: z.literal("done"), at: epoch, left: z.number().int().min(0) }),
  z.strictObject({ kind: z.literal("rolled-back"), at: epoch, text: z.string() }),
  z.strictObject({ kind: z.literal("aborted"), at: epoch, text: z.string() }),
  z.strictObject({ kind: z.literal("failed"), at: epoch, text: z.string() }),
]);

const drain = z
  .strictObject({
    id: z.string().min(1),
    service: z.array(serviceKey).min(1),
    serviceName: z.string(),
    from: z.array(serverKey).min(1),
    to: z.array(serverKey),
    steps: z.array(z.number().gt(0).max(1)).min(1),
    every: z.number().min(0),
    step: z.number().int().min(0),
    phase,
    policy: z.strictObject({
      newDownTimeout: z.number().min(0),
      grace: z.number().min(0),
      minCapacity: z.number().min(0).max(1),
      allowEmpty: z.boolean(),
      onNewDown: z.enum(["wait", "rollback"]),
      onRestart: z.enum(["pause", "resume", "rollback"]),
      idle: z.enum(["active", "all", "none"]),
      afterwards: z.enum(["keep", "remove"]),
      atGrace: z.enum(["keep", "remove"]),
      pauseAt: z.array(z.number().gt(0).max(1)),
      ttl: optional(z.number().min(0)),
    }),
    configured: amounts,
    expires: optional(z.strictObject({ mono, epoch })),
    parent: optional(z.strictObject({ id: z.string(), host: z.string() })),
    result: optional(z.strictObject({ given: amounts, taken: amounts })),
    startedAt: epoch,
    actor: z.string(),
    reason: optional(z.string()),
    requestId: optional(z.string()),
  })
  .refine((d) => d.step <= d.steps.length, { path: ["step"], message: "more steps in force than there are" });

/** The document as it is stored, exported and imported. */
export const intentSchema: z.ZodType<Intent> = z.strictObject({
  version: z.literal(1),
  revision: z.number().int().min(0),
  bootId: z.string(),
  owned: z.array(serviceKey),
  servers: z.array(
    z.strictObject({
      services: z.array(serviceKey).min(1),
      server: serverKey,
      disabled: optional(z.strictObject({ ...said, until: optional(epoch) })),
      weight: optional(z.strictObject({ ...said, value: weight, configured: weight })),
      stateLost: optional(z.strictObject({ at: epoch })),
    }),
  ),
  added: z
    .array(z.strictObject({ services: z.array(serviceKey).min(1), address: z.string().min(1), server: serverKey }))
    .default([]),
  freezes: z
    .array(
      z.strictObject({
        ...said,
        services: optional(z.array(serviceKey).min(1)),
        serviceName: optional(z.string()),
        until: epoch,
      }),
    )
    .default([]),
  drains: z.array(drain as unknown as z.ZodType<Drain>),
  kept: z
    .strictObject({
      sync: z.array(z.enum(["master", "backup"])),
      addresses: z.array(z.strictObject({ device: z.string().min(1), address: z.string().min(1) })),
    })
    .default({ sync: [], addresses: [] }),
});
