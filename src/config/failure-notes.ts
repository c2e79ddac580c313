import type { Config } from "../model/config.ts";
import type { Service } from "../model/service.ts";
import { type AtZero, atZero } from "../model/weight-zero.ts";

/** What will happen to a server that fails where weight 0 alone does not do. Nothing is wrong with the file. */
export interface FailureNote {
  /** Of which services it holds. */
  readonly services: readonly string[];
  readonly message: string;
}

/** One note for each service whose `on_failure` does more than set weight 0, equal ones together.
 *  @param expireQuiescentTemplate of this machine; undefined: not known (the file may be tested elsewhere) */
export function failureNotes(
  { services }: Config,
  expireQuiescentTemplate: boolean | undefined,
): readonly FailureNote[] {
  const notes = new Map<string, string[]>();
  for (const service of services) {
    const message = noteOn(service, expireQuiescentTemplate);
    if (message !== undefined) notes.set(message, [...(notes.get(message) ?? []), service.name]);
  }
  return [...notes].map(([message, names]) => ({ services: names, message }));
}

const MOST_NAMES = 5;

/** `web, api: a server that fails is taken out …`; of many services the first few are named. */
export function noteText({ services, message }: FailureNote): string {
  const named = services.slice(0, MOST_NAMES).join(", ");
  const more = services.length - MOST_NAMES;
  return `${named}${more > 0 ? ` and ${more} more` : ""}: ${message}`;
}

function noteOn(service: Service, expire: boolean | undefined): string | undefined {
  const kinds = service.frontends.map((frontend) => atZero(service, frontend, expire === true));
  const found = kinds.find((at) => at.kind !== "elsewhere");
  if (found === undefined) return undefined;
  switch (service.onFailure) {
    case "auto":
      return `a server that fails is taken out of the table: ${why(service, found)}`;
    case "quiesce":
      return `a server that fails keeps its entry, at weight 0 (on_failure: quiesce), though ${kept(service, found)}`;
    case "remove":
      return found.kind === "flows" ? `a server that fails is taken out of the table; ${FLOWS}` : undefined;
  }
}

function why(service: Service, at: AtZero): string {
  switch (at.kind) {
    case "refused": {
      const refuses = `at weight 0 scheduler ${service.scheduler} would refuse its share of the clients`;
      const disabled = "a disabled one goes when its last connection has ended, and until then its share is refused";
      const instead =
        at.fallback === undefined
          ? "dh has no fallback, mh and sh have one"
          : `add scheduler_flags: [${at.fallback}] to keep its entry and its share served`;
      return `${refuses}; ${disabled}; ${instead}`;
    }
    case "persistent":
      return "its persistent clients would stay with it at weight 0; with net.ipv4.vs.expire_quiescent_template=1 they do not, and its entry is kept";
    case "flows":
      return `its udp flows would stay with it at weight 0; ${FLOWS}`;
    default:
      return "";
  }
}

/** Measured: a client on a fixed source port was answered 20 times of 20 with the setting, and not once without. */
const FLOWS =
  "clients on a fixed source port move at once with net.ipv4.vs.expire_nodest_conn=1, without it when they have been silent for the udp timeout (ipvsadm --set, 300s)";

function kept(service: Service, at: AtZero): string {
  switch (at.kind) {
    case "refused":
      return `scheduler ${service.scheduler} then refuses its share of the clients for as long as it is down`;
    case "persistent":
      return "its persistent clients stay with it until their template ends (net.ipv4.vs.expire_quiescent_template=1 moves them)";
    default:
      return "its udp flows stay with it for as long as they talk";
  }
}
