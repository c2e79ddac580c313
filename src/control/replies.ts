import type { z } from "zod";
import type { Note, Order, Refusal } from "../director/orders.ts";
import type { Result } from "../model/result.ts";
import { type ApiReply, type ApiRequest, json, problem } from "./http.ts";

/** Checks the body against its schema; all that does not fit is named at once. */
export async function withBody<T>(
  schema: z.ZodType<T>,
  request: ApiRequest,
  use: (body: T) => Promise<ApiReply>,
): Promise<ApiReply> {
  const parsed = schema.safeParse(request.body ?? {});
  if (parsed.success) return use(parsed.data);
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  return problem(400, `the request does not fit: ${problems[0]}`, problems);
}

export function order(request: ApiRequest, said: string | undefined): Order {
  return { actor: request.actor, reason: said };
}

export function noted(done: Result<Note, Refusal>): ApiReply {
  return done.ok ? json(done.value === undefined ? {} : { note: done.value }) : refused(done.error);
}

const STATUS_OF: Readonly<Record<Refusal["kind"], number>> = {
  "not-found": 404,
  conflict: 409,
  unwritable: 503,
};

export function refused(refusal: Refusal): ApiReply {
  return problem(STATUS_OF[refusal.kind], refusal.problem);
}

export function wrongMethod(allowed: string): ApiReply {
  return problem(405, `allowed here: ${allowed}`);
}
