import type { Config } from "../model/config.ts";
import {
  destinationKey,
  destinationPort,
  type Frontend,
  type Service,
  type ServiceKey,
  serviceKey,
} from "../model/service.ts";

/** For each service of the running configuration the one that takes its place: which shares a frontend with it, most of them if several do,
 *  and of these the one with its name. undefined: nothing takes its place. Names may change, the kernel knows frontends only. */
export function matchServices(old: Config, next: Config): ReadonlyMap<Service, Service | undefined> {
  const owner = new Map<ServiceKey, Service>();
  for (const service of next.services)
    for (const frontend of service.frontends) owner.set(serviceKey(frontend), service);
  return new Map(old.services.map((service) => [service, successor(service, owner)]));
}

function successor(service: Service, owner: ReadonlyMap<ServiceKey, Service>): Service | undefined {
  const shared = new Map<Service, number>();
  for (const frontend of service.frontends) {
    const next = owner.get(serviceKey(frontend));
    if (next !== undefined) shared.set(next, (shared.get(next) ?? 0) + 1);
  }
  const rank = (next: Service): number => shared.get(next)! + (next.name === service.name ? 0.5 : 0);
  return [...shared.keys()].sort((a, b) => rank(b) - rank(a))[0];
}

/** What a reload would take away beyond `reload.max_removed` of the running configuration: of its services, or of one service's configured
 *  weight. One line for each; empty if the reload may go ahead. Only what leaves or is set to weight 0 counts, not what is lowered. */
export function removalRefusals(old: Config, next: Config): readonly string[] {
  const limit = old.reload.maxRemoved;
  const matches = matchServices(old, next);
  const refusals: string[] = [];
  const services = lostServices(old, next);
  if (services.lost > limit * old.services.length)
    refusals.push(
      `${services.words} of ${counted(old.services.length, "service")} would be removed, max_removed is ${percent(limit)}`,
    );
  for (const [service, heir] of matches) {
    const weight = heir && lostWeight(service, heir);
    if (weight !== undefined && weight.lost > limit * weight.total)
      refusals.push(
        `service ${service.name} would lose ${weight.lost} of its configured weight ${weight.total} (${weight.servers.join(", ")}), max_removed is ${percent(limit)}`,
      );
  }
  return refusals;
}

/** How many services leave; one that keeps some of its frontends leaves by the share of those it loses. */
function lostServices(old: Config, next: Config): { readonly lost: number; readonly words: string } {
  const kept = new Set(next.services.flatMap((service) => service.frontends.map(serviceKey)));
  let lost = 0;
  const names: string[] = [];
  for (const { name, frontends } of old.services) {
    const leaving = frontends.map(serviceKey).filter((key) => !kept.has(key));
    if (leaving.length === 0) continue;
    lost += leaving.length / frontends.length;
    names.push(leaving.length === frontends.length ? name : `${name} (${leaving.join(", ")})`);
  }
  return { lost, words: `${Number(lost.toFixed(2))} (${names.join(", ")})` };
}

function lostWeight(
  service: Service,
  next: Service,
): { readonly lost: number; readonly total: number; readonly servers: readonly string[] } {
  const weights = destinationWeights(next);
  const servers: string[] = [];
  let lost = 0;
  let total = 0;
  for (const server of service.servers) {
    total += server.weight;
    const entries = destinations(service, server);
    const after = entries.map((entry) => weights.get(entry)).filter((weight) => weight !== undefined);
    if (server.weight === 0 || after.some((weight) => weight > 0)) continue;
    lost += server.weight;
    servers.push(`${server.name} ${after.length === 0 ? "removed" : `${server.weight} -> 0`}`);
  }
  return { lost, total, servers };
}

function destinationWeights(service: Service): ReadonlyMap<string, number> {
  return new Map(
    service.servers.flatMap((server) => destinations(service, server).map((entry) => [entry, server.weight] as const)),
  );
}

/** A server's entries in the kernel: what stays the same when the file writes its port in another way. */
function destinations(service: Service, server: Service["servers"][number]): readonly string[] {
  const entry = (f: Frontend) => `${serviceKey(f)} ${destinationKey(server.address, destinationPort(f, server.port))}`;
  return service.frontends.map(entry);
}

function counted(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

function percent(value: number): string {
  return `${Number((value * 100).toFixed(3))}%`;
}
