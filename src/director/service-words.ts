import { formatDuration } from "../model/time.ts";
import type { ServiceDecision } from "../policy/decide.ts";
import type { Desired } from "../policy/desired.ts";
import type { NewEvent } from "./events.ts";
import { predecessors } from "./predecessors.ts";

/** What services as a whole have become since the decision before: quorum lost and regained, fail-open. Of a service seen for the first time only
 *  what is wrong is told. */
export function serviceWords(before: Desired | undefined, after: Desired): readonly NewEvent[] {
  const events: NewEvent[] = [];
  const lastOf = predecessors(() => before?.services);
  for (const now of after.services.values()) {
    const was = lastOf(now.service);
    if (was && was.quorum.held === now.quorum.held && was.failOpen === now.failOpen && serves(was) === serves(now))
      continue;
    events.push(...quorumWords(was, now), ...sorryWords(was, now), ...failOpenWords(was, now));
  }
  return events;
}

const serves = (decision: ServiceDecision | undefined): boolean => decision?.sorry?.serves ?? false;

function quorumWords(
  was: ServiceDecision | undefined,
  { service, quorum, sorry }: ServiceDecision,
): readonly NewEvent[] {
  if ((was?.quorum.held ?? true) === quorum.held) return [];
  const { name, servers } = service;
  const healthy = `${quorum.healthy} of ${servers.length} servers healthy`;
  const base = { kind: "service", service: name, from: quorum.held ? "quorum-lost" : "quorum-held" } as const;
  if (quorum.held)
    return [{ ...base, severity: "info", to: "quorum-regained", message: `${name}: quorum regained: ${healthy}` }];
  const then = sorry?.serves ? "" : sorry ? "; the sorry server is down, too" : "";
  return [
    {
      ...base,
      severity: "error",
      to: "quorum-lost",
      message: `${name}: quorum lost: ${healthy}${then}`,
      reason: healthy,
    },
  ];
}

function sorryWords(was: ServiceDecision | undefined, now: ServiceDecision): readonly NewEvent[] {
  if (serves(was) === serves(now)) return [];
  const { service } = now;
  const to = serves(now) ? "sorry-server" : "real-servers";
  const message = serves(now)
    ? `${service.name}: ${service.sorryServer?.name} serves: everybody else gets weight 0`
    : `${service.name}: the real servers serve again; ${service.sorryServer?.name} leaves when its connections have ended, after ${formatDuration(service.removalGrace)} at most`;
  return [{ kind: "service", severity: serves(now) ? "warning" : "info", message, service: service.name, to }];
}

function failOpenWords(was: ServiceDecision | undefined, { service, failOpen }: ServiceDecision): readonly NewEvent[] {
  if ((was?.failOpen ?? false) === failOpen) return [];
  const { name } = service;
  const message = failOpen
    ? `${name}: FAIL OPEN: every server is down by its checks, so all of them get clients (fail_open: all-down)`
    : `${name}: no longer failing open: servers get clients by their checks again`;
  return [
    {
      kind: "service",
      severity: failOpen ? "error" : "info",
      message,
      service: name,
      to: failOpen ? "fail-open" : "by-checks",
    },
  ];
}
