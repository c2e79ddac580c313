import { assertNever } from "./result.ts";
import type { Frontend, Service } from "./service.ts";

/** What the kernel does with the clients of a server at weight 0, measured on Linux 6.1:
 *  - `elsewhere`: new ones go to the others, open connections go on;
 *  - `refused`: the scheduler gives that server's share to nobody (`dh` always; `mh` and `sh` without their fallback flag);
 *  - `persistent`: who was there goes on being sent there (expire_quiescent_template=0);
 *  - `flows`: a UDP flow stays while it talks. */
export type AtZero =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "refused"; readonly fallback: "mh-fallback" | "sh-fallback" | undefined }
  | { readonly kind: "persistent" }
  | { readonly kind: "flows" };

export function atZero(
  { scheduler, schedulerFlags, persistence }: Pick<Service, "scheduler" | "schedulerFlags" | "persistence">,
  frontend: Frontend,
  expireQuiescentTemplate: boolean,
): AtZero {
  if (scheduler === "dh") return { kind: "refused", fallback: undefined };
  if (scheduler === "mh" || scheduler === "sh") {
    const fallback = `${scheduler}-fallback` as const;
    if (!schedulerFlags.includes(fallback)) return { kind: "refused", fallback };
  }
  if (persistence && !expireQuiescentTemplate) return { kind: "persistent" };
  if (frontend.kind === "address" && frontend.protocol === "udp") return { kind: "flows" };
  return { kind: "elsewhere" };
}

/** Why weight 0 is not enough, in a few words; undefined where it is. */
export function atZeroWords(service: Pick<Service, "scheduler">, at: AtZero): string | undefined {
  switch (at.kind) {
    case "elsewhere":
      return undefined;
    case "refused":
      return `scheduler ${service.scheduler}${at.fallback === undefined ? "" : ` without ${at.fallback}`} refuses the share of a server at weight 0`;
    case "persistent":
      return "persistent clients would stay with it (expire_quiescent_template=0)";
    case "flows":
      return "udp flows would stay with it";
    default:
      return assertNever(at);
  }
}
