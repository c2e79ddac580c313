import type { ServerVerdict } from "../health/server.ts";
import type { Config } from "../model/config.ts";
import type { RealServer, Service, ServiceKey } from "../model/service.ts";
import type { CheckTransition } from "../probe/engine.ts";
import type { NewEvent } from "./events.ts";
import { serviceWith } from "./places.ts";
import { type Beliefs, checkedServers } from "./verdicts.ts";

interface User {
  readonly service: Service;
  readonly server: RealServer;
}

/** What all checks of a server together said before the batch, and what they say now. */
export interface Verdicts {
  was(service: Service, server: RealServer): ServerVerdict;
  is(service: Service, server: RealServer): ServerVerdict;
}

/** What checks found, worded once for every server that uses them. A server's own ups and downs are events of kind `server`; those of a single check that
 *  make no difference to its server, since others decide, are of kind `check`. */
export function checkWords(batch: readonly CheckTransition[], config: Config, verdicts: Verdicts): readonly NewEvent[] {
  const users = usersOf(new Set(batch.map((t) => t.record.spec.key)), config);
  const several = new Map<RealServer, User>();
  const events: NewEvent[] = [];
  for (const transition of batch)
    for (const user of users.get(transition.record.spec.key) ?? []) {
      events.push(...uncheckedWords(transition, user));
      events.push(...changeWords(transition, user, verdicts));
      events.push(...holdWords(transition, user));
      if (user.server.checks.length > 1) several.set(user.server, user);
    }
  for (const user of several.values()) events.push(...verdictWords(user, verdicts));
  return events;
}

/** Checks that a reload brought and that have passed now. */
export function provenWords(before: Beliefs, after: Beliefs, config: Config): readonly NewEvent[] {
  const events: NewEvent[] = [];
  for (const [key, templates] of before.unproven)
    for (const template of templates) {
      if (after.unproven.get(key)?.has(template)) continue;
      const service = serviceWith(config, [key as ServiceKey]);
      const label = service?.servers.flatMap((s) => s.checks).find((c) => c.template === template)?.label ?? template;
      const name = service?.name ?? key;
      events.push({
        kind: "check",
        severity: "info",
        message: `${name}: check ${label} is proven: it passed`,
        service: name,
        to: "proven",
      });
    }
  return events;
}

function uncheckedWords({ record, uncheckedChanged }: CheckTransition, { service, server }: User): readonly NewEvent[] {
  if (!uncheckedChanged) return [];
  const where = { kind: "check", ...whose(service, server) };
  const name = `${service.name} ${server.name}`;
  if (!record.unchecked) return [{ ...where, severity: "info", message: `${name}: checked again`, to: "checked" }];
  const reason = record.lastOutcome?.kind === "inconclusive" ? record.lastOutcome.reason : "no reason given";
  const message = `${name}: unchecked: no probe could be made for 30s (${reason}); its weight is kept`;
  return [{ ...where, severity: "warning", message, to: "unchecked", reason }];
}

function changeWords(
  { record, from, to }: CheckTransition,
  { service, server }: User,
  verdicts: Verdicts,
): readonly NewEvent[] {
  if (from.kind === to.kind) return [];
  const reason = to.kind === "down" ? to.reason : undefined;
  const was = verdicts.was(service, server).kind;
  const decides = server.checks.length === 1 && was !== verdicts.is(service, server).kind;
  return [
    {
      kind: decides ? "server" : "check",
      severity: to.kind === "down" ? "warning" : "info",
      message: `${service.name} ${server.name}: ${record.spec.label} ${from.kind} -> ${to.kind}${reason === undefined ? "" : `: ${reason}`}`,
      ...whose(service, server),
      // Who was serving when we came, and serves on, changed nothing.
      from: decides && was === "presumed-up" ? was : from.kind,
      to: to.kind,
      ...(reason === undefined ? {} : { reason }),
    },
  ];
}

/** What a server with several checks became by this batch. */
function verdictWords({ service, server }: User, verdicts: Verdicts): readonly NewEvent[] {
  const from = verdicts.was(service, server).kind;
  const is = verdicts.is(service, server);
  if (from === is.kind || (is.kind !== "up" && is.kind !== "down")) return [];
  const where = `${service.name} ${server.name}: ${from} -> ${is.kind}`;
  const base = { kind: "server", ...whose(service, server), from, to: is.kind };
  return is.kind === "up"
    ? [{ ...base, severity: "info", message: `${where}: every check passes` }]
    : [{ ...base, severity: "warning", message: `${where}: ${is.reason}`, reason: is.reason }];
}

/** Percentages change all the time, and show in the weights; to get no clients at all is news. */
function holdWords({ record, before }: CheckTransition, { service, server }: User): readonly NewEvent[] {
  const [from, to] = [before?.hold ?? "ready", record.reported?.hold ?? "ready"];
  if (from === to) return [];
  return [
    {
      kind: "server",
      severity: to === "ready" ? "info" : "warning",
      message: `${service.name} ${server.name}: ${record.spec.label} says ${to}, it was ${from}`,
      ...whose(service, server),
      from,
      to,
    },
  ];
}

export function whose(service: Service, server: RealServer) {
  return { service: service.name, server: server.name, address: server.key };
}

function usersOf(keys: ReadonlySet<string>, config: Config): ReadonlyMap<string, readonly User[]> {
  const users = new Map<string, User[]>();
  for (const service of config.services)
    for (const server of checkedServers(service))
      for (const { key } of server.checks) {
        if (!keys.has(key)) continue;
        const known = users.get(key);
        if (known) known.push({ service, server });
        else users.set(key, [{ service, server }]);
      }
  return users;
}
