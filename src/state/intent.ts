import { z } from "zod";
import type { ServerKey, ServiceKey } from "../model/service.ts";
import type { EpochMs, MonotonicMs } from "../model/time.ts";
import type { Drain } from "../policy/drain.ts";

/** Who said so, when and why; the actor is what the caller claims (SUDO_USER, uid). */
export interface Said {
  readonly by: string;
  readonly at: EpochMs;
  readonly reason: string | undefined;
}

/** What operators said of one real server. Each point stands on its own: clearing one never clears another. */
export interface ServerIntent {
  /** Every kernel entry of the service: found again when one of them is still there, whatever the service is called. */
  readonly services: readonly ServiceKey[];
  readonly server: ServerKey;
  readonly disabled: (Said & { readonly until: EpochMs | undefined }) | undefined;
  /** Stands until the file's own weight (`configured` then) changes. */
  readonly weight: (Said & { readonly value: number; readonly configured: number }) | undefined;
  /** The kernel had it at weight 0 and our own state was gone: whoever quiesced it must say that it may serve. */
  readonly stateLost: { readonly at: EpochMs } | undefined;
}

/** Everything that is to survive a restart: one document, written and synced before it acts. */
export interface Intent {
  readonly version: 1;
  /** Grows with every write; the ETag of /v1/intent. */
  readonly revision: number;
  /** Of the kernel whose monotonic times stand in here. */
  readonly bootId: string;
  /** Kernel entries that a configuration of ours declared and that may still be in the table: those we may delete. */
  readonly owned: readonly ServiceKey[];
  readonly servers: readonly ServerIntent[];
  readonly drains: readonly Drain[];
}

export const EMPTY_INTENT: Intent = { version: 1, revision: 0, bootId: "", owned: [], servers: [], drains: [] };

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
    why: z.enum(["operator", "new-down", "capacity", "restart", "state-unwritable", "config-changed"]),
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
    }),
    configured: amounts,
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
  drains: z.array(drain as unknown as z.ZodType<Drain>),
});

/** The entry for a server of a service with these kernel entries. */
export function intentOf(intent: Intent, services: readonly ServiceKey[], server: ServerKey): ServerIntent | undefined {
  return intent.servers.find((s) => s.server === server && s.services.some((key) => services.includes(key)));
}

/** The document with one server's entry changed; an entry that says nothing any more is left out. */
export function withServer(
  intent: Intent,
  services: readonly ServiceKey[],
  server: ServerKey,
  change: (entry: ServerIntent) => ServerIntent,
): Intent {
  const old = intentOf(intent, services, server);
  const blank: ServerIntent = { services, server, disabled: undefined, weight: undefined, stateLost: undefined };
  const entry = { ...change(old ?? blank), services };
  const rest = intent.servers.filter((s) => s !== old);
  const speaks = entry.disabled || entry.weight || entry.stateLost;
  return { ...intent, servers: speaks ? [...rest, entry] : rest };
}

/** The document with a drain put in the place of the one with its id, or added. */
export function withDrain(intent: Intent, drain: Drain): Intent {
  const known = intent.drains.some((d) => d.id === drain.id);
  const drains = known ? intent.drains.map((d) => (d.id === drain.id ? drain : d)) : [...intent.drains, drain];
  return { ...intent, drains };
}
