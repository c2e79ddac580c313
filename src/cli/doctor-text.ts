import { SEVERITIES } from "../doctor/examine.ts";
import type { Command, Finding, Severity } from "../doctor/finding.ts";
import type { Paint, Style } from "./output.ts";

export interface Diagnosis {
  readonly backend: "ipvsadm" | "memory";
  /** Whether root looked. */
  readonly root: boolean;
  /** Worst first. */
  readonly findings: readonly Finding[];
  /** Not read, so not judged. */
  readonly unseen: readonly { readonly what: string; readonly reason: string }[];
}

const STYLES: Readonly<Record<Severity, Style>> = { error: "red", warning: "yellow", hint: "cyan" };

/** For an operator at three in the morning: how bad it is, then what to do about each thing, then what nobody looked at. */
export function doctorText(
  file: string,
  { backend, root, findings, unseen }: Diagnosis,
  paint: Paint,
): readonly string[] {
  if (backend === "memory") return [`${file}: ipvs.backend is memory: nothing of this system is used`];
  return [
    `${file}: ${summary(findings, paint)}`,
    ...findings.flatMap((finding) => ["", ...findingLines(finding, paint)]),
    ...(unseen.length === 0 ? [] : ["", paint("yellow", `not seen, so not judged${root ? "" : " (run it as root)"}`)]),
    ...unseen.map(({ what, reason }) => `  ${what}: ${reason}`),
  ];
}

function summary(findings: readonly Finding[], paint: Paint): string {
  const counts = SEVERITIES.map(
    (severity) => [severity, findings.filter((f) => f.severity === severity).length] as const,
  )
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${count} ${severity}${count === 1 ? "" : "s"}`);
  const bad = findings.some(({ severity }) => severity !== "hint");
  const said = counts.length === 0 ? "nothing found" : counts.join(", ");
  return bad ? paint("bold", said) : paint("green", counts.length === 0 ? said : `nothing wrong; ${said}`);
}

/** Services that one finding names before the rest is only counted. */
const MOST_SERVICES = 5;

function findingLines({ id, severity, services, seen, why, fix }: Finding, paint: Paint): readonly string[] {
  const more = services.length > MOST_SERVICES ? ` and ${services.length - MOST_SERVICES} more` : "";
  const named = services.length === 0 ? "" : `  ${services.slice(0, MOST_SERVICES).join(", ")}${more}`;
  const label = fix.where === "servers" ? "on each server" : "fix";
  return [
    `${paint(STYLES[severity], severity)} ${paint("bold", id)}${named}`,
    `  seen: ${seen}`,
    `  why: ${why}`,
    ...fix.commands.map((command) => `  ${label}: ${paint("bold", commandText(command))}`),
    ...(fix.text === undefined ? [] : [`  ${fix.commands.length === 0 ? label : "note"}: ${fix.text}`]),
    ...(fix.keep === undefined ? [] : [`  to keep it: ${fix.keep}`]),
  ];
}

/** As it is typed into a shell. */
export function commandText(command: Command): string {
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(" ");
}
