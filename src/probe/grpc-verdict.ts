import type { ProbeOutcome } from "../model/probe.ts";
import { healthStatus } from "./grpc-message.ts";
import type { GrpcOptions } from "./grpc-options.ts";
import { formatSize } from "./http-options.ts";
import type { HttpFields } from "./http-session.ts";
import { fail } from "./outcome.ts";
import type { Judge } from "./requests.ts";

/** A HealthCheckResponse is 2 bytes long; of those that had more to say none is known. */
export const MAX_MESSAGE = 4096;

/** HealthCheckResponse.ServingStatus by number; the last stands in answers to Watch only. */
const SERVING_STATUS = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** Status codes of gRPC by number (github.com/grpc/grpc, doc/statuscodes.md). */
const STATUS = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

const SERVING: ProbeOutcome = Object.freeze({ kind: "pass", detail: "SERVING" });

/** What a reply to Health/Check says. */
export function grpcVerdict({ service }: Pick<GrpcOptions, "service">): Judge {
  const who = service === "" ? "the server" : `the service ${JSON.stringify(service)}`;
  return {
    needsBody: true,
    status(status, fields) {
      if (status !== 200) return fail(`status ${status}, expected 200: is this a gRPC server?`);
      const type = String(fields["content-type"] ?? "");
      if (/^application\/grpc($|[+; ])/i.test(type)) return undefined;
      return fail(`${type === "" ? "no content type" : `content type ${quoted(type)}`}, expected application/grpc`);
    },
    body(_status, body, whole, fields) {
      if (!whole) return fail(`the reply is longer than ${formatSize(MAX_MESSAGE)}`);
      const failure = statusTrouble(fields, who);
      if (failure !== undefined) return fail(failure);
      const status = healthStatus(body);
      if (!status.ok) return fail(`the reply ${status.error}`);
      const word = SERVING_STATUS[status.value] ?? `in state ${status.value}`;
      return word === "SERVING" ? SERVING : fail(`${who} is ${word}, expected SERVING`);
    },
  };
}

/** What grpc-status says, where it is not OK. */
function statusTrouble(fields: HttpFields, who: string): string | undefined {
  const code = fields["grpc-status"];
  if (code === undefined) return "the reply ends without a grpc-status";
  if (code === "0") return undefined;
  const word = STATUS[Number(code)] ?? quoted(String(code));
  const message = decoded(String(fields["grpc-message"] ?? ""));
  const said = message === "" ? word : `${word}: ${quoted(message)}`;
  if (word === "NOT_FOUND") return `the server does not know ${who} (${said})`;
  if (word === "UNIMPLEMENTED") return `the server has no grpc.health.v1.Health (${said})`;
  return `the server answered ${said}`;
}

/** Percent-encoded UTF-8, as far as it is. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
