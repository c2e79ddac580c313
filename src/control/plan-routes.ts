import { z } from "zod";
import type { Result } from "../model/result.ts";
import { type ApiReply, type ApiRequest, json, problem } from "./http.ts";
import { withBody } from "./replies.ts";
import type { PlanReply } from "./shapes.ts";

const SOURCE = z.strictObject({ file: z.string().max(4_096), text: z.string() });
const FILES = z.strictObject({
  file: z.string().max(4_096).describe("Under this name problems are reported"),
  text: z.string().optional().describe("Left out: it could not be read; `problem` says why"),
  problem: z.string().optional(),
  includes: z
    .array(z.strictObject({ pattern: z.string(), files: z.array(SOURCE), problem: z.string().optional() }))
    .default([])
    .describe("What each pattern of `include` has found"),
});
/** What POST /v1/plan takes. */
export const PLAN = z.strictObject({
  files: FILES.optional().describe("A configuration as texts; left out: the daemon's own file, as it is now"),
});

/** A configuration as texts: the main file, and what each of its `include` patterns has found. */
export interface SentFiles {
  readonly file: string;
  readonly text?: string | undefined;
  readonly problem?: string | undefined;
  readonly includes: readonly {
    readonly pattern: string;
    readonly files: readonly z.infer<typeof SOURCE>[];
    readonly problem?: string | undefined;
  }[];
}

/** Why there is no plan. */
export interface PlanRefusal {
  readonly kind: "invalid" | "unreadable";
  readonly problems: readonly string[];
}

/** @param files undefined: the daemon's own, as it is on the disk now */
export type Planner = (files: SentFiles | undefined) => Promise<Result<PlanReply, PlanRefusal>>;

/** POST /v1/plan: what a reload would change. A POST, since it takes a body and costs a run of ipvsadm; it changes nothing. */
export function planRoute(plan: Planner, request: ApiRequest): Promise<ApiReply> {
  return withBody(PLAN, request, async ({ files }) => {
    const done = await plan(files);
    if (done.ok) return json(done.value);
    const { kind, problems } = done.error;
    if (kind === "invalid") return problem(422, "the configuration has problems: a reload would be refused", problems);
    return problem(503, `the IPVS table cannot be read: ${problems.join("; ")}`);
  });
}
