import { apiPath, Refused } from "../control/client.ts";
import type { PlanReply } from "../control/shapes.ts";
import { DEFAULT_CONFIG_FILE } from "./config-file.ts";
import {
  type Context,
  createContext,
  EXIT,
  Failed,
  type GlobalOptions,
  printJson,
  type Surroundings,
  UsageError,
} from "./context.ts";
import { planText } from "./plan-text.ts";

export interface PlanOptions extends GlobalOptions {
  readonly config?: string;
  readonly offline?: boolean;
  readonly exitCode?: boolean;
}

const BAD_CONFIGURATION = 422;
/** `--exit-code`: something would change. */
const CHANGES = 3;

/** `director plan`: what a reload would change, line by line. 0 whatever the plan says, 78 and every problem for a bad file; with --exit-code 0 for
 *  nothing to change, 3 for changes, 1 for a reload that would be refused. */
export async function plan(
  surroundings: Surroundings,
  file: string | undefined,
  options: PlanOptions,
): Promise<number> {
  const context = createContext(surroundings, options);
  if (file !== undefined && options.config !== undefined && file !== options.config)
    throw new UsageError(`${file} and --config ${options.config}: one of them`);
  const named = file ?? options.config;
  const reply = await (options.offline === true ? offline(context, named) : asked(context, named));
  if (typeof reply === "number") return reply;
  const { out } = context;
  if (context.json) printJson(context, reply);
  else {
    out.warn(...reply.warnings);
    out.print(...planText(reply, { paint: out.paint }));
  }
  if (options.exitCode !== true) return EXIT.ok;
  if (reply.refusals.length > 0) return EXIT.failed;
  return reply.changes.length > 0 ? CHANGES : EXIT.ok;
}

/** The daemon that runs; without a file it looks at its own. */
async function asked({ client, signal, out }: Context, file: string | undefined): Promise<PlanReply | number> {
  const { filesToSend } = await import("./plan-files.ts");
  const body = file === undefined ? {} : { files: filesToSend(file) };
  try {
    return (await client.send<PlanReply>("POST", apiPath("plan"), body, signal)).body;
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== BAD_CONFIGURATION) throw error;
    out.warn(...error.problems, `director: no plan: ${error.message}`);
    return EXIT.badConfig;
  }
}

/** Without a daemon: what a start would make of the kernel's table. */
async function offline({ out, clock, signal }: Context, file = DEFAULT_CONFIG_FILE): Promise<PlanReply | number> {
  const { planOffline } = await import("./plan-offline.ts");
  const done = await planOffline(file, clock, signal);
  switch (done.kind) {
    case "plan":
      return done.reply;
    case "invalid":
      out.warn(...done.problems);
      return EXIT.badConfig;
    case "unreadable":
      throw new Failed(done.problem);
  }
}
