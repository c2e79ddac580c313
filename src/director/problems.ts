import type { DrainStatus, HookStatus, ServerStatus, ServiceStatus, StatusReply } from "../control/shapes.ts";
import { formatDuration, type Millis } from "../model/time.ts";

type Problem = StatusReply["problems"][number];

/** Servers of a service with the same trouble that get a line each; more are one line with counts. */
const MOST_LINES = 5;
/** Names and reasons in such a line. */
const MOST_NAMED = 3;

/** What a person should look at first, worst first; drawn from the rest of the status, so that the two cannot disagree. Who is down comes before what
 *  could not be asked, that before what operators have said.
 *  @param beside what is not in order beside the table */
export function problemsOf(status: Omit<StatusReply, "problems">, beside: readonly Problem[] = []): readonly Problem[] {
  const { services, drains, table, now } = status;
  const errors = [
    ...status.freezes.map((freeze) => frozen(freeze, now)),
    ...daemonErrors(status),
    ...troubleLines(services),
    ...table.leftAlone.filter(({ why }) => why === "fight").map((item) => leftAlone(item, "drift-fight", now)),
  ];
  const warnings = [
    ...allDownLines(services, now),
    ...services.flatMap(idleLines),
    ...services.flatMap(uncheckedLines),
    ...services.flatMap(unprovenLines),
    ...drains.filter(({ state }) => state === "paused").map((drain) => pausedLine(drain)),
    ...services.flatMap((service) => saidLines(service, now)),
    ...table.leftAlone.filter(({ why }) => why !== "fight").map((item) => leftAlone(item, "drift", now)),
    ...status.hooks.flatMap(hookLines),
    ...(status.mode === "observe" && table.differences.length > 0
      ? [`observe mode: ${table.differences.length} differences stand, nothing is written`]
      : []),
  ];
  const all = [...errors.map((message) => problem("error", message)), ...warnings.map((m) => problem("warning", m))];
  const isError = ({ severity }: Problem) => severity === "error";
  return [...all, ...beside].sort((a, b) => Number(isError(b)) - Number(isError(a)));
}

function problem(severity: Problem["severity"], message: string): Problem {
  return { severity, message };
}

/** What keeps director itself from doing its work. */
function daemonErrors({ table, state, config }: Omit<StatusReply, "problems">): readonly string[] {
  const { lastReload } = config;
  return [
    ...(table.lastError === undefined ? [] : [`the IPVS table cannot be kept: ${table.lastError}`]),
    ...table.refused.map(({ what, reason }) => `refused by the kernel: ${what}: ${reason}`),
    ...(state.writable ? [] : [`commands are refused and drains stand still: ${state.problem}`]),
    ...(lastReload && !lastReload.ok ? [`the last reload was refused: ${summary(lastReload.problems)}`] : []),
  ];
}

/** Many services with the same trouble are one line. */
function troubleLines(services: readonly ServiceStatus[]): readonly string[] {
  const alike = Map.groupBy(
    services.filter(({ trouble }) => trouble !== undefined),
    ({ trouble }) => trouble,
  );
  return [...alike].flatMap(([trouble, those]) =>
    those.length > MOST_LINES
      ? [`${those.length} of ${services.length} services: ${trouble}: ${named(those)}`]
      : those.map(({ name }) => `${name}: ${trouble}`),
  );
}

/** Where more services than this have somebody down, all of them are one line. */
const MOST_SERVICES = 20;

function allDownLines(services: readonly ServiceStatus[], now: number): readonly string[] {
  const isDown = ({ state }: ServerStatus) => state === "down";
  const hit = services.filter(({ servers }) => servers.some(isDown));
  if (hit.length <= MOST_SERVICES) return hit.flatMap((service) => downLines(service, now));
  const all = services.flatMap(({ servers }) => servers);
  const words = manyDown({ name: `${hit.length} services`, servers: all }, all.filter(isDown), now);
  return [`${words}; most in: ${mostIn(hit.map((service) => [service.name, service.servers.filter(isDown).length]))}`];
}

function mostIn(counts: readonly (readonly [name: string, count: number])[]): string {
  const ranked = counts.toSorted((a, b) => b[1] - a[1]).slice(0, MOST_NAMED);
  return ranked.map(([name, count]) => `${name} ${count}`).join(", ");
}

function downLines(service: ServiceStatus, now: number): readonly string[] {
  const down = service.servers.filter(({ state }) => state === "down");
  if (down.length > MOST_LINES) return [`${manyDown(service, down, now)}: ${named(down)}`];
  return down.map((server) => {
    const since = server.since === undefined ? "" : ` for ${ago(server.since, now)}`;
    return `${service.name} ${server.name}: down${since}: ${server.reason}; ${whatItHas(server)}`;
  });
}

/** What director has done about it: a server that is down has weight 0, unless there is a reason. */
function whatItHas({ weight, rule, kernelWeight, takenOut, active }: ServerStatus): string {
  if (takenOut !== undefined) return "taken out of the table";
  if (weight > 0) return `keeps weight ${weight} (${rule})`;
  if (kernelWeight === undefined) return "not in the table";
  if (kernelWeight > 0) return `the kernel still has weight ${kernelWeight}`;
  return active ? `weight 0, ${active} ${active === 1 ? "connection" : "connections"} still open` : "weight 0";
}

