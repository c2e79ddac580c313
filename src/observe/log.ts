import { styleText } from "node:util";
import pino, { type Logger } from "pino";
import type { DirectorEvent } from "../director/events.ts";
import type { Config } from "../model/config.ts";

export type LogFormat = Exclude<Config["log"]["format"], "auto">;

/** `auto`: the journal's prefixes when our output goes there, readable text on a terminal, JSON everywhere else. */
export function chosenFormat(
  format: Config["log"]["format"],
  output: { readonly isJournal: boolean; readonly isTerminal: boolean },
): LogFormat {
  if (format !== "auto") return format;
  if (output.isJournal) return "journal";
  return output.isTerminal ? "text" : "json";
}

/** The only place that makes log lines. `write` gets one whole line with its newline. */
export function createLog(level: Config["log"]["level"], format: LogFormat, write: (line: string) => void): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write: format === "json" ? write : (line) => write(reworded(line, format)) });
}

/** Events as log lines: transitions and actions at info and above. Of a weight that changed `from` and `to` are weights, and `rule` is what made it. */
export function logEvent(log: Logger, event: DirectorEvent): void {
  const { message, severity, at: _, reason, ...fields } = event;
  const level = severity === "warning" ? "warn" : severity;
  const why = reason === undefined ? {} : { reason };
  const ruled = fields.kind === "weight" && reason !== undefined ? { rule: reason } : why;
  const weight = fields.kind === "weight" && fields.to !== undefined ? { weight: Number(fields.to) } : {};
  log[level]({ ...fields, ...weight, ...ruled }, message);
}

/** syslog(3) severities, as sd-daemon(3) reads them at the start of a line. */
const PREFIX: Readonly<Record<string, string>> = { debug: "<7>", info: "<6>", warn: "<4>", error: "<3>", fatal: "<2>" };
const COLOUR: Readonly<Record<string, "dim" | "green" | "yellow" | "red">> = {
  debug: "dim",
  info: "green",
  warn: "yellow",
  error: "red",
  fatal: "red",
};

function reworded(line: string, format: "journal" | "text"): string {
  const { level, msg, time } = JSON.parse(line) as { level: string; msg?: string; time: string };
  // A line break inside a message would lose its severity in the journal.
  const lines = (msg ?? line.trim()).split("\n");
  if (format === "journal") return lines.map((text) => `${PREFIX[level] ?? ""}${text}\n`).join("");
  const clock = new Date(time).toTimeString().slice(0, 8);
  const tag = styleText(COLOUR[level] ?? "dim", level.padEnd(5), { stream: process.stdout });
  return lines.map((text) => `${clock} ${tag} ${text}\n`).join("");
}
