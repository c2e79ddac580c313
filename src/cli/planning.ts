import { formatProblem } from "../config/parse.ts";
import { removalRefusals } from "../config/reload.ts";
import type { Planner } from "../control/plan-routes.ts";
import type { PlanReply } from "../control/shapes.ts";
import type { TablePlan } from "../director/reload-plan.ts";
import type { Config } from "../model/config.ts";
import { err, ok, type Result } from "../model/result.ts";
import type { LoadedFiles } from "./config-file.ts";
import { loadSent } from "./plan-files.ts";

/** What planning needs of the daemon. */
export interface PlanningContext {
  /** Its own file, as it is on the disk now. */
  load(): Promise<LoadedFiles>;
  readonly file: string;
  running(): Config;
  /** With what drains have brought in beside the file. */
  withAdded(files: LoadedFiles): Result<Config, string>;
  /** What `director freeze` holds: service names, or `everything`. */
  frozen(): readonly string[];
  /** Keys that a running director cannot change. */
  needRestart(next: Config): readonly string[];
  plan(next: Config): Promise<TablePlan>;
}

/** The steps of a reload, as far as they can go without touching anything. */
export function planner(daemon: PlanningContext): Planner {
  return async (sent) => {
    const files = sent === undefined ? await daemon.load() : loadSent(sent);
    const { config: plain, problems } = files.parsed;
    if (!plain)
      return err({ kind: "invalid", problems: problems.filter((p) => p.severity === "error").map(formatProblem) });
    const full = daemon.withAdded(files);
    const next = full.ok ? full.value : plain;
    const running = daemon.running();
    try {
      const reply: PlanReply = {
        file: sent?.file ?? daemon.file,
        mode: next.ipvs.mode,
        offline: false,
        ...(await daemon.plan(next)),
        refusals: removalRefusals(running, next),
        restart: daemon.needRestart(next),
        warnings: [
          ...problems.map(formatProblem),
          ...(full.ok ? [] : [`added servers are left out: ${full.error}`]),
          ...daemon.frozen().map((what) => `frozen: ${what}: nothing of it is written before its freeze ends`),
        ],
      };
      return ok(reply);
    } catch (error) {
      return err({ kind: "unreadable", problems: [error instanceof Error ? error.message : String(error)] });
    }
  };
}