/** `web: 12 of 40 servers down, for 3m to 2h: 9 connection refused, 3 timed out`. */
function manyDown(
  { name, servers }: Pick<ServiceStatus, "name" | "servers">,
  down: readonly ServerStatus[],
  now: number,
): string {
  const times = down.flatMap(({ since }) => (since === undefined ? [] : [since]));
  const [first, last] = [ago(Math.min(...times), now), ago(Math.max(...times), now)];
  const lasting = times.length === 0 ? "" : `, for ${first === last ? first : `${last} to ${first}`}`;
  const kept = down.filter(({ weight }) => weight > 0).length;
  const keeping = kept === 0 ? "" : `; ${kept} of them keep weight`;
  return `${name}: ${down.length} of ${servers.length} servers down${lasting}: ${reasons(down)}${keeping}`;
}

function reasons(servers: readonly ServerStatus[]): string {
  const counts = new Map<string, number>();
  for (const { reason = "no reason" } of servers) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1]);
  const others = ranked.slice(MOST_NAMED).reduce((sum, [, count]) => sum + count, 0);
  const told = ranked.slice(0, MOST_NAMED).map(([reason, count]) => `${count} ${reason}`);
  return [...told, ...(others === 0 ? [] : [`${others} other`])].join(", ");
}

function named(servers: readonly { readonly name: string }[]): string {
  const names = servers.slice(0, MOST_NAMED).map(({ name }) => name);
  return `${names.join(", ")}${servers.length > MOST_NAMED ? ` and ${servers.length - MOST_NAMED} more` : ""}`;
}

/** Who gets no clients though nobody found him dead. */
function idleLines({ name, servers }: ServiceStatus): readonly string[] {
  return servers.flatMap(({ name: server, state, reason, rule, reported }) => {
    const where = `${name} ${server}`;
    if (state === "unknown" && reason !== undefined) return [`${where}: not in service: ${reason}`];
    if (rule === "state-lost")
      return [`${where}: held at weight 0 (state-lost): \`director enable ${where}\` lets it serve`];
    if (rule === "agent-drain" || rule === "agent-maint" || rule === "reported-0")
      return [`${where}: gets no new clients, by its own account: ${reported}`];
    return [];
  });
}

function uncheckedLines({ name, servers }: ServiceStatus): readonly string[] {
  const all = servers.flatMap((server) =>
    server.checks.filter(({ unchecked }) => unchecked).map((check) => ({ server, check })),
  );
  if (all.length <= MOST_LINES)
    return all.map(({ server, check }) => `${name} ${server.name}: unchecked: ${check.check}: ${check.detail}`);
  const why = all[0]?.check.detail;
  return [`${name}: ${all.length} checks could not be made: ${why}: ${named(all.map(({ server }) => server))}`];
}

function unprovenLines({ name, unproven }: ServiceStatus): readonly string[] {
  return unproven.map(
    (check) => `${name}: check ${check} is unproven since the reload: it has passed nowhere and takes nothing down`,
  );
}

function pausedLine({ service, message }: DrainStatus): string {
  return `${service}: ${message}`;
}

/** What operators said, and nobody has taken back. */
function saidLines({ name, servers }: ServiceStatus, now: number): readonly string[] {
  return servers.flatMap(({ name: server, disabled, override }) => {
    const where = `${name} ${server}`;
    const lines: string[] = [];
    if (disabled) {
      const ends = disabled.until === undefined ? "" : `, for another ${left(disabled.until, now)}`;
      lines.push(`${where}: disabled by ${disabled.by} for ${ago(disabled.at, now)}${ends}${because(disabled.reason)}`);
    }
    if (override) {
      const since = `${ago(override.at, now)} ago`;
      lines.push(`${where}: weight ${override.weight} set by ${override.by} ${since}${because(override.reason)}`);
    }
    return lines;
  });
}

function leftAlone({ what, until }: StatusReply["table"]["leftAlone"][number], word: string, now: number): string {
  const ends = until === undefined ? "" : ` for another ${left(until, now)}`;
  return `${word}: somebody else changes it, left alone${ends}: ${what}`;
}

function hookLines({ name, queued, dropped, failed, delivered, last }: HookStatus): readonly string[] {
  if (last === undefined || last.ok) return [];
  const counts = [
    `${failed} of ${failed + delivered} failed`,
    ...(queued > 0 ? [`${queued} wait`] : []),
    ...(dropped > 0 ? [`${dropped} dropped`] : []),
  ];
  return [`hook ${name}: the last event was not delivered: ${last.reason} (${counts.join(", ")})`];
}

function frozen({ service, by, until, reason }: StatusReply["freezes"][number], now: number): string {
  return `FROZEN: ${service ?? "everything"}, by ${by} for another ${left(until, now)}${because(reason)}: nothing is written`;
}

function ago(at: number, now: number): string {
  return formatDuration(wholeSeconds(Math.floor, now - at));
}

function left(until: number, now: number): string {
  return formatDuration(wholeSeconds(Math.ceil, until - now));
}

function wholeSeconds(round: (seconds: number) => number, ms: Millis): Millis {
  return Math.max(0, round(ms / 1000)) * 1000;
}

function because(reason: string | undefined): string {
  return reason === undefined ? "" : ` (${reason})`;
}

function summary(problems: readonly string[]): string {
  return problems.length > 1 ? `${problems[0]} (and ${problems.length - 1} more)` : (problems[0] ?? "");
}
