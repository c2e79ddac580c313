import type { HookStatus, ServiceStatus, StatusReply } from "../control/shapes.ts";
import { formatDuration } from "../model/time.ts";

type Problem = StatusReply["problems"][number];

/** What a person should look at first, worst first; drawn from the rest of the status, so that the two cannot disagree.
 *  @param beside what is not in order beside the table */
export function problemsOf(status: Omit<StatusReply, "problems">, beside: readonly Problem[] = []): readonly Problem[] {
  const errors: string[] = [];
  const warnings: string[] = [];
  const { table, state, config } = status;
  for (const freeze of status.freezes) errors.push(frozen(freeze, status.now));
  if (table.lastError !== undefined) errors.push(`the IPVS table cannot be kept: ${table.lastError}`);
  for (const { what, reason } of table.refused) errors.push(`refused by the kernel: ${what}: ${reason}`);
  if (!state.writable) errors.push(`commands are refused and drains stand still: ${state.problem}`);
  if (config.lastReload && !config.lastReload.ok)
    errors.push(`the last reload was refused: ${summary(config.lastReload.problems)}`);
  for (const { name, trouble } of status.services) if (trouble !== undefined) errors.push(`${name}: ${trouble}`);
  for (const { what, why } of table.leftAlone)
    (why === "fight" ? errors : warnings).push(
      `drift${why === "fight" ? "-fight" : ""}: somebody else changes it, left alone: ${what}`,
    );
  for (const service of status.services) warnings.push(...serverProblems(service, status.now));
  for (const drain of status.drains) if (drain.state === "paused") warnings.push(`${drain.service}: ${drain.message}`);
  for (const hook of status.hooks) warnings.push(...hookProblems(hook));
  if (status.mode === "observe" && table.differences.length > 0)
    warnings.push(`observe mode: ${table.differences.length} differences stand, nothing is written`);
  for (const { severity, message } of beside) (severity === "error" ? errors : warnings).push(message);
  return [
    ...errors.map((message) => ({ severity: "error" as const, message })),
    ...warnings.map((message) => ({ severity: "warning" as const, message })),
  ];
}

function serverProblems(service: ServiceStatus, now: number): readonly string[] {
  const lines: string[] = [];
  for (const server of service.servers) {
    const where = `${service.name} ${server.name}`;
    const ago = (at: number) => formatDuration(Math.max(0, Math.floor((now - at) / 1000)) * 1000);
    if (server.state === "down")
      lines.push(`${where}: down${server.since === undefined ? "" : ` for ${ago(server.since)}`}: ${server.reason}`);
    if (server.state === "unknown" && server.reason !== undefined)
      lines.push(`${where}: not in service: ${server.reason}`);
    if (server.rule === "state-lost")
      lines.push(`${where}: held at weight 0 (state-lost): \`director enable ${where}\` lets it serve`);
    if (server.rule === "agent-drain" || server.rule === "agent-maint" || server.rule === "reported-0")
      lines.push(`${where}: gets no new clients, by its own account: ${server.reported}`);
    if (server.disabled)
      lines.push(
        `${where}: disabled by ${server.disabled.by} for ${ago(server.disabled.at)}${because(server.disabled.reason)}`,
      );
    if (server.override)
      lines.push(
        `${where}: weight ${server.override.weight} set by ${server.override.by}${because(server.override.reason)}`,
      );
    for (const check of server.checks)
      if (check.unchecked) lines.push(`${where}: unchecked: ${check.check}: ${check.detail}`);
  }
  for (const template of service.unproven)
    lines.push(
      `${service.name}: check ${template} is unproven since the reload: it has passed nowhere and takes nothing down`,
    );
  return lines;
}

function hookProblems({ name, queued, dropped, failed, delivered, last }: HookStatus): readonly string[] {
  if (last === undefined || last.ok) return [];
  const counts = [
    `${failed} of ${failed + delivered} failed`,
    ...(queued > 0 ? [`${queued} wait`] : []),
    ...(dropped > 0 ? [`${dropped} dropped`] : []),
  ];
  return [`hook ${name}: the last event was not delivered: ${last.reason} (${counts.join(", ")})`];
}

function frozen({ service, by, until, reason }: StatusReply["freezes"][number], now: number): string {
  const left = formatDuration(Math.ceil((until - now) / 1000) * 1000);
  return `FROZEN: ${service ?? "everything"}, by ${by} for another ${left}${because(reason)}: nothing is written`;
}

function because(reason: string | undefined): string {
  return reason === undefined ? "" : ` (${reason})`;
}

function summary(problems: readonly string[]): string {
  return problems.length > 1 ? `${problems[0]} (and ${problems.length - 1} more)` : (problems[0] ?? "");
}
