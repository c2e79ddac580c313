import { apiPath, Refused } from "../control/client.ts";
import type { DrainStatus, ServerStatus, StatusReply } from "../control/shapes.ts";
import { parseEndpoint } from "../model/address.ts";
import { type Millis, parseDuration } from "../model/time.ts";
import { type Context, EXIT, Failed, pause, printJson, UsageError } from "./context.ts";
import { fetchAll } from "./drain-find.ts";
import { patient } from "./patience.ts";
import { clockTime } from "./times.ts";

export interface UndrainOptions {
  readonly host?: string;
  readonly timeout: string;
  readonly reason?: string;
}

/** A server of a service, by their names. */
interface Place {
  readonly service: string;
  readonly server: string;
}

const LOOK_EVERY_MS: Millis = 500;

/** `director undrain`: gives back what drains took, then waits until the servers are healthy and have it. 0 when they do, 1 when something was
 *  refused or the time is over. */
export async function undrain(
  context: Context,
  service: string | undefined,
  server: string | undefined,
  { host, timeout, reason }: UndrainOptions,
): Promise<number> {
  const wait = waitTime(timeout);
  const places = await meant(context, service, server, host);
  const drains: DrainStatus[] = [];
  const refused: (Place & { readonly problem: string })[] = [];
  const given: Place[] = [];
  for (const place of places)
    try {
      drains.push(...(await undrainOne(context, place, reason)));
      given.push(place);
    } catch (error) {
      // Of a machine the other servers have their turn.
      if (!(error instanceof Refused) || places.length === 1) throw error;
      // Undone already, with that of another server of the machine.
      if (!isDrained(place, await fetchAll(context))) given.push(place);
      else refused.push({ ...place, problem: error.message });
    }
  context.out.warn(...refused.map((each) => `director: ${each.service} ${each.server}: ${each.problem}`));
  const servers = await reached(context, given, wait);
  if (context.json) printJson(context, { drains, servers, refused });
  const late = servers.filter((each) => !each.reached);
  context.out.warn(
    ...late.map((each) => `director: ${each.service} ${each.server}: not back within ${timeout}: ${each.holding}`),
  );
  return late.length + refused.length === 0 ? EXIT.ok : EXIT.failed;
}

function waitTime(text: string): Millis {
  const ms = parseDuration(text);
  if (ms === undefined) throw new UsageError(`--timeout ${text}: expected a duration such as 60s`);
  return ms;
}

/** Which servers are meant; of a machine those that are drained. */
async function meant(
  context: Context,
  service: string | undefined,
  server: string | undefined,
  host: string | undefined,
): Promise<readonly Place[]> {
  if (host === undefined) {
    if (service !== undefined && server !== undefined) return [{ service, server }];
    throw new UsageError("which server? director undrain SERVICE SERVER, or --host NAME");
  }
  if (service !== undefined) throw new UsageError(`a server or a machine, not both: "${service}", --host ${host}`);
  const { services } = (await context.client.get<StatusReply>(apiPath("status"), context.signal)).body;
  const all = serversOfHost(services, host);
  if (all.length === 0) throw new Failed(`no service has a server ${host}, by name or address`);
  const drains = await fetchAll(context);
  const drained = all.filter((place) => isDrained(place, drains));
  if (drained.length === 0) throw new Failed(`${host} is not drained in any service`);
  return drained;
}

function isDrained({ service, server }: Place, drains: readonly DrainStatus[]): boolean {
  return drains.some((drain) => drain.stands && drain.service === service && drain.from.includes(server));
}

/** Every server of a machine: those of this name or address, and whatever else stands at the same addresses. */
export function serversOfHost(services: StatusReply["services"], host: string): readonly Place[] {
  const all = services.flatMap(({ name, servers }) => servers.map((server) => ({ service: name, server })));
  const named = all.filter(({ server }) => [server.name, server.address, addressOf(server)].includes(host));
  const addresses = new Set(named.map(({ server }) => addressOf(server)));
  return all
    .filter(({ server }) => addresses.has(addressOf(server)))
    .map(({ service, server }) => ({ service, server: server.name }));
}

function addressOf({ address }: ServerStatus): string {
  return parseEndpoint(address)?.address.text ?? address;
}

/** The drains that were undone. */
async function undrainOne(
  { client, signal, out, json }: Context,
  { service, server }: Place,
  reason: string | undefined,
): Promise<readonly DrainStatus[]> {
  const path = apiPath("services", service, "servers", server, "undrain");
  const { body } = await client.send<{ readonly drains: readonly DrainStatus[] }>("POST", path, { reason }, signal);
  if (!json) out.print(`${service} ${server}: undrained (${body.drains.map(({ id }) => id).join(", ")})`);
  return body.drains;
}

interface Reached extends Place {
  readonly weight: number | undefined;
  readonly reached: boolean;
  /** Why it is not at its full weight; undefined: it is. */
  readonly holding: string | undefined;
}

/** Looks until every server is back, or the time is over; tells of each change on the way. */
async function reached(context: Context, places: readonly Place[], wait: Millis): Promise<readonly Reached[]> {
  const { client, clock, signal, out, json } = context;
  const end = clock.now().mono + wait;
  const ask = patient(context, wait);
  const told = new Map<string, string>();
  for (;;) {
    const { body } = await ask(() => client.get<StatusReply>(apiPath("status"), signal));
    const servers = places.map((place) => standing(place, body));
    for (const { service, server, weight, holding } of servers) {
      const text = holding === undefined ? `weight ${weight}` : `waiting: ${holding}`;
      if (told.get(`${service} ${server}`) !== text && !json)
        out.print(`${clockTime(body.now)} ${service} ${server}: ${text}`);
      told.set(`${service} ${server}`, text);
    }
    if (servers.every(({ reached: there }) => there) || clock.now().mono >= end) return servers;
    await pause(clock, Math.min(LOOK_EVERY_MS, Math.max(0, end - clock.now().mono)), signal);
  }
}

function standing({ service, server }: Place, { services, mode }: StatusReply): Reached {
  const own = services.find(({ name }) => name === service)?.servers;
  const found = own?.find((each) => each.name === server || each.address === server || addressOf(each) === server);
  if (!found) return { service, server, weight: undefined, reached: false, holding: "it has left the configuration" };
  const holding = holdingOf(service, found) ?? kernelLags(found, mode);
  return { service, server, weight: found.weight, reached: holding === undefined, holding };
}

/** What keeps a server from its full weight; undefined: nothing does. */
export function holdingOf(service: string, { name, rule, reason, disabled }: ServerStatus): string | undefined {
  switch (rule) {
    case "disabled":
      return `disabled by ${disabled?.by}${disabled?.reason === undefined ? "" : ` (${disabled.reason})`}: director enable ${service} ${name}`;
    case "state-lost":
      return `held at 0, its state was lost: director enable ${service} ${name}`;
    case "down":
      return `down${reason === undefined ? "" : `: ${reason}`}`;
    case "not-yet-probed":
      return "not probed yet";
    case "drained":
      return "drained once more: director drain list";
    // The file's own 0 is all there is to give back.
    case "configured-0":
    case "drain":
    case "set-by-command":
    case "presumed-up":
    case "configured":
      return undefined;
  }
}

/** Decided, but not there yet. */
function kernelLags({ weight, kernelWeight }: ServerStatus, mode: StatusReply["mode"]): string | undefined {
  if (kernelWeight === weight) return undefined;
  if (mode === "observe") return "this is observe mode: nothing is written";
  return kernelWeight === undefined ? "not in the table yet" : `the kernel has weight ${kernelWeight} still`;
}
