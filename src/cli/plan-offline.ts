import { resolve } from "node:path";
import { formatProblem } from "../config/parse.ts";
import type { PlanReply } from "../control/shapes.ts";
import { startPlan } from "../director/reload-plan.ts";
import { ipvsadmTable } from "../kernel/ipvsadm.ts";
import { memoryTable } from "../kernel/memory.ts";
import { desired } from "../policy/desired.ts";
import { EMPTY_INTENT } from "../policy/intent.ts";
import { sysctl } from "../runtime/boot.ts";
import type { Clock } from "../runtime/clock.ts";
import { fileStore } from "../state/store.ts";
import { loadConfigFile } from "./config-file.ts";

export type Offline =
  | { readonly kind: "plan"; readonly reply: PlanReply }
  | { readonly kind: "invalid"; readonly problems: readonly string[] }
  | { readonly kind: "unreadable"; readonly problem: string };

/** What `director run` with this file would write at once: the table is read by ipvsadm, what operators said from the state directory, and nothing
 *  is written to either. */
export async function planOffline(file: string, clock: Clock, signal: AbortSignal): Promise<Offline> {
  const { config, problems } = loadConfigFile(resolve(file));
  if (!config) return { kind: "invalid", problems: problems.filter((p) => p.severity === "error").map(formatProblem) };
  const { command, timeout, backend, mode } = config.ipvs;
  const kernel = backend === "memory" ? memoryTable() : ipvsadmTable({ command, timeoutMs: timeout });
  const loaded = await fileStore(config.state.directory).load();
  const warnings = problems.map(formatProblem);
  if (loaded.kind !== "found" && loaded.problem !== undefined) warnings.push(`state: ${loaded.problem}`);
  try {
    const actual = await kernel.read(signal);
    const now = clock.now();
    const plan = startPlan(
      config,
      loaded.kind === "none" ? EMPTY_INTENT : loaded.intent,
      actual,
      await kernel.glance(actual, signal),
      (given) =>
        desired({
          ...given,
          expireQuiescentTemplate: sysctl("net/ipv4/vs/expire_quiescent_template") === 1,
          now: now.mono,
          before: () => undefined,
        }),
      now,
    );
    return {
      kind: "plan",
      reply: { file: resolve(file), mode, offline: true, ...plan, refusals: [], restart: [], warnings },
    };
  } catch (error) {
    return { kind: "unreadable", problem: error instanceof Error ? error.message : String(error) };
  }
}
