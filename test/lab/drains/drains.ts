import assert from "node:assert/strict";
import type { DrainStatus } from "../../../src/control/shapes.ts";
import { type Director, kernelTable, until } from "../inside.ts";
import { ask, call, drainStatus } from "../main-job/api.ts";

/** What POST /v1/drains takes, as far as these scenarios use it. */
export interface DrainBody {
  readonly service?: string;
  readonly host?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly overMs?: number;
  readonly everyMs?: number;
  readonly steps?: readonly number[];
  readonly now?: boolean;
  readonly pauseAt?: readonly number[];
  readonly minCapacity?: number;
  readonly allowEmpty?: boolean;
  readonly newDownTimeoutMs?: number;
  readonly onNewDown?: "wait" | "rollback";
  readonly onRestart?: "pause" | "resume" | "rollback";
  readonly idle?: "active" | "all" | "none";
  readonly graceMs?: number;
  readonly atGrace?: "keep" | "remove";
  readonly afterwards?: "keep" | "remove";
  readonly add?: boolean;
}

/** Starts one drain. @throws Error with the answer when it is refused. */
export function drain(director: Director, body: DrainBody): Promise<DrainStatus> {
  return ask(director, "POST", "drains", body);
}

/** An operator's word for a drain, or for a machine's drains together. */
export function say(director: Director, id: string, word: "pause" | "resume" | "finish" | "rollback" | "abort") {
  return ask<DrainStatus>(director, "POST", `drains/${id}/${word}`, {});
}

/** Waits until the drain is as told, and returns it then. */
export function drainIs(
  director: Director,
  id: string,
  what: string,
  is: (now: DrainStatus) => boolean,
  timeoutMs = 30_000,
): Promise<DrainStatus> {
  let last: DrainStatus | undefined;
  return until(
    `drain ${id} is ${what}`,
    async () => {
      last = await drainStatus(director, id);
      return is(last) ? last : undefined;
    },
    { timeoutMs, everyMs: 100 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it is: ${last?.message}`, { cause: error });
  });
}

/** Asserts that an order is refused, and returns why. */
export async function refusedWith(director: Director, body: DrainBody, status = 409): Promise<string> {
  const reply = await call(director, "POST", "drains", body);
  assert.equal(reply.status, status, JSON.stringify(reply.body));
  return JSON.stringify(reply.body);
}

/** Weights of a service in the kernel in the order of these servers, such as `100/0/50`; `-` for one that is not in the table. */
export function weightsOf(service: string, servers: readonly string[]): string {
  const found = kernelTable()[service]?.servers ?? {};
  return servers.map((server) => found[server]?.weight ?? "-").join("/");
}
