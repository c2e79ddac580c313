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

/** What checks found, worded once for every server that uses them. */
export function checkWords(batch: readonly CheckTransition[], config: Config): readonly NewEvent[] {
  const users = usersOf(new Set(batch.map((t) => t.record.spec.key)), config);
  return batch.flatMap((transition) =>
    (users.get(transition.record.spec.key) ?? []).flatMap((user) => [
      ...uncheckedWords(transition, user),
      ...changeWords(transition, user),
      ...holdWords(transition, user),
    ]),
  );
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
      });
    }
  return events;
}

function uncheckedWords({ record, uncheckedChanged }: CheckTransition, { service, server }: User): readonly NewEvent[] {
  if (!uncheckedChanged) return [];
  const where = { kind: "check", service: service.name, server: server.name };
  const name = `${service.name} ${server.name}`;
  if (!record.unchecked) return [{ ...where, severity: "info", message: `${name}: checked again` }];
  const reason = record.lastOutcome?.kind === "inconclusive" ? record.lastOutcome.reason : "no reason given";
  const message = `${name}: unchecked: no probe could be made for 30s (${reason}); its weight is kept`;
  return [{ ...where, severity: "warning", message, reason }];
}

function changeWords({ record, from, to }: CheckTransition, { service, server }: User): readonly NewEvent[] {
  if (from.kind === to.kind) return [];
  const reason = to.kind === "down" ? to.reason : undefined;
  return [
    {
      kind: "server",
      severity: to.kind === "down" ? "warning" : "info",
      message: `${service.name} ${server.name}: ${record.spec.label} ${from.kind} -> ${to.kind}${reason === undefined ? "" : `: ${reason}`}`,
      service: service.name,
      server: server.name,
      from: from.kind,
      to: to.kind,
      ...(reason === undefined ? {} : { reason }),
    },
  ];
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
      service: service.name,
      server: server.name,
      from,
      to,
    },
  ];
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
